//! A key set that is replaced while it is in use, and the rules by which it is fetched again.
//!
//! This room decides *when*, the control plane fetches. The control plane registers a hook with
//! [`KeySetHandle::on_refetch`], calls [`KeySetHandle::begin`] before a fetch and [`KeySetHandle::install`] or
//! [`KeySetHandle::fail`] after it. A worker that saw an unknown `kid` waits, within its own bound, until
//! [`KeySetHandle::version`] changes and checks again. None of this waits or locks.

use crate::civil_time::unix_millis;
use crate::jwks::JwkSet;
use arc_swap::{ArcSwapOption, Guard};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// A fetch that has not ended after so long counts as lost, so that the next one may begin.
pub const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// How often keys are fetched and how long they are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetTimes {
    /// The least time between two fetches that unknown `kid`s cause. Within it, a further one is refused with 401.
    pub cooldown: Duration,
    /// How old the keys become before they are fetched again in passing.
    pub refresh: Duration,
    /// How old the keys may become when fetching fails. Past it, they are not used and tokens are answered with 503.
    pub max_stale: Duration,
}

impl Default for KeySetTimes {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(5 * 60),
            refresh: Duration::from_secs(60 * 60),
            max_stale: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// The answer to [`KeySetHandle::request_refetch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefetchDecision {
    /// The hook was called: a fetch is on its way.
    Started,
    /// A fetch is on its way already.
    InFlight,
    /// The last one is too recent.
    CoolingDown,
    /// The keys do not come from a URL.
    Fixed,
}

/// Keys and when they came.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) set: Arc<JwkSet>,
    /// Distinguishes sets: what was verified with another serial is verified again.
    pub(crate) serial: u64,
    fetched_at: SystemTime,
}

/// What `status` shows of a key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetStatus {
    /// How many keys can be used; `None` before the first fetch that succeeded.
    pub keys: Option<usize>,
    /// How many keys of the set are passed over.
    pub skipped: usize,
    /// When the keys were fetched.
    pub fetched_at: Option<SystemTime>,
    /// Whether they are too old to be used.
    pub expired: bool,
    /// Why the last fetch failed; `None` where it succeeded.
    pub last_error: Option<String>,
    /// Whether a fetch is on its way.
    pub in_flight: bool,
    /// How many fetches have ended.
    pub fetches: u64,
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A key set that is replaced while it is in use.
pub struct KeySetHandle {
    name: Arc<str>,
    /// `None` for keys that do not come from a URL.
    times: Option<KeySetTimes>,
    installed: ArcSwapOption<Installed>,
    /// Fetches that have ended, well or badly.
    version: AtomicU64,
    serial: AtomicU64,
    /// When the fetch that is on its way began, in milliseconds since 1970; 0 for none.
    in_flight: AtomicU64,
    /// When an unknown `kid` last caused a fetch, in milliseconds since 1970; 0 for never.
    last_request: AtomicU64,
    hook: OnceLock<Hook>,
    last_error: Mutex<Option<String>>,
}

impl KeySetHandle {
    /// Keys that come from a URL. There are none until [`KeySetHandle::install`]; until then tokens are answered with 503.
    #[must_use]
    pub fn remote(name: &str, times: KeySetTimes) -> Arc<Self> {
        Arc::new(Self::new(name, Some(times)))
    }

    /// Keys from a file or a secret. They do not grow stale and are not fetched; the control plane installs others when
    /// the file changes.
    #[must_use]
    pub fn fixed(name: &str, set: JwkSet, now: SystemTime) -> Arc<Self> {
        let handle = Self::new(name, None);
        handle.install(set, now);
        Arc::new(handle)
    }

    fn new(name: &str, times: Option<KeySetTimes>) -> Self {
        Self {
            name: name.into(),
            times,
            installed: ArcSwapOption::empty(),
            version: AtomicU64::new(0),
            serial: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            last_request: AtomicU64::new(0),
            hook: OnceLock::new(),
            last_error: Mutex::new(None),
        }
    }

    /// The name for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Registers what is called, on a worker's thread, when an unknown `kid` asks for a fetch. It must only notify.
    /// Returns whether it is the first; a second one is not taken.
    pub fn on_refetch(&self, hook: Box<dyn Fn() + Send + Sync>) -> bool {
        self.hook.set(hook).is_ok()
    }

    /// The keys, unless there are none or they are too old.
    #[must_use]
    pub fn current(&self, now: SystemTime) -> Option<Arc<JwkSet>> {
        self.with_usable(now, |installed| Arc::clone(&installed.set))
    }

    /// How many fetches have ended. A worker that waits for one compares it with what it was.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A fetch begins. Returns whether none was on its way; the control plane goes on either way, if it knows better.
    pub fn begin(&self, now: SystemTime) -> bool {
        let before = self
            .in_flight
            .swap(unix_millis(now).max(1), Ordering::AcqRel);
        !is_running(before, now)
    }

    /// A fetch succeeded, or the file changed: from now on these keys count.
    pub fn install(&self, set: JwkSet, now: SystemTime) {
        let serial = self.serial.fetch_add(1, Ordering::AcqRel) + 1;
        let installed = Installed {
            set: Arc::new(set),
            serial,
            fetched_at: now,
        };
        self.installed.store(Some(Arc::new(installed)));
        self.ended(None);
    }

    /// A fetch failed. The keys that are there stay until they are too old.
    pub fn fail(&self, error: &dyn fmt::Display) {
        self.ended(Some(error.to_string()));
    }

    fn ended(&self, error: Option<String>) {
        *self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = error;
        self.in_flight.store(0, Ordering::Release);
        // Last: who sees the new version sees the new keys.
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// An unknown `kid` asks for a fetch. Of all requests within [`KeySetTimes::cooldown`], one is granted.
    pub fn request_refetch(&self, now: SystemTime) -> RefetchDecision {
        let Some(times) = self.times else {
            return RefetchDecision::Fixed;
        };
        if self.is_in_flight(now) {
            return RefetchDecision::InFlight;
        }
        let (last, time) = (
            self.last_request.load(Ordering::Acquire),
            unix_millis(now).max(1),
        );
        // A clock that was set back must not stop fetching for ever: a last request in the future counts as none.
        if last != 0 && last <= time && Duration::from_millis(time - last) < times.cooldown {
            return RefetchDecision::CoolingDown;
        }
        let granted =
            self.last_request
                .compare_exchange(last, time, Ordering::AcqRel, Ordering::Acquire);
        if granted.is_err() {
            return RefetchDecision::InFlight;
        }
        self.in_flight.store(time, Ordering::Release);
        if let Some(hook) = self.hook.get() {
            hook();
        }
        RefetchDecision::Started
    }

    /// How long until the keys should be fetched in passing; zero where it is time. `None` for keys that are not fetched.
    /// After a failure it stays zero: the control plane adds its own pause and jitter.
    #[must_use]
    pub fn refresh_in(&self, now: SystemTime) -> Option<Duration> {
        let times = self.times?;
        let age = self
            .installed
            .load()
            .as_ref()
            .map(|installed| age(installed, now));
        Some(age.map_or(Duration::ZERO, |age| times.refresh.saturating_sub(age)))
    }

    /// Whether a fetch is on its way.
    #[must_use]
    pub fn is_in_flight(&self, now: SystemTime) -> bool {
        is_running(self.in_flight.load(Ordering::Acquire), now)
    }

    /// What `status` shows.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> KeySetStatus {
        let installed = self.installed.load();
        let installed = installed.as_ref();
        KeySetStatus {
            keys: installed.map(|installed| installed.set.keys().len()),
            skipped: installed.map_or(0, |installed| installed.set.skipped().len()),
            fetched_at: installed.map(|installed| installed.fetched_at),
            expired: installed.is_some_and(|installed| !self.is_usable(installed, now)),
            last_error: self
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            in_flight: self.is_in_flight(now),
            fetches: self.version(),
        }
    }

    /// Runs `read` on the keys without counting a reference, unless there are none or they are too old.
    pub(crate) fn with_usable<T>(
        &self,
        now: SystemTime,
        read: impl FnOnce(&Installed) -> T,
    ) -> Option<T> {
        let installed: Guard<Option<Arc<Installed>>> = self.installed.load();
        installed
            .as_deref()
            .filter(|installed| self.is_usable(installed, now))
            .map(read)
    }

    fn is_usable(&self, installed: &Installed, now: SystemTime) -> bool {
        self.times
            .is_none_or(|times| age(installed, now) <= times.max_stale)
    }
}

fn is_running(began: u64, now: SystemTime) -> bool {
    let now = unix_millis(now);
    began != 0 && began.abs_diff(now) < u64::try_from(FETCH_LIMIT.as_millis()).unwrap_or(u64::MAX)
}

fn age(installed: &Installed, now: SystemTime) -> Duration {
    now.duration_since(installed.fetched_at).unwrap_or_default()
}

impl fmt::Debug for KeySetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySetHandle")
            .field("name", &self.name)
            .field("times", &self.times)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
