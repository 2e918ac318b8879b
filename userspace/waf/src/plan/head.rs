//! Rules whose run depends on nothing but the head of a request, its target apart, and leaves no trace where they do not match.
//!
//! Clients send the same head again and again while paths and arguments change. For a head that a worker has met, it remembers which
//! of these rules did not match, and passes over them; all others run as ever. A rule is one of these if
//!
//! * every link looks at fields, cookies, the method, the protocol, and at variables of `TX` that no rule changes once set-up is settled;
//! * what links before the last one do where they match is seen by nobody else: nothing, captures that no other rule reads, and
//!   variables of `TX` under a prefix that no other rule reads.

use seclang::ast::Variable;

use super::bits::Bits;
use super::names::TxNames;
use super::rule::{
    Change, Condition, Decision, Effect, Link, Piece, Rule, Selector, Target, TargetRemoval, Text,
    TxName,
};
use super::settle::Settled;
use crate::operator::Captures;

/// The rules of a rule set that depend on the head alone.
#[derive(Debug, Default)]
pub(crate) struct HeadRules {
    rules: Bits,
    /// What the names of variables begin with that these rules make.
    made: Vec<Vec<u8>>,
    /// What the other rules search `TX` for, where it is not obvious what such names begin with.
    searches: Vec<Selector>,
}

/// Whether a variable is part of the head, and not of the request target.
pub(crate) fn is_of_head(variable: Variable) -> bool {
    matches!(
        variable,
        Variable::RequestHeaders
            | Variable::RequestHeadersNames
            | Variable::RequestCookies
            | Variable::RequestCookiesNames
            | Variable::RequestMethod
            | Variable::RequestProtocol
    )
}

impl HeadRules {
    pub(super) fn find(
        rules: &[Rule],
        settled: &Settled,
        names: &TxNames,
        removals: &[TargetRemoval],
    ) -> HeadRules {
        let mut found = HeadRules::default();
        // Rules that can never match see nothing.
        let steps = settled.phases.iter().flatten();
        let left: Vec<(&Rule, u32)> = steps
            .filter_map(|step| Some((rules.get(step.rule as usize)?, step.rule)))
            .collect();
        let look = Look {
            settled,
            names,
            captures_are_read: left.iter().any(|(rule, _)| reads_earlier_captures(rule)),
            left: &left,
        };
        for step in settled.phases.iter().take(2).flatten() {
            let Some(rule) = rules.get(step.rule as usize) else {
                continue;
            };
            let is_removed_from = |removal: &TargetRemoval| removal.rules.contains(&step.rule);
            if !removals.iter().any(is_removed_from) && look.is_of_head(rule, step.rule) {
                found.rules.insert(step.rule);
                let links = rule.links.iter();
                found.made.extend(links.flat_map(made_names));
            }
        }
        if !found.made.is_empty() {
            let targets = left.iter().flat_map(|(rule, _)| tx_searches(rule));
            let unclear = targets.filter(|target| prefix_of(&target.selector).is_none());
            found.searches = unclear.map(|target| target.selector.clone()).collect();
        }
        found
    }

    /// Whether a variable that one of these rules made is seen by another rule after all, which depends on its whole name.
    pub(crate) fn is_seen(&self, name: &[u8]) -> bool {
        let mut made = self.made.iter();
        made.any(|prefix| name.starts_with(prefix))
            && self.searches.iter().any(|selector| selector.selects(name))
    }

    pub(crate) fn contains(&self, rule: u32) -> bool {
        self.rules.contains(rule)
    }
}

/// What it takes to judge a rule.
struct Look<'a> {
    /// The rules that are left to be run, with their indexes.
    left: &'a [(&'a Rule, u32)],
    settled: &'a Settled,
    names: &'a TxNames,
    /// Whether some rule reads captures that a rule before it left.
    captures_are_read: bool,
}

impl Look<'_> {
    fn is_of_head(&self, rule: &Rule, index: u32) -> bool {
        let mut captured = false;
        let last = rule.links.len().saturating_sub(1);
        rule.links.iter().enumerate().all(|(number, link)| {
            let Some(condition) = &link.condition else {
                return false;
            };
            let depends = self.depends_on_head(condition, index, captured);
            captured |= captures(link);
            depends && (number == last || self.leaves_no_trace(link, index))
        })
    }

    fn depends_on_head(&self, condition: &Condition, index: u32, captured: bool) -> bool {
        let is_known = |slot: u32| self.settled.is_constant(slot) || captured && is_capture(slot);
        let argument = condition.argument.0.iter().all(|piece| match piece {
            Piece::Literal(_) => true,
            Piece::Tx(slot) => is_known(*slot),
            Piece::Variable(..) | Piece::Search(..) => false,
        });
        !condition.test.fills_variables()
            && argument
            && condition.targets.iter().all(|target| {
                is_of_head(target.variable)
                    || target.variable == Variable::Tx
                        && match (target.slot, &target.slots) {
                            (Some(slot), _) => is_known(slot),
                            (None, Some(slots)) => {
                                slots.iter().all(|&slot| self.settled.is_constant(slot))
                                    && self.is_private(target, index)
                            }
                            (None, None) => false,
                        }
            })
    }

    /// Whether the names that a regular expression selects, besides those that rules mention, are made by this rule alone.
    fn is_private(&self, target: &Target, index: u32) -> bool {
        let Some(selected) = prefix_of(&target.selector) else {
            return false;
        };
        let others = self.others(index);
        let mut made = others.flat_map(|rule| &rule.links).flat_map(made_names);
        made.all(|prefix| is_apart(&prefix, &selected))
    }

    /// Whether nobody sees afterwards that a link matched whose chain did not.
    fn leaves_no_trace(&self, link: &Link, index: u32) -> bool {
        if captures(link) && self.captures_are_read {
            return false;
        }
        link.effects.iter().all(|effect| match effect {
            Effect::SetTx {
                name: name @ TxName::Dynamic(text),
                change: Change::Set(value),
            } => {
                let pieces = text.0.iter().chain(&value.0);
                let known = pieces.into_iter().all(|piece| match piece {
                    Piece::Literal(_) => true,
                    Piece::Tx(slot) => {
                        self.settled.is_constant(*slot) || is_capture(*slot) && captures(link)
                    }
                    Piece::Variable(variable, _) => {
                        is_of_head(*variable)
                            || matches!(variable, Variable::MatchedVar | Variable::MatchedVarName)
                    }
                    Piece::Search(..) => false,
                });
                let prefix = made_name(name).unwrap_or_default();
                known && !prefix.is_empty() && !self.is_read(&prefix, index)
            }
            _ => false,
        })
    }

    /// Whether a rule but this one may read a variable whose name begins so.
    fn is_read(&self, prefix: &[u8], index: u32) -> bool {
        let mut mentioned = 0..self.names.len() as u32;
        mentioned.any(|slot| self.names.name(slot).starts_with(prefix))
            || self.others(index).any(|rule| {
                // Whether a search whose names have no obvious beginning finds one, its head will tell: `HeadRules::is_seen`.
                tx_searches(rule).any(|target| match &target.selector {
                    Selector::Regex(_) => prefix_of(&target.selector)
                        .is_some_and(|selected| !is_apart(prefix, &selected)),
                    Selector::All | Selector::Key(_) => true,
                }) || any_piece(rule, |_, piece| {
                    matches!(
                        piece,
                        Piece::Variable(Variable::Tx, _) | Piece::Search(Variable::Tx, _)
                    )
                })
            })
    }

    fn others(&self, index: u32) -> impl Iterator<Item = &Rule> {
        let left = self.left.iter();
        left.filter_map(move |&(rule, number)| (number != index).then_some(rule))
    }
}

/// The targets that look for variables of `TX` by anything but a name.
fn tx_searches(rule: &Rule) -> impl Iterator<Item = &Target> {
    let conditions = rule.links.iter().filter_map(|link| link.condition.as_ref());
    let targets = conditions.flat_map(|condition| &condition.targets);
    targets.filter(|target| target.variable == Variable::Tx && target.slot.is_none())
}

/// Whether no name that begins with one of the two begins with the other.
fn is_apart(one: &[u8], other: &[u8]) -> bool {
    !one.starts_with(other) && !other.starts_with(one)
}

/// What the names begin with that a selector selects; `None` where that is not obvious.
fn prefix_of(selector: &Selector) -> Option<Vec<u8>> {
    let Selector::Regex(regex) = selector else {
        return None;
    };
    let source = regex.source().as_bytes();
    let rest = source.strip_prefix(b"^")?;
    if rest.contains(&b'|') {
        return None;
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = rest.iter().take_while(|byte| plain(byte)).count();
    let optional = matches!(rest.get(length), Some(b'?' | b'*' | b'+' | b'{'));
    let prefix = rest.get(..length - usize::from(optional && length > 0))?;
    (!prefix.is_empty()).then(|| prefix.to_ascii_lowercase())
}

/// What the names of variables begin with that a link makes of macros.
fn made_names(link: &Link) -> impl Iterator<Item = Vec<u8>> {
    link.effects.iter().filter_map(|effect| match effect {
        Effect::SetTx { name, .. } => made_name(name),
        _ => None,
    })
}

fn made_name(name: &TxName) -> Option<Vec<u8>> {
    let TxName::Dynamic(text) = name else {
        return None;
    };
    match text.0.first() {
        Some(Piece::Literal(text)) => Some(text.to_ascii_lowercase()),
        _ => Some(Vec::new()),
    }
}

fn captures(link: &Link) -> bool {
    let negated = link
        .condition
        .as_ref()
        .is_none_or(|condition| condition.negated);
    link.capture && !negated
}

fn is_capture(slot: u32) -> bool {
    slot < Captures::LIMIT as u32
}

/// Whether a rule reads captures that none of its own links made before.
fn reads_earlier_captures(rule: &Rule) -> bool {
    let first = rule.links.iter().position(captures).unwrap_or(usize::MAX);
    let by_targets = rule.links.iter().enumerate().any(|(number, link)| {
        let targets = link
            .condition
            .iter()
            .flat_map(|condition| &condition.targets);
        number <= first
            && targets.into_iter().any(|target| {
                target.variable == Variable::Tx
                    && match (target.slot, &target.slots) {
                        (Some(slot), _) => is_capture(slot),
                        (None, Some(slots)) => slots.iter().any(|&slot| is_capture(slot)),
                        (None, None) => true,
                    }
            })
    });
    by_targets
        || any_piece(rule, |place, piece| {
            let own = match place {
                PlaceOfText::Argument(link) => link > first,
                PlaceOfText::Effect(link) => link >= first,
                PlaceOfText::Rule => first < rule.links.len(),
            };
            !own && match piece {
                Piece::Tx(slot) => is_capture(*slot),
                Piece::Variable(variable, _) | Piece::Search(variable, _) => {
                    *variable == Variable::Tx
                }
                Piece::Literal(_) => false,
            }
        })
}

/// Where a text of a rule stands: of a link, by its number, or of the rule as a whole.
#[derive(Clone, Copy)]
enum PlaceOfText {
    Argument(usize),
    Effect(usize),
    Rule,
}

/// Whether a piece of any text of a rule is such.
fn any_piece(rule: &Rule, is_such: impl Fn(PlaceOfText, &Piece) -> bool) -> bool {
    let any = |place: PlaceOfText, text: &Text| text.0.iter().any(|piece| is_such(place, piece));
    let meta = &rule.meta;
    let mut told = meta.msg.iter().chain(&meta.log_data).chain(&meta.tags);
    if told.any(|text| any(PlaceOfText::Rule, text)) {
        return true;
    }
    if let Decision::Redirect(url) = &rule.decision
        && any(PlaceOfText::Rule, url)
    {
        return true;
    }
    rule.links.iter().enumerate().any(|(number, link)| {
        let argument = link.condition.as_ref().map(|condition| &condition.argument);
        argument.is_some_and(|text| any(PlaceOfText::Argument(number), text))
            || link
                .effects
                .iter()
                .flat_map(texts_of)
                .any(|text| any(PlaceOfText::Effect(number), text))
    })
}

/// Every text of an effect.
pub(super) fn texts_of(effect: &Effect) -> Vec<&Text> {
    fn changed(change: &Change) -> Option<&Text> {
        match change {
            Change::Set(text) | Change::Add(text) | Change::Subtract(text) => Some(text),
            Change::Unset => None,
        }
    }
    match effect {
        Effect::SetTx { name, change } => {
            let name = match name {
                TxName::Dynamic(name) => Some(name),
                TxName::Slot(_) => None,
            };
            name.into_iter().chain(changed(change)).collect()
        }
        Effect::SetEnv { name, value } => vec![name, value],
        Effect::Open { key, .. } => vec![key],
        Effect::SetPersistent { name, change, .. } => {
            std::iter::once(name).chain(changed(change)).collect()
        }
        Effect::Expire { name, seconds, .. } => vec![name, seconds],
        Effect::Deprecate {
            name,
            amount,
            period,
            ..
        } => vec![name, amount, period],
        _ => Vec::new(),
    }
}
