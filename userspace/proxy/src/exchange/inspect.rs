//! The WAF's look at a request and at its answer.

use super::Exchange;
use super::forward::Failure;
use super::record::spent;
use super::relay::Download;
use super::shadow::Shadow;
use super::stop::Stop;
use crate::body::RequestBody;
use crate::connection::Peer;
use crate::generation::{Compressed, LiveRules, RoutePlan, WafPlan};
use crate::metrics::RouteCounts;
use crate::upstream::Backend;
use crate::worker::Worker;
use http::Known;
use http::h1::response::ResponseView;
use net::Driver;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};
use types::{Reason, Verdict};
use waf::{CodingError, Connection, Intervention, Mode, Transaction};

/// Transactions that a worker keeps to be used again, with their memory.
const KEPT_TRANSACTIONS: usize = 64;

/// The inspection of one request; empty where the WAF is off.
pub(crate) struct Inspection {
    // Boxed: most of the pipeline only passes it on, and without WAF it is nothing but a null pointer then.
    transaction: Option<Box<Transaction>>,
    shadow: Option<Shadow>,
    compressed: Option<Compressed>,
}

/// All requests, in the unit of shares.
const EVERY: u64 = 10_000;

impl<D: Driver> Exchange<'_, D> {
    /// Begins the inspection that a route asks for.
    pub(super) fn begin_inspection(&self, route: &RoutePlan) -> Inspection {
        let wanted = route.waf.as_ref().filter(|waf| waf.mode != Mode::Off);
        let shadow = wanted.and_then(|waf| waf.shadow.as_ref());
        let chosen =
            shadow.filter(|shadow| self.worker.random.next() % EVERY < u64::from(shadow.share));
        Inspection {
            compressed: wanted.map(|waf| waf.compressed),
            transaction: wanted.map(|waf| self.transaction(&waf.rules, waf.mode)),
            // It blocks nothing, and sees how it would.
            shadow: chosen.map(|shadow| Shadow::new(self.transaction(&shadow.rules, Mode::Block))),
        }
    }

    /// A transaction of this request, with its head.
    fn transaction(&self, rules: &LiveRules, mode: Mode) -> Box<Transaction> {
        let client = self.request.client;
        let id = std::str::from_utf8(self.record.known_as(&self.request)).unwrap_or_default();
        let mut transaction = begin(self.worker, self.peer, (client, id), rules, mode);
        let view = self.request.view;
        let protocol = self.request.protocol().as_bytes();
        transaction.request_line(view.method_bytes(), view.target_bytes(), protocol);
        for field in view.fields().iter() {
            transaction.request_header(field.name, field.value);
        }
        transaction
    }

    /// Lets the rules of a route look at a request that is refused already, without its body.
    pub(super) fn inspect_refused(&mut self, route: usize, stop: &Stop) {
        let Some(plan) = self.view.generation.routes.get(route) else {
            return;
        };
        let Some(waf) = plan.waf.as_ref().filter(|waf| waf.mode != Mode::Off) else {
            return;
        };
        let since = Instant::now();
        let mut transaction = self.transaction(&waf.rules, Mode::Detect);
        let status = match stop.verdict {
            Verdict::Respond { status, .. } => status,
            _ => 0,
        };
        watch_only(self.worker, &mut transaction, status, None);
        let counts = &self.view.counts.routes[route];
        conclude(self.worker, (waf, &plan.name), counts, &mut transaction);
        for rule in transaction.matched_rules() {
            self.record.matched(rule);
        }
        keep(self.worker, transaction);
        spent(&mut self.record.stages.waf, since);
    }

    /// `OPTIONS *` asks about the host as a whole: the rules of its root look at it.
    pub(super) fn inspect_asterisk(&mut self, stop: &Stop) {
        if self.request.path == b"*"
            && let Ok(root) = self.find_route(b"/")
        {
            self.inspect_refused(root, stop);
        }
    }

    /// Phases 1 and 2.
    pub(super) async fn inspect_request(
        &mut self,
        inspection: &mut Inspection,
        body: &mut RequestBody<'_, '_, D::Stream>,
    ) -> Result<(), Stop> {
        let compressed = inspection.compressed;
        let Some(transaction) = &mut inspection.transaction else {
            return Ok(());
        };
        let since = Instant::now();
        transaction.elapsed(since.duration_since(self.record.started()));
        let scratch = &self.worker.scratch;
        let said = transaction.process_request_headers(&mut scratch.borrow_mut());
        if let Some(shadow) = &mut inspection.shadow {
            shadow.see_request_head(&mut scratch.borrow_mut());
        }
        spent(&mut self.record.stages.waf, since);
        heed(transaction, said, Reason::WafBlocked)?;
        if !body.is_empty() && transaction.wants_request_body() {
            // One byte more than it wants tells it that there is more.
            body.gather(transaction.request_body_limit().saturating_add(1))
                .await?;
        }
        let since = Instant::now();
        transaction.elapsed(since.duration_since(self.record.started()));
        let gathered = body.gathered();
        let coding = Coding {
            names: self.request.view.header(Known::ContentEncoding),
            compressed: compressed.filter(|_| !gathered.is_empty()),
        };
        let given = coding.give(transaction, &gathered);
        let said = match given {
            Ok(Intervention::None) => transaction.process_request_body(&mut scratch.borrow_mut()),
            Ok(ref refused) => refused.clone(),
            // Rules see what could be read, and may have their own answer.
            Err(_) => transaction.process_request_body(&mut scratch.borrow_mut()),
        };
        if let Some(shadow) = &mut inspection.shadow {
            shadow.see_request_body(|shadow| coding.give(shadow, &gathered), scratch);
        }
        spent(&mut self.record.stages.waf, since);
        heed(transaction, said, Reason::WafBlocked)?;
        match given {
            Err(refusal) if transaction.mode() == Mode::Block => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Phases 3 and 4. The body of the answer is held back where phase 4 wants to see it.
    pub(super) async fn inspect_answer(
        &mut self,
        inspection: &mut Inspection,
        answer: ResponseView<'_>,
        download: &mut Download,
        backend: &Backend<D::Stream>,
        times: (Duration, Instant),
    ) -> Result<(), Failure> {
        let Some(transaction) = &mut inspection.transaction else {
            return Ok(());
        };
        let since = Instant::now();
        transaction.elapsed(since.duration_since(self.record.started()));
        transaction.response_status(answer.head().status(), b"HTTP/1.1");
        for field in answer.fields().iter() {
            transaction.response_header(field.name, field.value);
        }
        let scratch = &self.worker.scratch;
        let said = transaction.process_response_headers(&mut scratch.borrow_mut());
        if let Some(shadow) = &mut inspection.shadow {
            let fields = answer.fields();
            let fields = fields.iter().map(|field| (field.name, field.value));
            let status = answer.head().status();
            shadow.see_answer(status, fields, &mut scratch.borrow_mut());
        }
        spent(&mut self.record.stages.waf, since);
        heed(transaction, said, Reason::WafResponseBlocked)?;
        let content_type = answer.header(Known::ContentType);
        if download.is_empty() || !transaction.wants_response_body(content_type) {
            return Ok(());
        }
        let limit = transaction.response_body_limit().saturating_add(1);
        download
            .hold(backend, limit, times, |piece| {
                drop(transaction.response_body(piece));
                if let Some(shadow) = &mut inspection.shadow {
                    shadow.see_piece(piece);
                }
            })
            .await?;
        let since = Instant::now();
        transaction.elapsed(since.duration_since(self.record.started()));
        let said = match transaction.intervention().clone() {
            Intervention::None => transaction.process_response_body(&mut scratch.borrow_mut()),
            refused => refused,
        };
        if let Some(shadow) = &mut inspection.shadow {
            shadow.see_answer_body(&mut scratch.borrow_mut());
        }
        spent(&mut self.record.stages.waf, since);
        heed(transaction, said, Reason::WafResponseBlocked).map_err(Failure::from)
    }

    /// Phase 5, the audit record, and what is counted.
    pub(super) fn close_inspection(&mut self, route: &RoutePlan, inspection: Inspection) {
        let (Some(waf), Some(mut transaction)) = (&route.waf, inspection.transaction) else {
            return;
        };
        let since = Instant::now();
        transaction.elapsed(since.duration_since(self.record.started()));
        let counts = self.route_counts();
        conclude(self.worker, (waf, &route.name), counts, &mut transaction);
        if let Some(shadow) = inspection.shadow {
            let used = shadow.conclude(self.worker, waf, &transaction);
            keep(self.worker, used);
        }
        for rule in transaction.matched_rules() {
            self.record.matched(rule);
        }
        keep(self.worker, transaction);
        spent(&mut self.record.stages.waf, since);
    }
}

/// Begins a transaction for a client and under an id, in the memory of an earlier one where there is some.
pub(super) fn begin<D: Driver>(
    worker: &Worker<D>,
    peer: &Peer,
    (client, unique_id): (IpAddr, &str),
    rules: &LiveRules,
    mode: Mode,
) -> Box<Transaction> {
    let connection = Connection {
        client: SocketAddr::new(client, peer.address.port()),
        server: peer.plan.address,
        time: SystemTime::now(),
        unique_id,
    };
    let rules = rules.load();
    match worker.transactions.borrow_mut().pop() {
        Some(mut used) => {
            used.reset(rules, &connection, mode);
            used
        }
        None => Box::new(Transaction::new(rules, &connection, mode)),
    }
}

/// Phases 1 and 2 of a request that is answered with `status` whatever they say; with its body where all of it is there.
pub(super) fn watch_only<D: Driver>(
    worker: &Worker<D>,
    transaction: &mut Transaction,
    status: u16,
    body: Option<&[u8]>,
) {
    let scratch = &mut worker.scratch.borrow_mut();
    transaction.process_request_headers(scratch);
    match body {
        Some(body) => drop(transaction.request_body(body)),
        None => transaction.without_request_body(),
    }
    transaction.process_request_body(scratch);
    transaction.response_status(status, b"HTTP/1.1");
}

/// Phase 5, the audit record, and what is counted.
pub(super) fn conclude<D: Driver>(
    worker: &Worker<D>,
    (waf, route): (&WafPlan, &str),
    counts: &RouteCounts,
    transaction: &mut Transaction,
) {
    let record = transaction.finish(&mut worker.scratch.borrow_mut());
    let verdict = match transaction.intervention() {
        Intervention::None if transaction.error().is_some() => "failed_open",
        Intervention::None if transaction.matched_rules().next().is_none() => "passed",
        Intervention::None => "matched",
        Intervention::Fail(_) => "failed",
        _ => "blocked",
    };
    counts.waf(&waf.policy, verdict);
    for rule in transaction.matched_rules() {
        worker.shared.metrics.waf.rule_matched(rule);
    }
    if let Some(error) = transaction.request_body_error() {
        worker.shared.metrics.waf.body_error(&waf.policy, error);
    }
    if let Some(error) = transaction.error() {
        let rule = transaction.error_rule().unwrap_or_default();
        worker
            .shared
            .metrics
            .waf
            .engine_error(&waf.policy, error.name(), rule);
    }
    if let (Some(audit), Some(mut record)) = (&waf.audit, record) {
        route.clone_into(&mut record.transaction.outcome.route);
        record.transaction.outcome.policy = waf.policy.to_string();
        audit.write(&record);
    }
}

/// Keeps the memory of a transaction for the next one.
pub(super) fn keep<D: Driver>(worker: &Worker<D>, mut transaction: Box<Transaction>) {
    transaction.release();
    let mut kept = worker.transactions.borrow_mut();
    if kept.len() < KEPT_TRANSACTIONS {
        kept.push(transaction);
    }
}

/// The content coding of a request body, and what is done about it.
#[derive(Clone, Copy)]
pub(super) struct Coding<'r> {
    names: Option<&'r [u8]>,
    /// `None` where there is no body.
    compressed: Option<Compressed>,
}

impl Coding<'_> {
    /// Gives a body to rules, without its codings where they are to look into it.
    ///
    /// # Errors
    /// Why it is refused, if the policy blocks.
    pub(super) fn give(self, rules: &mut Transaction, body: &[u8]) -> Result<Intervention, Stop> {
        let coded = self
            .names
            .filter(|names| !names.trim_ascii().eq_ignore_ascii_case(b"identity"));
        let (Some(names), Some(compressed)) = (coded, self.compressed) else {
            return Ok(rules.request_body(body));
        };
        match compressed {
            Compressed::Pass => Ok(rules.request_body(body)),
            Compressed::Refuse => {
                drop(rules.request_body(body));
                Err(Stop::new(Reason::BodyCoding).detail("the policy takes no content codings"))
            }
            Compressed::Inspect => rules.coded_request_body(names, body).map_err(|error| {
                let stop = match error {
                    CodingError::Unknown => Stop::new(Reason::BodyCoding),
                    CodingError::Damaged => Stop::new(Reason::BodyCoding).status(400),
                    CodingError::Bomb => Stop::new(Reason::BodyTooLarge),
                };
                stop.detail(error.to_string())
            }),
        }
    }
}

/// What the engine wants done.
fn heed(transaction: &Transaction, said: Intervention, blocked: Reason) -> Result<(), Stop> {
    match said {
        Intervention::None => Ok(()),
        Intervention::Deny {
            status: 413,
            rule: None,
        } => Err(Reason::BodyTooLarge.into()),
        Intervention::Deny { status, rule } => Err(Stop::new(blocked).status(status).by(rule)),
        Intervention::Drop { rule } => Err(Stop {
            verdict: Verdict::Close(blocked),
            ..Stop::new(blocked)
        }
        .by(Some(rule))),
        Intervention::Redirect { url, status, rule } => Err(Stop::new(blocked)
            .status(status)
            .by(Some(rule))
            .field("Location", url)),
        Intervention::Fail(error) => {
            let detail = match transaction.error_rule() {
                Some(rule) => format!("{error}, at rule {rule}"),
                None => error.to_string(),
            };
            Err(Stop::new(Reason::WafFailed).detail(detail))
        }
    }
}
