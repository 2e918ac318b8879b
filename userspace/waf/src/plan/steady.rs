//! Rules whose run depends on nothing but the head of a request, on who sent it where, and on what other such rules did before.
//!
//! These are the rules that look at scores and settings in `TX`, at the address of the client, and at a body that most requests do
//! not have. As long as no other rule changes what they look at, the same client with the same head makes them do the same, so a
//! worker remembers which of them did not match ([`crate::transaction`]).

use seclang::ast::Variable;

use super::bits::Bits;
use super::head::{is_of_head, texts_of};
use super::rule::{Condition, Decision, Effect, Link, Piece, Rule, TargetRemoval, Text, TxName};
use super::settle::Settled;
use crate::operator::Test;

/// The steady rules of a rule set.
#[derive(Debug, Default)]
pub(crate) struct SteadyRules {
    rules: Bits,
    /// Those that leave nothing but variables of `TX` behind where a link matched whose chain did not.
    idle: Bits,
    /// By rule: so many of its first links are steady, and do nothing where they match; 0 at the end is left out.
    firm: Vec<u8>,
    /// Those whose match does nothing but set variables of `TX` that are known by name.
    setting: Bits,
    /// Other rules that change more for steady rules than variables of `TX` where they match, and where a link does whose chain does not.
    disturbing: Bits,
    disturbing_unmatched: Bits,
}

impl SteadyRules {
    pub(super) fn find(
        rules: &[Rule],
        settled: &Settled,
        removals: &[TargetRemoval],
    ) -> SteadyRules {
        let mut found = SteadyRules::default();
        let steps = settled.phases.iter().flatten().map(|step| step.rule);
        for index in steps.clone() {
            let Some(rule) = rules.get(index as usize) else {
                continue;
            };
            let is_removed_from = |removal: &TargetRemoval| removal.rules.contains(&index);
            if removals.iter().any(is_removed_from) {
                continue;
            }
            found.note_firm(index, rule);
            if !rule.links.iter().all(is_steady) {
                continue;
            }
            found.rules.insert(index);
            let before_last = rule
                .links
                .split_last()
                .map_or(&[][..], |(_, before)| before);
            let mut effects = before_last.iter().flat_map(|link| &link.effects);
            if effects.all(|effect| matches!(effect, Effect::SetTx { .. })) {
                found.idle.insert(index);
            }
            if only_sets(rule) {
                found.setting.insert(index);
            }
        }
        for index in steps {
            let Some(rule) = rules.get(index as usize) else {
                continue;
            };
            if found.contains(index) {
                continue;
            }
            let (_, before_last) = rule.links.split_last().unzip();
            if rule.skip.is_some() || found.is_changed_by(&rule.links) {
                found.disturbing.insert(index);
            }
            if found.is_changed_by(before_last.unwrap_or_default()) {
                found.disturbing_unmatched.insert(index);
            }
        }
        found
    }

    /// Whether a rule is steady.
    pub(crate) fn contains(&self, rule: u32) -> bool {
        self.rules.contains(rule)
    }

    /// Whether a steady rule is among these, a bit each.
    pub(super) fn has_any_of(&self, rules: &[u64]) -> bool {
        let mut own = self.rules.iter();
        own.any(|rule| {
            let word = rules.get(rule as usize / 64).copied().unwrap_or_default();
            word & (1 << (rule % 64)) != 0
        })
    }

    fn note_firm(&mut self, index: u32, rule: &Rule) {
        let firm = |link: &&Link| is_steady(link) && link.effects.is_empty() && !link.capture;
        let count = rule.links.iter().take_while(firm).count();
        let steady = rule.links.get(count).is_some_and(is_steady);
        let place = index as usize;
        self.firm.resize(self.firm.len().max(place + 1), 0);
        // Where the link behind them fails, it did nothing either.
        self.firm[place] = u8::try_from(count + usize::from(steady)).unwrap_or(u8::MAX);
    }

    /// Whether a rule does not match again that failed at this link, if what came before is the same.
    pub(crate) fn fails_again(&self, rule: u32, link: usize) -> bool {
        let firm = self.firm.get(rule as usize);
        firm.is_some_and(|firm| link < usize::from(*firm))
    }

    /// Whether anything is remembered of a rule.
    pub(super) fn concerns(&self, rule: u32) -> bool {
        self.contains(rule) || self.fails_again(rule, 0)
    }

    /// Whether a rule that did not match, and left `TX` as it was, left nothing else.
    pub(crate) fn is_idle_without_match(&self, rule: u32) -> bool {
        self.idle.contains(rule)
    }

    /// Whether the match of a rule does nothing but set variables of `TX` that are known by name.
    pub(crate) fn only_sets(&self, rule: u32) -> bool {
        self.setting.contains(rule)
    }

    /// Whether a rule, with its match or without, changes more for steady rules than variables of `TX`.
    pub(crate) fn is_disturbed_by(&self, rule: u32, matched: bool) -> bool {
        match matched {
            true => self.disturbing.contains(rule),
            false => self.disturbing_unmatched.contains(rule),
        }
    }

    fn is_changed_by(&self, links: &[Link]) -> bool {
        let mut effects = links.iter().flat_map(|link| &link.effects);
        effects.any(|effect| match effect {
            Effect::RemoveRules(removed) => removed.iter().any(|&rule| self.contains(rule)),
            Effect::RuleEngine(_)
            | Effect::RequestBodyAccess(_)
            | Effect::RequestBodyLimit(_)
            | Effect::RequestBodyProcessor(_)
            | Effect::ForceRequestBodyVariable(_) => true,
            // Variables of TX are looked at when the rule ran. Steady rules have no targets that are taken away, and see nothing of the
            // rest.
            Effect::SetTx { .. }
            | Effect::RemoveTarget(_)
            | Effect::SetEnv { .. }
            | Effect::Open { .. }
            | Effect::SetPersistent { .. }
            | Effect::Expire { .. }
            | Effect::Deprecate { .. }
            | Effect::Hide(_)
            | Effect::AuditEngine(_)
            | Effect::AuditLogParts(_)
            | Effect::ResponseBodyAccess(_)
            | Effect::ResponseBodyLimit(_)
            | Effect::ResponseBodyProcessor(_)
            | Effect::ForceResponseBodyVariable(_) => false,
        })
    }
}

fn only_sets(rule: &Rule) -> bool {
    let is_mute = !rule.log
        && !rule.audit_log
        && rule.meta.severity.is_none()
        && rule.skip.is_none()
        && matches!(rule.decision, Decision::Pass);
    is_mute
        && rule.links.iter().all(|link| !link.capture)
        && rule
            .links
            .iter()
            .flat_map(|link| &link.effects)
            .all(|effect| {
                matches!(
                    effect,
                    Effect::SetTx {
                        name: TxName::Slot(_),
                        ..
                    }
                )
            })
}

/// Whether what a link finds and does depends on steady variables alone.
fn is_steady(link: &Link) -> bool {
    let has_condition = link.condition.is_some();
    link.condition.as_ref().is_none_or(looks_at_steady)
        && link.effects.iter().all(|effect| {
            let changes_tx = matches!(effect, Effect::SetTx { .. });
            !changes_tx
                || texts_of(effect)
                    .into_iter()
                    .all(|text| says_steady(text, has_condition))
        })
}

fn looks_at_steady(condition: &Condition) -> bool {
    !condition.test.fills_variables()
        && !matches!(condition.test, Test::Document(_))
        && says_steady(&condition.argument, false)
        && condition
            .targets
            .iter()
            .all(|target| is_steady_variable(target.variable))
}

/// Whether a text is made of steady variables; `matched` tells whether its own link has just matched.
fn says_steady(text: &Text, matched: bool) -> bool {
    text.0.iter().all(|piece| match piece {
        Piece::Literal(_) | Piece::Tx(_) => true,
        Piece::Variable(Variable::MatchedVar | Variable::MatchedVarName, _) => matched,
        Piece::Variable(variable, _) | Piece::Search(variable, _) => is_steady_variable(*variable),
    })
}

/// Whether a variable depends on the head, on the addresses of the connection, and on what steady rules did, where a request has no
/// body.
fn is_steady_variable(variable: Variable) -> bool {
    use Variable as V;
    is_of_head(variable)
        || matches!(
            variable,
            V::Tx
                | V::RemoteAddr
                | V::RemoteHost
                | V::ServerAddr
                | V::ServerPort
                | V::ServerName
                | V::AuthType
                | V::RemoteUser
                | V::ModsecBuild
                | V::Webappid
                | V::ArgsPost
                | V::ArgsPostNames
                | V::Files
                | V::FilesNames
                | V::FilesSizes
                | V::FilesTmpnames
                | V::FilesTmpContent
                | V::FilesCombinedSize
                | V::InboundDataError
                | V::MultipartFilename
                | V::MultipartName
                | V::MultipartPartHeaders
                | V::MultipartStrictError
                | V::MultipartUnmatchedBoundary
                | V::ReqbodyError
                | V::ReqbodyErrorMsg
                | V::ReqbodyProcessor
                | V::ReqbodyProcessorError
                | V::ReqbodyProcessorErrorMsg
                | V::RequestBody
                | V::RequestBodyLength
                | V::RequestXml
                | V::Xml
        )
}
