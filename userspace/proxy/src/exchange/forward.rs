//! To an endpoint: choose one, send the request, and send it to another one where that is safe.

use super::inspect::Inspection;
use super::record::spent;
use super::stop::Stop;
use super::upload::{UploadFault, upload};
use super::{After, Exchange};
use crate::body::RequestBody;
use crate::front::Writer;
use crate::generation::{HashBy, RoutePlan, UpstreamPlan};
use crate::layer4::About;
use crate::upstream::{self, Backend, Opening};
use balance::{Attempt, Decision, Outcome, PickInput, Picked, Pooled, Tried};
use http::forward::{Edit, ForwardContext, request_head};
use http::h1::Framing;
use net::{Buffer, Chunk, Driver, Parts, Stream};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use types::Reason;

/// Our name in Via.
pub(super) const PSEUDONYM: &str = "bascule";

/// Room for a request head with the fields that we add.
const HEAD_BYTES: usize = 2048;

/// An attempt that did not come to an answer.
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    /// What a stage of ours had to say about the answer.
    stop: Option<Box<Stop>>,
    /// Whether the endpoint may have seen any of the request.
    pub(crate) bytes_sent: bool,
    /// The client has seen a part of the answer: there is no way back.
    pub(super) committed: bool,
}

impl Failure {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: String::new(),
            stop: None,
            bytes_sent: true,
            committed: false,
        }
    }

    /// Nothing of the request has left us.
    pub(crate) fn unsent(reason: Reason) -> Self {
        Self {
            bytes_sent: false,
            ..Self::new(reason)
        }
    }

    pub(crate) fn detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    pub(super) fn committed(reason: Reason) -> Self {
        Self {
            committed: true,
            ..Self::new(reason)
        }
    }
}

impl From<Stop> for Failure {
    /// A stage of ours stopped the answer: that is no failure of the endpoint.
    fn from(stop: Stop) -> Self {
        Self {
            stop: Some(Box::new(stop)),
            ..Self::new(Reason::Internal)
        }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

/// Where one attempt goes.
pub(crate) struct Target<'t> {
    pub(super) route: &'t RoutePlan,
    pub(crate) plan: &'t UpstreamPlan,
    /// Present until the attempt's outcome is told.
    picked: Option<Picked>,
    pub(crate) index: usize,
    pub(crate) address: SocketAddr,
}

impl Target<'_> {
    /// Tells the balancer how the attempt ended.
    pub(super) fn finish(&mut self, outcome: Outcome, latency: Duration, now: Instant) {
        if let Some(picked) = self.picked.take() {
            picked.finish(outcome, latency, now);
        }
    }

    /// Tells it that no answer came.
    fn fail(&mut self, failure: &Failure, began: Instant) {
        let now = Instant::now();
        self.finish(Outcome::of(failure.reason), now - began, now);
    }
}

/// The client's side of an attempt.
pub(super) struct Ends<'e, 'r, 'c, S: Stream> {
    pub(super) body: &'e mut RequestBody<'r, 'c, S>,
    pub(super) writer: &'e mut Writer<'c, S>,
    pub(super) inspection: &'e mut Inspection,
}

impl<D: Driver> Exchange<'_, D> {
    /// Brings the request to an endpoint and the answer to the client.
    pub(super) async fn forward(
        &mut self,
        route: &RoutePlan,
        ends: &mut Ends<'_, '_, '_, D::Stream>,
    ) -> Result<After, Stop> {
        let generation = &self.view.generation;
        let plan = &generation.upstreams[route.upstream];
        let hash = self.hash(plan);
        let mut tried = Tried::NONE;
        let mut last_failure = None;
        loop {
            let now = Instant::now();
            let input = PickInput {
                now,
                hash,
                random: self.worker.random.next(),
                tried: &tried,
            };
            let picked = match plan.balancer.pick(&input) {
                Ok(picked) => picked,
                // Of an endpoint that failed and none to stand in for it, the failure says more.
                Err(why) => return Err(last_failure.unwrap_or_else(|| no_endpoint(&why))),
            };
            let index = picked.index();
            let address = plan.endpoints[index].address;
            self.record.endpoint = Some(address);
            self.record.tries += 1;
            let target = Target {
                route,
                plan,
                picked: Some(picked),
                index,
                address,
            };
            let failure = match self.attempt(target, now, ends).await {
                Ok(after) => return Ok(after),
                Err(failure) => failure,
            };
            let counts = &self.view.counts.endpoints[route.upstream][index];
            if failure.committed {
                counts.failed(failure.reason);
                self.record.reason = failure.reason;
                return Ok(After::Abort);
            }
            if let Some(stop) = failure.stop {
                return Err(*stop);
            }
            if failure.reason.blame() != types::Blame::Upstream {
                return Err(Stop::new(failure.reason).detail(failure.detail));
            }
            counts.failed(failure.reason);
            tracing::debug!(
                upstream = %plan.name, endpoint = %address, reason = %failure.reason,
                detail = failure.detail, "attempt failed"
            );
            tried.add(index);
            let may_retry = self.may_retry(plan, &failure, &tried, ends);
            let stop = Stop::new(failure.reason).detail(failure.detail);
            if !may_retry {
                return Err(stop);
            }
            last_failure = Some(stop);
            counts.retried();
        }
    }

    fn may_retry(
        &self,
        plan: &UpstreamPlan,
        failure: &Failure,
        tried: &Tried,
        ends: &Ends<'_, '_, '_, D::Stream>,
    ) -> bool {
        let attempt = Attempt {
            reason: failure.reason,
            bytes_sent: failure.bytes_sent,
            idempotent: self.request.view.head().method().is_idempotent(),
            replayable: ends.body.is_replayable(),
            answered: failure.committed,
            retries: u8::try_from(tried.len().saturating_sub(1)).unwrap_or(u8::MAX),
        };
        let now = Instant::now();
        // No endpoint had work of what was not sent. On a budget, one dead endpoint among a few would use that up.
        let decision = match failure.bytes_sent {
            true => plan.balancer.may_retry(&plan.retry, &attempt, now),
            false => plan.retry.decide(&attempt),
        };
        now < self.total && matches!(decision, Decision::Retry { .. })
    }

    /// One endpoint. A kept connection that turns out to be closed is no failure of the endpoint: the request goes out
    /// again on a new one.
    async fn attempt(
        &mut self,
        mut target: Target<'_>,
        began: Instant,
        ends: &mut Ends<'_, '_, '_, D::Stream>,
    ) -> Result<After, Failure> {
        if let Some(backend) = self.kept_connection(&target, ends) {
            // Nothing has been waited for since the attempt began.
            match self.converse(backend, began, &mut target, ends).await {
                Err(failure) if self.may_go_again(&failure, ends) => {
                    // What has been kept beside it is likely to be closed as well.
                    self.worker.pools.clear(target.plan, target.index);
                }
                Err(failure) => {
                    target.fail(&failure, began);
                    return Err(failure);
                }
                answered => return answered,
            }
        }
        let since = Instant::now();
        let opening = self.opening(target.plan);
        let connected = upstream::connect(self.worker, &target, &opening, self.total).await;
        spent(&mut self.record.stages.connect, since);
        let outcome = match connected {
            Ok(backend) => {
                self.converse(backend, Instant::now(), &mut target, ends)
                    .await
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &outcome {
            target.fail(failure, began);
        }
        outcome
    }

    /// Whether the request may go out again because a kept connection was closed before it got there.
    fn may_go_again(&self, failure: &Failure, ends: &Ends<'_, '_, '_, D::Stream>) -> bool {
        failure.reason == Reason::UpstreamReused
            && ends.body.is_replayable()
            && self.request.view.head().method().is_idempotent()
    }

    /// A kept connection to the endpoint, without bytes that nobody asked for: they would pass for the answer. A request
    /// that must not be sent twice takes only one that is open for sure.
    fn kept_connection(
        &self,
        target: &Target<'_>,
        ends: &Ends<'_, '_, '_, D::Stream>,
    ) -> Option<Pooled<Backend<D::Stream>>> {
        if target.plan.is_personal() {
            return None;
        }
        let replayable = self.request.view.head().method().is_idempotent() && ends.body.is_read();
        loop {
            let backend = self.worker.pools.take(target.plan, target.index)?;
            let is_usable = match replayable {
                true => backend.io.is_quiet(),
                false => !backend.io.socket().has_ended(),
            };
            if is_usable {
                return Some(backend);
            }
        }
    }

    /// Sends the request and brings back the answer. `sent`: the time now.
    async fn converse(
        &mut self,
        backend: Pooled<Backend<D::Stream>>,
        sent: Instant,
        target: &mut Target<'_>,
        ends: &mut Ends<'_, '_, '_, D::Stream>,
    ) -> Result<After, Failure> {
        let Ends {
            body,
            writer,
            inspection,
        } = ends;
        let mut parts = Parts::from(self.request_head(target, body.framing()));
        let gathered = body.gathered();
        if body.goes_in_pieces() {
            body.invite().await?;
            return self.converse_streaming(backend, target, parts, ends).await;
        }
        if !gathered.is_empty() {
            parts.push(gathered);
        }
        backend.arm(target.route.response_timeout, self.total);
        if backend.io.send(parts).await.is_err() {
            return Err(no_answer(&backend, backend.lost()));
        }
        let relayed = self
            .relay(&backend, target, sent, writer, inspection)
            .await?;
        if relayed.reusable {
            self.worker.pools.put(target.plan, backend);
        }
        Ok(relayed.after)
    }

    /// The same while the body is still arriving: the answer may begin before the request has ended.
    async fn converse_streaming(
        &mut self,
        backend: Pooled<Backend<D::Stream>>,
        target: &mut Target<'_>,
        parts: Parts,
        ends: &mut Ends<'_, '_, '_, D::Stream>,
    ) -> Result<After, Failure> {
        let Ends {
            body,
            writer,
            inspection,
        } = ends;
        let patience = (target.route.response_timeout, self.total);
        backend.uploading.set(true);
        let sent = Instant::now();
        let mut uploaded = false;
        let relayed = {
            let upload = upload(parts, body, &backend, target.route, self.total);
            let relay = self.relay(&backend, target, sent, writer, inspection);
            tokio::pin!(upload);
            tokio::pin!(relay);
            loop {
                tokio::select! {
                    biased;
                    relayed = &mut relay => break relayed?,
                    outcome = &mut upload, if backend.uploading.get() => {
                        backend.uploading.set(false);
                        match outcome {
                            Ok(()) => {
                                uploaded = true;
                                backend.arm(patience.0, patience.1);
                            }
                            // It takes no more, but may still say why.
                            Err(UploadFault::Endpoint) => backend.arm(patience.0, patience.1),
                            Err(UploadFault::Client(reason)) => {
                                let committed = backend.answering.get();
                                return Err(Failure { committed, ..Failure::new(reason) });
                            }
                        }
                    }
                }
            }
        };
        if relayed.reusable && uploaded {
            self.worker.pools.put(target.plan, backend);
        }
        Ok(match (relayed.after, body.is_read()) {
            (After::NextRequest | After::Close, false) => After::Linger,
            (after, _) => after,
        })
    }

    fn request_head(&self, target: &Target<'_>, framing: Framing) -> Chunk {
        let request = &self.request;
        let edits = self.edits(target.route);
        let endpoint;
        let host = match request.view.host() {
            // A client of HTTP/1.0 may have named none.
            b"" => {
                endpoint = target.address.to_string();
                endpoint.as_bytes()
            }
            host => host,
        };
        let context = ForwardContext {
            path: request.path,
            query: self
                .record
                .scrubbed_query
                .as_deref()
                .or(request.view.query()),
            host,
            framing,
            keep_alive: true,
            peer: self.peer.address.ip(),
            peer_is_trusted: self.peer.trusted,
            scheme: request.scheme,
            request_id: &self.record.id,
            pseudonym: PSEUDONYM,
            edits: &edits,
        };
        let mut head = Buffer::with_capacity(HEAD_BYTES);
        request_head(head.as_mut_vec(), request.view, &context);
        head.freeze()
    }

    /// What a new connection begins with, where the upstream wants to know whose it is: the client's, behind trusted proxies.
    fn opening(&self, plan: &UpstreamPlan) -> Opening {
        if !plan.is_personal() {
            return Opening::default();
        }
        let peer = self.peer;
        let client = self.request.client;
        // Behind a proxy that tells addresses alone, the client's port is not known.
        let port = match client == peer.address.ip() {
            true => peer.address.port(),
            false => 0,
        };
        let about = About {
            client: SocketAddr::new(client, port),
            destination: peer.destination.unwrap_or(peer.local),
            tls: peer.tls.map_or("", |session| session.version),
            sni: &peer.sni,
            alpn: b"",
            id: self.record.own_id().as_bytes(),
            datagram: false,
        };
        Opening::new(plan, &about)
    }

    /// What the operator wants changed, and the credentials that stay here.
    fn edits<'e>(&'e self, route: &'e RoutePlan) -> SmallVec<[Edit<'e>; 8]> {
        let mut edits = SmallVec::new();
        let headers = &route.request_headers;
        edits.extend(headers.remove.iter().map(|name| Edit::Remove { name }));
        edits.extend(
            headers
                .set
                .iter()
                .map(|(name, value)| Edit::Set { name, value }),
        );
        if let Some(policy) = &route.auth {
            // A field is taken away by its name: a client that sends two of them loses both.
            let credentials = self.request.view.fields().iter().filter_map(|field| {
                let name = std::str::from_utf8(field.name).ok()?;
                policy
                    .strips_header(name, field.value)
                    .then_some(Edit::Remove { name })
            });
            edits.extend(credentials);
        }
        edits
    }

    fn hash(&self, plan: &UpstreamPlan) -> Option<u64> {
        let request = &self.request;
        match plan.hash_by.as_ref()? {
            HashBy::Source | HashBy::Client(_) => Some(match request.client {
                IpAddr::V4(address) => balance::hash_key(&address.octets()),
                IpAddr::V6(address) => balance::hash_key(&address.octets()),
            }),
            HashBy::Header(name) => request.view.fields().find(name).map(balance::hash_key),
            HashBy::Cookie(name) => {
                http::cookie::get(request.view.fields(), name).map(balance::hash_key)
            }
        }
    }
}

/// The endpoint closed, stayed silent, or sent what is no answer.
pub(super) fn no_answer<S: Stream>(backend: &Pooled<Backend<S>>, reason: Reason) -> Failure {
    let untouched = backend.is_reused() && reason == Reason::UpstreamClosed && !backend.heard.get();
    Failure::new(if untouched {
        Reason::UpstreamReused
    } else {
        reason
    })
}

fn no_endpoint(why: &balance::NoEndpoint) -> Stop {
    Stop::new(Reason::NoEndpoint)
        .detail(why.to_string())
        .field("Retry-After", *b"1")
}
