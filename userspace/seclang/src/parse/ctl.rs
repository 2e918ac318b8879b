//! `setvar`, `expirevar`, `initcol`, `setenv`, `xmlns` and `ctl`: actions whose value has a grammar of its own.

use super::target::plain_target;
use super::template::template;
use super::value::{ID, expect, id_range, number, on_off};
use crate::ast::{
    Action, AuditLogParts, AuditMode, BodyProcessor, Change, Collection, Ctl, EngineMode,
    PartsChange, RuleChoice, SetVar, Template,
};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};

/// `[!]collection.name[=[+|-]value]`
pub(super) fn setvar(value: &Mapped, quoted: bool, problems: &mut Problems) -> Option<Action> {
    let unset = value.text().starts_with('!');
    let rest = value.slice(usize::from(unset)..value.text().len());
    let (variable, assigned) = rest.split_once('=');
    let (collection, name) = collection_and_name("setvar", &variable, problems)?;
    let change = match assigned {
        None if unset => Change::Unset,
        None => Change::Set(Template::literal("1")),
        Some(assigned) => {
            if unset || (assigned.text().is_empty() && !quoted) {
                let expected =
                    "`!tx.name`, or `tx.name=value` (in single quotes if the value is empty)";
                let of = "setvar".to_owned();
                let found = value.text().to_owned();
                problems.add(
                    value.span(),
                    Problem::BadValue {
                        of,
                        expected,
                        found,
                    },
                );
                return None;
            }
            change(&assigned.trimmed(), problems)
        }
    };
    Some(Action::SetVar(SetVar {
        collection,
        name,
        change,
    }))
}

fn change(assigned: &Mapped, problems: &mut Problems) -> Change {
    let behind_sign = assigned.slice(1.min(assigned.text().len())..assigned.text().len());
    match assigned.text().chars().next() {
        Some('+') => Change::Add(template(&behind_sign.trimmed(), problems)),
        Some('-') => Change::Subtract(template(&behind_sign.trimmed(), problems)),
        _ => Change::Set(template(assigned, problems)),
    }
}

/// `collection.name`
fn collection_and_name(
    action: &str,
    variable: &Mapped,
    problems: &mut Problems,
) -> Option<(Collection, Template)> {
    let (collection, name) = variable.split_once('.');
    let name = name
        .map(|name| name.trimmed())
        .filter(|name| !name.text().is_empty());
    let Some(name) = name else {
        let expected = "a collection, a dot and a name, such as `tx.score`";
        let of = action.to_owned();
        let found = variable.text().to_owned();
        problems.add(
            variable.span(),
            Problem::BadValue {
                of,
                expected,
                found,
            },
        );
        return None;
    };
    let found = self::collection(&collection.trimmed(), problems)?;
    Some((found, template(&name, problems)))
}

fn collection(word: &Mapped, problems: &mut Problems) -> Option<Collection> {
    let found = Collection::from_name(word.text());
    if found.is_none() {
        problems.add(
            word.span(),
            Problem::UnknownName {
                kind: WordKind::Collection,
                word: word.text().to_owned(),
                closest: closest(word.text(), Collection::NAMES.iter().copied()),
            },
        );
    }
    found
}

/// `name=value` for an action that needs both.
fn pair(
    action: &str,
    expected: &'static str,
    value: &Mapped,
    problems: &mut Problems,
) -> Option<(Mapped, Mapped)> {
    let (name, behind) = value.split_once('=');
    let name = name.trimmed();
    let behind = behind.filter(|behind| !name.text().is_empty() && !behind.text().is_empty());
    let behind = expect(behind, action, expected, value, problems)?;
    Some((name, behind))
}

/// `collection.name=seconds`
pub(super) fn expirevar(value: &Mapped, problems: &mut Problems) -> Option<Action> {
    let (variable, seconds) = pair("expirevar", "`collection.name=seconds`", value, problems)?;
    let (collection, name) = collection_and_name("expirevar", &variable, problems)?;
    Some(Action::ExpireVar {
        collection,
        name,
        seconds: template(&seconds.trimmed(), problems),
    })
}

/// `collection.name=amount/seconds`
pub(super) fn deprecatevar(value: &Mapped, problems: &mut Problems) -> Option<Action> {
    let expected = "`collection.name=amount/seconds`";
    let (variable, change) = pair("deprecatevar", expected, value, problems)?;
    let (amount, period) = change.split_once('/');
    let period = period.filter(|period| !amount.text().is_empty() && !period.text().is_empty());
    let period = expect(period, "deprecatevar", expected, value, problems)?;
    let (collection, name) = collection_and_name("deprecatevar", &variable, problems)?;
    Some(Action::DeprecateVar {
        collection,
        name,
        amount: template(&amount.trimmed(), problems),
        period: template(&period.trimmed(), problems),
    })
}

/// `collection=key`
pub(super) fn initcol(value: &Mapped, problems: &mut Problems) -> Option<Action> {
    let expected = "`collection=key`";
    let (name, key) = pair("initcol", expected, value, problems)?;
    let key = expect(unquoted(&key), "initcol", expected, value, problems)?;
    Some(Action::InitCol {
        collection: collection(&name, problems)?,
        key: template(&key, problems),
    })
}

/// `name=value`
pub(super) fn setenv(value: &Mapped, problems: &mut Problems) -> Option<Action> {
    let (name, assigned) = pair("setenv", "`name=value`", value, problems)?;
    Some(Action::SetEnv {
        name: template(&name, problems),
        value: template(&assigned, problems),
    })
}

/// `prefix=uri`
pub(super) fn xmlns(value: &Mapped, problems: &mut Problems) -> Option<Action> {
    let expected = "`prefix=uri` with an absolute URI";
    let (prefix, uri) = pair("xmlns", expected, value, problems)?;
    let absolute = |uri: &Mapped| uri.text().contains("://") || uri.text().starts_with("urn:");
    let uri = unquoted(&uri).filter(absolute);
    let uri = expect(uri, "xmlns", expected, value, problems)?;
    Some(Action::XmlNamespace {
        prefix: prefix.text().to_owned(),
        uri: uri.text().to_owned(),
    })
}

/// Without the single quotes and blanks that some put round the part behind `=`; `None` if nothing is left, or a
/// backslash that belonged to a quote.
fn unquoted(value: &Mapped) -> Option<Mapped> {
    let text = value.text();
    let outside = |c: char| c == '\'' || c.is_whitespace();
    let left = text.len() - text.trim_start_matches(outside).len();
    let inner = value.slice(left..left + text.trim_matches(outside).len());
    let whole = !inner.text().is_empty() && !inner.text().ends_with('\\');
    whole.then_some(inner)
}

/// Every option of `ctl`.
const OPTIONS: [&str; 20] = [
    "auditEngine",
    "auditLogParts",
    "debugLogLevel",
    "forceRequestBodyVariable",
    "forceResponseBodyVariable",
    "hashEnforcement",
    "hashEngine",
    "requestBodyAccess",
    "requestBodyLimit",
    "requestBodyProcessor",
    "responseBodyAccess",
    "responseBodyLimit",
    "responseBodyProcessor",
    "ruleEngine",
    "ruleRemoveById",
    "ruleRemoveByMsg",
    "ruleRemoveByTag",
    "ruleRemoveTargetById",
    "ruleRemoveTargetByMsg",
    "ruleRemoveTargetByTag",
];

/// `option=value`
pub(super) fn ctl(value: &Mapped, problems: &mut Problems) -> Option<Ctl> {
    let (name, _) = value.split_once('=');
    let name = name.trimmed();
    let option = OPTIONS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name.text()));
    let Some(&option) = option else {
        problems.add(
            name.span(),
            Problem::UnknownName {
                kind: WordKind::CtlOption,
                word: name.text().to_owned(),
                closest: closest(name.text(), OPTIONS),
            },
        );
        return None;
    };
    let (_, argument) = pair(
        &format!("ctl:{option}"),
        "a value behind `=`",
        value,
        problems,
    )?;
    let argument = argument.trimmed();
    if option.starts_with("ruleRemove") {
        return remove(option, &argument, problems);
    }
    let (found, expected) = setting(option, argument.text());
    expect(
        found,
        &format!("ctl:{option}"),
        expected,
        &argument,
        problems,
    )
}

/// The options that take one word, and what that may be.
fn setting(option: &str, value: &str) -> (Option<Ctl>, &'static str) {
    let switch = |to: fn(bool) -> Ctl| (on_off(value).map(to), "On or Off");
    let bytes = |to: fn(u64) -> Ctl| (number(value).map(to), "a number of bytes");
    let processor = |to: fn(BodyProcessor) -> Ctl| {
        let expected = "URLENCODED, MULTIPART, JSON, XML or RAW";
        (BodyProcessor::from_name(value).map(to), expected)
    };
    match option {
        "ruleEngine" => (
            EngineMode::from_name(value).map(Ctl::RuleEngine),
            "On, Off or DetectionOnly",
        ),
        "auditEngine" => (
            AuditMode::from_name(value).map(Ctl::AuditEngine),
            "On, Off or RelevantOnly",
        ),
        "auditLogParts" => (
            parts_change(value).map(Ctl::AuditLogParts),
            "letters A to K and Z, or `+` or `-` and letters",
        ),
        "debugLogLevel" => (
            number(value)
                .filter(|level| *level <= 9)
                .map(Ctl::DebugLogLevel),
            "a level from 0 to 9",
        ),
        "requestBodyAccess" => switch(Ctl::RequestBodyAccess),
        "requestBodyLimit" => bytes(Ctl::RequestBodyLimit),
        "requestBodyProcessor" => processor(Ctl::RequestBodyProcessor),
        "forceRequestBodyVariable" => switch(Ctl::ForceRequestBodyVariable),
        "responseBodyAccess" => switch(Ctl::ResponseBodyAccess),
        "responseBodyLimit" => bytes(Ctl::ResponseBodyLimit),
        "responseBodyProcessor" => processor(Ctl::ResponseBodyProcessor),
        "forceResponseBodyVariable" => switch(Ctl::ForceResponseBodyVariable),
        "hashEngine" => switch(Ctl::HashEngine),
        _ => switch(Ctl::HashEnforcement),
    }
}

fn parts_change(value: &str) -> Option<PartsChange> {
    let letters = |letters: &str| {
        AuditLogParts::from_letters(letters)
            .ok()
            .filter(|_| !letters.is_empty())
    };
    match value.chars().next()? {
        '+' => letters(value.get(1..)?).map(PartsChange::Add),
        '-' => letters(value.get(1..)?).map(PartsChange::Remove),
        _ => letters(value).map(PartsChange::Set),
    }
}

/// `ruleRemove[Target]By{Id,Tag,Msg}`
fn remove(option: &'static str, argument: &Mapped, problems: &mut Problems) -> Option<Ctl> {
    let of = format!("ctl:{option}");
    let with_target = option.starts_with("ruleRemoveTarget");
    let (rules, target) = if with_target {
        argument.split_once(';')
    } else {
        (argument.clone(), None)
    };
    let rules = rules.trimmed();
    let choice = if option.ends_with("ById") {
        let expected = "a rule id or a range such as 100-199";
        RuleChoice::Ids(expect(
            id_range(rules.text()),
            &of,
            expected,
            &rules,
            problems,
        )?)
    } else if rules.text().is_empty() {
        let expected = ID;
        problems.add(argument.span(), Problem::MissingValue { of, expected });
        return None;
    } else {
        // Some put quotes round the text behind `=`.
        let text = rules.text();
        let inner = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        let text = inner
            .filter(|inner| !inner.is_empty())
            .unwrap_or(text)
            .to_owned();
        if option.ends_with("ByTag") {
            RuleChoice::Tag(text)
        } else {
            RuleChoice::Msg(text)
        }
    };
    if !with_target {
        return Some(Ctl::RuleRemove(choice));
    }
    let expected = "the rules, `;` and a target";
    let target = expect(target, &of, expected, argument, problems)?;
    Some(Ctl::RuleRemoveTarget {
        rules: choice,
        target: plain_target(&target.trimmed(), problems)?,
    })
}
