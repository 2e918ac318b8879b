//! The syntax tree: every directive, rule and action of the language with typed arguments.

mod action;
mod names;
mod operator;
mod setting;
mod template;
mod transformation;
mod variable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use action::{
    Action, Allow, BodyProcessor, Change, Collection, Condition, Ctl, IdRange, Link, PartsChange,
    Phase, Rule, RuleChoice, RuleId, Sanitise, SetVar, Severity,
};
pub use operator::{Operator, OperatorKind};
pub use setting::{
    AuditLogFormat, AuditLogParts, AuditLogType, AuditMode, EngineMode, KeepFiles, LimitAction,
    NoOp, Setting,
};
pub use template::{Macro, Segment, Template};
pub use transformation::Transformation;
pub use variable::{Selector, Shape, Target, Use, Variable};

use crate::span::{Sources, Span, Spanned};

/// What was read: the directives in the order in which they apply.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The files, for places in messages and logs.
    pub sources: Sources,
    /// From [`crate::load`] an `Include` is replaced by what it names; from [`crate::parse_str`] it stands as a node.
    pub directives: Vec<Spanned<Directive>>,
    /// Comment lines from `#` on, in order; empty from [`crate::load`], which nobody formats.
    pub comments: Vec<Spanned<String>>,
    /// What was read although it is written wrongly, and what it was taken for.
    pub remarks: Vec<Spanned<&'static str>>,
    /// The files that operators name, by resolved path; filled by [`crate::load`] alone.
    pub(crate) data: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl Document {
    /// The rules in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.directives
            .iter()
            .filter_map(|directive| match &directive.value {
                Directive::Rule(rule) => Some(rule),
                _ => None,
            })
    }

    /// The data files that were read, each with its bytes.
    pub fn data_files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.data
            .iter()
            .map(|(path, bytes)| (path.as_path(), &**bytes))
    }

    /// The bytes of a data file that the node at `from` names (`@pmFromFile`, `@ipMatchFromFile`, `SecUnicodeMapFile`);
    /// relative names are relative to the file that the node stands in. `None` when the tree was not loaded from files.
    #[must_use]
    pub fn data_file(&self, from: Span, name: &str) -> Option<&Arc<[u8]>> {
        self.data.get(&self.resolve(from, name))
    }

    /// The files of the DTD or schema that the node at `from` names, and its path: itself and all that it refers to, as far as they
    /// were read.
    #[must_use]
    pub fn grammar(&self, from: Span, name: &str) -> (PathBuf, schema::Files) {
        let path = self.resolve(from, name);
        let mut files = schema::Files::default();
        let mut seen = vec![path.clone()];
        let mut next = vec![path.clone()];
        while let Some(path) = next.pop() {
            let Some(bytes) = self.data.get(&path) else {
                continue;
            };
            files.add(path.clone(), Arc::clone(bytes));
            for path in schema::references(&path, bytes) {
                if !seen.contains(&path) {
                    seen.push(path.clone());
                    next.push(path);
                }
            }
        }
        (path, files)
    }

    /// The path that a relative name in the file of `from` means.
    #[must_use]
    pub fn resolve(&self, from: Span, name: &str) -> PathBuf {
        let file = self
            .sources
            .get(from.file)
            .map_or("", |source| source.name());
        resolve(Path::new(file), name)
    }
}

/// `name` relative to the directory of `file`.
pub(crate) fn resolve(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// Equal when they say the same in the same order, wherever it stands; comments are compared too.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.directives == other.directives && self.comments == other.comments
    }
}

/// One directive with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `SecRule` or `SecAction` with its chain.
    Rule(Rule),
    /// `SecMarker NAME`: where `skipAfter:NAME` goes on.
    Marker(String),
    /// `SecDefaultAction`, for the rules behind it. Holds `phase` and a disruptive action other than `block`, and no
    /// id, msg or `t:none`; stands at most once a phase.
    DefaultAction(Vec<Spanned<Action>>),
    /// `SecRuleRemoveById 1 5-9`, for the rules before it.
    RuleRemoveById(Vec<IdRange>),
    /// `SecRuleRemoveByTag`, a regular expression.
    RuleRemoveByTag(String),
    /// `SecRuleRemoveByMsg`, a regular expression.
    RuleRemoveByMsg(String),
    /// `SecRuleUpdateTargetById`, `ByTag`, `ByMsg`: further targets or exclusions for the rules before it.
    RuleUpdateTarget {
        /// Whose.
        rules: RuleChoice,
        /// Which link of the chain, 0 for the starter (`ById` only, `ID:1`).
        link: u32,
        /// What is added; [`Use::Exclude`] takes away.
        targets: Vec<Spanned<Target>>,
    },
    /// `SecRuleUpdateActionById ID[:link]`: actions that replace or add to those of the rule.
    RuleUpdateActionById {
        /// Whose.
        id: RuleId,
        /// Which link of the chain, 0 for the starter.
        link: u32,
        /// The actions; no id and no phase.
        actions: Vec<Spanned<Action>>,
    },
    /// `Include path`, a path or a pattern with `*`, `?` and `[...]`.
    Include(String),
    /// `IncludeOptional path`, as `Include`, and it may name nothing. Apache's.
    IncludeOptional(String),
    /// ``SecDataset name `lines` ``
    Dataset {
        /// The name that operators use.
        name: String,
        /// One entry a line, trimmed; blank lines and comments are left out.
        entries: Vec<String>,
    },
    /// `SecComponentSignature`: a rule set says its name.
    ComponentSignature(String),
    /// A directive that sets the engine up.
    Setting(Setting),
    /// Accepted, without effect.
    NoOp {
        /// Which one.
        directive: NoOp,
        /// As written.
        arguments: Vec<String>,
    },
}
