//! The second pass: one rule of the syntax tree becomes one rule of the plan.

use std::sync::Arc;

use seclang::Spanned;
use seclang::ast::{self, Action, Macro, Segment, Template, Transformation, Use, Variable};

use super::draft::{Draft, Drafts, chosen, place_of};
use super::error::{CompileError, CompileErrorKind as Kind, CompileOptions, Notice};
use super::names::TxNames;
use super::rule::{
    Condition, Decision, Link, Meta, Piece, Rule, Selector, Target, TargetRemoval, Text,
};
use crate::body;
use crate::operator::{Grammar, Regex, Test};
use crate::xpath::XPath;

/// What rules share while they are compiled.
pub(super) struct Compiler<'a> {
    pub(super) drafts: &'a Drafts<'a>,
    pub(super) match_limit: u64,
    pub(super) names: TxNames,
    pub(super) target_removals: Vec<TargetRemoval>,
    /// The paths that rules look for in documents.
    pub(super) xpaths: Vec<(Box<str>, XPath)>,
    /// Whether a rule holds XML against a grammar.
    pub(super) keeps_documents: bool,
    pub(super) notices: Vec<Notice>,
    pub(super) errors: Vec<CompileError>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(drafts: &'a Drafts<'a>, options: &CompileOptions) -> Self {
        Compiler {
            drafts,
            match_limit: options.match_limit.unwrap_or(drafts.settings.match_limit),
            names: TxNames::new(),
            target_removals: Vec::new(),
            xpaths: Vec::new(),
            keeps_documents: false,
            notices: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The rule of a draft, without where it skips to: markers are resolved when all rules are there.
    pub(super) fn rule(&mut self, draft: &'a Draft<'a>) -> Rule {
        let mut rule = Rule {
            id: draft.rule.id(),
            phase: draft.rule.phase(),
            place: draft.place.clone(),
            links: Vec::new(),
            decision: Decision::Pass,
            status: None,
            skip: None,
            log: true,
            audit_log: true,
            meta: Meta::default(),
        };
        let default_decision = draft
            .defaults
            .iter()
            .rev()
            .find(|action| action.is_disruptive());
        for action in draft.defaults.iter().chain(&draft.rule.starter.actions) {
            let action = match (&action.value, default_decision) {
                // `block` is what the default says; where there is none, that is `pass`.
                (Action::Block, Some(default)) => &default.value,
                (Action::Block, None) => &Action::Pass,
                (action, _) => action,
            };
            self.describe(&mut rule, action);
        }
        for link in draft.rule.links() {
            let link = self.link(draft, link);
            rule.links.push(link);
        }
        // A status on a later link is the chain's, as in ModSecurity 3.
        for action in draft.rule.chained.iter().flat_map(|link| &link.actions) {
            if let Action::Status(status) = action.value {
                rule.status = Some(status);
            }
        }
        if draft.rule.is_cut_off() {
            rule.links.push(Link::never());
        }
        rule
    }

    fn error(&mut self, draft: &Draft<'_>, span: seclang::Span, kind: Kind) {
        let place = place_of(draft.document, span);
        self.errors.push(CompileError {
            rule: Some(draft.rule.id()),
            place,
            kind,
        });
    }

    /// Takes over what an action says of the whole rule; later words win.
    fn describe(&mut self, rule: &mut Rule, action: &Action) {
        match action {
            Action::Severity(severity) => rule.meta.severity = Some(*severity),
            Action::Msg(msg) => rule.meta.msg = Some(self.text(msg)),
            Action::LogData(data) => rule.meta.log_data = Some(self.text(data)),
            Action::Tag(tag) => {
                let tag = self.text(tag);
                rule.meta.tags.push(tag);
            }
            Action::Ver(ver) => rule.meta.ver.clone_from(ver),
            Action::Rev(rev) => rule.meta.rev.clone_from(rev),
            Action::Maturity(maturity) => rule.meta.maturity = *maturity,
            Action::Accuracy(accuracy) => rule.meta.accuracy = *accuracy,
            Action::Pass => rule.decision = Decision::Pass,
            Action::Deny => rule.decision = Decision::Deny,
            Action::Drop => rule.decision = Decision::Drop,
            Action::Redirect(url) => rule.decision = Decision::Redirect(self.text(url)),
            Action::Allow(reach) => rule.decision = Decision::Allow(*reach),
            Action::Status(status) => rule.status = Some(*status),
            Action::Log => (rule.log, rule.audit_log) = (true, true),
            Action::NoLog => (rule.log, rule.audit_log) = (false, false),
            Action::AuditLog => rule.audit_log = true,
            Action::NoAuditLog => rule.audit_log = false,
            _ => {}
        }
    }

    fn link(&mut self, draft: &'a Draft<'a>, link: &Spanned<ast::Link>) -> Link {
        let mut compiled = Link {
            condition: None,
            chain: Vec::new(),
            multi_match: false,
            capture: false,
            effects: Vec::new(),
        };
        for action in draft.defaults.iter().chain(&link.actions) {
            match &action.value {
                Action::Transform(Transformation::None) => compiled.chain.clear(),
                Action::Transform(transformation) => compiled.chain.push(*transformation),
                Action::MultiMatch => compiled.multi_match = true,
                Action::Capture => compiled.capture = true,
                action_value => match self.effect(action_value) {
                    Ok(effect) => compiled.effects.extend(effect),
                    Err(kind) => self.error(draft, action.span, kind),
                },
            }
        }
        if let Some(condition) = &link.condition {
            compiled.condition = self.condition(draft, condition, &link.actions);
        }
        compiled
    }

    fn condition(
        &mut self,
        draft: &'a Draft<'a>,
        condition: &ast::Condition,
        actions: &[Spanned<Action>],
    ) -> Option<Condition> {
        let mut compiled = Condition {
            targets: Vec::new(),
            exclusions: Vec::new(),
            negated: condition.operator.negated,
            test: Test::Never,
            argument: self.text(&condition.operator.argument),
            written: format!(
                "{} {}",
                condition.operator.kind, condition.operator.argument
            )
            .into(),
        };
        for target in &condition.targets {
            let resolved = self
                .xpath(target, actions)
                .and_then(|()| self.target(target));
            if target.variable == Variable::FilesTmpnames {
                self.notices.push(Notice {
                    place: place_of(draft.document, target.span),
                    text: "FILES_TMPNAMES is always empty: uploads are not stored; FILES_TMP_CONTENT holds what was sent".to_owned(),
                });
            }
            match resolved {
                Ok(resolved) if target.usage == Use::Exclude => compiled.exclusions.push(resolved),
                Ok(resolved) => compiled.targets.push(resolved),
                Err(kind) => self.error(draft, target.span, kind),
            }
        }
        if let Some(why) = self.asks_nobody(condition.operator.kind) {
            let text = format!(
                "rule {}: @{} finds nothing: {why}",
                draft.rule.id(),
                condition.operator.kind
            );
            let place = place_of(draft.document, condition.operator.span);
            self.notices.push(Notice { place, text });
            return Some(compiled);
        }
        match self.test(draft, &condition.operator) {
            Ok(test) => {
                if let Test::Document(grammar) = &test {
                    self.keeps_documents |= grammar.is_of_xml();
                    self.note_broken(draft, grammar, condition.operator.span);
                }
                compiled.test = test;
            }
            Err(kind) => {
                self.error(draft, condition.operator.span, kind);
                return None;
            }
        }
        Some(compiled)
    }

    /// A grammar that is none is no error, as in ModSecurity: there it turns up when the first request comes.
    fn note_broken(&mut self, draft: &Draft<'_>, grammar: &Grammar, span: seclang::Span) {
        if let Grammar::Broken(problem) = grammar {
            let id = draft.rule.id();
            self.notices.push(Notice {
                place: place_of(draft.document, span),
                text: format!(
                    "rule {id}: {problem}: no document passes it, so the rule matches every one"
                ),
            });
        }
    }

    /// Takes a target's path over among those that documents are searched for. Prefixes are those of the rule's `xmlns`.
    fn xpath(&mut self, target: &ast::Target, actions: &[Spanned<Action>]) -> Result<(), Kind> {
        let ast::Selector::XPath(written) = &target.selector else {
            return Ok(());
        };
        if [body::XML_TEXT, body::XML_ATTRIBUTES].contains(&written.as_str()) {
            return Ok(());
        }
        let uri = |wanted: &str| {
            actions.iter().find_map(|action| match &action.value {
                Action::XmlNamespace { prefix, uri } if prefix == wanted => Some(uri.clone()),
                _ => None,
            })
        };
        let path = XPath::read(written, &uri).map_err(Kind::XPath)?;
        let same = |(known, _): &&(Box<str>, XPath)| known.eq_ignore_ascii_case(written);
        match self.xpaths.iter().find(same) {
            None => self.xpaths.push((written.as_str().into(), path)),
            Some((known, other)) if **known == **written && *other == path => {}
            Some(_) => return Err(Kind::AmbiguousXPath(written.clone())),
        }
        Ok(())
    }

    pub(super) fn target(&mut self, target: &ast::Target) -> Result<Target, Kind> {
        if !is_kept(target.variable) {
            return Err(Kind::Unsupported(format!(
                "the variable {}, which nothing fills here,",
                target.variable
            )));
        }
        let selector = selector(&target.selector, self.match_limit)?;
        let slot = match (target.variable, &selector) {
            (Variable::Tx, Selector::Key(key)) => Some(self.names.slot(key)),
            _ => None,
        };
        Ok(Target {
            variable: target.variable,
            selector,
            count: target.usage == Use::Count,
            slot,
            slots: None,
        })
    }

    /// The rules that a choice means, by index, over all files.
    pub(super) fn indexes(&self, choice: &ast::RuleChoice) -> Result<Vec<u32>, Kind> {
        let chosen = chosen(choice, self.match_limit)?;
        let rules = self.drafts.rules.iter().zip(0u32..);
        Ok(rules
            .filter(|(draft, _)| chosen(&draft.rule))
            .map(|(_, index)| index)
            .collect())
    }

    /// The pattern of a key `/regex/` in a macro; one that does not compile is a key like any other.
    fn search(&self, key: &str) -> Option<Regex> {
        let pattern = key.strip_prefix('/')?.strip_suffix('/')?;
        Regex::caseless(pattern, self.match_limit).ok()
    }

    pub(super) fn text(&mut self, template: &Template) -> Text {
        let pieces = template.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Piece::Literal(text.clone().into_bytes().into()),
            Segment::Macro(Macro {
                variable,
                key: Some(key),
            }) if let Some(regex) = self.search(key) => Piece::Search(*variable, Box::new(regex)),
            Segment::Macro(Macro {
                variable: Variable::Tx,
                key: Some(key),
            }) => Piece::Tx(self.names.slot(key.as_bytes())),
            Segment::Macro(Macro { variable, key }) => Piece::Variable(
                *variable,
                key.as_ref()
                    .map(|key| key.to_ascii_lowercase().into_bytes().into()),
            ),
        });
        Text(pieces.collect())
    }
}

/// Which values of a collection a selector means.
pub(super) fn selector(written: &ast::Selector, match_limit: u64) -> Result<Selector, Kind> {
    Ok(match written {
        ast::Selector::None => Selector::All,
        ast::Selector::XPath(path) => Selector::Key(path.clone().into_bytes().into()),
        ast::Selector::Key(key) => Selector::Key(key.to_ascii_lowercase().into_bytes().into()),
        ast::Selector::Regex(pattern) => {
            let regex = Regex::caseless(pattern, match_limit).map_err(Kind::Pattern)?;
            Selector::Regex(Arc::new(regex))
        }
    })
}

/// Whether a variable can ever have a value as the target of a rule. One that cannot is refused: its rules would never match.
const fn is_kept(variable: Variable) -> bool {
    // A word of Coraza that nothing fills, there or here.
    !matches!(variable, Variable::Json)
}
