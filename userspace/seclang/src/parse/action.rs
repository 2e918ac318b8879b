//! Action lists.

use super::ctl;
use super::template::template;
use super::value::{ID, expect, number, rule_id};
use crate::ast::{Action, Allow, Phase, Sanitise, Severity, Transformation};
use crate::closest::closest;
use crate::diagnostic::Problems;
use crate::limits;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};
use crate::span::Spanned;

const CHANGE_BODY: &str = "responses are not rewritten by rules";

/// Actions of other engines and why they are refused.
const REFUSED: [(&str, &str); 5] = [
    ("append", CHANGE_BODY),
    (
        "exec",
        "no scripts and programs are run from rules; express it in SecLang",
    ),
    (
        "pause",
        "a rule must not hold a worker; use deny or a rate limit",
    ),
    ("prepend", CHANGE_BODY),
    (
        "proxy",
        "requests are routed by the configuration, not by rules",
    ),
];

/// Every action, for remedies.
const KNOWN: [&str; 47] = [
    "accuracy",
    "allow",
    "auditlog",
    "block",
    "capture",
    "chain",
    "ctl",
    "deny",
    "deprecatevar",
    "drop",
    "expirevar",
    "id",
    "initcol",
    "log",
    "logdata",
    "maturity",
    "msg",
    "multiMatch",
    "noauditlog",
    "nolog",
    "pass",
    "phase",
    "redirect",
    "rev",
    "setenv",
    "setrsc",
    "setsid",
    "setuid",
    "setvar",
    "severity",
    "skip",
    "skipAfter",
    "status",
    "t",
    "tag",
    "ver",
    "xmlns",
    "append",
    "exec",
    "pause",
    "prepend",
    "proxy",
    "sanitiseArg",
    "sanitiseMatched",
    "sanitiseMatchedBytes",
    "sanitiseRequestHeader",
    "sanitiseResponseHeader",
];

/// One entry of a list: its name, its value and whether that was in quotes.
struct Entry {
    key: Mapped,
    value: Option<Mapped>,
    quoted: bool,
}

/// A list of actions between commas. Empty entries are passed over.
pub(super) fn actions(list: &Mapped, problems: &mut Problems) -> Vec<Spanned<Action>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < list.text().len() {
        let entry = match entry(list, &mut at) {
            Ok(entry) => entry,
            Err((from, problem)) => {
                problems.add(list.span_of(&from), problem);
                break;
            }
        };
        let Some(entry) = entry else { continue };
        let span = entry
            .value
            .as_ref()
            .map_or(entry.key.span(), |value| entry.key.span().to(value.span()));
        if let Some(action) = action(&entry, problems) {
            found.push(Spanned::new(action, span));
        }
        if found.len() > limits::ACTIONS {
            let limit = limits::ACTIONS;
            let what = "actions of one rule";
            problems.add(list.span(), Problem::TooLarge { what, limit });
            break;
        }
    }
    found
}

/// The entry at `at`, which moves behind the comma that ends it.
fn entry(
    list: &Mapped,
    at: &mut usize,
) -> Result<Option<Entry>, (std::ops::Range<usize>, Problem)> {
    let all = list.text();
    let rest = all.get(*at..).unwrap_or("");
    let key_length = rest.find([':', ',']).unwrap_or(rest.len());
    let key = list.slice(*at..*at + key_length).trimmed();
    *at += key_length;
    if !all.get(*at..).unwrap_or("").starts_with(':') {
        *at += 1;
        let value = None;
        let quoted = false;
        return Ok((!key.text().is_empty()).then_some(Entry { key, value, quoted }));
    }
    *at += 1;
    let behind = all.get(*at..).unwrap_or("");
    let opening = *at + (behind.len() - behind.trim_ascii_start().len());
    let Some(inside) = all
        .get(opening..)
        .and_then(|value| value.strip_prefix('\''))
    else {
        let length = behind.find(',').unwrap_or(behind.len());
        let value = Some(list.slice(*at..*at + length).trimmed());
        *at += length + 1;
        return Ok(Some(Entry {
            key,
            value,
            quoted: false,
        }));
    };
    let start = opening + 1;
    let Some(length) = closing_quote(inside) else {
        return Err((opening..opening + 1, Problem::UnclosedQuote('\'')));
    };
    let end = start + length;
    let behind = all.get(end + 1..).unwrap_or("");
    let comma = behind.find(',').unwrap_or(behind.len());
    if !behind.get(..comma).unwrap_or("").trim_ascii().is_empty() {
        return Err((end..end + 1, Problem::TextAfterQuote('\'')));
    }
    *at = end + 1 + comma + 1;
    let value = Some(unescaped(list, start, inside.get(..length).unwrap_or("")));
    Ok(Some(Entry {
        key,
        value,
        quoted: true,
    }))
}

/// The offset of the first `'` without a backslash before it.
fn closing_quote(inside: &str) -> Option<usize> {
    let mut before = ' ';
    for (at, c) in inside.char_indices() {
        if c == '\'' && before != '\\' {
            return Some(at);
        }
        before = c;
    }
    None
}

/// `\'` becomes `'`; every other backslash stays.
fn unescaped(list: &Mapped, start: usize, inside: &str) -> Mapped {
    let origin = list.span_of(&(start..start + inside.len()));
    let mut value = Mapped::empty(origin.file, origin.start);
    for (at, c) in inside.char_indices() {
        let escapes = c == '\\'
            && inside
                .get(at + 1..)
                .is_some_and(|behind| behind.starts_with('\''));
        if !escapes {
            value.push(c, list.span_of(&(start + at..start + at)).start);
        }
    }
    value
}

fn action(entry: &Entry, problems: &mut Problems) -> Option<Action> {
    let name = entry.key.text();
    if let Some(action) = without_value(name) {
        if entry.value.is_some() {
            problems.add(entry.key.span(), Problem::UnexpectedValue(name.to_owned()));
        }
        return Some(action);
    }
    if name.eq_ignore_ascii_case("allow") {
        let Some(value) = &entry.value else {
            return Some(Action::Allow(Allow::Transaction));
        };
        let scope = match value.text() {
            scope if scope.eq_ignore_ascii_case("phase") => Some(Allow::Phase),
            scope if scope.eq_ignore_ascii_case("request") => Some(Allow::Request),
            _ => None,
        };
        return expect(scope, "allow", "nothing, phase or request", value, problems)
            .map(Action::Allow);
    }
    if let Some(name) = matched(name) {
        return sanitise_matched(name, entry.value.as_ref(), &entry.key, problems);
    }
    let Some((name, expected)) = with_value(name) else {
        problems.add(entry.key.span(), unknown(name));
        return None;
    };
    match &entry.value {
        Some(value) if entry.quoted || !value.text().is_empty() => {
            typed(name, expected, value, entry.quoted, problems)
        }
        _ => {
            let of = name.to_owned();
            problems.add(entry.key.span(), Problem::MissingValue { of, expected });
            None
        }
    }
}

fn unknown(name: &str) -> Problem {
    let kind = WordKind::Action;
    let word = name.to_owned();
    match REFUSED
        .iter()
        .find(|(refused, _)| refused.eq_ignore_ascii_case(name))
    {
        Some((_, reason)) => Problem::Refused { kind, word, reason },
        None => Problem::UnknownName {
            kind,
            word,
            closest: closest(name, KNOWN),
        },
    }
}

fn without_value(name: &str) -> Option<Action> {
    Some(match name.to_ascii_lowercase().as_str() {
        "auditlog" => Action::AuditLog,
        "block" => Action::Block,
        "capture" => Action::Capture,
        "chain" => Action::Chain,
        "deny" => Action::Deny,
        "drop" => Action::Drop,
        "log" => Action::Log,
        "multimatch" => Action::MultiMatch,
        "noauditlog" => Action::NoAuditLog,
        "nolog" => Action::NoLog,
        "pass" => Action::Pass,
        _ => return None,
    })
}

/// The canonical name of an action that needs a value, and what that may be.
fn with_value(name: &str) -> Option<(&'static str, &'static str)> {
    // The American spelling of these is read too.
    const SANITISE: [(&str, &str, &str); 3] = [
        ("sanitiseArg", "sanitizeArg", "the name of an argument"),
        (
            "sanitiseRequestHeader",
            "sanitizeRequestHeader",
            "the name of a field",
        ),
        (
            "sanitiseResponseHeader",
            "sanitizeResponseHeader",
            "the name of a field",
        ),
    ];
    const ALL: [(&str, &str); 25] = [
        ("accuracy", "a number from 0 to 9"),
        ("ctl", "`option=value`"),
        ("deprecatevar", "`collection.name=amount/seconds`"),
        ("expirevar", "`collection.name=seconds`"),
        ("id", ID),
        ("initcol", "`collection=key`"),
        ("logdata", "a text"),
        ("maturity", "a number from 0 to 9"),
        ("msg", "a text"),
        ("phase", "1 to 5, request, response or logging"),
        ("redirect", "a URL"),
        ("rev", "a text"),
        ("setenv", "`name=value`"),
        ("setrsc", "a text"),
        ("setsid", "a text"),
        ("setuid", "a text"),
        ("setvar", "`collection.name=value`"),
        (
            "severity",
            "0 to 7 or EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG",
        ),
        ("skip", "a number of rules from 1 on"),
        ("skipAfter", "the name of a marker"),
        ("status", "a status from 100 to 599"),
        ("t", "the name of a transformation"),
        ("tag", "a text"),
        ("ver", "a text"),
        ("xmlns", "`prefix=uri`"),
    ];
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    SANITISE
        .into_iter()
        .find(|(british, american, _)| is(british) || is(american))
        .map(|(british, _, expected)| (british, expected))
        .or_else(|| ALL.into_iter().find(|(known, _)| is(known)))
}

/// The canonical name of an action on what matched.
fn matched(name: &str) -> Option<&'static str> {
    const ALL: [(&str, &str); 2] = [
        ("sanitiseMatched", "sanitizeMatched"),
        ("sanitiseMatchedBytes", "sanitizeMatchedBytes"),
    ];
    ALL.into_iter()
        .find(|(british, american)| {
            british.eq_ignore_ascii_case(name) || american.eq_ignore_ascii_case(name)
        })
        .map(|(british, _)| british)
}

/// `sanitiseMatched`, `sanitiseMatchedBytes` or `sanitiseMatchedBytes:1/4`
fn sanitise_matched(
    name: &str,
    value: Option<&Mapped>,
    key: &Mapped,
    problems: &mut Problems,
) -> Option<Action> {
    let found = match (name, value) {
        ("sanitiseMatched", None) => Sanitise::Matched,
        ("sanitiseMatched", Some(_)) => {
            problems.add(key.span(), Problem::UnexpectedValue(name.to_owned()));
            Sanitise::Matched
        }
        (_, None) => Sanitise::MatchedBytes { front: 0, back: 0 },
        (_, Some(value)) => {
            let bytes = value.text().split_once('/').and_then(|(front, back)| {
                Some(Sanitise::MatchedBytes {
                    front: number(front)?,
                    back: number(back)?,
                })
            });
            let expected = "nothing, or two numbers of bytes such as 1/4";
            expect(bytes, name, expected, value, problems)?
        }
    };
    Some(Action::Sanitise(found))
}

fn typed(
    name: &'static str,
    expected: &'static str,
    value: &Mapped,
    quoted: bool,
    problems: &mut Problems,
) -> Option<Action> {
    let text = value.text();
    let level = || number(text).filter(|level: &u8| *level <= 9);
    let named = || Some(text.trim().to_owned()).filter(|name| !name.is_empty());
    let simple = match name {
        "accuracy" => level().map(Action::Accuracy),
        "id" => rule_id(text).map(Action::Id),
        "maturity" => level().map(Action::Maturity),
        "phase" => phase(text).map(Action::Phase),
        "severity" => severity(text).map(Action::Severity),
        "skip" => number(text).filter(|rules| *rules > 0).map(Action::Skip),
        "status" => number(text)
            .filter(|status| (100..=599).contains(status))
            .map(Action::Status),
        "ctl" => return ctl::ctl(value, problems).map(Action::Ctl),
        "deprecatevar" => return ctl::deprecatevar(value, problems),
        "expirevar" => return ctl::expirevar(value, problems),
        "initcol" => return ctl::initcol(value, problems),
        "setenv" => return ctl::setenv(value, problems),
        "setvar" => return ctl::setvar(value, quoted, problems),
        "xmlns" => return ctl::xmlns(value, problems),
        "t" => return transformation(value, problems).map(Action::Transform),
        "rev" => Some(Action::Rev(text.to_owned())),
        "ver" => Some(Action::Ver(text.to_owned())),
        "skipAfter" => (!text.trim().is_empty()).then(|| Action::SkipAfter(text.trim().to_owned())),
        "logdata" => Some(Action::LogData(template(value, problems))),
        "msg" => Some(Action::Msg(template(value, problems))),
        "redirect" => (!text.is_empty()).then(|| Action::Redirect(template(value, problems))),
        "sanitiseArg" => named().map(|name| Action::Sanitise(Sanitise::Arg(name))),
        "sanitiseRequestHeader" => {
            named().map(|name| Action::Sanitise(Sanitise::RequestHeader(name)))
        }
        "sanitiseResponseHeader" => {
            named().map(|name| Action::Sanitise(Sanitise::ResponseHeader(name)))
        }
        "setrsc" => Some(Action::SetRsc(template(value, problems))),
        "setsid" => Some(Action::SetSid(template(value, problems))),
        "setuid" => Some(Action::SetUid(template(value, problems))),
        _ => Some(Action::Tag(template(value, problems))),
    };
    expect(simple, name, expected, value, problems)
}

fn phase(text: &str) -> Option<Phase> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "1" => Phase::RequestHeaders,
        "2" | "request" => Phase::RequestBody,
        "3" => Phase::ResponseHeaders,
        "4" | "response" => Phase::ResponseBody,
        "5" | "logging" => Phase::Logging,
        _ => return None,
    })
}

fn severity(text: &str) -> Option<Severity> {
    const ALL: [Severity; 8] = [
        Severity::Emergency,
        Severity::Alert,
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ];
    let text = text.trim();
    ALL.into_iter().find(|severity| {
        severity.name().eq_ignore_ascii_case(text) || number(text) == Some(severity.number())
    })
}

fn transformation(value: &Mapped, problems: &mut Problems) -> Option<Transformation> {
    let found = Transformation::from_name(value.text());
    if found.is_none() {
        problems.add(
            value.span(),
            Problem::UnknownName {
                kind: WordKind::Transformation,
                word: value.text().to_owned(),
                closest: closest(value.text(), Transformation::NAMES.iter().copied()),
            },
        );
    }
    found
}
