//! Why a ban was refused.

use super::TargetError;
use aya::maps::MapError;
use types::IpNet;

/// Why a ban was not made or lifted. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// The target cannot be banned.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A ban that ends at once.
    #[error(
        "a ban of `{target}` for 0 s has no effect; give a longer time, or none for a ban without end"
    )]
    ZeroTtl {
        /// The target.
        target: IpNet,
    },
    /// The limit is reached.
    #[error("{limit} {kind} are banned already, which is the limit; raise it or lift some bans")]
    Full {
        /// What there are too many of.
        kind: &'static str,
        /// The limit.
        limit: u32,
    },
    /// The allow list has the target.
    #[error(
        "`{target}` is on the allow list (`kernel.allow`: `{allowed}`), where no ban has an effect"
    )]
    Allowed {
        /// The target.
        target: IpNet,
        /// The entry of the list.
        allowed: IpNet,
    },
    /// The ban comes from a file.
    #[error("`{target}` is banned by a ban file; remove it there and reload")]
    FromFile {
        /// The target.
        target: IpNet,
    },
    /// The kernel's map did not take the change.
    #[error("the kernel did not {doing} the ban of `{target}`: {error}")]
    Kernel {
        /// What it was to do.
        doing: &'static str,
        /// The target.
        target: IpNet,
        /// Why not.
        error: Box<MapError>,
    },
    /// The kernel's maps cannot be read.
    #[error("cannot read the bans in the kernel: {0}")]
    Read(#[source] Box<MapError>),
}
