//! Actions that change something when a link matches.

use seclang::ast::{self, Action, Collection, Ctl};

use super::compile::Compiler;
use super::error::CompileErrorKind as Kind;
use super::rule::{Change, Effect, TargetRemoval, TxName};

impl Compiler<'_> {
    /// What an action changes; `None` for those that say something of the rule.
    pub(super) fn effect(&mut self, action: &Action) -> Result<Option<Effect>, Kind> {
        Ok(Some(match action {
            Action::SetVar(set) => self.set_var(set),
            Action::SetEnv { name, value } => Effect::SetEnv {
                name: self.text(name),
                value: self.text(value),
            },
            // `TX` is always open, and ends with the transaction.
            Action::InitCol {
                collection: Collection::Tx,
                ..
            }
            | Action::ExpireVar {
                collection: Collection::Tx,
                ..
            }
            | Action::DeprecateVar {
                collection: Collection::Tx,
                ..
            } => return Ok(None),
            Action::InitCol { collection, key } => self.open(*collection, key),
            Action::SetSid(key) => self.open_anew(Collection::Session, key),
            Action::SetUid(key) => self.open_anew(Collection::User, key),
            Action::SetRsc(key) => self.open_anew(Collection::Resource, key),
            Action::ExpireVar {
                collection,
                name,
                seconds,
            } => Effect::Expire {
                collection: *collection,
                name: self.text(name),
                seconds: self.text(seconds),
            },
            Action::DeprecateVar {
                collection,
                name,
                amount,
                period,
            } => Effect::Deprecate {
                collection: *collection,
                name: self.text(name),
                amount: self.text(amount),
                period: self.text(period),
            },
            Action::Sanitise(what) => Effect::Hide(what.clone()),
            Action::Ctl(ctl) => return self.ctl(ctl),
            _ => return Ok(None),
        }))
    }

    fn open(&mut self, collection: Collection, key: &ast::Template) -> Effect {
        Effect::Open {
            collection,
            key: self.text(key),
            anew: false,
        }
    }

    /// Who a session, a user or a resource is can change while rules run.
    fn open_anew(&mut self, collection: Collection, key: &ast::Template) -> Effect {
        Effect::Open {
            collection,
            key: self.text(key),
            anew: true,
        }
    }

    fn set_var(&mut self, set: &ast::SetVar) -> Effect {
        let change = match &set.change {
            ast::Change::Set(value) => Change::Set(self.text(value)),
            ast::Change::Add(value) => Change::Add(self.text(value)),
            ast::Change::Subtract(value) => Change::Subtract(self.text(value)),
            ast::Change::Unset => Change::Unset,
        };
        match (set.collection, set.name.as_literal()) {
            (Collection::Tx, Some(name)) => Effect::SetTx {
                name: TxName::Slot(self.names.slot(name.as_bytes())),
                change,
            },
            (Collection::Tx, None) => Effect::SetTx {
                name: TxName::Dynamic(self.text(&set.name)),
                change,
            },
            (collection, _) => Effect::SetPersistent {
                collection,
                name: self.text(&set.name),
                change,
            },
        }
    }

    fn ctl(&mut self, ctl: &Ctl) -> Result<Option<Effect>, Kind> {
        Ok(Some(match ctl {
            Ctl::RuleEngine(mode) => Effect::RuleEngine(*mode),
            Ctl::AuditEngine(mode) => Effect::AuditEngine(*mode),
            Ctl::RequestBodyAccess(on) => Effect::RequestBodyAccess(*on),
            Ctl::RequestBodyLimit(bytes) => Effect::RequestBodyLimit(*bytes),
            Ctl::RequestBodyProcessor(processor) => Effect::RequestBodyProcessor(*processor),
            Ctl::ForceRequestBodyVariable(on) => Effect::ForceRequestBodyVariable(*on),
            Ctl::ResponseBodyAccess(on) => Effect::ResponseBodyAccess(*on),
            Ctl::ResponseBodyLimit(bytes) => Effect::ResponseBodyLimit(*bytes),
            Ctl::RuleRemove(choice) => Effect::RemoveRules(self.indexes(choice)?),
            Ctl::RuleRemoveTarget { rules, target } => {
                let removal = TargetRemoval {
                    rules: self.indexes(rules)?,
                    target: self.target(target)?,
                };
                self.target_removals.push(removal);
                // As many as there are actions, which the parser limits.
                Effect::RemoveTarget(self.target_removals.len() as u32 - 1)
            }
            Ctl::ResponseBodyProcessor(processor) => Effect::ResponseBodyProcessor(*processor),
            Ctl::ForceResponseBodyVariable(on) => Effect::ForceResponseBodyVariable(*on),
            Ctl::AuditLogParts(change) => Effect::AuditLogParts(*change),
            // There is no debug log.
            Ctl::DebugLogLevel(_) | Ctl::HashEngine(_) | Ctl::HashEnforcement(_) => {
                return Ok(None);
            }
        }))
    }
}
