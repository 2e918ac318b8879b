//! Bytes in both directions until both have ended.
//!
//! A side that ends its sending direction is told on to the other one, which may go on (half-close). A side that resets its
//! connection has that told on as a reset, so that nobody takes a part for the whole.

use super::record::Moved;
use crate::wait::{Timer, Wait};
use crate::worker::Worker;
use net::{Driver, MEDIUM_BYTES, Parts, RecvHint, Stream};
use std::cell::Cell;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tls::Io;
use types::Reason;

/// How long a connection may be idle, and last.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) until: Option<Instant>,
}

/// Both ends of a connection.
pub(super) struct Ends<'e, D: Driver> {
    worker: &'e Worker<D>,
    client: End<'e, D>,
    endpoint: End<'e, D>,
    limits: Limits,
    moved: &'e Moved,
}

struct End<'e, D: Driver> {
    io: &'e Io<D::Stream>,
    timer: Timer,
    /// Whether it has ended its sending direction in order.
    has_ended: Cell<bool>,
    /// What to say when it breaks.
    broken: Reason,
}

impl<'e, D: Driver> End<'e, D> {
    fn new(worker: &Worker<D>, io: &'e Io<D::Stream>, broken: Reason) -> Self {
        Self {
            io,
            timer: Timer::new(&worker.deadlines, io, Shutdown::Both),
            has_ended: Cell::new(false),
            broken,
        }
    }
}

impl<'e, D: Driver> Ends<'e, D> {
    pub(super) fn new(
        worker: &'e Worker<D>,
        client: &'e Io<D::Stream>,
        endpoint: &'e Io<D::Stream>,
        limits: Limits,
        moved: &'e Moved,
    ) -> Self {
        Self {
            worker,
            client: End::new(worker, client, Reason::ClientClosed),
            endpoint: End::new(worker, endpoint, Reason::UpstreamClosed),
            limits,
            moved,
        }
    }

    /// Moves the bytes. Gives why it ended.
    pub(super) async fn run(&self) -> Reason {
        self.touch();
        let there = self.pump(&self.client, &self.endpoint, |bytes| {
            self.moved.came_in(bytes);
        });
        let back = self.pump(&self.endpoint, &self.client, |bytes| {
            self.moved.went_out(bytes);
        });
        match tokio::try_join!(there, back) {
            Ok(_) => Reason::Served,
            Err(reason) => {
                if matches!(reason, Reason::ClientClosed | Reason::UpstreamClosed) {
                    self.client.io.socket().abort();
                    self.endpoint.io.socket().abort();
                }
                reason
            }
        }
    }

    /// Begins the idle time anew.
    fn touch(&self) {
        for end in [&self.client, &self.endpoint] {
            end.timer
                .arm(Wait::Relay, self.limits.idle, self.limits.until);
        }
    }

    /// One direction, until its sender has ended it.
    async fn pump(
        &self,
        from: &End<'_, D>,
        to: &End<'_, D>,
        count: impl Fn(u64),
    ) -> Result<(), Reason> {
        let mut hint = RecvHint::Head;
        loop {
            let received = from.io.recv(hint).await;
            if let Some(reason) = self.time_is_up() {
                return Err(reason);
            }
            let chunk = received.map_err(|_| from.broken)?;
            if chunk.is_empty() {
                from.has_ended.set(true);
                to.io.finish().await;
                return Ok(());
            }
            self.touch();
            let bytes = chunk.len();
            // Many bytes are a sign of more.
            hint = match bytes > MEDIUM_BYTES {
                true => RecvHint::Body,
                false => RecvHint::Head,
            };
            if to.io.send(Parts::from(chunk)).await.is_err() {
                return match self.time_is_up() {
                    Some(reason) => Err(reason),
                    // It said all it had to say, and does not listen any more.
                    None if to.has_ended.get() => Ok(()),
                    None => Err(to.broken),
                };
            }
            count(bytes as u64);
            self.touch();
        }
    }

    /// Which time has passed, if one has.
    fn time_is_up(&self) -> Option<Reason> {
        // A deadline that is armed anew all the time would never pass.
        if self
            .limits
            .until
            .is_some_and(|until| self.client.timer.is_over(until))
        {
            return Some(Reason::LifetimeOver);
        }
        let fired = [&self.client, &self.endpoint]
            .into_iter()
            .find_map(|end| end.timer.fired())?;
        Some(match fired {
            _ if self.worker.cut.get() => Reason::Draining,
            Wait::Total => Reason::LifetimeOver,
            other => other.reason(),
        })
    }
}
