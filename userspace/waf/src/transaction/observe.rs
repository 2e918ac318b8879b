//! Looking on while a transaction runs, for people who write rules: an [`Observer`] is told every step that the exact engine takes.
//!
//! Where there is none, as in production, this costs a look at a null pointer for each test that the gates did not pass over. With
//! one, the gates are not asked, so that it sees every rule; the verdicts are the same.

use seclang::ast::{RuleId, Transformation, Variable};

use super::state::Value;
use super::{Intervention, Transaction};
use crate::plan::{Link, RuleSet, Step};
use crate::transform;

/// Looks on while a transaction runs.
pub trait Observer: Send {
    /// What happens now. Events come in the order in which the engine works.
    fn see(&mut self, event: &Event<'_>);

    /// Whether [`Event::Transformed`] is wanted; it costs each transformation once more. One that measures times does without.
    fn wants_transformations(&self) -> bool {
        true
    }
}

/// A step of the engine.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A phase begins, 1 to 5.
    Phase(u8),
    /// A rule comes up; what follows is about it until [`Event::RuleOver`].
    Rule {
        /// Its place in [`RuleSet::rules`].
        index: usize,
        /// Its id.
        id: RuleId,
    },
    /// A rule comes up and does not run: a `ctl` of this transaction removed it.
    Removed {
        /// Its place in [`RuleSet::rules`].
        index: usize,
        /// Its id.
        id: RuleId,
    },
    /// `skip` or `skipAfter` of the rule that just matched passes over this rule.
    Skipped {
        /// Its place in [`RuleSet::rules`].
        index: usize,
        /// Its id.
        id: RuleId,
        /// The rule that skips.
        by: RuleId,
    },
    /// A link of the rule's chain begins, from 0.
    Link(usize),
    /// A value that an exclusion takes away from the link.
    Excluded {
        /// The variable.
        variable: Variable,
        /// The key of the value; empty for scalars.
        key: &'a [u8],
    },
    /// A value of the link's targets, before its transformations.
    Value {
        /// The variable.
        variable: Variable,
        /// The key of the value; empty for scalars and counts.
        key: &'a [u8],
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A transformation of the link was applied to the value.
    Transformed {
        /// Which one.
        by: Transformation,
        /// What it gave.
        bytes: &'a [u8],
        /// Whether that differs from what it was given.
        changed: bool,
    },
    /// The operator was asked.
    Tested {
        /// The value after its transformations; with `multiMatch` each stage is tested.
        bytes: &'a [u8],
        /// The argument of the operator, macros expanded.
        argument: &'a [u8],
        /// Whether the link's condition holds, negation included.
        matched: bool,
        /// Whether the pattern passed its match limit, so that nobody knows.
        exceeded: bool,
    },
    /// `TX:0` to `TX:9` were written.
    Captured {
        /// The number of the group.
        group: usize,
        /// What it holds.
        bytes: &'a [u8],
    },
    /// `setvar` changed a variable of `TX`.
    Set {
        /// The name in lower case.
        name: &'a [u8],
        /// The new value; `None` where it was unset.
        value: Option<&'a [u8]>,
    },
    /// The work with the value is over.
    ValueOver,
    /// The link is over.
    LinkOver {
        /// Whether a value matched.
        matched: bool,
    },
    /// The rule is over.
    RuleOver {
        /// Whether the whole chain matched.
        matched: bool,
        /// What is decided from here on.
        intervention: &'a Intervention,
        /// In detection, what would have been decided.
        would_be: &'a Intervention,
    },
}

/// A place for an observer.
pub(super) struct Observed(Box<dyn Observer>);

impl Observed {
    #[cold]
    fn tell(&mut self, event: &Event<'_>) {
        self.0.see(event);
    }
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observed")
    }
}

/// Everything about one observer at once: whoever wants to read what it saw keeps the other handle.
impl<T: Observer> Observer for std::sync::Arc<std::sync::Mutex<T>> {
    fn see(&mut self, event: &Event<'_>) {
        // A lock that a panic poisoned holds what was seen until then.
        let mut guard = self
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.see(event);
    }

    fn wants_transformations(&self) -> bool {
        let guard = self
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.wants_transformations()
    }
}

impl Transaction {
    /// Lets an observer look on from here to the end of the transaction. The gates are not asked any more.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(Observed(observer));
    }

    pub(super) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    #[inline]
    pub(super) fn see(&mut self, event: &Event<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.tell(event);
        }
    }

    /// For events that show what the transaction holds.
    #[inline]
    fn with_observer(&mut self, tell: impl FnOnce(&Transaction, &mut dyn Observer)) {
        if self.observer.is_some() {
            self.tell(tell);
        }
    }

    #[cold]
    fn tell(&mut self, tell: impl FnOnce(&Transaction, &mut dyn Observer)) {
        if let Some(mut observer) = self.observer.take() {
            tell(self, &mut *observer.0);
            self.observer = Some(observer);
        }
    }

    pub(super) fn see_removed(&mut self, index: u32, id: RuleId) {
        if self.is_observed() {
            let index = index as usize;
            self.see(&Event::Removed { index, id });
        }
    }

    pub(super) fn see_skipped(&mut self, plan: &RuleSet, skipped: &[Step], by: RuleId) {
        for step in skipped {
            if let Some(rule) = plan.rules.get(step.rule as usize) {
                let (index, id) = (step.rule as usize, rule.id);
                self.see(&Event::Skipped { index, id, by });
            }
        }
    }

    pub(super) fn see_excluded(&mut self, value: &Value) {
        self.with_observer(|this, observer| {
            observer.see(&Event::Excluded {
                variable: value.variable,
                key: this.state.store.get(value.key),
            });
        });
    }

    /// The value and what each transformation makes of it.
    #[inline]
    pub(super) fn see_value(&mut self, link: &Link, value: &Value) {
        self.with_observer(|this, observer| {
            let bytes = this.bytes(value.bytes);
            observer.see(&Event::Value {
                variable: value.variable,
                key: this.state.store.get(value.key),
                bytes,
            });
            if !observer.wants_transformations() {
                return;
            }
            let mut current = bytes.to_vec();
            for &by in &link.chain {
                let mut next = Vec::with_capacity(current.len());
                let map = this.rules.settings.unicode_map.as_deref();
                transform::apply_with(map, by, &current, &mut next);
                let changed = next != current;
                current = next;
                observer.see(&Event::Transformed {
                    by,
                    bytes: &current,
                    changed,
                });
            }
        });
    }

    #[inline]
    pub(super) fn see_test(
        &mut self,
        value: &Value,
        stage: Option<&[u8]>,
        argument: &[u8],
        matched: bool,
        exceeded: bool,
    ) {
        self.with_observer(|this, observer| {
            observer.see(&Event::Tested {
                bytes: stage.unwrap_or_else(|| this.bytes(value.bytes)),
                argument,
                matched,
                exceeded,
            });
        });
    }

    #[inline]
    pub(super) fn see_captures(&mut self) {
        self.with_observer(|this, observer| {
            for (group, slot) in (0u32..10).enumerate() {
                if let Some(span) = this.state.tx.slot(slot) {
                    let bytes = this.state.store.get(span);
                    observer.see(&Event::Captured { group, bytes });
                }
            }
        });
    }

    pub(super) fn see_set(
        &mut self,
        plan: &RuleSet,
        name: Result<u32, crate::store::Span>,
        value: Option<crate::store::Span>,
    ) {
        self.with_observer(|this, observer| {
            let name = match name {
                Ok(slot) => plan.names.name(slot),
                Err(name) => this.state.store.get(name),
            };
            let value = value.map(|value| this.state.store.get(value));
            observer.see(&Event::Set { name, value });
        });
    }

    #[inline]
    pub(super) fn see_rule_over(&mut self, matched: bool) {
        self.with_observer(|this, observer| {
            observer.see(&Event::RuleOver {
                matched,
                intervention: &this.state.intervention,
                would_be: &this.state.would_be,
            });
        });
    }
}
