//! The thread that keeps the scores.

use super::{Event, Scores};
use crate::metrics::AutoBanMetrics;
use kernel::{BanError, ScoreBan};
use penalty::{Outcome, Sentence};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// Where it may not hurry, it has at least a large share. Without the right to that either, it waits for its turn: on a core that is
/// busy, milliseconds.
const NICENESS: i32 = -15;

pub(super) struct Keeper {
    scores: Arc<Scores>,
    metrics: AutoBanMetrics,
}

impl Keeper {
    pub(super) fn new(scores: Arc<Scores>, metrics: AutoBanMetrics) -> Self {
        Self { scores, metrics }
    }

    /// Starts the thread. It ends when nobody can send events any more.
    pub(super) fn start(self, events: Receiver<Event>) -> io::Result<()> {
        let run = move || {
            // It sleeps nearly always, and what it does is short: its queue is bounded, and so is each event.
            let hurried =
                net::hurry().or_else(|_| rustix::process::setpriority_process(None, NICENESS));
            if let Err(error) = hurried {
                tracing::debug!(%error, "the thread that bans has no higher priority");
            }
            for event in events {
                self.take(&event);
            }
        };
        std::thread::Builder::new()
            .name("auto-ban".to_owned())
            .spawn(run)?;
        Ok(())
    }

    fn take(&self, event: &Event) {
        let offence = &event.offence;
        let outcome = match &mut *self.scores.lock() {
            Some(ledger) => ledger.record(offence, kernel::boot_time()),
            None => return,
        };
        match outcome {
            Outcome::Ban(sentence) => self.carry_out(&sentence, event.at),
            Outcome::Guarded { target, by } => {
                self.metrics.withheld("guarded");
                let (cause, guarded_by) = (offence.cause.name(), by.net.to_string());
                let why = by.why;
                tracing::warn!(target_address = %target, cause, guarded_by, why, "not banned, it is guarded");
            }
            Outcome::Capped { target, first } => {
                self.metrics.withheld("cap");
                if first {
                    let cause = offence.cause.name();
                    tracing::warn!(
                        target_address = %target,
                        cause,
                        "not banned, as many were in the last minute as `auto_ban.max_per_minute` allows; further ones are counted"
                    );
                }
            }
            Outcome::Noted | Outcome::Passed => {}
        }
        self.metrics.offence(offence.cause.name());
    }

    fn carry_out(&self, sentence: &Sentence, seen: Instant) {
        if sentence.dry_run {
            self.metrics.withheld("dry_run");
            tell(sentence, "would be banned, but this is a dry run");
            return;
        }
        let bans = match sentence.forwarded {
            true => &self.scores.forwarded,
            false => &self.scores.wire,
        };
        let reason = reason(sentence);
        let made = bans.add_by_score(&ScoreBan {
            target: sentence.target,
            ttl: sentence.ttl,
            reason: &reason,
            repetition: u8::try_from(sentence.repetition).unwrap_or(u8::MAX),
        });
        match made {
            Ok(_) => {
                self.metrics.banned(sentence, seen.elapsed());
                tell(sentence, "banned");
            }
            Err(error) => self.failed(sentence, &error),
        }
    }

    fn failed(&self, sentence: &Sentence, error: &BanError) {
        let why = match error {
            BanError::Full { .. } => "full",
            BanError::Allowed { .. } => "guarded",
            _ => "error",
        };
        self.metrics.withheld(why);
        if let Some(ledger) = &mut *self.scores.lock() {
            ledger.revoke(&sentence.target);
        }
        tracing::error!(target_address = %sentence.target, %error, "a ban is not carried out");
    }
}

/// What lists show, within the 36 bytes that a ban keeps.
fn reason(sentence: &Sentence) -> String {
    let (cause, score) = (sentence.cause.name(), sentence.score);
    match sentence.rule {
        0 => format!("{cause}, score {score}"),
        rule => format!("{cause} {rule}, score {score}"),
    }
}

fn tell(sentence: &Sentence, what: &str) {
    tracing::warn!(
        target_address = %sentence.target,
        cause = sentence.cause.name(),
        rule = (sentence.rule != 0).then_some(sentence.rule),
        score = sentence.score,
        ttl_seconds = sentence.ttl.as_secs(),
        repetition = sentence.repetition,
        place = match sentence.forwarded {
            true => "proxy",
            false => "wire",
        },
        "{what}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use penalty::Cause;
    use std::time::Duration;

    #[test]
    fn the_longest_reason_fits() {
        for cause in Cause::ALL {
            let sentence = Sentence {
                target: "203.0.113.7/32".parse().expect("an address"),
                ttl: Duration::from_secs(1),
                score: 1_000_000,
                repetition: 1,
                cause: *cause,
                rule: if *cause == Cause::Waf {
                    999_999_999_999
                } else {
                    0
                },
                forwarded: false,
                dry_run: false,
            };
            let reason = reason(&sentence);
            assert!(reason.len() <= 36, "{reason}");
        }
    }
}
