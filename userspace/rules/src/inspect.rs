//! Taking a request through rules, as the proxy does, without a proxy.

use crate::reflect::Answer;
use crate::request::Request;
use seclang::ast::RuleId;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use waf::{
    Connection, EngineError, Intervention, Mode, Observer, RuleMatch, RuleSet, Scratch, Transaction,
};

/// When every request is said to come, so that the same request always gives the same: 2026-03-01.
const TIME: Duration = Duration::from_secs(1_772_323_200);

/// What rules made of a request.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What is done.
    pub intervention: Intervention,
    /// In detection, what would have been done.
    pub would_be: Intervention,
    /// The rules that matched and log, in the order in which they did.
    pub matches: Vec<RuleMatch>,
    /// The anomaly score, where the rules keep one.
    pub score: Option<i64>,
    /// Why the inspection ended early, if it did.
    pub error: Option<EngineError>,
}

impl Inspected {
    /// Whether the request does not pass; in detection, would not pass.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.decision().is_none()
    }

    /// What is done, or in detection would be.
    #[must_use]
    pub fn decision(&self) -> &Intervention {
        if self.intervention.is_none() {
            &self.would_be
        } else {
            &self.intervention
        }
    }

    /// The rule that decided.
    #[must_use]
    pub fn deciding_rule(&self) -> Option<RuleId> {
        match self.decision() {
            Intervention::Deny { rule, .. } => *rule,
            Intervention::Drop { rule } | Intervention::Redirect { rule, .. } => Some(*rule),
            Intervention::None | Intervention::Fail(_) => None,
        }
    }

    /// The status that the client gets when `answered` is what the endpoint said; `None` where the connection is closed.
    #[must_use]
    pub fn status(&self, answered: u16) -> Option<u16> {
        match &self.intervention {
            Intervention::None => Some(answered),
            Intervention::Deny { status, .. } | Intervention::Redirect { status, .. } => {
                Some(*status)
            }
            Intervention::Drop { .. } => None,
            Intervention::Fail(_) => Some(503),
        }
    }

    /// What becomes of the request, in words.
    #[must_use]
    pub fn verdict(&self) -> String {
        let would = if self.intervention.is_none() && !self.would_be.is_none() {
            "passes in detection; would be "
        } else {
            ""
        };
        let by = |rule: Option<RuleId>| match rule {
            Some(rule) => format!("by rule {rule}"),
            None => "by a limit".to_owned(),
        };
        match self.decision() {
            Intervention::None => "passes".to_owned(),
            Intervention::Deny { status, rule } => {
                format!("{would}denied with {status} {}", by(*rule))
            }
            Intervention::Drop { rule } => format!("{would}dropped {}", by(Some(*rule))),
            Intervention::Redirect { url, status, rule } => {
                format!(
                    "{would}redirected to {url} with {status} {}",
                    by(Some(*rule))
                )
            }
            Intervention::Fail(error) => format!("refused with 503: {error}"),
        }
    }
}

/// Takes a request, and the answer to it where there is one, through all phases.
pub(crate) fn inspect(
    rules: &Arc<RuleSet>,
    scratch: &mut Scratch,
    request: &Request,
    answer: Option<&Answer>,
    observer: Option<Box<dyn Observer>>,
) -> Inspected {
    let connection = Connection {
        client: (request.client, 40_000).into(),
        server: ([192, 0, 2, 80], 80).into(),
        time: SystemTime::UNIX_EPOCH + TIME,
        unique_id: "rules-1",
    };
    let mut transaction = Transaction::new(Arc::clone(rules), &connection, Mode::Block);
    if let Some(observer) = observer {
        transaction.observe(observer);
    }
    run(&mut transaction, scratch, request, answer);
    // Whether the rules want a record of it is of no interest here.
    drop(transaction.finish(scratch));
    Inspected {
        intervention: transaction.intervention().clone(),
        would_be: transaction.would_be().clone(),
        matches: transaction.matches().to_vec(),
        score: transaction.anomaly_score(),
        error: transaction.error(),
    }
}

fn run(
    transaction: &mut Transaction,
    scratch: &mut Scratch,
    request: &Request,
    answer: Option<&Answer>,
) {
    transaction.request_line(&request.method, &request.target, &request.version);
    for (name, value) in &request.headers {
        transaction.request_header(name, value);
    }
    if !transaction.process_request_headers(scratch).is_none() {
        return;
    }
    if transaction.wants_request_body() && !transaction.request_body(&request.body).is_none() {
        return;
    }
    if !transaction.process_request_body(scratch).is_none() {
        return;
    }
    let Some(answer) = answer else { return };
    transaction.response_status(answer.status, b"HTTP/1.1");
    for (name, value) in &answer.headers {
        transaction.response_header(name.as_bytes(), value.as_bytes());
    }
    if !transaction.process_response_headers(scratch).is_none() {
        return;
    }
    let kind = answer
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let wanted = transaction.wants_response_body(kind.map(|(_, value)| value.as_bytes()));
    if wanted && !answer.body.is_empty() && transaction.response_body(&answer.body).is_none() {
        transaction.process_response_body(scratch);
    }
}
