//! The response: status, header, type of the body.

use seclang::ast::BodyProcessor;

use super::Transaction;
use super::state::{Pair, Source};
use crate::body;
use crate::store::Span;

impl Transaction {
    /// Takes the status line of the response; the protocol as `HTTP/1.1`.
    pub fn response_status(&mut self, status: u16, protocol: &[u8]) {
        self.response.status = status;
        self.response.protocol = self.state.store.push(protocol);
    }

    /// Takes a header field of the response; blanks round the value are dropped.
    pub fn response_header(&mut self, name: &[u8], value: &[u8]) {
        let key = self.state.store.push(name);
        let value = self.state.store.push(value.trim_ascii());
        self.response.headers.push(Pair { key, value });
    }

    /// The first field of this name.
    pub(super) fn response_field(&self, name: &str) -> Option<Span> {
        let mut headers = self.response.headers.iter();
        let field = headers.find(|field| {
            self.state
                .store
                .get(field.key)
                .eq_ignore_ascii_case(name.as_bytes())
        });
        field.map(|field| field.value)
    }

    /// Hands the body to the processor that `ctl:responseBodyProcessor` chose. What was parsed before an error stays.
    pub(super) fn parse_response_body(&mut self) {
        let settings = &self.rules.settings;
        let (parsed, store) = (&mut self.response.parsed, &mut self.state.store);
        let body = &self.response.body;
        match self.response.processor {
            Some(BodyProcessor::Json) => body::json(
                body,
                settings.json_depth_limit,
                settings.arguments_limit,
                parsed,
                store,
            ),
            Some(BodyProcessor::Urlencoded) => body::urlencoded(
                body,
                settings.argument_separator,
                settings.arguments_limit,
                parsed,
                store,
                Source::Form,
            ),
            Some(BodyProcessor::Xml) => {
                let limits = body::XmlLimits {
                    attributes: settings.arguments_limit,
                    paths: &self.rules.xpaths,
                    keeps_document: self.rules.keeps_documents,
                    visits: self.rules.options.work_limit_bytes / body::WORK_OF_A_VISIT,
                };
                self.state.work += body::WORK_OF_A_VISIT * body::xml(body, limits, parsed, store);
            }
            Some(BodyProcessor::Multipart) => {
                parsed.error = Some("responses are not parsed as MULTIPART".to_owned());
            }
            Some(BodyProcessor::Raw) | None => {}
        }
    }

    /// Whether `SecResponseBodyMimeType` names the type, or a rule forced it. Parameters do not count, nor does case.
    pub(super) fn inspects_response_type(&self, content_type: Option<&[u8]>) -> bool {
        if self.response.force_variable {
            return true;
        }
        let name = content_type
            .unwrap_or_default()
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        self.rules
            .settings
            .response_body_types
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }
}
