//! Deadlines of connections without timers: a connection owns a slot, arming it is a memory write, and one task a worker
//! looks at all slots every [`TICK`].

use crate::{Clock, Socket, Stream};
use std::cell::{Cell, RefCell};
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How often slots are looked at. A deadline fires up to four ticks late, never early (unless the worker itself was held
/// up for longer than a tick when it was armed: then by as much).
pub const TICK: Duration = Duration::from_millis(50);

/// A second has a whole number of ticks.
const TICKS_A_SECOND: u64 = 1000 / TICK.as_millis() as u64;

/// A deadline that is not armed.
const NEVER: u32 = u32::MAX;

/// The deadlines of a worker. `K` names what a connection waits for ("request head", "response"): whoever finds its
/// receive ended asks [`Slot::fired`] for it.
pub struct Deadlines<K> {
    shared: Rc<Shared<K>>,
}

struct Shared<K> {
    clock: Clock,
    start: Instant,
    /// Ticks that had begun at the last sweep.
    tick: Cell<u32>,
    // In ticks since `start`, by index of slot. Apart from the rest, so that a sweep over 15,000 slots reads 60 KB.
    due: RefCell<Vec<Cell<u32>>>,
    slots: RefCell<Vec<Entry<K>>>,
    free: RefCell<Vec<usize>>,
}

struct Entry<K> {
    // Weak: a slot that outlives its connection keeps no descriptor open and never touches a reused one.
    socket: Weak<Socket>,
    armed: Cell<Option<(K, Shutdown)>>,
    fired: Cell<Option<K>>,
}

impl<K: Copy + 'static> Deadlines<K> {
    /// No slots. The clock is moved on by [`Deadlines::run`].
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            shared: Rc::new(Shared {
                start: clock.now(),
                tick: Cell::new(0),
                clock,
                due: RefCell::default(),
                slots: RefCell::default(),
                free: RefCell::default(),
            }),
        }
    }

    /// The clock that the sweep moves.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Gives a connection its slot, disarmed. Dropping the slot gives it back.
    #[must_use]
    pub fn slot(&self, stream: &impl Stream) -> Slot<K> {
        let entry = Entry {
            socket: Rc::downgrade(stream.socket()),
            armed: Cell::new(None),
            fired: Cell::new(None),
        };
        let mut due = self.shared.due.borrow_mut();
        let mut slots = self.shared.slots.borrow_mut();
        let index = match self.shared.free.borrow_mut().pop() {
            Some(index) => {
                slots[index] = entry;
                index
            }
            None => {
                due.push(Cell::new(NEVER));
                slots.push(entry);
                slots.len() - 1
            }
        };
        Slot {
            shared: self.shared.clone(),
            index,
        }
    }

    /// Moves the clock to `now` and shuts down the sockets whose deadline has passed.
    pub fn sweep(&self, now: Instant) {
        self.shared.clock.set(now);
        let tick = ticks(now.saturating_duration_since(self.shared.start));
        self.shared.tick.set(tick);
        for (index, due) in self.shared.due.borrow().iter().enumerate() {
            if due.get() <= tick {
                due.set(NEVER);
                self.shared.slots.borrow()[index].fire();
            }
        }
    }

    /// Lets the deadlines of one kind pass now: of idle connections, when a worker drains.
    pub fn expire(&self, kind: K)
    where
        K: PartialEq,
    {
        for (due, slot) in self
            .shared
            .due
            .borrow()
            .iter()
            .zip(&*self.shared.slots.borrow())
        {
            if due.get() != NEVER && slot.armed.get().is_some_and(|(armed, _)| armed == kind) {
                due.set(NEVER);
                slot.fire();
            }
        }
    }

    /// Sweeps every [`TICK`], for as long as the worker lives. Spawn it once a worker.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep(Instant::now());
        }
    }
}

impl<K> Clone for Deadlines<K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

/// Whole ticks in a time.
fn ticks(time: Duration) -> u32 {
    // In 64 bits: this runs several times a request, and a division of 128 bits is a function call.
    let parts = u64::from(time.subsec_millis() / TICK.subsec_millis());
    let ticks = time.as_secs().saturating_mul(TICKS_A_SECOND) + parts;
    u32::try_from(ticks).unwrap_or(NEVER - 1)
}

impl<K: Copy> Entry<K> {
    fn fire(&self) {
        if let Some((kind, how)) = self.armed.take() {
            self.fired.set(Some(kind));
            if let Some(socket) = self.socket.upgrade() {
                socket.shutdown(how);
            }
        }
    }
}

/// The deadline of one connection.
pub struct Slot<K> {
    shared: Rc<Shared<K>>,
    index: usize,
}

impl<K: Copy> Slot<K> {
    /// Sets the deadline to so long from now, in place of the one before. When it passes, the socket's receiving side is
    /// shut down: a pending receive ends as if the peer had closed, and an answer can still be sent.
    pub fn arm(&self, kind: K, after: Duration) {
        self.arm_with(kind, after, Shutdown::Read);
    }

    /// Like [`Slot::arm`], and says what is shut down. `Shutdown::Both` also ends a pending send.
    pub fn arm_with(&self, kind: K, after: Duration, how: Shutdown) {
        // The last sweep may be a tick ago, its tick had begun, and so has the last one of `after`: with one more for each
        // it never fires early.
        let due = self.shared.tick.get().saturating_add(ticks(after));
        let due = due.saturating_add(3).min(NEVER - 1);
        self.shared.slots.borrow()[self.index]
            .armed
            .set(Some((kind, how)));
        self.shared.due.borrow()[self.index].set(due);
    }

    /// Takes the deadline away.
    pub fn disarm(&self) {
        self.shared.due.borrow()[self.index].set(NEVER);
    }

    /// What the connection waited for when its deadline passed; `None` where none did since the slot was taken.
    #[must_use]
    pub fn fired(&self) -> Option<K> {
        self.shared.slots.borrow()[self.index].fired.get()
    }
}

impl<K> Drop for Slot<K> {
    fn drop(&mut self) {
        self.shared.due.borrow()[self.index].set(NEVER);
        self.shared.slots.borrow_mut()[self.index].socket = Weak::new();
        self.shared.free.borrow_mut().push(self.index);
    }
}
