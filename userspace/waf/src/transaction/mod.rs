//! One request and its response on the way through the rules.
//!
//! The caller feeds what it has, phase by phase; the transaction copies it and borrows nothing. Everything is synchronous and does
//! no I/O. A transaction may be reused ([`Transaction::reset`]): it then keeps its memory.

mod clock;
mod document;
mod effect;
mod evaluate;
mod fill;
mod gated;
mod head;
mod hide;
mod noted;
mod observe;
mod persistent;
mod record;
mod request;
mod response;
mod scalars;
mod stages;
mod state;
mod steady;
mod steps;
mod variables;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use seclang::ast::{AuditMode, BodyProcessor, EngineMode, LimitAction, Phase, RuleId};

use crate::audit::{AuditRecord, RuleMatch};
use crate::body::{self, CodingError};
use crate::plan::{FailureMode, RuleSet};
use crate::scratch::Scratch;
pub(crate) use gated::GateWork;
use observe::Observed;
pub use observe::{Event, Observer};
pub(crate) use state::{Argument, File, Pair, Parsed, Source, Value};
use state::{Request, Response, State};

/// Where a transaction comes from; time and identity are given, so that the same input gives the same record.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// The peer of the socket: `REMOTE_ADDR`, `REMOTE_PORT`.
    pub client: SocketAddr,
    /// The address it came to: `SERVER_ADDR`, `SERVER_PORT`.
    pub server: SocketAddr,
    /// When the request began.
    pub time: SystemTime,
    /// `UNIQUE_ID`; the request id of the access log.
    pub unique_id: &'a str,
}

/// What a route asks of the WAF. It is a ceiling: `SecRuleEngine` in the files and `ctl:ruleEngine` can lower it, never raise it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Rules decide.
    #[default]
    Block,
    /// Rules run and log; nothing is blocked.
    Detect,
    /// No rule runs.
    Off,
}

/// What the caller must do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Intervention {
    /// Go on.
    #[default]
    None,
    /// Answer with this status.
    Deny {
        /// 403 unless the rule says otherwise; 413 for a body over its limit.
        status: u16,
        /// The rule; `None` for a limit.
        rule: Option<RuleId>,
    },
    /// Close the connection without an answer.
    Drop {
        /// The rule.
        rule: RuleId,
    },
    /// Answer with a redirection.
    Redirect {
        /// The value of `Location`.
        url: String,
        /// 302 unless the rule names another of the 3xx.
        status: u16,
        /// The rule.
        rule: RuleId,
    },
    /// The transaction could not be inspected to its end and the rule set fails closed: answer 503.
    Fail(EngineError),
}

impl Intervention {
    /// Whether the caller goes on.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Why a transaction was not inspected to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// More work than `CompileOptions::work_limit_bytes`.
    #[error("the transaction needs more inspection than its work limit allows")]
    WorkLimit,
    /// More memory than one transaction may hold.
    #[error("the transaction needs more memory than its limit allows")]
    MemoryLimit,
    /// The scan of the prefilter failed.
    #[error("the prefilter could not scan a value")]
    Scan,
}

impl EngineError {
    /// A short name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkLimit => "work_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Scan => "scan",
        }
    }
}

/// One transaction. Not `Sync` by use: it belongs to the worker that serves the request.
#[derive(Debug)]
pub struct Transaction {
    rules: Arc<RuleSet>,
    mode: Mode,
    request: Request,
    response: Response,
    state: State,
    /// Who looks on; nobody does in production.
    observer: Option<Observed>,
}

impl Transaction {
    /// A transaction over `rules`.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, connection: &Connection<'_>, mode: Mode) -> Transaction {
        let mut transaction = Transaction {
            rules,
            mode,
            request: Request::default(),
            response: Response::default(),
            state: State::default(),
            observer: None,
        };
        transaction.begin(connection);
        transaction
    }

    /// Makes this the next transaction, with the memory of the last one.
    pub fn reset(&mut self, rules: Arc<RuleSet>, connection: &Connection<'_>, mode: Mode) {
        self.rules = rules;
        self.mode = mode;
        self.request.clear();
        self.response.clear();
        self.state.clear();
        self.observer = None;
        self.begin(connection);
    }

    fn begin(&mut self, connection: &Connection<'_>) {
        let settings = &self.rules.settings;
        self.state.engine = match (self.mode, settings.engine) {
            (Mode::Off, _) | (_, EngineMode::Off) => EngineMode::Off,
            (Mode::Detect, _) | (_, EngineMode::DetectionOnly) => EngineMode::DetectionOnly,
            (Mode::Block, EngineMode::On) => EngineMode::On,
        };
        self.state.audit = self.rules.overlay.audit.unwrap_or(settings.audit);
        self.state.audit_parts = self
            .rules
            .overlay
            .audit_parts
            .unwrap_or(settings.audit_parts);
        self.state.tx.prepare(self.rules.names.len());
        self.state.client = Some(connection.client);
        self.state.server = Some(connection.server);
        self.state.time = connection.time;
        self.state.unique_id = self.state.store.push(connection.unique_id.as_bytes());
        self.request.access = settings.request_body_access;
        let own = &self.rules.overlay;
        self.state
            .removed_rules
            .extend_from_slice(&own.removed_rules);
        self.state
            .removed_targets
            .extend(self.rules.own_target_removals());
        self.request.limit = own
            .request_body_limit
            .unwrap_or(settings.request_body_limit);
        self.response.access = settings.response_body_access;
        self.response.limit = settings.response_body_limit;
    }

    /// Lets go of the rules: a transaction that is kept for its memory does not keep rules that went by. [`Transaction::reset`] gives
    /// it others.
    pub fn release(&mut self) {
        thread_local! {
            static NO_RULES: Arc<RuleSet> = Arc::new(RuleSet::none());
        }
        self.rules = NO_RULES.with(Arc::clone);
    }

    /// The rule set that this transaction runs.
    #[must_use]
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Runs phase 1. Request line and header fields were given before.
    pub fn process_request_headers(&mut self, scratch: &mut Scratch) -> Intervention {
        if self.is_inspecting() {
            self.complete_request_head();
        }
        self.run(Phase::RequestHeaders, scratch)
    }

    /// Whether the request body must be given ([`Transaction::request_body`]) before [`Transaction::process_request_body`].
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.is_inspecting() && self.request.access
    }

    /// Says that the request body will not be given: phase 2 then runs as if bodies were not looked at.
    pub fn without_request_body(&mut self) {
        self.request.access = false;
    }

    /// Bytes of request body that are kept at most (`SecRequestBodyLimit`).
    #[must_use]
    pub fn request_body_limit(&self) -> usize {
        self.request.limit
    }

    /// Takes the next bytes of the request body. Over [`Transaction::request_body_limit`] the request is refused with 413, or what is
    /// over is left out, as `SecRequestBodyLimitAction` says; in detection it is left out.
    pub fn request_body(&mut self, bytes: &[u8]) -> Intervention {
        if !self.wants_request_body() || !self.state.intervention.is_none() {
            return self.state.intervention.clone();
        }
        self.request.body_length += bytes.len();
        let room = self.request.limit.saturating_sub(self.request.body.len());
        self.request
            .body
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.request.inbound_error = true;
            let action = self.rules.overlay.request_body_limit_action;
            let rejects = action.unwrap_or(self.rules.settings.request_body_limit_action)
                == LimitAction::Reject;
            if rejects && self.state.engine == EngineMode::On {
                self.state.intervention = Intervention::Deny {
                    status: 413,
                    rule: None,
                };
            }
        }
        self.state.intervention.clone()
    }

    /// Takes the whole request body as it was sent, in the codings of its `Content-Encoding`. Rules see it without them; the limit is that
    /// of [`Transaction::request_body`], and more than it is not decoded.
    ///
    /// # Errors
    /// A body that cannot be looked into. Rules see what could be read of it, and `REQBODY_ERROR`; whether the request is refused is
    /// the caller's to say.
    pub fn coded_request_body(
        &mut self,
        codings: &[u8],
        bytes: &[u8],
    ) -> Result<Intervention, CodingError> {
        if !self.wants_request_body() || !self.state.intervention.is_none() {
            return Ok(self.state.intervention.clone());
        }
        let limit = self.request.limit;
        let mut plain = Vec::new();
        let outcome = body::decode(codings, bytes, limit.saturating_add(1), &mut plain);
        let is_cut = bytes.len() > limit;
        if is_cut && plain.len() <= limit {
            // It was not read to its end, and is over the limit as it is.
            plain.resize(limit.saturating_add(1), 0);
        }
        let said = self.request_body(&plain);
        match outcome {
            Err(CodingError::Damaged) if is_cut => Ok(said),
            Err(error) => {
                self.request.parsed.error = Some(format!("the body is not understood: {error}"));
                self.request.coding_error = Some(error);
                Err(error)
            }
            Ok(()) => Ok(said),
        }
    }

    /// What is wrong with the request body, in a word for metrics: its coding, its length, or what its processor says.
    #[must_use]
    pub fn request_body_error(&self) -> Option<&'static str> {
        let request = &self.request;
        if let Some(error) = request.coding_error {
            return Some(error.name());
        }
        if request.inbound_error {
            return Some("too_long");
        }
        request.parsed.error.as_ref()?;
        Some(match request.processor {
            Some(BodyProcessor::Json) => "json",
            Some(BodyProcessor::Xml) => "xml",
            Some(BodyProcessor::Multipart) => "multipart",
            Some(BodyProcessor::Urlencoded) => "urlencoded",
            Some(BodyProcessor::Raw) | None => "other",
        })
    }

    /// Parses what was given of the body and runs phase 2, also without a body.
    pub fn process_request_body(&mut self, scratch: &mut Scratch) -> Intervention {
        if self.is_inspecting() {
            self.parse_request_body();
            self.see_body();
        }
        self.run(Phase::RequestBody, scratch)
    }

    /// Runs phase 3. Status line and header fields of the response were given before.
    pub fn process_response_headers(&mut self, scratch: &mut Scratch) -> Intervention {
        self.run(Phase::ResponseHeaders, scratch)
    }

    /// Whether a response body of this `Content-Type` (`None`: the response has none) must be given before
    /// [`Transaction::process_response_body`]. If not, phase 4 does not run and need not be called.
    #[must_use]
    pub fn wants_response_body(&self, content_type: Option<&[u8]>) -> bool {
        self.is_inspecting() && self.response.access && self.inspects_response_type(content_type)
    }

    /// Bytes of response body that are kept at most (`SecResponseBodyLimit`).
    #[must_use]
    pub fn response_body_limit(&self) -> usize {
        self.response.limit
    }

    /// Takes the next bytes of the response body. Over the limit the response is refused with 500, or what is over is left out, as
    /// `SecResponseBodyLimitAction` says; in detection it is left out.
    pub fn response_body(&mut self, bytes: &[u8]) -> Intervention {
        if !self.is_inspecting() || !self.response.access || !self.state.intervention.is_none() {
            return self.state.intervention.clone();
        }
        self.response.body_length += bytes.len();
        let room = self.response.limit.saturating_sub(self.response.body.len());
        self.response
            .body
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.response.outbound_error = true;
            let rejects = self.rules.settings.response_body_limit_action == LimitAction::Reject;
            if rejects && self.state.engine == EngineMode::On {
                self.state.intervention = Intervention::Deny {
                    status: 500,
                    rule: None,
                };
            }
        }
        self.state.intervention.clone()
    }

    /// Runs phase 4; only where [`Transaction::wants_response_body`] said so.
    pub fn process_response_body(&mut self, scratch: &mut Scratch) -> Intervention {
        if !self.response.access {
            return self.state.intervention.clone();
        }
        if self.is_inspecting() && self.response.processor.is_some() && !self.response.body_given {
            self.parse_response_body();
        }
        self.response.body_given = true;
        self.run(Phase::ResponseBody, scratch)
    }

    /// Runs phase 5, also after an intervention, and gives the audit record if `SecAuditEngine` wants one. The status of the answer
    /// that the client got is what [`Transaction::response_status`] said, or else the status of the intervention.
    pub fn finish(&mut self, scratch: &mut Scratch) -> Option<AuditRecord> {
        self.run_logging(scratch);
        let wanted = match self.state.audit {
            AuditMode::Off => false,
            AuditMode::On => true,
            AuditMode::RelevantOnly => {
                let own = self.rules.overlay.audit_relevant_status.as_deref();
                let relevant = own.or(self.rules.settings.audit_relevant_status.as_ref());
                self.state
                    .notes
                    .rules(&self.rules)
                    .any(|rule| rule.audit_log)
                    || !self.state.intervention.is_none()
                    || self.state.error.is_some()
                    || relevant.is_some_and(|regex| {
                        let status = self.final_status().to_string();
                        regex.matches(status.as_bytes(), None).unwrap_or(true)
                    })
            }
        };
        (wanted && self.mode != Mode::Off).then(|| self.audit_record())
    }

    /// What was decided so far.
    #[must_use]
    pub fn intervention(&self) -> &Intervention {
        &self.state.intervention
    }

    /// Work done so far, in the bytes that `CompileOptions::work_limit_bytes` counts.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.state.work
    }

    /// In detection, what would have been decided.
    #[must_use]
    pub fn would_be(&self) -> &Intervention {
        &self.state.would_be
    }

    /// Why inspection ended early, if it did. In detection, or where the rule set fails open, this is not an intervention.
    #[must_use]
    pub fn error(&self) -> Option<EngineError> {
        self.state.error
    }

    /// The rule that was at hand when inspection ended early. Rules are decided together where that can be done, so it is the first
    /// of those that were.
    #[must_use]
    pub fn error_rule(&self) -> Option<RuleId> {
        self.state.error?;
        let rule = self.rules.rules.get(self.state.error_at? as usize)?;
        Some(rule.id)
    }

    /// The logged rules that matched so far, in the order in which they did, and what they say. The first
    /// call puts that together; [`Transaction::matched_rules`] costs nothing.
    #[must_use]
    pub fn matches(&self) -> &[RuleMatch] {
        self.told()
    }

    /// The ids of [`Transaction::matches`].
    pub fn matched_rules(&self) -> impl Iterator<Item = RuleId> {
        let rules = self.state.notes.rules(&self.rules);
        rules.map(|rule| rule.id)
    }

    /// The anomaly score, where the rules keep one (see [`crate::SCORE_VARIABLES`]).
    #[must_use]
    pub fn anomaly_score(&self) -> Option<i64> {
        crate::SCORE_VARIABLES.iter().find_map(|name| {
            let slot = self.rules.names.find(name.as_bytes())?;
            let value = self.state.tx.slot(slot)?;
            Some(crate::bytes::atoi(self.state.store.get(value)))
        })
    }

    /// What the route asked for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    fn is_inspecting(&self) -> bool {
        self.state.engine != EngineMode::Off
    }

    fn final_status(&self) -> u16 {
        match &self.state.intervention {
            Intervention::Deny { status, .. } | Intervention::Redirect { status, .. } => *status,
            Intervention::Fail(_) => 503,
            Intervention::None | Intervention::Drop { .. } => self.response.status,
        }
    }

    /// Remembers that inspection ended early, and what follows from it.
    fn fail(&mut self, error: EngineError) {
        self.state.error = Some(error);
        self.state.error_at = Some(self.state.rule);
        if self.state.engine == EngineMode::On
            && self.rules.options.on_engine_error == FailureMode::Closed
        {
            self.state.intervention = Intervention::Fail(error);
        }
    }
}
