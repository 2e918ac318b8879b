//! The response: status, header, type of the body.

use super::Transaction;
use super::state::Pair;
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

    /// Whether `SecResponseBodyMimeType` names the type. Parameters do not count, nor does case.
    pub(super) fn inspects_response_type(&self, content_type: Option<&[u8]>) -> bool {
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
