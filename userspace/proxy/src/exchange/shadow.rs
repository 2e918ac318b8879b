//! Rules that look on: they see what the rules in force see, and what they say changes nothing.

use super::stop::Stop;
use crate::generation::WafPlan;
use crate::worker::Worker;
use net::Driver;
use std::cell::RefCell;
use waf::{Intervention, Scratch, Transaction};

/// The look of a shadow rule set at one request.
pub(super) struct Shadow {
    transaction: Box<Transaction>,
    has_run_request: bool,
}

impl Shadow {
    pub(super) fn new(transaction: Box<Transaction>) -> Self {
        Self {
            transaction,
            has_run_request: false,
        }
    }

    /// Phase 1.
    pub(super) fn see_request_head(&mut self, scratch: &mut Scratch) {
        self.transaction.process_request_headers(scratch);
    }

    /// Phase 2, with what the rules in force wanted of the body.
    pub(super) fn see_request_body(
        &mut self,
        give: impl FnOnce(&mut Transaction) -> Result<Intervention, Stop>,
        scratch: &RefCell<Scratch>,
    ) {
        self.has_run_request = true;
        // Rules see what could be read of a body.
        let is_refused = give(&mut self.transaction).is_ok_and(|said| !said.is_none());
        if !is_refused {
            self.transaction
                .process_request_body(&mut scratch.borrow_mut());
        }
    }

    /// Phase 3.
    pub(super) fn see_answer<'f>(
        &mut self,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        scratch: &mut Scratch,
    ) {
        self.transaction.response_status(status, b"HTTP/1.1");
        for (name, value) in fields {
            self.transaction.response_header(name, value);
        }
        self.transaction.process_response_headers(scratch);
    }

    /// A piece of the body that is held back for the rules in force.
    pub(super) fn see_piece(&mut self, piece: &[u8]) {
        drop(self.transaction.response_body(piece));
    }

    /// Phase 4.
    pub(super) fn see_answer_body(&mut self, scratch: &mut Scratch) {
        if self.transaction.intervention().is_none() {
            self.transaction.process_response_body(scratch);
        }
    }

    /// Compares with what the rules in force said, and tells. Gives back the memory.
    pub(super) fn conclude<D: Driver>(
        mut self,
        worker: &Worker<D>,
        waf: &WafPlan,
        live: &Transaction,
    ) -> Box<Transaction> {
        let transaction = &mut self.transaction;
        let scratch = &mut worker.scratch.borrow_mut();
        if !self.has_run_request {
            // The rules in force said no before the body was there.
            transaction.without_request_body();
            transaction.process_request_body(scratch);
        }
        let record = transaction.finish(scratch);
        let outcome = match (blocks(live), blocks(transaction)) {
            _ if transaction.error().is_some() => "failed",
            (false, true) => "would_block",
            (true, false) => "would_pass",
            _ => "agrees",
        };
        let metrics = &worker.shared.metrics.waf;
        metrics.shadow(&waf.policy, outcome);
        let differs = match outcome {
            "would_block" => Some(&**transaction),
            "would_pass" => Some(live),
            _ => None,
        };
        for rule in differs.into_iter().flat_map(Transaction::matched_rules) {
            metrics.shadow_rule(&waf.policy, rule, outcome);
        }
        if let (Some(audit), Some(mut record)) = (&waf.audit, record) {
            record.transaction.outcome.shadow = true;
            record.transaction.outcome.policy = waf.policy.to_string();
            audit.write(&record);
        }
        self.transaction
    }
}

/// Whether rules refuse a request, or would if they were asked to.
fn blocks(transaction: &Transaction) -> bool {
    let decides = |said: &Intervention| !matches!(said, Intervention::None | Intervention::Fail(_));
    decides(transaction.intervention()) || decides(transaction.would_be())
}
