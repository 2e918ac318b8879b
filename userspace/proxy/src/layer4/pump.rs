//! Bytes in both directions until both have ended.
//!
//! A side that ends its sending direction is told on to the other one, which may go on (half-close). A side that resets its
//! connection has that told on as a reset, so that nobody takes a part for the whole.
//!
//! Bytes are copied at first. Where neither side has TLS and they turn out to be many, they go through a pipe of the kernel, and
//! once both directions wait at one moment, the kernel takes the connection over (`relayed`).

use super::record::Moved;
use super::relayed;
use crate::metrics::Way;
use crate::wait::{Timer, Wait};
use crate::worker::Worker;
use net::{Chunk, Driver, MEDIUM_BYTES, Parts, Piped, RecvHint, Stream, Wire};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tls::Io;
use tokio::sync::Notify;
use types::Reason;

/// Bytes of a connection after which it pays to hand it to the kernel: some ten system calls and as many microseconds.
const MANY_BYTES: u64 = 256 * 1024;

/// Chunks of one side that may be at hand while it is handed over: more than a receive buffer ever holds.
const AT_HAND: usize = 64;

/// How long a connection may be idle, and last.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) until: Option<Instant>,
}

/// Both ends of a connection.
pub(super) struct Ends<'e, D: Driver> {
    worker: &'e Worker<D>,
    client: End<D>,
    endpoint: End<D>,
    limits: Limits,
    moved: &'e Moved,
    bytes: Cell<u64>,
    /// Whether the connection is to be handed to the kernel when it may.
    may_leave: Cell<bool>,
    leaves: Notify,
}

struct End<D: Driver> {
    io: Io<D::Stream>,
    timer: Timer,
    /// Whether it has ended its sending direction in order.
    has_ended: Cell<bool>,
    /// Whether all it sent has gone on, and nothing will come any more.
    is_done: Cell<bool>,
    /// Whether nothing of it is on its way.
    is_waiting: Cell<bool>,
    /// Bytes that were received and have not gone on.
    at_hand: RefCell<Parts>,
    /// What to say when it breaks.
    broken: Reason,
}

/// What one receive gave.
enum Load {
    Copied(Chunk),
    Piped(Piped),
}

impl Load {
    fn bytes(&self) -> usize {
        match self {
            Self::Copied(chunk) => chunk.len(),
            Self::Piped(piped) => piped.len(),
        }
    }

    fn way(&self) -> Way {
        match self {
            Self::Copied(_) => Way::Copy,
            Self::Piped(_) => Way::Splice,
        }
    }
}

impl<D: Driver> End<D> {
    fn new(worker: &Worker<D>, io: Io<D::Stream>, broken: Reason) -> Self {
        Self {
            timer: Timer::new(&worker.deadlines, &io, Shutdown::Both),
            io,
            has_ended: Cell::new(false),
            is_done: Cell::new(false),
            is_waiting: Cell::new(false),
            at_hand: RefCell::default(),
            broken,
        }
    }

    async fn receive(&self, are_many: bool, pipes: bool) -> io::Result<Load> {
        match self.io.plain().filter(|_| are_many && pipes) {
            Some(wire) => wire.recv_piped().await.map(Load::Piped),
            None => {
                let hint = match are_many {
                    true => RecvHint::Body,
                    false => RecvHint::Head,
                };
                self.io.recv(hint).await.map(Load::Copied)
            }
        }
    }

    async fn send(&self, load: Load) -> io::Result<()> {
        match (load, self.io.plain()) {
            (Load::Copied(chunk), _) => self.io.send(Parts::from(chunk)).await,
            (Load::Piped(piped), Some(wire)) => wire.send_piped(piped).await,
            // Pipes are for two sides without TLS.
            (Load::Piped(_), None) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes what has come and nobody has received. Whether that is all there is, and the stream goes on.
    fn gather(&self) -> Result<bool, Reason> {
        let mut at_hand = self.at_hand.borrow_mut();
        for _ in 0..AT_HAND {
            match self.io.socket().try_recv() {
                Ok(chunk) if chunk.is_empty() => return Ok(false),
                Ok(chunk) => at_hand.push(chunk),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(_) => return Err(self.broken),
            }
        }
        Ok(false)
    }

    /// The wire and what is to go on from it, for the kernel.
    fn into_relayed(self) -> Option<relayed::End> {
        Some(relayed::End {
            socket: self.io.into_plain().ok()?.into_socket(),
            timer: self.timer,
            at_hand: self.at_hand.into_inner(),
            broken: self.broken,
        })
    }
}

impl<'e, D: Driver> Ends<'e, D> {
    pub(super) fn new(
        worker: &'e Worker<D>,
        client: Io<D::Stream>,
        endpoint: Io<D::Stream>,
        limits: Limits,
        moved: &'e Moved,
    ) -> Self {
        let are_plain = client.plain().is_some() && endpoint.plain().is_some();
        Self {
            worker,
            client: End::new(worker, client, Reason::ClientClosed),
            endpoint: End::new(worker, endpoint, Reason::UpstreamClosed),
            limits,
            moved,
            bytes: Cell::new(0),
            may_leave: Cell::new(are_plain && worker.relayer.is_some()),
            leaves: Notify::new(),
        }
    }

    /// Moves the bytes. Gives why it ended.
    pub(super) async fn run(self) -> Reason {
        self.touch();
        let outcome = loop {
            let there = self.pump(&self.client, &self.endpoint, |bytes, way| {
                self.moved.came_in(bytes, way);
            });
            let back = self.pump(&self.endpoint, &self.client, |bytes, way| {
                self.moved.went_out(bytes, way);
            });
            if let Err(reason) = tokio::try_join!(there, back) {
                break reason;
            }
            if self.client.is_done.get() && self.endpoint.is_done.get() {
                break Reason::Served;
            }
            match self.hand_over() {
                Ok(Some(joined)) => return self.go_on_in_the_kernel(joined).await,
                Ok(None) => self.may_leave.set(false),
                Err(reason) => break reason,
            }
        };
        if matches!(outcome, Reason::ClientClosed | Reason::UpstreamClosed) {
            self.client.io.socket().abort();
            self.endpoint.io.socket().abort();
        }
        outcome
    }

    /// Hands the connection to the kernel, where both go on and it takes them.
    fn hand_over(&self) -> Result<Option<relayed::Connection>, Reason> {
        let Some(relayer) = &self.worker.relayer else {
            return Ok(None);
        };
        let are_whole = [self.client.gather()?, self.endpoint.gather()?];
        let is_going_on = !self.client.is_done.get() && !self.endpoint.is_done.get();
        if are_whole != [true; 2] || !is_going_on {
            return Ok(None);
        }
        let (client, endpoint) = (self.client.io.socket(), self.endpoint.io.socket());
        match relayed::Connection::new(relayer, client, endpoint) {
            Ok(connection) => Ok(Some(connection)),
            Err(error) => {
                tracing::debug!(%error, "the kernel does not take a connection over");
                self.moved.was_refused();
                Ok(None)
            }
        }
    }

    async fn go_on_in_the_kernel(self, connection: relayed::Connection) -> Reason {
        let over = relayed::Over {
            cut: &self.worker.cut,
            limits: self.limits,
            moved: self.moved,
        };
        match (self.client.into_relayed(), self.endpoint.into_relayed()) {
            (Some(client), Some(endpoint)) => connection.run(client, endpoint, &over).await,
            // It is only handed over where both are plain.
            _ => Reason::Internal,
        }
    }

    /// Begins the idle time anew.
    fn touch(&self) {
        for end in [&self.client, &self.endpoint] {
            end.timer
                .arm(Wait::Relay, self.limits.idle, self.limits.until);
        }
    }

    /// One direction, until its sender has ended it, or until the connection is to be handed over.
    async fn pump(
        &self,
        from: &End<D>,
        to: &End<D>,
        count: impl Fn(u64, Way),
    ) -> Result<(), Reason> {
        if from.is_done.get() {
            return Ok(());
        }
        let pipes = self.worker.shared.splicing.pipes && to.io.plain().is_some();
        let mut are_many = false;
        let left = from.at_hand.take();
        let bytes = left.bytes() as u64;
        if bytes > 0 {
            if to.io.send(left).await.is_err() {
                return self.not_taken(from, to);
            }
            count(bytes, Way::Copy);
        }
        loop {
            from.is_waiting.set(true);
            let received = tokio::select! {
                biased;
                () = self.leaves.notified() => return Ok(()),
                received = from.receive(are_many, pipes) => received,
            };
            from.is_waiting.set(false);
            if let Some(reason) = self.time_is_up() {
                return Err(reason);
            }
            let load = received.map_err(|_| from.broken)?;
            let (bytes, way) = (load.bytes(), load.way());
            if bytes == 0 {
                from.has_ended.set(true);
                to.io.finish().await;
                from.is_done.set(true);
                return Ok(());
            }
            self.touch();
            // Many bytes are a sign of more.
            are_many = bytes > MEDIUM_BYTES;
            if to.send(load).await.is_err() {
                return self.not_taken(from, to);
            }
            count(bytes as u64, way);
            self.bytes.set(self.bytes.get() + bytes as u64);
            self.touch();
            if self.is_to_leave() && to.is_waiting.get() {
                from.is_waiting.set(true);
                self.leaves.notify_waiters();
                return Ok(());
            }
        }
    }

    /// What becomes of a direction whose bytes the other side did not take.
    fn not_taken(&self, from: &End<D>, to: &End<D>) -> Result<(), Reason> {
        match self.time_is_up() {
            Some(reason) => Err(reason),
            // It said all it had to say, and does not listen any more.
            None if to.has_ended.get() => {
                from.is_done.set(true);
                Ok(())
            }
            None => Err(to.broken),
        }
    }

    fn is_to_leave(&self) -> bool {
        self.may_leave.get() && self.bytes.get() >= MANY_BYTES
    }

    /// Which time has passed, if one has.
    fn time_is_up(&self) -> Option<Reason> {
        let timers = [&self.client.timer, &self.endpoint.timer];
        time_is_up(timers, self.limits, self.worker.cut.get())
    }
}

/// Which time of a connection has passed, if one has.
pub(super) fn time_is_up(timers: [&Timer; 2], limits: Limits, is_cut: bool) -> Option<Reason> {
    // A deadline that is armed anew all the time would never pass.
    if limits
        .until
        .is_some_and(|until| timers.iter().any(|timer| timer.is_over(until)))
    {
        return Some(Reason::LifetimeOver);
    }
    let fired = timers.into_iter().find_map(Timer::fired)?;
    Some(match fired {
        _ if is_cut => Reason::Draining,
        Wait::Total => Reason::LifetimeOver,
        other => other.reason(),
    })
}
