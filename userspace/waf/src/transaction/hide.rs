//! The `sanitise` actions: values that the audit record does not show.

use seclang::ast::{Sanitise, Variable};

use super::Transaction;
use super::state::Pair;
use crate::audit::{AuditRecord, Hidden, MASK, printable};
use crate::store::Span;
use crate::transform;

/// What a rule asked to hide, found out when the record is written: arguments may come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hide {
    /// All values of an argument.
    Argument(Span),
    RequestHeader(Span),
    ResponseHeader(Span),
    /// Every value of this text, but for so many bytes at both ends.
    Value {
        value: Span,
        front: u32,
        back: u32,
    },
}

impl Transaction {
    /// Carries out a `sanitise` action.
    pub(super) fn hide(&mut self, what: &Sanitise) {
        let named = |this: &mut Self, name: &str| this.state.store.push(name.as_bytes());
        let found = match what {
            Sanitise::Arg(name) => Some(Hide::Argument(named(self, name))),
            Sanitise::RequestHeader(name) => Some(Hide::RequestHeader(named(self, name))),
            Sanitise::ResponseHeader(name) => Some(Hide::ResponseHeader(named(self, name))),
            Sanitise::Matched => self.state.matched_var.map(|matched| {
                use Variable as V;
                match matched.variable {
                    V::Args | V::ArgsGet | V::ArgsPost => Hide::Argument(matched.key),
                    V::RequestHeaders => Hide::RequestHeader(matched.key),
                    V::ResponseHeaders => Hide::ResponseHeader(matched.key),
                    _ => Hide::Value {
                        value: matched.value,
                        front: 0,
                        back: 0,
                    },
                }
            }),
            Sanitise::MatchedBytes { front, back } => {
                self.state.matched_var.map(|matched| Hide::Value {
                    value: matched.value,
                    front: *front,
                    back: *back,
                })
            }
        };
        if let Some(found) = found.filter(|found| !self.state.hidden.contains(found)) {
            self.state.hidden.push(found);
        }
    }

    /// Takes what rules hide out of a record.
    pub(super) fn hide_in(&self, record: &mut AuditRecord) {
        let store = &self.state.store;
        let mut hidden = Vec::new();
        let mut all = |value: &[u8]| {
            hidden.push(Hidden {
                text: printable(value),
                mask: MASK.to_owned(),
            });
        };
        for hide in &self.state.hidden {
            match hide {
                Hide::Argument(name) => self.argument_texts(store.get(*name), &mut all),
                Hide::RequestHeader(name) => {
                    self.field_texts(&self.request.headers, *name, &mut all);
                }
                Hide::ResponseHeader(name) => {
                    self.field_texts(&self.response.headers, *name, &mut all);
                }
                Hide::Value { .. } => {}
            }
        }
        for hide in &self.state.hidden {
            if let Hide::Value { value, front, back } = hide {
                let value = store.get(*value);
                let front = value.get(..*front as usize).unwrap_or_default();
                let rest = value.len().checked_sub(*back as usize);
                let back = rest
                    .and_then(|start| value.get(start..))
                    .unwrap_or_default();
                hidden.push(Hidden {
                    text: printable(value),
                    mask: format!("{}{MASK}{}", printable(front), printable(back)),
                });
            }
        }
        record.hide(&mut hidden);
    }

    fn field_texts(&self, fields: &[Pair], name: Span, show: &mut dyn FnMut(&[u8])) {
        let store = &self.state.store;
        let same = |field: &&Pair| store.get(field.key).eq_ignore_ascii_case(store.get(name));
        for field in fields.iter().filter(same) {
            show(store.get(field.value));
        }
    }

    /// The values of an argument, decoded and as they were sent.
    fn argument_texts(&self, name: &[u8], show: &mut dyn FnMut(&[u8])) {
        let store = &self.state.store;
        for argument in self.arguments(None) {
            if store.get(argument.key).eq_ignore_ascii_case(name) {
                show(store.get(argument.value));
            }
        }
        let query = self.request.query.map(|query| store.get(query));
        for text in [query.unwrap_or_default(), &self.request.body] {
            for piece in text.split(|&byte| byte == self.rules.settings.argument_separator) {
                let Some(equals) = memchr::memchr(b'=', piece) else {
                    continue;
                };
                let mut decoded = Vec::new();
                transform::url_decode(&piece[..equals], &mut decoded);
                if decoded.eq_ignore_ascii_case(name) {
                    show(&piece[equals + 1..]);
                }
            }
        }
    }
}
