//! What a match changes: variables, the engine, and the texts that macros make.

use seclang::ast::{EngineMode, PartsChange, Severity, Variable};

use super::state::{Bytes, Pair, Value};
use super::{Mode, Transaction};
use crate::bytes::atoi;
use crate::plan::{Change, Effect, Link, Piece, RuleSet, Text, TxName};
use crate::store::Span;

impl Transaction {
    /// Carries out the non-disruptive actions of a link: once for each value that matched.
    pub(super) fn apply(&mut self, plan: &RuleSet, link: &Link) {
        for effect in &link.effects {
            match effect {
                Effect::SetTx { name, change } => self.set_tx(plan, name, change),
                Effect::SetEnv { name, value } => {
                    let key = self.stored(plan, name);
                    let value = self.stored(plan, value);
                    self.state.env.push(Pair { key, value });
                }
                Effect::Open {
                    collection,
                    key,
                    anew,
                } => {
                    self.open_collection(plan, *collection, key, *anew);
                }
                Effect::SetPersistent {
                    collection,
                    name,
                    change,
                } => self.set_persistent(plan, *collection, name, change),
                Effect::Expire {
                    collection,
                    name,
                    seconds,
                } => self.expire_persistent(plan, *collection, name, seconds),
                Effect::Deprecate {
                    collection,
                    name,
                    amount,
                    period,
                } => self.deprecate_persistent(plan, *collection, name, [amount, period]),
                Effect::Hide(what) => self.hide(what),
                Effect::RuleEngine(mode) => {
                    // The route's mode is a ceiling.
                    self.state.engine = match (self.mode, mode) {
                        (Mode::Off, _) => EngineMode::Off,
                        (Mode::Detect, EngineMode::On) => EngineMode::DetectionOnly,
                        (_, mode) => *mode,
                    };
                }
                Effect::AuditEngine(mode) => self.state.audit = *mode,
                Effect::AuditLogParts(change) => {
                    let parts = self.state.audit_parts;
                    self.state.audit_parts = match change {
                        PartsChange::Set(parts) => *parts,
                        PartsChange::Add(more) => parts.with(*more),
                        PartsChange::Remove(fewer) => parts.without(*fewer),
                    };
                }
                Effect::RequestBodyAccess(on) => self.request.access = *on,
                Effect::RequestBodyLimit(bytes) => {
                    self.request.limit = usize::try_from(*bytes).unwrap_or(usize::MAX);
                }
                Effect::RequestBodyProcessor(processor) => {
                    self.request.processor = Some(*processor);
                }
                Effect::ForceRequestBodyVariable(on) => self.request.force_variable = *on,
                Effect::ResponseBodyAccess(on) => self.response.access = *on,
                Effect::ResponseBodyLimit(bytes) => {
                    self.response.limit = usize::try_from(*bytes).unwrap_or(usize::MAX);
                }
                Effect::ResponseBodyProcessor(processor) => {
                    self.response.processor = Some(*processor);
                }
                Effect::ForceResponseBodyVariable(on) => self.response.force_variable = *on,
                Effect::RemoveRules(rules) => self.remove_rules(plan, rules),
                Effect::RemoveTarget(removal) => {
                    if !self.state.removed_targets.contains(removal) {
                        self.state.removed_targets.push(*removal);
                    }
                }
            }
        }
    }

    fn remove_rules(&mut self, plan: &RuleSet, rules: &[u32]) {
        self.state
            .removed_rules
            .resize(plan.rules.len().div_ceil(64), 0);
        for &rule in rules {
            if let Some(word) = self.state.removed_rules.get_mut(rule as usize / 64) {
                *word |= 1 << (rule % 64);
            }
        }
    }

    pub(super) fn is_removed(&self, rule: u32) -> bool {
        self.state
            .removed_rules
            .get(rule as usize / 64)
            .is_some_and(|word| word & (1 << (rule % 64)) != 0)
    }

    fn set_tx(&mut self, plan: &RuleSet, name: &TxName, change: &Change) {
        let name = match name {
            TxName::Slot(slot) => Ok(*slot),
            TxName::Dynamic(text) => {
                let name = self.stored(plan, text);
                Err(self.state.store.derive(name, |name, out| {
                    out.extend(name.iter().map(u8::to_ascii_lowercase));
                }))
            }
        };
        let current = match (change, name) {
            (Change::Set(_) | Change::Unset, _) => None,
            (_, Ok(slot)) => self.state.tx.slot(slot),
            (_, Err(name)) => {
                self.state
                    .tx
                    .find(self.state.store.get(name), &plan.names, &self.state.store)
            }
        };
        let value = match change {
            Change::Unset => None,
            Change::Set(text) => Some(self.stored(plan, text)),
            Change::Add(text) | Change::Subtract(text) => {
                let operand = self.stored(plan, text);
                let operand = atoi(self.state.store.get(operand));
                let current = current.map_or(0, |current| atoi(self.state.store.get(current)));
                let sum = match change {
                    Change::Subtract(_) => current.saturating_sub(operand),
                    _ => current.saturating_add(operand),
                };
                Some(self.state.store.number(sum))
            }
        };
        if self.is_observed() {
            self.see_set(plan, name, value);
        }
        match name {
            Ok(slot) => self.state.tx.set_slot(slot, value),
            Err(name) => self
                .state
                .tx
                .set(name, value, &plan.names, &self.state.store),
        }
    }

    /// A text with its macros expanded, in the store.
    pub(super) fn stored(&mut self, plan: &RuleSet, text: &Text) -> Span {
        if let [Piece::Literal(text)] = text.0.as_slice() {
            return self.state.store.push(text);
        }
        let mut out = std::mem::take(&mut self.state.text);
        out.clear();
        self.expand(plan, text, &mut out);
        self.state.work += out.len() as u64;
        let stored = self.state.store.push(&out);
        self.state.text = out;
        stored
    }

    /// Appends a text with its macros expanded. A macro of what is not there is empty.
    pub(super) fn expand(&mut self, plan: &RuleSet, text: &Text, out: &mut Vec<u8>) {
        for piece in &text.0 {
            if let Piece::Literal(literal) = piece {
                out.extend_from_slice(literal);
            } else if let Some(value) = self.resolve(plan, piece) {
                out.extend_from_slice(self.bytes(value));
            }
        }
    }

    /// What a macro stands for now.
    pub(super) fn resolve(&mut self, plan: &RuleSet, piece: &Piece) -> Option<Bytes> {
        match piece {
            Piece::Literal(_) => None,
            Piece::Tx(slot) => self.state.tx.slot(*slot).map(Bytes::Stored),
            Piece::Variable(variable, key) => self.first(plan, *variable, |name| {
                key.as_ref()
                    .is_none_or(|key| key.eq_ignore_ascii_case(name))
            }),
            Piece::Search(variable, regex) => self.first(plan, *variable, |name| {
                regex.matches(name, None).unwrap_or(false)
            }),
        }
    }

    /// `RULE`: what the running rule says about itself. Texts with macros of their own stand there as they are written: a message that
    /// names itself would never end.
    pub(super) fn rule_values(
        &mut self,
        plan: &RuleSet,
        selects: &dyn Fn(&[u8]) -> bool,
        out: &mut Vec<Value>,
    ) {
        let Some(rule) = plan.rules.get(self.state.rule as usize) else {
            return;
        };
        let meta = &rule.meta;
        let number = |severity: Severity| severity.number().to_string();
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.written(&plan.names));
        let values = [
            ("id", Some(rule.id.to_string())),
            ("rev", Some(meta.rev.clone()).filter(|rev| !rev.is_empty())),
            ("ver", Some(meta.ver.clone()).filter(|ver| !ver.is_empty())),
            ("severity", meta.severity.map(number)),
            ("msg", text(&meta.msg)),
            ("logdata", text(&meta.log_data)),
        ];
        for (key, value) in values {
            if let Some(value) = value.filter(|_| selects(key.as_bytes())) {
                let key = self.state.store.push(key.as_bytes());
                let value = self.state.store.push(value.as_bytes());
                out.push(Value {
                    variable: Variable::Rule,
                    key,
                    bytes: Bytes::Stored(value),
                });
            }
        }
    }
}
