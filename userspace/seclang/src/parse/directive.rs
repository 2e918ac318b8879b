//! Directives other than settings.

use super::action::actions;
use super::operator::operator;
use super::setting::{self, one, wrong_count};
use super::target::targets;
use super::value::{ID, bad, expect, id_and_link, id_range, rule_id};
use crate::ast::{Action, Condition, Directive, Link, NoOp, RuleChoice, Use};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::lexer::Statement;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};
use crate::span::Spanned;

/// Every directive that is no setting and no no-op.
const DIRECTIVES: [&str; 15] = [
    "Include",
    "SecAction",
    "SecComponentSignature",
    "SecDataset",
    "SecDefaultAction",
    "SecMarker",
    "SecRule",
    "SecRuleRemoveById",
    "SecRuleRemoveByMsg",
    "SecRuleRemoveByTag",
    "SecRuleUpdateActionById",
    "SecRuleUpdateTargetById",
    "SecRuleUpdateTargetByMsg",
    "SecRuleUpdateTargetByTag",
    // Apache's, which distributions use.
    "IncludeOptional",
];

/// A statement that was understood.
pub(super) enum Understood {
    /// A `SecRule` or `SecAction`, which may be a link of a chain.
    Link(Link),
    Directive(Directive),
}

pub(super) fn directive(statement: &Statement, problems: &mut Problems) -> Option<Understood> {
    let word = statement.name.text();
    let is = |known: &&&str| known.eq_ignore_ascii_case(word);
    if let Some(name) = setting::SETTINGS.iter().find(is) {
        let name = if name.eq_ignore_ascii_case("SecXmlExternalEntity") {
            "SecXmlExternalEntity"
        } else {
            name
        };
        return setting::setting(name, statement, problems)
            .map(|found| Understood::Directive(Directive::Setting(found)));
    }
    if let Some(found) = NoOp::from_name(word) {
        return setting::no_op(found, statement, problems).map(Understood::Directive);
    }
    match DIRECTIVES.iter().find(is) {
        Some(&"SecRule") => rule(statement, problems).map(Understood::Link),
        Some(&"SecAction") => {
            let list = one(statement, problems)?;
            let actions = actions(list, problems);
            let condition = None;
            Some(Understood::Link(Link { condition, actions }))
        }
        Some(name) => other(name, statement, problems).map(Understood::Directive),
        None => {
            problems.add(statement.name.span(), unknown(word));
            None
        }
    }
}

fn unknown(word: &str) -> Problem {
    let kind = WordKind::Directive;
    let refused = setting::REFUSED
        .iter()
        .find(|(refused, _)| refused.eq_ignore_ascii_case(word));
    let word = word.to_owned();
    if let Some((_, reason)) = refused {
        return Problem::Refused { kind, word, reason };
    }
    if word.starts_with('<') {
        let reason = "sections of a web server's configuration are not SecLang; remove the line";
        return Problem::Refused { kind, word, reason };
    }
    let known = DIRECTIVES
        .iter()
        .chain(&setting::SETTINGS)
        .chain(NoOp::NAMES);
    Problem::UnknownName {
        kind,
        closest: closest(&word, known.copied()),
        word,
    }
}

fn rule(statement: &Statement, problems: &mut Problems) -> Option<Link> {
    let (list, test, action_list) = match statement.arguments.as_slice() {
        [list, test] => (list, test, None),
        [list, test, action_list] => (list, test, Some(action_list)),
        _ => {
            return wrong_count(statement, "targets, an operator and actions", problems);
        }
    };
    let before = problems.len();
    let targets = targets(list, &['|'], problems);
    let operator = operator(test, problems).map(|operator| Spanned::new(operator, test.span()));
    let whole = problems.len() == before;
    if whole && targets.iter().all(|target| target.usage == Use::Exclude) {
        problems.add(list.span(), Problem::NothingInspected);
    }
    // A rule whose condition is wrong is still a link: what is wrong in its actions is told too, and a chain goes on.
    let condition = operator.map(|operator| Condition { targets, operator });
    let actions = action_list
        .map(|list| actions(list, problems))
        .unwrap_or_default();
    Some(Link { condition, actions })
}

fn other(name: &str, statement: &Statement, problems: &mut Problems) -> Option<Directive> {
    let text = |argument: &Mapped| argument.text().trim().to_owned();
    match name {
        "SecMarker" => named(statement, "the name of a marker", problems).map(Directive::Marker),
        "Include" => named(statement, "a path or a pattern", problems).map(Directive::Include),
        "IncludeOptional" => {
            named(statement, "a path or a pattern", problems).map(Directive::IncludeOptional)
        }
        "SecComponentSignature" => {
            named(statement, "a text", problems).map(Directive::ComponentSignature)
        }
        "SecDefaultAction" => {
            let list = one(statement, problems)?;
            Some(Directive::DefaultAction(actions(list, problems)))
        }
        "SecDataset" => match statement.arguments.as_slice() {
            // What stands between backticks has none; a word in their place may, and could not be printed as lines.
            [_, entries] if entries.text().contains('`') => {
                problems.add(
                    entries.span(),
                    Problem::BadValue {
                        of: statement.name.text().to_owned(),
                        expected: "lines between backticks",
                        found: entries.text().to_owned(),
                    },
                );
                None
            }
            [name, entries] => Some(Directive::Dataset {
                name: text(name),
                entries: entries
                    .text()
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .map(str::to_owned)
                    .collect(),
            }),
            _ => wrong_count(statement, "a name and lines between backticks", problems),
        },
        "SecRuleRemoveById" => remove_by_id(statement, problems),
        "SecRuleRemoveByTag" => {
            named(statement, "a regular expression", problems).map(Directive::RuleRemoveByTag)
        }
        "SecRuleRemoveByMsg" => {
            named(statement, "a regular expression", problems).map(Directive::RuleRemoveByMsg)
        }
        "SecRuleUpdateActionById" => update_action(statement, problems),
        _ => update_target(name, statement, problems),
    }
}

/// The only argument, which is not empty.
fn named(statement: &Statement, expected: &'static str, problems: &mut Problems) -> Option<String> {
    let argument = one(statement, problems)?;
    let text = argument.text().trim();
    let text = (!text.is_empty()).then(|| text.to_owned());
    expect(text, statement.name.text(), expected, argument, problems)
}

fn remove_by_id(statement: &Statement, problems: &mut Problems) -> Option<Directive> {
    if statement.arguments.is_empty() {
        return wrong_count(statement, "rule ids and ranges", problems);
    }
    let mut ranges = Vec::new();
    for argument in &statement.arguments {
        let words = argument
            .text()
            .split(|c: char| c == ',' || c.is_ascii_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            match id_range(word) {
                Some(range) => ranges.push(range),
                None => problems.add(
                    argument.span(),
                    Problem::BadValue {
                        of: statement.name.text().to_owned(),
                        expected: "rule ids and ranges such as 100-199",
                        found: word.to_owned(),
                    },
                ),
            }
        }
    }
    Some(Directive::RuleRemoveById(ranges))
}

fn update_action(statement: &Statement, problems: &mut Problems) -> Option<Directive> {
    let [target, list] = statement.arguments.as_slice() else {
        return wrong_count(statement, "a rule id and actions", problems);
    };
    let found = id_and_link(target.text()).and_then(|(id, link)| Some((rule_id(id)?, link)));
    let actions = actions(list, problems);
    for action in &actions {
        let fixed = match action.value {
            Action::Id(_) => "id",
            Action::Phase(_) => "phase",
            Action::Chain => "chain",
            _ => continue,
        };
        problems.add(action.span, Problem::UpdateHolds(fixed.to_owned()));
    }
    let (id, link) = expect(found, "SecRuleUpdateActionById", ID, target, problems)?;
    Some(Directive::RuleUpdateActionById { id, link, actions })
}

fn update_target(name: &str, statement: &Statement, problems: &mut Problems) -> Option<Directive> {
    let [rules, list] = statement.arguments.as_slice() else {
        return wrong_count(statement, "the rules and targets", problems);
    };
    let targets = targets(list, &['|', ','], problems);
    let text = rules.text().trim();
    let (rules, link) = match name {
        "SecRuleUpdateTargetById" => {
            let found = id_and_link(text).and_then(|(ids, link)| Some((id_range(ids)?, link)));
            let (ids, link) = expect(
                found,
                name,
                "a rule id or a range such as 100-199",
                rules,
                problems,
            )?;
            (RuleChoice::Ids(ids), link)
        }
        _ if text.is_empty() => {
            problems.add(rules.span(), bad(name, "a tag or a message", rules));
            return None;
        }
        "SecRuleUpdateTargetByTag" => (RuleChoice::Tag(text.to_owned()), 0),
        _ => (RuleChoice::Msg(text.to_owned()), 0),
    };
    Some(Directive::RuleUpdateTarget {
        rules,
        link,
        targets,
    })
}
