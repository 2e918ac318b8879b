//! The audit record of a transaction.

use seclang::ast::{BodyProcessor, EngineMode};

use super::clock::Moment;
use super::state::{Pair, Source};
use super::{Intervention, Transaction};
use crate::audit::{
    AuditFile, AuditOutcome, AuditRecord, AuditRequest, AuditResponse, AuditTransaction, Message,
    Producer, printable,
};

impl Transaction {
    pub(super) fn audit_record(&self) -> AuditRecord {
        let store = &self.state.store;
        let (scrub, parts) = (&self.rules.scrub, self.state.audit_parts);
        let fields = |part: char, fields: &[Pair]| {
            let wanted = fields.iter().filter(|_| parts.contains(part));
            let scrubbed = wanted.map(|field| {
                let name = store.get(field.key);
                (printable(name), scrub.field(name, store.get(field.value)))
            });
            scrubbed.collect()
        };
        let has_messages = parts.contains('H') || parts.contains('K');
        let told = if has_messages { self.told() } else { &[] };
        let messages = told
            .iter()
            .filter(|matched| matched.audit_log || matched.log);
        let moment = Moment::since_epoch(self.state.since_epoch());
        let (body_part, body) = self.audit_body();
        let protocol = printable(store.get(self.request.protocol));
        let mut record = AuditRecord {
            transaction: AuditTransaction {
                client_ip: self
                    .state
                    .client
                    .map(|client| client.ip().to_string())
                    .unwrap_or_default(),
                time_stamp: moment.to_ctime(),
                server_id: self.rules.settings.sensor_id.clone(),
                client_port: self.state.client.map_or(0, |client| client.port()),
                host_ip: self
                    .state
                    .server
                    .map(|server| server.ip().to_string())
                    .unwrap_or_default(),
                host_port: self.state.server.map_or(0, |server| server.port()),
                unique_id: printable(store.get(self.state.unique_id)),
                request: AuditRequest {
                    method: printable(store.get(self.request.method)),
                    http_version: protocol
                        .strip_prefix("HTTP/")
                        .unwrap_or(&protocol)
                        .to_owned(),
                    uri: scrub.target(store.get(self.request.target)),
                    headers: fields('B', &self.request.headers),
                    body,
                    body_bytes: self.request.body_length,
                },
                response: AuditResponse {
                    http_code: self.final_status(),
                    headers: fields('F', &self.response.headers),
                    body: self.audit_response_body(),
                    body_bytes: self.response.body_length,
                },
                producer: Producer {
                    modsecurity: concat!("bascule-waf ", env!("CARGO_PKG_VERSION")).to_owned(),
                    connector: concat!("bascule ", env!("CARGO_PKG_VERSION")).to_owned(),
                    secrules_engine: match self.state.engine {
                        EngineMode::On => "Enabled",
                        EngineMode::Off => "Disabled",
                        EngineMode::DetectionOnly => "DetectionOnly",
                    }
                    .to_owned(),
                    components: self.rules.signatures.clone(),
                },
                messages: messages.map(Message::from).collect(),
                outcome: self.outcome(moment),
            },
            parts,
            body_part,
            files: self.audit_files(),
            native_time: moment.to_common_log(),
        };
        if !self.state.hidden.is_empty() {
            self.hide_in(&mut record);
        }
        record
    }

    /// The request body, as the part that asks for it has it. Of a multipart body both show the fields, as a form, without files.
    fn audit_body(&self) -> (char, Option<String>) {
        let (parts, store) = (self.state.audit_parts, &self.state.store);
        let part = if parts.contains('I') { 'I' } else { 'C' };
        if !parts.contains(part) || self.request.body.is_empty() {
            return (part, None);
        }
        let scrub = &self.rules.scrub;
        let is_multipart = self.request.processor == Some(BodyProcessor::Multipart);
        if !is_multipart {
            let fields = self.request.headers.iter();
            let content_type = fields
                .filter(|field| store.get(field.key).eq_ignore_ascii_case(b"content-type"))
                .map(|field| store.get(field.value))
                .next_back();
            let body = scrub.body(content_type.unwrap_or_default(), &self.request.body);
            return (part, Some(body));
        }
        let arguments = self.request.parsed.args.iter();
        let pairs = arguments
            .filter(|argument| argument.source == Source::Form)
            .map(|argument| [store.get(argument.key), b"=", store.get(argument.value)].concat());
        let form = pairs.collect::<Vec<_>>().join(&b'&');
        let body = scrub.body(b"application/x-www-form-urlencoded", &form);
        ('I', Some(body))
    }

    fn audit_response_body(&self) -> Option<String> {
        let body = &self.response.body;
        if !self.state.audit_parts.contains('E') || body.is_empty() {
            return None;
        }
        let store = &self.state.store;
        let fields = self.response.headers.iter();
        let content_type = fields
            .filter(|field| store.get(field.key).eq_ignore_ascii_case(b"content-type"))
            .map(|field| store.get(field.value))
            .next_back();
        Some(
            self.rules
                .scrub
                .body(content_type.unwrap_or_default(), body),
        )
    }

    fn audit_files(&self) -> Vec<AuditFile> {
        if !self.state.audit_parts.contains('J') {
            return Vec::new();
        }
        let store = &self.state.store;
        let files = self.request.parsed.files.iter();
        let described = files.map(|file| AuditFile {
            field: printable(store.get(file.field)),
            name: printable(store.get(file.name)),
            size: file.size,
        });
        described.collect()
    }

    fn outcome(&self, moment: Moment) -> AuditOutcome {
        let rule_of = |intervention: &Intervention| match intervention {
            Intervention::Deny { rule, .. } => *rule,
            Intervention::Drop { rule } | Intervention::Redirect { rule, .. } => Some(*rule),
            Intervention::None | Intervention::Fail(_) => None,
        };
        AuditOutcome {
            time: moment.to_rfc3339(),
            route: String::new(),
            policy: String::new(),
            shadow: false,
            mode: self.mode,
            verdict: match &self.state.intervention {
                Intervention::None => "pass",
                Intervention::Deny { .. } => "deny",
                Intervention::Drop { .. } => "drop",
                Intervention::Redirect { .. } => "redirect",
                Intervention::Fail(_) => "fail",
            },
            status: self.final_status(),
            rule: rule_of(&self.state.intervention),
            would_be_rule: rule_of(&self.state.would_be),
            score: self.anomaly_score(),
            error: self.state.error.map(|error| error.to_string()),
            error_rule: self.error_rule(),
        }
    }
}
