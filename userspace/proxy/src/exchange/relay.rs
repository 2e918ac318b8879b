//! The answer, from the endpoint to the client.

use super::forward::{Failure, PSEUDONYM, Target, no_answer};
use super::inspect::Inspection;
use super::upload::framed;
use super::{After, Exchange};
use crate::front::Writer;
use crate::upstream::Backend;
use balance::Pooled;
use http::Version;
use http::forward::{ResponseContext, response_framing, response_head};
use http::h1::body::BodyDecoder;
use http::h1::response::{self, ResponseHead};
use http::h1::{BodyLimits, Framing, Parse, Side, chunk};
use net::{Buffer, Chunk, Driver, Parts, RecvHint, Stream};
use smallvec::SmallVec;
use std::time::{Duration, Instant};
use types::Reason;

/// Interim answers (1xx) to one request; an endpoint that sends more is not answering.
const INTERIM_ANSWERS: u32 = 16;

/// A body up to this many bytes is waited for before the head goes out, so that both go in one packet.
const WAIT_FOR_BODY_BYTES: u64 = 64 * 1024;

/// Room for an answer's head.
const HEAD_BYTES: usize = 2048;

/// Pieces of a body that are held without an allocation: what a receive or two give.
const HELD_PIECES: usize = 2;

/// An answer that has reached the client.
pub(super) struct Relayed {
    pub(super) after: After,
    /// Whether the endpoint's connection can carry another request.
    pub(super) reusable: bool,
}

impl<D: Driver> Exchange<'_, D> {
    pub(super) async fn relay(
        &mut self,
        backend: &Pooled<Backend<D::Stream>>,
        target: &mut Target<'_>,
        sent: Instant,
        writer: &mut Writer<'_, D::Stream>,
        inspection: &mut Inspection,
    ) -> Result<Relayed, Failure> {
        let mut head = backend.head.take();
        let watch = self.worker.waiting.watch(writer.io, &backend.io);
        let bytes = match self.await_answer(backend, target, &mut head, writer).await {
            Err(_) if watch.has_left() => return Err(Failure::new(Reason::ClientClosed)),
            answered => answered?,
        };
        drop(watch);
        let answered = Instant::now();
        let waited = answered - sent;
        self.record.stages.first_byte = waited;
        let counts = &self.view.counts.endpoints[target.route.upstream][target.index];
        counts.answered(head.status(), waited);

        let mut download = Download::new(&head, self.request.view.head().version())?;
        let times = (target.route.response_timeout, self.total);
        self.inspect_answer(inspection, head.view(&bytes), &mut download, backend, times)
            .await?;
        if download.wants_company() {
            download.receive(backend, times).await?;
        }
        let mut parts = Parts::from(self.answer_head(&head, &bytes, download.framing));
        backend.answering.set(true);
        loop {
            download
                .take_ready(backend, &mut parts)
                .map_err(Failure::committed)?;
            if !parts.is_empty() {
                let parts = std::mem::take(&mut parts);
                writer
                    .send(parts, Some(self.total))
                    .await
                    .map_err(Failure::committed)?;
            }
            if download.is_over() {
                break;
            }
            download
                .receive(backend, times)
                .await
                .map_err(Failure::committed)?;
        }
        self.record.bytes_out = download.decoder.received();
        self.record.end(head.status(), Reason::Served);
        // The clock of the deadlines is at most a tick behind, and ahead after a long body.
        let now = answered.max(self.worker.deadlines.clock().now());
        target.finish(target.plan.balancer.judge(head.status()), waited, now);
        let keep_alive = self.keep_alive && download.framing != Framing::UntilClose;
        let reusable = head.keep_alive() && !download.ended_by_close;
        backend.head.set(head);
        Ok(Relayed {
            after: if keep_alive {
                After::NextRequest
            } else {
                After::Close
            },
            reusable,
        })
    }

    /// Waits for the head of the final answer. Interim ones are passed on where the client knows them.
    async fn await_answer(
        &mut self,
        backend: &Pooled<Backend<D::Stream>>,
        target: &mut Target<'_>,
        head: &mut ResponseHead,
        writer: &mut Writer<'_, D::Stream>,
    ) -> Result<Chunk, Failure> {
        let method = self.request.view.head().method();
        let mut interim = 0;
        loop {
            let limits = &target.plan.answer_head;
            let parsed = response::parse(backend.inbox.borrow().bytes(), limits, method, head);
            match parsed {
                Ok(Parse::Complete { consumed }) => {
                    let bytes = backend.inbox.borrow_mut().take(consumed);
                    if !head.is_interim() {
                        return Ok(bytes);
                    }
                    interim += 1;
                    if head.status() == 101 || interim > INTERIM_ANSWERS {
                        return Err(no_answer(backend, Reason::UpstreamMalformed));
                    }
                    self.pass_interim(head, &bytes, writer).await?;
                }
                Ok(Parse::Partial) => {
                    let times = (target.route.response_timeout, self.total);
                    match backend.receive(RecvHint::Head, times.0, times.1).await {
                        Ok(true) => {}
                        Ok(false) => {
                            return Err(no_answer(backend, Reason::UpstreamClosed));
                        }
                        Err(reason) => return Err(no_answer(backend, reason)),
                    }
                }
                Err(error) => {
                    return Err(no_answer(backend, error.reason()).detail(error.to_string()));
                }
            }
        }
    }

    /// 100 was said by us, if the client asked for it; others mean nothing to a client of HTTP/1.0
    /// (RFC 9110, 15.2).
    async fn pass_interim(
        &self,
        head: &ResponseHead,
        bytes: &Chunk,
        writer: &mut Writer<'_, D::Stream>,
    ) -> Result<(), Reason> {
        if head.status() == 100 || self.request.view.head().version() == Version::Http10 {
            return Ok(());
        }
        let interim = self.answer_head(head, bytes, Framing::None);
        writer.send(Parts::from(interim), Some(self.total)).await
    }

    fn answer_head(&self, head: &ResponseHead, bytes: &Chunk, framing: Framing) -> Chunk {
        let context = ResponseContext {
            framing,
            keep_alive: self.keep_alive,
            client_version: self.request.view.head().version(),
            date: &self.worker.date(),
            pseudonym: Some(PSEUDONYM),
            edits: &[],
        };
        let mut out = Buffer::with_capacity(HEAD_BYTES);
        response_head(out.as_mut_vec(), head.view(bytes), &context);
        out.freeze()
    }
}

/// The body of an answer on its way.
pub(super) struct Download {
    decoder: BodyDecoder,
    /// How the client is told where it ends.
    framing: Framing,
    /// Pieces that were held back to be inspected.
    held: SmallVec<[Chunk; HELD_PIECES]>,
    /// Whether a chunk has gone out, so that the next one begins with the end of it.
    follows: bool,
    /// Whether the end has gone out.
    over: bool,
    ended_by_close: bool,
    small: bool,
}

impl Download {
    fn new(head: &ResponseHead, client: Version) -> Result<Self, Failure> {
        let mut decoder = BodyDecoder::new(Side::Response);
        decoder
            .start(head.framing(), BodyLimits::default())
            .map_err(|error| Failure::new(error.reason()))?;
        let small = matches!(head.framing(), Framing::Length(1..=WAIT_FOR_BODY_BYTES));
        Ok(Self {
            over: decoder.is_done(),
            decoder,
            framing: response_framing(head, client),
            held: SmallVec::new(),
            follows: false,
            ended_by_close: false,
            small,
        })
    }

    /// Whether the head is better sent together with the body that follows at once.
    fn wants_company(&self) -> bool {
        self.small && self.held.is_empty() && !self.decoder.is_done()
    }

    /// Whether there is no body, or none that has not been read.
    pub(super) fn is_empty(&self) -> bool {
        self.decoder.is_done()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    /// Receives more of the body.
    async fn receive<S: Stream>(
        &mut self,
        backend: &Backend<S>,
        (patience, total): (Duration, Instant),
    ) -> Result<(), Reason> {
        if !backend.inbox.borrow().is_empty() {
            return Ok(());
        }
        if !backend.receive(RecvHint::Body, patience, total).await? {
            self.decoder
                .end_of_input()
                .map_err(|_| Reason::UpstreamClosed)?;
            self.ended_by_close = true;
        }
        Ok(())
    }

    /// Decodes what is in the inbox to pieces of content.
    fn decode<S: Stream>(&mut self, backend: &Backend<S>) -> Result<(), Reason> {
        let mut inbox = backend.inbox.borrow_mut();
        while !inbox.is_empty() && !self.decoder.is_done() {
            let step = self
                .decoder
                .decode(inbox.bytes())
                .map_err(|error| error.reason())?;
            let piece = inbox.take(step.consumed).slice(step.data);
            if !piece.is_empty() {
                self.held.push(piece);
            }
        }
        Ok(())
    }

    /// Adds to `parts` what the client can get now. Pieces that arrived together leave as one chunk.
    fn take_ready<S: Stream>(
        &mut self,
        backend: &Backend<S>,
        parts: &mut Parts,
    ) -> Result<(), Reason> {
        self.decode(backend)?;
        let bytes: usize = self.held.iter().map(|piece| piece.len()).sum();
        let is_chunked = self.framing == Framing::Chunked;
        if is_chunked && bytes > 0 {
            parts.push(framed(bytes, self.follows));
            self.follows = true;
        }
        for piece in self.held.drain(..) {
            parts.push(piece);
        }
        if self.decoder.is_done() && !self.over {
            self.over = true;
            if is_chunked {
                let mut end = Buffer::with_capacity(64);
                let trailers = self.decoder.trailers();
                chunk::write_last(end.as_mut_vec(), self.follows, trailers, |_| true);
                parts.push(end);
            }
        }
        Ok(())
    }

    /// Holds the body back until it is complete or `limit` bytes of it are here, and gives what there is to `look`.
    pub(super) async fn hold<S: Stream>(
        &mut self,
        backend: &Backend<S>,
        limit: usize,
        times: (Duration, Instant),
        mut look: impl FnMut(&[u8]),
    ) -> Result<(), Reason> {
        let mut seen = 0;
        loop {
            let before = self.held.len();
            self.decode(backend)?;
            for piece in self.held.iter().skip(before) {
                let room = limit.saturating_sub(seen).min(piece.len());
                look(piece.get(..room).unwrap_or_default());
                seen += piece.len();
            }
            if self.decoder.is_done() || seen >= limit {
                return Ok(());
            }
            self.receive(backend, times).await?;
        }
    }
}
