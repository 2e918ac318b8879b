//! The body of a request: streamed, or gathered first where somebody has to see the whole of it.

use crate::front::Reader;
use crate::generation::FrontTimeouts;
use crate::wait::Wait;
use http::h1::request::RequestHead;
use http::h1::{BodyLimits, Framing};
use net::{Buffer, Chunk, Parts, RecvHint, Stream};
use std::time::Instant;
use types::Reason;

/// How fast a body has to arrive.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) timeouts: FrontTimeouts,
    /// When the request began.
    pub(crate) started: Instant,
    /// When the request as a whole must have ended.
    pub(crate) total: Instant,
}

impl Pace {
    /// Whether a body of which `received` bytes have come is too slow on average.
    fn is_too_slow(&self, received: u64, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.started);
        elapsed > self.timeouts.body
            && (received as f64) < elapsed.as_secs_f64() * self.timeouts.body_rate as f64
    }
}

/// The body of the request that is being served.
pub(crate) struct RequestBody<'r, 'c, S: Stream> {
    reader: &'r mut Reader<'c, S>,
    declared: Framing,
    pace: Option<Pace>,
    /// The client waits for `100 Continue`.
    waits: bool,
    /// What was read before it was sent on.
    gathered: Chunk,
    /// Whether pieces have been handed out that nobody keeps.
    streamed: bool,
}

impl<'r, 'c, S: Stream> RequestBody<'r, 'c, S> {
    pub(crate) fn new(head: &RequestHead, reader: &'r mut Reader<'c, S>) -> Self {
        Self {
            reader,
            declared: head.framing(),
            pace: None,
            waits: head.expects_continue(),
            gathered: Chunk::default(),
            streamed: false,
        }
    }

    /// Begins to read it within a route's limits.
    pub(crate) fn begin(&mut self, limits: BodyLimits, pace: Pace) -> Result<(), Reason> {
        self.reader
            .decoder
            .start(self.declared, limits)
            .map_err(|error| error.reason())?;
        self.pace = Some(pace);
        Ok(())
    }

    /// Whether the request has a body at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.declared, Framing::None | Framing::Length(0))
    }

    /// Whether everything of it has been read from the client.
    pub(crate) fn is_read(&self) -> bool {
        self.is_empty() || (self.pace.is_some() && self.reader.decoder.is_done())
    }

    /// Whether it can be sent from its beginning, again if need be: what was taken from the client was gathered.
    pub(crate) fn is_replayable(&self) -> bool {
        !self.streamed
    }

    /// Content bytes read so far.
    pub(crate) fn received(&self) -> u64 {
        if self.pace.is_some() {
            self.reader.decoder.received()
        } else {
            0
        }
    }

    /// What was gathered. A clone shares the bytes, so that it can be sent again.
    pub(crate) fn gathered(&self) -> Chunk {
        self.gathered.clone()
    }

    /// How the body goes on to an endpoint: with its length where that is known by now and no trailers need chunks.
    pub(crate) fn framing(&self) -> Framing {
        match self.declared {
            Framing::Chunked if self.is_read() && !self.has_trailers() => {
                Framing::Length(self.gathered.len() as u64)
            }
            declared => declared,
        }
    }

    /// Whether it goes on in pieces, not in one with the head.
    pub(crate) fn goes_in_pieces(&self) -> bool {
        !self.is_read() || self.framing() == Framing::Chunked
    }

    fn has_trailers(&self) -> bool {
        self.trailers().forwardable().next().is_some()
    }

    /// The trailers, once the body is read.
    pub(crate) fn trailers(&self) -> &http::h1::Trailers {
        self.reader.decoder.trailers()
    }

    /// Tells a client that waits for it to send the body (RFC 9110, 10.1.1).
    pub(crate) async fn invite(&mut self) -> Result<(), Reason> {
        if std::mem::take(&mut self.waits) && !self.is_read() && self.reader.inbox.is_empty() {
            let invitation = Parts::from(http::respond::CONTINUE);
            self.reader
                .io
                .send(invitation)
                .await
                .map_err(|_| Reason::ClientClosed)?;
        }
        Ok(())
    }

    /// Takes what has arrived by now, without waiting. A body that came with its head is then known as a whole; one that
    /// is malformed is refused before an endpoint sees any of its request.
    pub(crate) fn take_arrived(&mut self) -> Result<(), Reason> {
        if !self.gathered.is_empty() {
            return Ok(());
        }
        let Some(first) = self.arrived()? else {
            return Ok(());
        };
        let Some(second) = self.arrived()? else {
            self.gathered = first;
            return Ok(());
        };
        let left = self.reader.inbox.bytes().len();
        let mut joined = Buffer::with_capacity(first.len() + second.len() + left);
        joined.extend_from_slice(&first);
        joined.extend_from_slice(&second);
        while let Some(piece) = self.arrived()? {
            joined.extend_from_slice(&piece);
        }
        self.gathered = joined.freeze();
        Ok(())
    }

    /// Reads up to `limit` bytes ahead, and the whole body where it is not longer.
    pub(crate) async fn gather(&mut self, limit: usize) -> Result<(), Reason> {
        self.invite().await?;
        let expected = match self.declared {
            Framing::Length(length) => usize::try_from(length).unwrap_or(limit).min(limit),
            _ => 0,
        };
        let mut whole = Buffer::with_capacity(expected);
        while whole.len() < limit {
            let Some(piece) = self.piece().await? else {
                break;
            };
            whole.extend_from_slice(&piece);
        }
        self.gathered = whole.freeze();
        Ok(())
    }

    /// The next piece of content that has not been gathered; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, Reason> {
        let piece = self.piece().await?;
        self.streamed |= piece.is_some();
        Ok(piece)
    }

    async fn piece(&mut self) -> Result<Option<Chunk>, Reason> {
        loop {
            if let Some(piece) = self.arrived()? {
                return Ok(Some(piece));
            }
            if self.is_read() {
                return Ok(None);
            }
            self.receive().await?;
        }
    }

    /// The next piece of content among what has arrived.
    fn arrived(&mut self) -> Result<Option<Chunk>, Reason> {
        while !self.is_read() && !self.reader.inbox.is_empty() {
            let reader = &mut *self.reader;
            let step = reader
                .decoder
                .decode(reader.inbox.bytes())
                .map_err(|e| e.reason())?;
            let piece = reader.inbox.take(step.consumed).slice(step.data);
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    async fn receive(&mut self) -> Result<(), Reason> {
        let Some(pace) = self.pace else {
            return Err(Reason::Internal);
        };
        if pace.is_too_slow(self.received(), Instant::now()) {
            return Err(Reason::BodyTimeout);
        }
        let timer = &self.reader.timer;
        if timer.is_over(pace.total) {
            return Err(Reason::TotalTimeout);
        }
        timer.arm(Wait::Body, pace.timeouts.body, Some(pace.total));
        match self.reader.io.recv(RecvHint::Body).await {
            Ok(chunk) if !chunk.is_empty() => {
                timer.disarm();
                self.reader.inbox.push(chunk);
                Ok(())
            }
            _ => Err(timer.fired().map_or(Reason::ClientClosed, Wait::reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_body_may_start_slowly_but_not_stay_slow() {
        let second = Duration::from_secs(1);
        let timeouts = FrontTimeouts {
            header: second,
            body: 10 * second,
            body_rate: 100,
            idle: second,
            send: second,
        };
        let started = Instant::now();
        let pace = Pace {
            timeouts,
            started,
            total: started + 100 * second,
        };
        assert!(!pace.is_too_slow(0, started + 9 * second));
        assert!(pace.is_too_slow(0, started + 11 * second));
        assert!(pace.is_too_slow(1099, started + 11 * second));
        assert!(!pace.is_too_slow(1100, started + 11 * second));
    }
}
