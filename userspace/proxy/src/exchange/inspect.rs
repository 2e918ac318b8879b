//! The WAF's look at a request and at its answer.

use super::Exchange;
use super::forward::Failure;
use super::record::spent;
use super::relay::Download;
use super::stop::Stop;
use crate::body::RequestBody;
use crate::generation::{RoutePlan, WafPlan};
use crate::upstream::Backend;
use http::Known;
use http::h1::response::ResponseView;
use net::Driver;
use std::time::{Duration, Instant, SystemTime};
use types::{Reason, Verdict};
use waf::{Connection, Intervention, Mode, Transaction};

/// Transactions that a worker keeps to be used again, with their memory.
const KEPT_TRANSACTIONS: usize = 64;

/// The inspection of one request; empty where the WAF is off.
pub(crate) struct Inspection {
    // Boxed: most of the pipeline only passes it on, and without WAF it is nothing but a null pointer then.
    transaction: Option<Box<Transaction>>,
}

impl<D: Driver> Exchange<'_, D> {
    /// Begins the inspection that a route asks for.
    pub(super) fn begin_inspection(&self, route: &RoutePlan) -> Inspection {
        let wanted = route.waf.as_ref().filter(|waf| waf.mode != Mode::Off);
        Inspection {
            transaction: wanted.map(|waf| self.transaction(waf)),
        }
    }

    fn transaction(&self, waf: &WafPlan) -> Box<Transaction> {
        let mut client = self.peer.address;
        client.set_ip(self.request.client);
        let connection = Connection {
            client,
            server: self.peer.plan.address,
            time: SystemTime::now(),
            unique_id: std::str::from_utf8(self.record.known_as(&self.request)).unwrap_or_default(),
        };
        let rules = waf.rules.load();
        match self.worker.transactions.borrow_mut().pop() {
            Some(mut used) => {
                used.reset(rules, &connection, waf.mode);
                used
            }
            None => Box::new(Transaction::new(rules, &connection, waf.mode)),
        }
    }

    /// Phases 1 and 2.
    pub(super) async fn inspect_request(
        &mut self,
        inspection: &mut Inspection,
        body: &mut RequestBody<'_, '_, D::Stream>,
    ) -> Result<(), Stop> {
        let Some(transaction) = &mut inspection.transaction else {
            return Ok(());
        };
        let since = Instant::now();
        let view = self.request.view;
        let protocol = self.request.protocol().as_bytes();
        transaction.request_line(view.method_bytes(), view.target_bytes(), protocol);
        for field in view.fields().iter() {
            transaction.request_header(field.name, field.value);
        }
        let said = transaction.process_request_headers(&mut self.worker.scratch.borrow_mut());
        spent(&mut self.record.stages.waf, since);
        heed(said, Reason::WafBlocked)?;
        if !body.is_empty() && transaction.wants_request_body() {
            // One byte more than it wants tells it that there is more.
            body.gather(transaction.request_body_limit().saturating_add(1))
                .await?;
        }
        let since = Instant::now();
        let said = match transaction.request_body(&body.gathered()) {
            Intervention::None => {
                transaction.process_request_body(&mut self.worker.scratch.borrow_mut())
            }
            refused => refused,
        };
        spent(&mut self.record.stages.waf, since);
        heed(said, Reason::WafBlocked)
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
        transaction.response_status(answer.head().status(), b"HTTP/1.1");
        for field in answer.fields().iter() {
            transaction.response_header(field.name, field.value);
        }
        let said = transaction.process_response_headers(&mut self.worker.scratch.borrow_mut());
        spent(&mut self.record.stages.waf, since);
        heed(said, Reason::WafResponseBlocked)?;
        let content_type = answer.header(Known::ContentType);
        if download.is_empty() || !transaction.wants_response_body(content_type) {
            return Ok(());
        }
        let limit = transaction.response_body_limit().saturating_add(1);
        download
            .hold(backend, limit, times, |piece| {
                drop(transaction.response_body(piece));
            })
            .await?;
        let since = Instant::now();
        let said = match transaction.intervention().clone() {
            Intervention::None => {
                transaction.process_response_body(&mut self.worker.scratch.borrow_mut())
            }
            refused => refused,
        };
        spent(&mut self.record.stages.waf, since);
        heed(said, Reason::WafResponseBlocked).map_err(Failure::from)
    }

    /// Phase 5, the audit record, and what is counted.
    pub(super) fn close_inspection(&mut self, route: &RoutePlan, inspection: Inspection) {
        let (Some(waf), Some(mut transaction)) = (&route.waf, inspection.transaction) else {
            return;
        };
        let since = Instant::now();
        let record = transaction.finish(&mut self.worker.scratch.borrow_mut());
        let verdict = match transaction.intervention() {
            Intervention::None if transaction.error().is_some() => "failed_open",
            Intervention::None if transaction.matches().is_empty() => "passed",
            Intervention::None => "matched",
            Intervention::Fail(_) => "failed",
            _ => "blocked",
        };
        self.route_counts().waf(&waf.policy, verdict);
        for matched in transaction.matches() {
            self.record.matched(matched.rule);
            self.worker.shared.metrics.rule_matched(matched.rule);
        }
        if let (Some(sink), Some(record)) = (&waf.audit, record)
            && let Ok(mut line) = serde_json::to_vec(&record)
        {
            line.push(b'\n');
            sink.submit(line);
        }
        let mut kept = self.worker.transactions.borrow_mut();
        if kept.len() < KEPT_TRANSACTIONS {
            kept.push(transaction);
        }
        drop(kept);
        spent(&mut self.record.stages.waf, since);
    }
}

/// What the engine wants done.
fn heed(said: Intervention, blocked: Reason) -> Result<(), Stop> {
    let by = |rule: Option<_>| rule.map_or_else(String::new, |rule| format!("rule {rule}"));
    match said {
        Intervention::None => Ok(()),
        Intervention::Deny {
            status: 413,
            rule: None,
        } => Err(Reason::BodyTooLarge.into()),
        Intervention::Deny { status, rule } => {
            Err(Stop::new(blocked).status(status).detail(by(rule)))
        }
        Intervention::Drop { rule } => Err(Stop {
            verdict: Verdict::Close(blocked),
            ..Stop::new(blocked)
        }
        .detail(by(Some(rule)))),
        Intervention::Redirect { url, status, rule } => Err(Stop::new(blocked)
            .status(status)
            .detail(by(Some(rule)))
            .field("Location", url)),
        Intervention::Fail(error) => Err(Stop::new(Reason::WafFailed).detail(error.to_string())),
    }
}
