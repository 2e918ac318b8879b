//! A compiled rule: everything resolved that does not depend on a request.

use std::sync::Arc;

use seclang::ast::{
    AuditMode, BodyProcessor, Collection, EngineMode, PartsChange, Phase, RuleId, Sanitise,
    Severity, Transformation, Variable,
};

use super::names::TxNames;
use crate::operator::{Regex, Test};

/// Where something stands in the rule files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was given to the loader.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters; 0 where the line as a whole is meant.
    pub column: u32,
    /// How many bytes of the file from there on are meant; they may go on in further lines.
    pub length: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A chain of conditions and what follows when all of them hold.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) phase: Phase,
    pub(crate) place: Place,
    pub(crate) links: Vec<Link>,
    pub(crate) decision: Decision,
    pub(crate) status: Option<u16>,
    pub(crate) skip: Option<Skip>,
    pub(crate) log: bool,
    pub(crate) audit_log: bool,
    pub(crate) meta: Meta,
}

impl Rule {
    /// `msg` as it is written, its macros as dots.
    pub(crate) fn message(&self) -> String {
        let pieces = self.meta.msg.iter().flat_map(|msg| &msg.0);
        let texts = pieces.map(|piece| match piece {
            Piece::Literal(text) => String::from_utf8_lossy(text),
            _ => "...".into(),
        });
        texts.collect()
    }

    /// Tags that hold no macro.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        let tags = self.meta.tags.iter();
        tags.filter_map(|tag| std::str::from_utf8(tag.fixed()?).ok())
    }
}

/// What a rule says about itself.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) msg: Option<Text>,
    pub(crate) log_data: Option<Text>,
    pub(crate) severity: Option<Severity>,
    pub(crate) tags: Vec<Text>,
    pub(crate) ver: String,
    pub(crate) rev: String,
    pub(crate) maturity: u8,
    pub(crate) accuracy: u8,
}

/// What happens when the whole chain matched; `block` is resolved to what `SecDefaultAction` says.
#[derive(Debug)]
pub(crate) enum Decision {
    Pass,
    Deny,
    Drop,
    Redirect(Text),
    Allow(seclang::ast::Allow),
}

/// Where evaluation goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// `skip:n` rules.
    Rules(u32),
    /// `skipAfter`: at this step of the phase.
    To(u32),
}

#[derive(Debug)]
pub(crate) struct Link {
    /// `None` for `SecAction`.
    pub(crate) condition: Option<Condition>,
    pub(crate) chain: Vec<Transformation>,
    pub(crate) multi_match: bool,
    pub(crate) capture: bool,
    pub(crate) effects: Vec<Effect>,
}

impl Link {
    /// A link that no value matches.
    pub(crate) fn never() -> Link {
        Link {
            condition: Some(Condition {
                targets: Vec::new(),
                exclusions: Vec::new(),
                negated: false,
                test: Test::Never,
                argument: Text::default(),
                written: "".into(),
            }),
            chain: Vec::new(),
            multi_match: false,
            capture: false,
            effects: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) targets: Vec<Target>,
    /// `!COLLECTION:key`: taken away from every target of the same variable.
    pub(crate) exclusions: Vec<Target>,
    pub(crate) negated: bool,
    pub(crate) test: Test,
    /// What the operator compares with, where that is known or made at run time only.
    pub(crate) argument: Text,
    /// The operator as it is written, for messages.
    pub(crate) written: Box<str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
    /// `&`: the number of values.
    pub(crate) count: bool,
    /// Where `TX:key` lies.
    pub(crate) slot: Option<u32>,
    /// For `TX:/regex/`: the slots whose names are selected. Names that rules make are asked about when they are there.
    pub(crate) slots: Option<Box<[u32]>>,
}

impl Target {
    /// Asks the selector about every name that rules mention.
    pub(crate) fn find_slots(&mut self, names: &TxNames) {
        if self.variable == Variable::Tx && matches!(self.selector, Selector::Regex(_)) {
            let slots = 0..names.len() as u32;
            self.slots = Some(
                slots
                    .filter(|&slot| self.selector.selects(names.name(slot)))
                    .collect(),
            );
        }
    }

    /// Whether the value of `variable` under `key` is meant.
    pub(crate) fn selects(&self, variable: Variable, key: &[u8]) -> bool {
        self.variable == variable && self.selector.selects(key)
    }
}

/// Which values of a collection. Keys are compared without case.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    All,
    /// In lower case.
    Key(Box<[u8]>),
    Regex(Arc<Regex>),
}

impl Selector {
    pub(crate) fn selects(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Key(wanted) => wanted.eq_ignore_ascii_case(key),
            // A key on which the pattern passes its limit counts as selected: it is then inspected rather than passed over.
            Self::Regex(regex) => regex.matches(key, None).unwrap_or(true),
        }
    }
}

/// A text whose macros are resolved.
#[derive(Debug, Default)]
pub(crate) struct Text(pub(crate) Vec<Piece>);

#[derive(Debug)]
pub(crate) enum Piece {
    Literal(Box<[u8]>),
    /// `TX.name`, by its slot.
    Tx(u32),
    /// Any other variable; the key in lower case.
    Variable(Variable, Option<Box<[u8]>>),
    /// `%{COLLECTION./regex/}`: the first value whose key matches.
    Search(Variable, Box<Regex>),
}

impl Text {
    /// The text, if it has no macro.
    pub(crate) fn fixed(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text as rules write it, macros unexpanded.
    pub(crate) fn written(&self, names: &TxNames) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            let (name, key) = match piece {
                Piece::Literal(literal) => {
                    text.push_str(&String::from_utf8_lossy(literal));
                    continue;
                }
                Piece::Tx(slot) => ("tx", Some(String::from_utf8_lossy(names.name(*slot)))),
                Piece::Variable(variable, key) => {
                    (variable.name(), key.as_deref().map(String::from_utf8_lossy))
                }
                Piece::Search(variable, regex) => (
                    variable.name(),
                    Some(format!("/{}/", regex.source()).into()),
                ),
            };
            text.push_str("%{");
            text.push_str(name);
            if let Some(key) = key {
                text.push('.');
                text.push_str(&key);
            }
            text.push('}');
        }
        text
    }
}

/// A non-disruptive action with an effect.
#[derive(Debug)]
pub(crate) enum Effect {
    SetTx {
        name: TxName,
        change: Change,
    },
    SetEnv {
        name: Text,
        value: Text,
    },
    /// Opens a persistent collection.
    Open {
        collection: Collection,
        key: Text,
        /// Also where it is open under another key.
        anew: bool,
    },
    SetPersistent {
        collection: Collection,
        name: Text,
        change: Change,
    },
    Expire {
        collection: Collection,
        name: Text,
        seconds: Text,
    },
    /// `amount` is taken off in each `period` of seconds.
    Deprecate {
        collection: Collection,
        name: Text,
        amount: Text,
        period: Text,
    },
    /// The audit record does not show it.
    Hide(Sanitise),
    RuleEngine(EngineMode),
    AuditEngine(AuditMode),
    AuditLogParts(PartsChange),
    RequestBodyAccess(bool),
    RequestBodyLimit(u64),
    RequestBodyProcessor(BodyProcessor),
    ForceRequestBodyVariable(bool),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(u64),
    ResponseBodyProcessor(BodyProcessor),
    ForceResponseBodyVariable(bool),
    /// Rules, by their index, that do not run from here on.
    RemoveRules(Vec<u32>),
    /// An index into [`super::RuleSet::target_removals`].
    RemoveTarget(u32),
}

/// A target that `ctl:ruleRemoveTarget...` takes away from some rules.
#[derive(Clone, Debug)]
pub(crate) struct TargetRemoval {
    /// Indexes of the rules, ascending.
    pub(crate) rules: Vec<u32>,
    pub(crate) target: Target,
}

/// The name of a variable of `TX`.
#[derive(Debug)]
pub(crate) enum TxName {
    Slot(u32),
    Dynamic(Text),
}

/// What `setvar` does.
#[derive(Debug)]
pub(crate) enum Change {
    Set(Text),
    Add(Text),
    Subtract(Text),
    Unset,
}
