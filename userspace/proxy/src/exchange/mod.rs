//! One request from its head to its log line: the pipeline.
//!
//! ```text
//! normalise → route → addresses → WAF 1, 2 → auth → endpoint → WAF 3, 4 → answer → log
//! ```
//!
//! The stages run in this order and each one either lets the request go on or stops it with a reason. They all see the
//! same bytes: the head as it was parsed once, path and host as they were normalised once.

mod answer;
mod forward;
mod identify;
mod inspect;
pub(crate) mod record;
mod refused;
mod relay;
mod request;
mod shadow;
mod stop;
mod upload;

use crate::body::{Pace, RequestBody};
use crate::connection::Peer;
use crate::front::{Reader, Writer};
use crate::generation::RoutePlan;
use crate::worker::{View, Worker};
use forward::Ends;
use http::Method;
use http::h1::BodyLimits;
use http::h1::request::RequestHead;
use net::{Chunk, Driver, Stream};
use record::Record;
use request::{Normal, Request};
use std::rc::Rc;
use std::time::Instant;
use stop::Stop;
use types::{Reason, Verdict};

pub(crate) use forward::{Failure, Target};
pub(crate) use refused::{Misfit, refuse};

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It carries the next request.
    NextRequest,
    /// It ends in order: the client has everything, and we have everything of the client.
    Close,
    /// It ends, but the client may still be sending: it must not find a reset before the answer.
    Linger,
    /// It is cut at once: nothing that we could say would be understood.
    Abort,
}

/// The client's side, as the pipeline uses it.
pub(crate) struct Front<'f, 'c, S: Stream> {
    pub(crate) reader: &'f mut Reader<'c, S>,
    pub(crate) writer: &'f mut Writer<'c, S>,
    /// Whether this answer is the last one of the connection, whatever the client wants.
    pub(crate) last: bool,
}

/// What the stages share.
struct Exchange<'x, D: Driver> {
    worker: &'x Worker<D>,
    view: &'x View,
    peer: &'x Peer,
    request: Request<'x>,
    record: Record,
    /// Whether the client's connection can go on after the answer.
    keep_alive: bool,
    /// When the request as a whole must have ended.
    total: Instant,
}

/// Serves one request.
pub(crate) async fn run<D: Driver>(
    worker: &Rc<Worker<D>>,
    peer: &Peer,
    head: &RequestHead,
    bytes: &Chunk,
    front: Front<'_, '_, D::Stream>,
) -> After {
    let Front {
        reader,
        writer,
        last,
    } = front;
    let view = worker.view();
    let mut normal = Normal::default();
    let request = match Request::new(head.view(bytes), peer, &mut normal) {
        Ok(request) => request,
        Err(stop) => {
            let misfit = Misfit {
                reason: stop.reason(),
                detail: &stop.detail,
                head: bytes,
                behind: reader.inbox.bytes(),
                takes_head: true,
            };
            return refuse(worker, peer, &misfit, writer).await;
        }
    };
    let record = Record::new(worker);
    let mut body = RequestBody::new(head, reader);
    let mut exchange = Exchange {
        total: record.started(),
        worker,
        view: &view,
        peer,
        request,
        record,
        keep_alive: head.keep_alive() && !last,
    };
    let after = match exchange.stages(&mut body, writer).await {
        Ok(after) => after,
        Err(stop) => {
            exchange.lay_charge(&stop);
            exchange.answer_stop(stop, &body, writer).await
        }
    };
    exchange.record.bytes_in = body.received();
    exchange
        .record
        .close(worker, &view, peer, &exchange.request);
    after
}

impl<D: Driver> Exchange<'_, D> {
    async fn stages<'c>(
        &mut self,
        body: &mut RequestBody<'_, 'c, D::Stream>,
        writer: &mut Writer<'c, D::Stream>,
    ) -> Result<After, Stop> {
        let view = self.view;
        let index = match self.find_route(self.request.path) {
            Ok(index) => index,
            Err(stop) => {
                self.inspect_asterisk(&stop);
                return Err(stop);
            }
        };
        let route = &view.generation.routes[index];
        self.record.routed(index);
        self.total = self.record.started() + route.total_timeout;
        if !route.access.admits(self.request.client) {
            return Err(Reason::AddressDenied.into());
        }
        // At accept it was the peer that was looked up; behind a trusted proxy the client is somebody else.
        let client = self.request.client;
        if client != self.peer.address.ip() && self.worker.shared.offences.refuses(client) {
            return Err(self.banned());
        }
        if let Err(stop) = self.may_go_on(route, body) {
            self.inspect_refused(index, &stop);
            return Err(stop);
        }
        let mut inspection = self.begin_inspection(route);
        let mut ends = Ends {
            body,
            writer,
            inspection: &mut inspection,
        };
        let outcome = self.inspected(route, &mut ends).await;
        self.close_inspection(route, inspection);
        outcome
    }

    /// What the head alone decides: how far the request may go, and whether its body is too large.
    fn may_go_on(
        &self,
        route: &RoutePlan,
        body: &mut RequestBody<'_, '_, D::Stream>,
    ) -> Result<(), Stop> {
        if self.request.view.hops_left() == Some(0) {
            return Err(last_hop(self.request.view.head().method()));
        }
        let pace = Pace {
            timeouts: self.peer.plan.timeouts,
            started: self.record.started(),
            total: self.total,
        };
        let limits = BodyLimits {
            body_bytes: route.body_limit,
            ..BodyLimits::default()
        };
        body.begin(limits, pace)?;
        Ok(())
    }

    /// The stages that the WAF watches.
    async fn inspected(
        &mut self,
        route: &RoutePlan,
        ends: &mut Ends<'_, '_, '_, D::Stream>,
    ) -> Result<After, Stop> {
        self.inspect_request(ends.inspection, ends.body).await?;
        self.identify(route).await?;
        ends.body.take_arrived()?;
        self.forward(route, ends).await
    }

    /// A request of somebody who is banned, and whom a proxy that is not has brought.
    fn banned(&self) -> Stop {
        let stop = Stop::from(Reason::Banned);
        match self.worker.shared.offences.closes_forwarded() {
            true => Stop {
                verdict: Verdict::Close(Reason::Banned),
                ..stop
            },
            false => stop,
        }
    }

    /// Lays a refusal to the client, before it is answered: a client that does not read its answer would gain time.
    fn lay_charge(&self, stop: &Stop) {
        let rule = self.record.telling_rule(stop.rule);
        let offences = &self.worker.shared.offences;
        offences.report(self.request.client, self.is_named(), stop.reason(), rule);
    }

    /// Whether a trusted proxy has named the client, so that there is another address on the wire.
    fn is_named(&self) -> bool {
        let caller = &self.peer.caller;
        caller.via.is_some() || self.request.client != caller.address.ip()
    }

    fn find_route(&self, path: &[u8]) -> Result<usize, Stop> {
        let request = &self.request;
        let table = &self.view.generation.table;
        match table.lookup(request.host, path, request.view.method_bytes(), request) {
            route::Lookup::Found { route, .. } => Ok(route),
            route::Lookup::NotFound => Err(Reason::NoRoute.into()),
            route::Lookup::MethodNotAllowed { allow } => {
                Err(Stop::new(Reason::MethodNotAllowed).field("Allow", allow.to_string()))
            }
        }
    }

    /// The counters of the route; the stages that ask for them come after the routing.
    fn route_counts(&self) -> &crate::metrics::RouteCounts {
        &self.view.counts.routes[self.record.route()]
    }
}

/// The answer to a request that may go no further (RFC 9110, 7.6.2). TRACE would show a client the fields that were
/// added on the way.
fn last_hop(method: Method) -> Stop {
    match method {
        Method::Options => Stop::new(Reason::Served).status(204),
        _ => Stop::new(Reason::MethodNotAllowed).field("Allow", *b"OPTIONS"),
    }
}
