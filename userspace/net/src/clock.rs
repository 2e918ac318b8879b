//! A coarse clock: the time as of the last sweep, for nothing but a memory read.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The time, up to one tick late. Clones share it. Whoever sweeps ([`crate::Deadlines::run`]) moves it on.
#[derive(Clone, Debug)]
pub struct Clock {
    now: Rc<Cell<Instant>>,
}

impl Clock {
    /// A clock that stands at the given time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            now: Rc::new(Cell::new(now)),
        }
    }

    /// The time as of the last [`Clock::set`].
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Moves the clock.
    pub fn set(&self, now: Instant) {
        self.now.set(now);
    }

    /// How long ago a time was; zero where it is ahead of the clock.
    #[must_use]
    pub fn since(&self, earlier: Instant) -> Duration {
        self.now().saturating_duration_since(earlier)
    }
}
