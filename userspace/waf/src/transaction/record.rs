//! The audit record of a transaction.

use super::clock::Moment;
use super::state::Pair;
use super::{Intervention, Transaction};
use crate::audit::{
    AuditOutcome, AuditRecord, AuditRequest, AuditResponse, AuditTransaction, MASK, Message,
    Producer, is_secret_field, printable, scrub_target,
};

impl Transaction {
    pub(super) fn audit_record(&self) -> AuditRecord {
        let store = &self.state.store;
        let fields = |fields: &[Pair]| {
            let scrubbed = fields.iter().map(|field| {
                let name = store.get(field.key);
                let value = if is_secret_field(name) {
                    MASK.to_owned()
                } else {
                    printable(store.get(field.value))
                };
                (printable(name), value)
            });
            scrubbed.collect()
        };
        let protocol = printable(store.get(self.request.protocol));
        AuditRecord {
            transaction: AuditTransaction {
                client_ip: self
                    .state
                    .client
                    .map(|client| client.ip().to_string())
                    .unwrap_or_default(),
                time_stamp: Moment::since_epoch(self.state.since_epoch()).to_rfc3339(),
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
                    uri: scrub_target(store.get(self.request.target)),
                    headers: fields(&self.request.headers),
                    body_bytes: self.request.body_length,
                },
                response: AuditResponse {
                    http_code: self.final_status(),
                    headers: fields(&self.response.headers),
                    body_bytes: self.response.body_length,
                },
                producer: Producer {
                    modsecurity: concat!("bascule-waf ", env!("CARGO_PKG_VERSION")).to_owned(),
                    connector: concat!("bascule ", env!("CARGO_PKG_VERSION")).to_owned(),
                    secrules_engine: self.state.engine.name().to_owned(),
                    components: self.rules.signatures.clone(),
                },
                messages: self
                    .state
                    .matches
                    .iter()
                    .filter(|matched| matched.audit_log || matched.log)
                    .map(Message::from)
                    .collect(),
                outcome: self.outcome(),
            },
        }
    }

    fn outcome(&self) -> AuditOutcome {
        let rule_of = |intervention: &Intervention| match intervention {
            Intervention::Deny { rule, .. } => *rule,
            Intervention::Drop { rule } | Intervention::Redirect { rule, .. } => Some(*rule),
            Intervention::None | Intervention::Fail(_) => None,
        };
        AuditOutcome {
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
        }
    }
}
