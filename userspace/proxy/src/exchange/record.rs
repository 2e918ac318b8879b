//! What a request leaves behind: its access line and its counts.

use super::request::Request;
use crate::connection::Peer;
use crate::log::{Line, Stages};
use crate::worker::{View, Worker};
use net::Driver;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use types::Reason;

/// Characters of a request id of ours: 128 bits in hexadecimal.
pub(crate) const ID_CHARACTERS: usize = 32;

/// Rules that a line names; more matched ones are in the audit log.
const RULES: usize = 16;

/// What is known of a request so far.
pub(super) struct Record {
    started: Instant,
    /// The id that we gave it.
    pub(super) id: [u8; ID_CHARACTERS],
    pub(super) status: u16,
    pub(super) reason: Reason,
    pub(super) detail: Cow<'static, str>,
    route: Option<usize>,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) tries: u32,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) stages: Stages,
    rules: SmallVec<[u64; RULES]>,
    pub(super) identity: Option<Arc<auth::Identity>>,
    /// The query without credentials, where it carried one.
    pub(super) scrubbed_query: Option<Vec<u8>>,
}

impl Record {
    pub(super) fn new<D: Driver>(worker: &Worker<D>) -> Self {
        Self {
            started: Instant::now(),
            id: new_id(worker),
            status: 0,
            reason: Reason::Internal,
            detail: Cow::Borrowed(""),
            route: None,
            endpoint: None,
            tries: 0,
            bytes_in: 0,
            bytes_out: 0,
            stages: Stages::default(),
            rules: SmallVec::new(),
            identity: None,
            scrubbed_query: None,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The route; the first one where it has none yet.
    pub(super) fn route(&self) -> usize {
        self.route.unwrap_or(0)
    }

    pub(super) fn routed(&mut self, route: usize) {
        self.route = Some(route);
    }

    /// How it ended. The first word counts: what goes wrong while an answer is sent does not hide why it was sent.
    pub(super) fn end(&mut self, status: u16, reason: Reason) {
        self.status = status;
        self.reason = reason;
    }

    pub(super) fn matched(&mut self, rule: u64) {
        if self.rules.len() < RULES {
            self.rules.push(rule);
        }
    }

    /// The rule that says most about why `blocking` said no: where scores are added up that one says little, and the last one
    /// that matched before it is what was found.
    pub(super) fn telling_rule(&self, blocking: u64) -> u64 {
        let before = self.rules.split(|rule| *rule == blocking).next();
        match before.and_then(<[u64]>::last) {
            Some(found) if blocking != 0 => *found,
            _ => blocking,
        }
    }

    /// The id that the request goes by, here and at the endpoint.
    pub(super) fn known_as<'r>(&'r self, request: &Request<'r>) -> &'r [u8] {
        request.given_id.unwrap_or(&self.id)
    }

    /// The id that we gave it, as text.
    pub(super) fn own_id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    /// Counts the request and writes its line.
    pub(super) fn close<D: Driver>(
        &mut self,
        worker: &Worker<D>,
        view: &View,
        peer: &Peer,
        request: &Request<'_>,
    ) {
        self.stages.total = self.started.elapsed();
        self.reason = peer.caller.why(self.reason);
        match self.route {
            Some(route) => {
                let bytes = (self.bytes_in, self.bytes_out);
                view.counts.routes[route].ended(self.status, self.reason, self.stages.total, bytes);
            }
            None => {
                if let Some(counts) = view.listener(peer.plan.address) {
                    counts.refused(self.reason);
                }
            }
        }
        let log = worker.log.borrow();
        if log.wants(self.reason, || worker.random.next()) {
            log.write(&self.line(view, peer, request));
        }
    }

    fn line<'l>(&'l self, view: &'l View, peer: &'l Peer, request: &Request<'l>) -> Line<'l> {
        let route = self
            .route
            .and_then(|route| view.generation.routes.get(route));
        let upstream = route.and_then(|route| view.generation.upstreams.get(route.upstream));
        let identity = self.identity.as_deref();
        let query = self.scrubbed_query.as_deref().or(request.view.query());
        Line {
            time: SystemTime::now() - self.stages.total,
            request_id: self.known_as(request),
            listener: &peer.plan.name,
            peer: peer.address,
            via: peer.via,
            client: request.client,
            tls: peer.tls.map_or("", |session| session.version),
            sni: &peer.sni,
            method: request.view.method_bytes(),
            host: request.host,
            path: request.path,
            query: query.unwrap_or_default(),
            protocol: request.protocol(),
            user_agent: request
                .view
                .header(http::Known::UserAgent)
                .unwrap_or_default(),
            status: Some(self.status),
            route: route.map_or("", |route| &route.name),
            upstream: upstream.map_or("", |upstream| &upstream.name),
            endpoint: self.endpoint,
            tries: self.tries,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            stages: self.stages,
            reason: self.reason,
            detail: &self.detail,
            rules: &self.rules,
            consumer: identity.map_or("", |who| &who.consumer),
            subject: identity.map_or("", |who| &who.subject),
            generation: view.generation.number,
        }
    }
}

/// Adds what a stage took.
pub(super) fn spent(stage: &mut Duration, since: Instant) {
    *stage += since.elapsed();
}

/// The two digits of each byte.
const HEXADECIMAL: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

pub(crate) fn new_id<D: Driver>(worker: &Worker<D>) -> [u8; ID_CHARACTERS] {
    let mut id = [0; ID_CHARACTERS];
    let (halves, _) = id.as_chunks_mut::<{ ID_CHARACTERS / 2 }>();
    for half in halves {
        let (pairs, _) = half.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(worker.random.next().to_be_bytes()) {
            *pair = HEXADECIMAL[usize::from(byte)];
        }
    }
    id
}
