//! Persistent collections in a transaction: which records are open, and what rules read from them and write to them.

use seclang::ast::{Collection, Variable};

use super::Transaction;
use super::state::{Bytes, Value};
use crate::bytes::atoi;
use crate::collections::{Header, Writer};
use crate::plan::{Change, RuleSet, Text};
use crate::store::Span;

/// Bytes of a key. Of a longer one the digest is the key.
const KEY_BYTES: usize = 256;

/// An open collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Under which the record is kept: collection, application, key.
    record: Span,
    /// `KEY`, as the rule gave it.
    key: Span,
    /// Whether there was no record when it was opened.
    is_new: bool,
    /// Whether this transaction has written to it.
    is_written: bool,
    /// When it was changed before this transaction, in seconds since 1970.
    last_update: u64,
}

/// The collections that are open: a place each.
pub(crate) type OpenCollections = [Option<Open>; 5];

/// The place of a collection; `TX` has none.
const fn place(collection: Collection) -> Option<usize> {
    match collection {
        Collection::Tx => None,
        Collection::Global => Some(0),
        Collection::Ip => Some(1),
        Collection::Resource => Some(2),
        Collection::Session => Some(3),
        Collection::User => Some(4),
    }
}

/// The collection that a variable shows.
const fn collection_of(variable: Variable) -> Option<Collection> {
    Some(match variable {
        Variable::Global => Collection::Global,
        Variable::Ip => Collection::Ip,
        Variable::Resource => Collection::Resource,
        Variable::Session => Collection::Session,
        Variable::User => Collection::User,
        _ => return None,
    })
}

impl Transaction {
    /// Seconds since 1970 at which the transaction began.
    fn now(&self) -> u64 {
        self.state.since_epoch().as_secs()
    }

    fn open(&self, collection: Collection) -> Option<Open> {
        self.state.open.get(place(collection)?).copied().flatten()
    }

    /// Opens a collection under a key. One that is open stays as it is, unless it is to be opened `anew`; an empty key opens nothing.
    pub(super) fn open_collection(
        &mut self,
        plan: &RuleSet,
        collection: Collection,
        key: &Text,
        anew: bool,
    ) {
        let Some(at) = place(collection) else { return };
        let before = self.open(collection);
        if before.is_some() && !anew {
            return;
        }
        let key = self.stored(plan, key);
        let store = &self.state.store;
        let is_same = before.is_some_and(|before| store.get(before.key) == store.get(key));
        if key.is_empty() || is_same {
            return;
        }
        // As in ModSecurity 2 those of an application are its own, and an address is the same for all.
        let application = match collection {
            Collection::Session | Collection::User | Collection::Resource => {
                plan.settings.web_app_id.as_bytes()
            }
            _ => b"",
        };
        let record = self.state.store.derive(key, |key, out| {
            out.extend_from_slice(collection.name().as_bytes());
            out.push(0);
            out.extend_from_slice(application);
            out.push(0);
            if key.len() <= KEY_BYTES {
                out.extend_from_slice(key);
            } else {
                crate::transform::apply(seclang::ast::Transformation::Sha1, key, out);
            }
        });
        let now = self.now();
        let header = plan.collections.header(self.state.store.get(record), now);
        self.state.open[at] = Some(Open {
            record,
            key,
            is_new: header.is_none(),
            is_written: false,
            last_update: header.map_or(now, |header| header.updated),
        });
    }

    /// Who writes to an open collection; from here on it is written to.
    fn writer(&mut self, plan: &RuleSet, collection: Collection) -> Option<(Open, Writer)> {
        let open = self.open(collection)?;
        let writer = Writer {
            now: self.now(),
            timeout: plan.settings.collection_timeout,
            is_first: !open.is_written,
        };
        if let Some(open) = self.state.open[place(collection)?].as_mut() {
            open.is_written = true;
        }
        Some((open, writer))
    }

    /// A name with its macros expanded, in lower case.
    fn variable_name(&mut self, plan: &RuleSet, name: &Text) -> Span {
        let name = self.stored(plan, name);
        self.state.store.derive(name, |name, out| {
            out.extend(name.iter().map(u8::to_ascii_lowercase));
        })
    }

    /// `setvar` in a collection; nothing happens in one that is not open.
    pub(super) fn set_persistent(
        &mut self,
        plan: &RuleSet,
        collection: Collection,
        name: &Text,
        change: &Change,
    ) {
        let name = self.variable_name(plan, name);
        let operand = match change {
            Change::Unset => Span::default(),
            Change::Set(text) | Change::Add(text) | Change::Subtract(text) => {
                self.stored(plan, text)
            }
        };
        let Some((open, writer)) = self.writer(plan, collection) else {
            return;
        };
        let store = &self.state.store;
        let (record, operand) = (store.get(open.record), store.get(operand));
        match store.get(name) {
            b"timeout" => {
                let seconds = u64::try_from(atoi(operand)).unwrap_or(0);
                plan.collections.set_timeout(record, writer, seconds);
            }
            // What the engine itself keeps.
            b"create_time" | b"is_new" | b"key" | b"last_update_time" | b"update_counter"
            | b"update_rate" => {}
            name => plan
                .collections
                .update(record, name, writer, |current| match change {
                    Change::Unset => None,
                    Change::Set(_) => Some(operand.to_vec()),
                    Change::Add(_) | Change::Subtract(_) => {
                        let current = current.map_or(0, atoi);
                        let sum = match change {
                            Change::Subtract(_) => current.saturating_sub(atoi(operand)),
                            _ => current.saturating_add(atoi(operand)),
                        };
                        Some(sum.to_string().into_bytes())
                    }
                }),
        }
    }

    /// `expirevar`
    pub(super) fn expire_persistent(
        &mut self,
        plan: &RuleSet,
        collection: Collection,
        name: &Text,
        seconds: &Text,
    ) {
        let name = self.variable_name(plan, name);
        let seconds = self.stored(plan, seconds);
        let seconds = u64::try_from(atoi(self.state.store.get(seconds))).unwrap_or(0);
        let Some((open, writer)) = self.writer(plan, collection) else {
            return;
        };
        let store = &self.state.store;
        let at = writer.now.saturating_add(seconds);
        plan.collections
            .expire(store.get(open.record), store.get(name), writer, at);
    }

    /// `deprecatevar`: takes `amount` off for each `period` that has passed since the collection was last changed, down to 0.
    pub(super) fn deprecate_persistent(
        &mut self,
        plan: &RuleSet,
        collection: Collection,
        name: &Text,
        [amount, period]: [&Text; 2],
    ) {
        let name = self.variable_name(plan, name);
        let amount = self.stored(plan, amount);
        let amount = atoi(self.state.store.get(amount)).max(0);
        let period = self.stored(plan, period);
        let period = u64::try_from(atoi(self.state.store.get(period))).unwrap_or(0);
        let Some(open) = self.open(collection) else {
            return;
        };
        let passed = self.now().saturating_sub(open.last_update);
        let periods = passed.checked_div(period).unwrap_or(0);
        if periods == 0 {
            return;
        }
        let Some((open, writer)) = self.writer(plan, collection) else {
            return;
        };
        let loss = amount.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX));
        let store = &self.state.store;
        let (record, name) = (store.get(open.record), store.get(name));
        plan.collections.update(record, name, writer, |current| {
            let rest = atoi(current?).saturating_sub(loss).max(0);
            Some(rest.to_string().into_bytes())
        });
    }

    /// The variables of an open collection, and what the engine keeps about it.
    pub(super) fn persistent_values(
        &mut self,
        plan: &RuleSet,
        variable: Variable,
        selects: &dyn Fn(&[u8]) -> bool,
        out: &mut Vec<Value>,
    ) {
        let Some(open) = collection_of(variable).and_then(|collection| self.open(collection))
        else {
            return;
        };
        let now = self.now();
        let record = self.state.store.get(open.record).to_vec();
        let store = &mut self.state.store;
        let mut show = |name: &[u8], value: &[u8]| {
            if selects(name) {
                let key = store.push(name);
                let bytes = Bytes::Stored(store.push(value));
                out.push(Value {
                    variable,
                    key,
                    bytes,
                });
            }
        };
        let header = plan.collections.visit(&record, now, &mut show);
        let header = header.unwrap_or(Header {
            created: now,
            updated: now,
            updates: 0,
            timeout: plan.settings.collection_timeout,
        });
        let age = now.saturating_sub(header.created);
        let rate = (60 * header.updates).checked_div(age).unwrap_or(0);
        for (name, number) in [
            ("CREATE_TIME", header.created),
            ("IS_NEW", u64::from(open.is_new)),
            ("LAST_UPDATE_TIME", header.updated),
            ("TIMEOUT", header.timeout),
            ("UPDATE_COUNTER", header.updates),
            ("UPDATE_RATE", rate),
        ] {
            show(name.as_bytes(), number.to_string().as_bytes());
        }
        let key = self.state.store.get(open.key).to_vec();
        if selects(b"KEY") {
            let bytes = Bytes::Stored(self.state.store.push(&key));
            let key = self.state.store.push(b"KEY");
            out.push(Value {
                variable,
                key,
                bytes,
            });
        }
    }

    /// `SESSIONID` and `USERID`: the key under which the collection is open.
    pub(super) fn open_key(&self, collection: Collection) -> Option<Span> {
        self.open(collection).map(|open| open.key)
    }
}
