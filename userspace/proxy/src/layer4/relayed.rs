//! A connection whose bytes the kernel moves: what is left to us is its ends, its times, its counts, and what the program does
//! not take because a reader is slow.

use super::pump::{Limits, time_is_up};
use super::record::Moved;
use super::relayer::{Joined, Relayer};
use crate::metrics::Way;
use crate::wait::{Timer, Wait};
use kernel::Direction;
use net::{Parts, Socket, Watch};
use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use types::Reason;

/// How often is looked at what has moved, unless the idle time is short.
const LOOK: Duration = Duration::from_secs(1);
/// Looks within an idle time, so that it never lasts longer than a quarter more.
const LOOKS_WHILE_IDLE: u32 = 4;

/// How long to wait for the kernel to have sent what it was given, at first and at most: doubled each time.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(32);

/// Receives in a row before others have their turn.
const RECEIVES_A_TURN: u32 = 16;

/// One end as the pump leaves it.
pub(super) struct End {
    pub(super) socket: Rc<Socket>,
    pub(super) timer: Timer,
    /// Received, and to go on before anything else.
    pub(super) at_hand: Parts,
    pub(super) broken: Reason,
}

/// What holds for the whole connection.
pub(super) struct Over<'o> {
    pub(super) cut: &'o Cell<bool>,
    pub(super) limits: Limits,
    pub(super) moved: &'o Moved,
}

/// A connection that the kernel has taken.
pub(super) struct Connection {
    joined: Joined,
    client: Watch<Rc<Socket>>,
    endpoint: Watch<Rc<Socket>>,
    /// What had been written to each before.
    written: [u64; 2],
}

impl Connection {
    /// Hands the sockets to the kernel, after everything that they had was received.
    pub(super) fn new(
        relayer: &Rc<Relayer>,
        client: &Rc<Socket>,
        endpoint: &Rc<Socket>,
    ) -> io::Result<Self> {
        let watches = (relayer.watch(client)?, relayer.watch(endpoint)?);
        let written = [client.progress()?.written, endpoint.progress()?.written];
        let joined = relayer.join(client, endpoint).map_err(io::Error::other)?;
        for socket in [client, endpoint] {
            // What came since then lies with the socket, where the program does not see it. An error shows with the next step.
            let _ = socket.look_again();
        }
        Ok(Self {
            joined,
            client: watches.0,
            endpoint: watches.1,
            written,
        })
    }

    /// Sees to it that everything goes on. Gives why it ended.
    pub(super) async fn run(self, client: End, endpoint: End, over: &Over<'_>) -> Reason {
        let outcome = self.see_to(&client, &endpoint, over).await;
        // Before a reset, which the program is not to see.
        drop(self);
        if matches!(outcome, Reason::ClientClosed | Reason::UpstreamClosed) {
            client.socket.abort();
            endpoint.socket.abort();
        }
        outcome
    }

    async fn see_to(&self, client: &End, endpoint: &End, over: &Over<'_>) -> Reason {
        let relayed = &self.joined.relayed;
        let [client_written, endpoint_written] = self.written;
        let mut there = Lane::new(client, endpoint, &relayed.there, endpoint_written);
        let mut back = Lane::new(endpoint, client, &relayed.back, client_written);
        let touch = || {
            for end in [client, endpoint] {
                end.timer
                    .arm(Wait::Relay, over.limits.idle, over.limits.until);
            }
        };
        let look = (over.limits.idle / LOOKS_WHILE_IDLE).min(LOOK);
        let mut patience = SOON;
        touch();
        loop {
            let timers = [&client.timer, &endpoint.timer];
            // What a deadline shut looks like an end.
            if let Some(reason) = time_is_up(timers, over.limits, over.cut.get()) {
                count(&mut there, &mut back, over.moved);
                return reason;
            }
            let may_open = relayed.is_complete();
            let steps = there
                .step(back.is_done, back.has_ended, may_open)
                .and_then(|one| {
                    let other = back.step(there.is_done, there.has_ended, may_open)?;
                    Ok(one.max(other))
                });
            if count(&mut there, &mut back, over.moved) {
                patience = SOON;
                touch();
            }
            let wait = match steps {
                Err(broken) => return broken,
                Ok(_) if there.is_done && back.is_done => return Reason::Served,
                Ok(Next::AtOnce) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(Next::Soon) => {
                    let wait = patience;
                    patience = (patience * 2).min(LATER);
                    wait.min(look)
                }
                Ok(Next::Event) => {
                    patience = SOON;
                    look
                }
            };
            tokio::select! {
                () = self.client.event() => {}
                () = self.endpoint.event() => {}
                () = self.joined.call.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// Counts what has moved since the last time. Whether something has.
fn count(there: &mut Lane<'_>, back: &mut Lane<'_>, moved: &Moved) -> bool {
    let mut has_moved = false;
    for (way, bytes) in there.news() {
        has_moved |= bytes > 0;
        moved.came_in(bytes, way);
    }
    for (way, bytes) in back.news() {
        has_moved |= bytes > 0;
        moved.went_out(bytes, way);
    }
    has_moved
}

/// What a direction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// For something to happen.
    Event,
    /// For the kernel to have sent what it was given, of which nobody tells.
    Soon,
    /// For its next turn.
    AtOnce,
}

/// One direction.
struct Lane<'l> {
    from: &'l Socket,
    to: &'l Socket,
    direction: &'l Direction,
    /// What to say when either breaks.
    broken: [Reason; 2],
    at_hand: Parts,
    /// What we have written ourselves since the kernel took over.
    by_hand: u64,
    /// What had been written to `to` before.
    written: u64,
    /// What was counted of `by_hand` and of what the program handed on.
    counted: [u64; 2],
    /// Whether the sender has ended in order, and all that it sent was taken.
    has_ended: bool,
    /// Whether that was told on.
    is_done: bool,
}

impl<'l> Lane<'l> {
    fn new(from: &'l End, to: &'l End, direction: &'l Direction, written: u64) -> Self {
        Self {
            from: &from.socket,
            to: &to.socket,
            direction,
            broken: [from.broken, to.broken],
            at_hand: from.at_hand.clone(),
            by_hand: 0,
            written,
            counted: [0; 2],
            has_ended: false,
            is_done: false,
        }
    }

    /// Does what can be done without waiting. `is_other_done` tells whether we have ended what we send to `from`,
    /// `has_other_ended` whether `to` has ended what it sends.
    fn step(
        &mut self,
        is_other_done: bool,
        has_other_ended: bool,
        may_open: bool,
    ) -> Result<Next, Reason> {
        if self.is_done {
            return Ok(Next::Event);
        }
        match self.advance(is_other_done, may_open) {
            Err(Broken::To) if has_other_ended => {
                // It said all it had to say, and does not listen any more.
                self.is_done = true;
                Ok(Next::Event)
            }
            Err(Broken::From) => Err(self.broken[0]),
            Err(Broken::To) => Err(self.broken[1]),
            Ok(next) => Ok(next),
        }
    }

    fn advance(&mut self, is_other_done: bool, may_open: bool) -> Result<Next, Broken> {
        for _ in 0..RECEIVES_A_TURN {
            let is_sent = self.send_what_is_at_hand()?;
            if self.has_ended {
                return Ok(self.finish(is_sent));
            }
            if !is_sent {
                return Ok(Next::Soon);
            }
            let passed = self.direction.passed();
            match self.from.try_recv() {
                Ok(chunk) if chunk.is_empty() => {
                    let progress = self.from.progress().map_err(|_| Broken::From)?;
                    if progress.is_closed && !is_other_done {
                        return Err(Broken::From);
                    }
                    // The FIN is one more.
                    if progress.received > self.accounted() + 1 {
                        return Ok(Next::Soon);
                    }
                    self.has_ended = true;
                }
                Ok(chunk) => self.at_hand.push(chunk),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if !self.direction.is_held() || self.reopens(passed, may_open)? {
                        Ok(Next::Event)
                    } else {
                        Ok(Next::Soon)
                    };
                }
                Err(_) => return Err(Broken::From),
            }
        }
        Ok(Next::AtOnce)
    }

    /// What was taken of all that `from` has received: by us and by the program.
    fn accounted(&self) -> u64 {
        self.from.taken() + self.direction.handed()
    }

    /// Lets the program go on, if nothing is left that came before.
    fn reopens(&self, passed: u64, may_open: bool) -> Result<bool, Broken> {
        let received = self.from.progress().map_err(|_| Broken::From)?.received;
        // What the kernel is still carrying to where we can receive it would be overtaken.
        Ok(may_open && received == self.accounted() && self.direction.open(passed))
    }

    /// Whether everything at hand has left. It waits for what the kernel was given before.
    fn send_what_is_at_hand(&mut self) -> Result<bool, Broken> {
        if self.at_hand.is_empty() {
            return match self.to.progress() {
                Ok(progress) if !progress.is_closed => Ok(true),
                _ => Err(Broken::To),
            };
        }
        if !self.is_drained()? {
            return Ok(false);
        }
        let before = self.at_hand.bytes();
        let sent = self.to.try_send(&mut self.at_hand);
        self.by_hand += (before - self.at_hand.bytes()) as u64;
        match sent {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(Broken::To),
        }
    }

    /// Whether the kernel has written everything to `to` that it was given.
    fn is_drained(&self) -> Result<bool, Broken> {
        let given = self.direction.handed() + self.by_hand;
        match self.to.progress() {
            Ok(progress) if !progress.is_closed => Ok(progress.written >= self.written + given),
            _ => Err(Broken::To),
        }
    }

    /// Tells the end on, after the last byte.
    fn finish(&mut self, is_sent: bool) -> Next {
        if !is_sent || !matches!(self.is_drained(), Ok(true)) {
            return Next::Soon;
        }
        self.to.shutdown(Shutdown::Write);
        self.is_done = true;
        Next::Event
    }

    /// Bytes that went on since the last time.
    fn news(&mut self) -> [(Way, u64); 2] {
        let now = [self.by_hand, self.direction.handed()];
        let before = std::mem::replace(&mut self.counted, now);
        [
            (Way::Copy, now[0] - before[0]),
            (Way::Sockmap, now[1] - before[1]),
        ]
    }
}

/// Which side broke.
#[derive(Debug)]
enum Broken {
    From,
    To,
}
