//! Bans that follow from what clients did.

use super::{Added, BanError, Bans};
use crate::clock;
use abi::Origin;
use std::time::Duration;
use types::IpNet;

/// A ban because of a score.
#[derive(Clone, Copy, Debug)]
pub struct ScoreBan<'b> {
    /// Who is banned.
    pub target: IpNet,
    /// For how long.
    pub ttl: Duration,
    /// Why; 36 bytes of it are kept.
    pub reason: &'b str,
    /// Which ban of the target it is: 1 is the first.
    pub repetition: u8,
}

impl Bans {
    /// Bans somebody because of a score. A ban that somebody else made, and that lasts longer, stays as it is.
    ///
    /// # Errors
    /// As [`Bans::add`].
    pub fn add_by_score(&self, ban: &ScoreBan<'_>) -> Result<Added, BanError> {
        let target = super::target::check(ban.target)?;
        if let Some(old) = self.shared.table.get(&target) {
            let until = clock::boot_ns().saturating_add(clock::span_ns(ban.ttl));
            if old.expires_ns == 0 || old.expires_ns > until {
                return Ok(Added::Updated);
            }
        }
        self.make(
            target,
            Some(ban.ttl),
            ban.reason,
            Origin::Score,
            ban.repetition,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bans::BanLimits;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn ban(seconds: u64) -> ScoreBan<'static> {
        ScoreBan {
            target: "203.0.113.7/32".parse().expect("an address"),
            ttl: Duration::from_secs(seconds),
            reason: "waf 942100, score 100",
            repetition: 2,
        }
    }

    #[test]
    fn it_says_which_one_it_is() {
        let bans = Bans::new(BanLimits::default());
        bans.add_by_score(&ban(60)).expect("added");
        let list = bans.list();
        assert_eq!(
            (list[0].by_score, list[0].repetition, list[0].from_file),
            (true, 2, false)
        );
        assert_eq!(list[0].reason, "waf 942100, score 100");
    }

    #[test]
    fn it_shortens_nothing() {
        let bans = Bans::new(BanLimits::default());
        let target = ban(60).target;
        bans.add(target, None, "for good").expect("added");
        assert_eq!(bans.add_by_score(&ban(60)).expect("kept"), Added::Updated);
        assert_eq!(bans.list()[0].reason, "for good");
        bans.add(target, Some(Duration::from_secs(9)), "short")
            .expect("updated");
        bans.add_by_score(&ban(60)).expect("updated");
        assert!(bans.list()[0].by_score);
    }

    #[test]
    fn whoever_wants_to_know_is_told() {
        let bans = Bans::new(BanLimits::default());
        let calls = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&calls);
        bans.tell(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        bans.add_by_score(&ban(60)).expect("added");
        bans.add(ban(60).target, None, "").expect("updated");
        bans.replace_file_bans(&[]).expect("replaced");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }
}
