//! The client's side of an HTTP/1.1 connection: heads and bodies in, answers out.
//!
//! The pipeline asks of this side no more than: the next piece of the body, and to send pieces. HTTP/2 will give the
//! same for one stream.

use crate::generation::FrontTimeouts;
use crate::inbox::Inbox;
use crate::wait::{Timer, Wait};
use http::h1::body::BodyDecoder;
use http::h1::request::RequestHead;
use http::h1::{HeadLimits, Parse, Side};
use net::{Chunk, Parts, RecvHint, Stream};
use std::time::Instant;
use tls::Io;
use types::Reason;

/// What waiting for a request gave.
pub(crate) enum Arrival {
    /// A whole head; its bytes are here, those behind it stay in the inbox.
    Head(Chunk),
    /// The client closed between two requests, or was idle for too long. Nothing is owed to it.
    Gone,
    /// The head is refused, for this reason; what has arrived of it stays in the inbox.
    Refused {
        reason: Reason,
        detail: String,
        /// Whether the client reads the head of an answer.
        takes_head: bool,
    },
    /// The head did not arrive as a whole, for this reason.
    Incomplete(Reason),
}

/// Reads what the client sends.
pub(crate) struct Reader<'c, S: Stream> {
    pub(crate) io: &'c Io<S>,
    pub(crate) timer: Timer,
    pub(crate) inbox: Inbox,
    pub(crate) decoder: BodyDecoder,
}

impl<'c, S: Stream> Reader<'c, S> {
    pub(crate) fn new(io: &'c Io<S>, timer: Timer) -> Self {
        Self {
            io,
            timer,
            inbox: Inbox::default(),
            decoder: BodyDecoder::new(Side::Request),
        }
    }

    /// Whether bytes of a further request have arrived already.
    pub(crate) fn has_more(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Waits for the head of the next request.
    pub(crate) async fn head(
        &mut self,
        head: &mut RequestHead,
        limits: &HeadLimits,
        timeouts: &FrontTimeouts,
    ) -> Arrival {
        if self.inbox.is_empty() {
            self.timer.arm(Wait::Idle, timeouts.idle, None);
            match self.io.recv(RecvHint::Idle).await {
                Ok(chunk) if !chunk.is_empty() => self.inbox.push(chunk),
                _ => return Arrival::Gone,
            }
        }
        self.timer.arm(Wait::Header, timeouts.header, None);
        loop {
            match http::h1::request::parse(self.inbox.bytes(), limits, head) {
                Ok(Parse::Complete { consumed }) => {
                    self.timer.disarm();
                    return Arrival::Head(self.inbox.take(consumed));
                }
                Ok(Parse::Partial) => {}
                Err(error) => {
                    self.timer.disarm();
                    return Arrival::Refused {
                        reason: error.reason(),
                        detail: error.to_string(),
                        takes_head: error.takes_head(),
                    };
                }
            }
            match self.io.recv(RecvHint::Head).await {
                Ok(chunk) if !chunk.is_empty() => self.inbox.push(chunk),
                _ => {
                    let reason = self
                        .timer
                        .fired()
                        .map_or(Reason::ClientClosed, Wait::reason);
                    return Arrival::Incomplete(reason);
                }
            }
        }
    }

    /// Reads and forgets what the client still sends, so that it finds our answer before it finds a reset
    /// (RFC 9112, 9.6). Bounded in bytes and, by the deadline, in time.
    pub(crate) async fn linger(&mut self, limit: usize, until: Instant) {
        self.timer.arm(
            Wait::Total,
            until.saturating_duration_since(Instant::now()),
            None,
        );
        let mut seen = self.inbox.take_all().len();
        while seen < limit {
            match self.io.recv(RecvHint::Body).await {
                Ok(chunk) if !chunk.is_empty() => seen += chunk.len(),
                _ => return,
            }
        }
    }
}

/// Sends to the client.
pub(crate) struct Writer<'c, S: Stream> {
    pub(crate) io: &'c Io<S>,
    timer: Timer,
    timeouts: FrontTimeouts,
}

impl<'c, S: Stream> Writer<'c, S> {
    pub(crate) fn new(io: &'c Io<S>, timer: Timer, timeouts: FrontTimeouts) -> Self {
        Self {
            io,
            timer,
            timeouts,
        }
    }

    /// Sends pieces in order. The client has to take them within its time.
    pub(crate) async fn send(
        &mut self,
        parts: Parts,
        total: Option<Instant>,
    ) -> Result<(), Reason> {
        if total.is_some_and(|total| self.timer.is_over(total)) {
            return Err(Reason::TotalTimeout);
        }
        self.timer.arm(Wait::Send, self.timeouts.send, total);
        let sent = self.io.send(parts).await;
        let result = sent.map_err(|_| {
            self.timer
                .fired()
                .map_or(Reason::ClientClosed, Wait::reason)
        });
        self.timer.disarm();
        result
    }
}
