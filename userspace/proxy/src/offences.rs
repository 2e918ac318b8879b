//! What clients did wrong, on its way to their scores, and the bans that follow.
//!
//! A worker that refuses a client puts an event into a bounded queue; who behaves costs nothing. One thread, the keeper, adds
//! it to the scores and bans who has too much: on the wire where packets carry the client's address, in the proxy alone where
//! a trusted proxy has named it. Workers then close what the banned have open.

mod keeper;

use crate::metrics::{AutoBanMetrics, Metrics};
use keeper::Keeper;
use kernel::Bans;
use penalty::{Cause, Guard, Ledger, Offence, Policy, Remembered, Standing, Stats};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use types::{IpNet, Reason};

/// Events that may wait for the keeper. One more is not counted towards a score, but as dropped. A flood of them says little
/// that the first ones have not said.
const QUEUE: usize = 8192;

/// Who is banned, who did what, and how both come together.
pub struct Offences {
    /// Read first, and all that is read of those who behave.
    is_on: AtomicBool,
    queue: OnceLock<SyncSender<Event>>,
    scores: Arc<Scores>,
    /// Counts up when there may be more bans than before.
    cuts: watch::Sender<u64>,
    metrics: AutoBanMetrics,
}

/// What the keeper and the control plane share.
struct Scores {
    /// None while nobody wants scores.
    ledger: Mutex<Option<Ledger>>,
    /// Bans by the address on the wire.
    wire: Bans,
    /// Bans of clients that proxies name. The kernel does not know of them.
    forwarded: Bans,
    close_forwarded: AtomicBool,
}

/// An offence, and when it was seen.
struct Event {
    offence: Offence,
    at: Instant,
}

/// How the scores are kept.
#[derive(Clone, Debug)]
pub struct AutoBan {
    /// What is made of offences.
    pub policy: Policy,
    /// Who is never banned.
    pub guard: Guard,
    /// Whether connections of proxies are closed that bring a request of somebody banned; else it is answered with 403.
    pub close_forwarded: bool,
}

impl Scores {
    fn lock(&self) -> MutexGuard<'_, Option<Ledger>> {
        // Scores that are half-written are scores still.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offences {
    /// No scores. `wire` is the list that the kernel path carries out.
    #[must_use]
    pub fn new(metrics: &Metrics, wire: Bans) -> Self {
        let cuts = watch::Sender::new(0);
        let forwarded = Bans::new(wire.limits());
        for bans in [&wire, &forwarded] {
            let cuts = cuts.clone();
            bans.tell(move || cuts.send_modify(|count| *count += 1));
        }
        Self {
            is_on: AtomicBool::new(false),
            queue: OnceLock::new(),
            scores: Arc::new(Scores {
                ledger: Mutex::new(None),
                wire,
                forwarded,
                close_forwarded: AtomicBool::new(false),
            }),
            cuts,
            metrics: metrics.auto_ban.clone(),
        }
    }

    /// Keeps scores as it is said from now on, or keeps none. What is known of clients stays as long as scores are kept.
    ///
    /// # Errors
    /// There is no thread for the keeper; nothing changed then.
    pub fn follow(&self, wanted: Option<AutoBan>) -> io::Result<()> {
        let Some(wanted) = wanted else {
            self.is_on.store(false, Ordering::Relaxed);
            *self.scores.lock() = None;
            return Ok(());
        };
        if self.queue.get().is_none() {
            let (queue, events) = sync_channel(QUEUE);
            let keeper = Keeper::new(Arc::clone(&self.scores), self.metrics.clone());
            keeper.start(events)?;
            // Whoever follows a configuration does so alone.
            let _ = self.queue.set(queue);
        }
        let now = kernel::boot_time();
        let mut ledger = self.scores.lock();
        match &mut *ledger {
            Some(ledger) => ledger.follow(wanted.policy, wanted.guard, now),
            None => *ledger = Some(Ledger::new(wanted.policy, wanted.guard)),
        }
        drop(ledger);
        self.scores
            .close_forwarded
            .store(wanted.close_forwarded, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Others are never banned now.
    pub fn set_guard(&self, guard: Guard) {
        if let Some(ledger) = &mut *self.scores.lock() {
            ledger.set_guard(guard);
        }
    }

    /// Tells of a refusal. Most reasons are no offence, and most of the time nobody wants to know.
    pub fn report(&self, client: IpAddr, forwarded: bool, reason: Reason, rule: u64) {
        let Some(cause) = Cause::of(reason) else {
            return;
        };
        let Some(queue) = self
            .queue
            .get()
            .filter(|_| self.is_on.load(Ordering::Relaxed))
        else {
            return;
        };
        let offence = Offence {
            client,
            cause,
            rule,
            forwarded,
        };
        let at = Instant::now();
        if queue.try_send(Event { offence, at }).is_err() {
            self.metrics.dropped();
        }
    }

    /// Whether a client is banned, on the wire or as one that a proxy names.
    pub(crate) fn refuses(&self, client: IpAddr) -> bool {
        self.scores.wire.contains(client) || self.scores.forwarded.contains(client)
    }

    /// Whether a proxy's connection is closed for a request of somebody banned.
    pub(crate) fn closes_forwarded(&self) -> bool {
        self.scores.close_forwarded.load(Ordering::Relaxed)
    }

    /// Tells when connections have to be looked at: there may be more bans than before.
    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    /// Bans of clients that proxies name: carried out by the proxy alone.
    #[must_use]
    pub fn forwarded_bans(&self) -> &Bans {
        &self.scores.forwarded
    }

    /// Forgets what an address or prefix did, so that it is not banned again at once.
    pub fn forget(&self, target: &IpNet) {
        if let Some(ledger) = &mut *self.scores.lock() {
            ledger.forget(target, kernel::boot_time());
        }
    }

    /// Forgets what everybody did.
    pub fn forget_all(&self) {
        if let Some(ledger) = &mut *self.scores.lock() {
            ledger.forget_all();
        }
    }

    /// The policy, where scores are kept.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        self.scores
            .lock()
            .as_ref()
            .map(|ledger| ledger.policy().clone())
    }

    /// How full the tables are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let ledger = self.scores.lock();
        ledger.as_ref().map(Ledger::stats).unwrap_or_default()
    }

    /// What is known of an address and of the prefix around it.
    #[must_use]
    pub fn standing(&self, client: IpAddr) -> Vec<Standing> {
        let now = kernel::boot_time();
        let ledger = self.scores.lock();
        ledger
            .as_ref()
            .map_or_else(Vec::new, |ledger| ledger.standing(client, now))
    }

    /// Those with the highest scores.
    #[must_use]
    pub fn highest(&self, count: usize) -> Vec<Standing> {
        let now = kernel::boot_time();
        let ledger = self.scores.lock();
        ledger
            .as_ref()
            .map_or_else(Vec::new, |ledger| ledger.highest(count, now))
    }

    /// What another process has to know to go on.
    #[must_use]
    pub fn remembered(&self) -> Vec<Remembered> {
        let now = kernel::boot_time();
        let ledger = self.scores.lock();
        ledger
            .as_ref()
            .map_or_else(Vec::new, |ledger| ledger.remembered(now))
    }

    /// Takes over what another process knew; nothing where no scores are kept.
    pub fn recall(&self, remembered: &[Remembered]) {
        let now = kernel::boot_time();
        if let Some(ledger) = &mut *self.scores.lock() {
            for one in remembered {
                ledger.recall(one, now);
            }
        }
    }
}
