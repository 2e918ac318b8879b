//! Requests that never enter the pipeline: malformed ones, and those whose path or host can be read in two ways.
//!
//! They are refused whatever anybody says. Still the WAF of the route that they ask for looks at what can be told of
//! them: an attack that is malformed as well is not missing in the audit log and in the counts.

use super::After;
use super::answer::{REFUSAL_BYTES, Refusal};
use super::inspect::{begin, conclude, keep, watch_only};
use super::record::new_id;
use crate::connection::Peer;
use crate::front::Writer;
use crate::log::{Line, Stages};
use crate::worker::Worker;
use http::Version;
use http::h1::Glimpse;
use http::normalise::{self, PathPolicy};
use net::{Buffer, Driver, Parts};
use std::rc::Rc;
use std::time::{Instant, SystemTime};
use types::Reason;
use waf::Mode;

/// What is no request: a malformed head, or one that did not arrive in time.
pub(crate) struct Misfit<'m> {
    pub(crate) reason: Reason,
    /// What the log and the client are told beyond the reason.
    pub(crate) detail: &'m str,
    /// What has arrived of the head, or of the request as a whole.
    pub(crate) head: &'m [u8],
    /// What has arrived behind the head, where that ends the head.
    pub(crate) behind: &'m [u8],
    /// Whether the client reads the head of an answer.
    pub(crate) takes_head: bool,
}

impl Misfit<'_> {
    /// A request of which too little has arrived to tell anything.
    pub(crate) fn unread(reason: Reason) -> Self {
        Self {
            reason,
            detail: "",
            head: b"",
            behind: b"",
            takes_head: true,
        }
    }
}

/// What the WAF found in it.
#[derive(Default)]
struct Seen {
    rules: Vec<u64>,
    stages: Stages,
}

/// Refuses what is no request.
pub(crate) async fn refuse<D: Driver>(
    worker: &Rc<Worker<D>>,
    peer: &Peer,
    misfit: &Misfit<'_>,
    writer: &mut Writer<'_, D::Stream>,
) -> After {
    // A proxy passes on what its clients send; which one it was, nobody has read.
    if !peer.trusted {
        worker.offence(&peer.caller, misfit.reason);
    }
    if let Some(counts) = worker.view().listener(peer.plan.address) {
        counts.refused(misfit.reason);
    }
    let id = new_id(worker);
    let id = std::str::from_utf8(&id).unwrap_or_default();
    let seen = inspect(worker, peer, misfit, id).unwrap_or_default();
    log_refusal(worker, peer, misfit, id, &seen);
    let status = misfit.reason.status();
    if status == 0 {
        return After::Abort;
    }
    let refusal = Refusal {
        status,
        reason: misfit.reason,
        sentence: misfit.detail,
        fields: &[],
        request_id: id,
        version: Version::Http11,
        head_only: false,
        body_only: !misfit.takes_head,
        keep_alive: false,
    };
    let mut out = Buffer::with_capacity(REFUSAL_BYTES);
    refusal.write(worker, &mut out);
    match writer.send(Parts::from(out.freeze()), None).await {
        Ok(()) => After::Linger,
        Err(_) => After::Abort,
    }
}

/// Lets the WAF look, as in detection. The client is the peer: nobody asks a head that is refused for whom it was sent.
fn inspect<D: Driver>(
    worker: &Worker<D>,
    peer: &Peer,
    misfit: &Misfit<'_>,
    id: &str,
) -> Option<Seen> {
    let glimpse = Glimpse::of(misfit.head)?;
    let view = worker.view();
    let route = find_route(&view.generation.table, &glimpse)?;
    let plan = view.generation.routes.get(route)?;
    let client = peer.address.ip();
    let waf = plan.waf.as_ref().filter(|waf| waf.mode != Mode::Off)?;
    if !plan.access.admits(client) {
        return None;
    }
    let since = Instant::now();
    let mut transaction = begin(worker, peer, (client, id), &waf.rules, Mode::Detect);
    transaction.malformed_request_line(
        glimpse.line(),
        glimpse.method(),
        glimpse.target(),
        glimpse.version(),
    );
    for (name, value) in glimpse.fields() {
        transaction.request_header(name, value);
    }
    let body = glimpse.body(misfit.head, misfit.behind);
    watch_only(worker, &mut transaction, misfit.reason.status(), body);
    let counts = view.counts.routes.get(route)?;
    conclude(worker, (waf, &plan.name), counts, &mut transaction);
    let seen = Seen {
        rules: transaction.matched_rules().collect(),
        stages: Stages {
            waf: since.elapsed(),
            ..Stages::default()
        },
    };
    keep(worker, transaction);
    Some(seen)
}

/// The route that would have served it, or else the one of the root of its host.
fn find_route(table: &route::Table, glimpse: &Glimpse) -> Option<usize> {
    let (mut path_buffer, mut host_buffer) = (Vec::new(), Vec::new());
    let path = normalise::path(glimpse.path(), &PathPolicy::default(), &mut path_buffer);
    let path = path.map_or(&b"/"[..], |path| path.bytes(&path_buffer));
    let host = normalise::host(glimpse.host(), &mut host_buffer);
    let host = host.map_or(&b""[..], |host| host.bytes(&host_buffer));
    [path, b"/"].into_iter().find_map(|path| {
        match table.lookup(host, path, glimpse.method(), &Fields(glimpse)) {
            route::Lookup::Found { route, .. } => Some(route),
            route::Lookup::NotFound | route::Lookup::MethodNotAllowed { .. } => None,
        }
    })
}

struct Fields<'g>(&'g Glimpse);

impl route::HeaderLookup for Fields<'_> {
    fn field(&self, name: &str) -> route::Field<'_> {
        let fields = self.0.fields();
        let mut values = fields
            .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => route::Field::Absent,
            (Some(value), None) => route::Field::One(value),
            (Some(_), Some(_)) => route::Field::Many,
        }
    }
}

fn log_refusal<D: Driver>(
    worker: &Worker<D>,
    peer: &Peer,
    misfit: &Misfit<'_>,
    id: &str,
    seen: &Seen,
) {
    let log = worker.log.borrow();
    if !log.wants(misfit.reason, || worker.random.next()) {
        return;
    }
    log.write(&Line {
        time: SystemTime::now(),
        request_id: id.as_bytes(),
        listener: &peer.plan.name,
        via: peer.via,
        tls: peer.tls.map_or("", |session| session.version),
        sni: &peer.sni,
        status: Some(misfit.reason.status()),
        stages: seen.stages,
        detail: misfit.detail,
        rules: &seen.rules,
        generation: worker.view().generation.number,
        ..Line::new(peer.address, misfit.reason)
    });
}
