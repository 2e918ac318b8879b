//! Why a ban was refused.

use super::TargetError;
use std::io;
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
    #[error(
        "{limit} {kind} are banned already, which is the limit; raise `{setting}` or lift some bans"
    )]
    Full {
        /// What there are too many of.
        kind: &'static str,
        /// The limit.
        limit: u32,
        /// The setting that has the limit.
        setting: &'static str,
    },
    /// The lists have more bans than there is room for.
    #[error(
        "the ban lists have, with the bans that were added, {found} {kind}, and the table holds {limit}; raise \
         `{setting}` or shorten the lists; what was loaded before stays in force"
    )]
    ListsTooLong {
        /// What there are too many of.
        kind: &'static str,
        /// How many there are.
        found: usize,
        /// The limit.
        limit: u32,
        /// The setting that has the limit.
        setting: &'static str,
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
        error: io::Error,
    },
    /// The kernel's maps cannot be read.
    #[error("cannot read the bans in the kernel: {0}")]
    Read(#[source] io::Error),
    /// The kernel did not switch to the new lists.
    #[error("the kernel did not switch to the new ban lists, the old ones stay in force: {0}")]
    Switch(#[source] io::Error),
}
