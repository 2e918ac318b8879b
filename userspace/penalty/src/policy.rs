//! What is made of offences.

use crate::Cause;
use std::net::IpAddr;
use std::time::Duration;
use types::IpNet;

/// The length of the IPv4 prefixes that are scored.
const PREFIX_V4_BITS: u8 = 24;
/// The length of the IPv6 prefixes that are scored: what one client has.
const PREFIX_V6_BITS: u8 = 64;

/// What is made of offences.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What one offence adds to a score, by the number of its cause; 0: nothing.
    pub weights: [u32; Cause::COUNT],
    /// The time in which a score halves.
    pub half_life: Duration,
    /// The score of an address at which it is banned.
    pub threshold: u32,
    /// The score of a /24 at which it is banned as a whole; none: never.
    pub threshold_v4_prefix: Option<u32>,
    /// The same for a /64.
    pub threshold_v6_prefix: Option<u32>,
    /// How long the first ban of an address or prefix lasts.
    pub ttl: Duration,
    /// How many times as long each further ban lasts, in hundredths.
    pub escalation_percent: u32,
    /// How long a ban lasts at most.
    pub max_ttl: Duration,
    /// How long after the end of its last ban somebody's bans are forgotten.
    pub remember: Duration,
    /// Most bans within any 60 s. One more is not made.
    pub max_per_minute: u32,
    /// Bans are decided and not carried out.
    pub dry_run: bool,
    /// Most addresses that are remembered, and most prefixes. One more takes the place of one with a low score.
    pub clients: usize,
}

impl Policy {
    /// What an offence adds.
    #[must_use]
    pub fn weight(&self, cause: Cause) -> u32 {
        self.weights.get(cause as usize).copied().unwrap_or(0)
    }

    /// How long a ban lasts that has so many before it.
    #[must_use]
    pub fn ttl_after(&self, bans: u16) -> Duration {
        let factor = f64::from(self.escalation_percent) / 100.0;
        let seconds = self.ttl.as_secs_f64() * factor.powi(i32::from(bans));
        // Infinity, where the power is beyond all numbers, is as good as any other that is too large.
        match seconds < self.max_ttl.as_secs_f64() {
            true => Duration::from_secs_f64(seconds).max(self.ttl),
            false => self.max_ttl.max(self.ttl),
        }
    }

    pub(crate) fn prefix_threshold(&self, client: IpAddr) -> Option<u32> {
        match client {
            IpAddr::V4(_) => self.threshold_v4_prefix,
            IpAddr::V6(_) => self.threshold_v6_prefix,
        }
    }
}

/// The prefix that an address is scored with.
pub(crate) fn prefix(client: IpAddr) -> IpNet {
    let bits = match client {
        IpAddr::V4(_) => PREFIX_V4_BITS,
        IpAddr::V6(_) => PREFIX_V6_BITS,
    };
    // Both lengths are within their version's.
    IpNet::new(client, bits).map_or(client.into(), |net| net.trunc())
}
