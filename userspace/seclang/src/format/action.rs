//! Actions in their canonical form.

use std::fmt::{self, Display};

use crate::ast::{
    Action, Allow, Change, Ctl, IdRange, PartsChange, RuleChoice, Sanitise, SetVar, Severity,
};

impl Display for Sanitise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arg(name) => write!(f, "sanitiseArg:{}", value(name)),
            Self::RequestHeader(name) => write!(f, "sanitiseRequestHeader:{}", value(name)),
            Self::ResponseHeader(name) => write!(f, "sanitiseResponseHeader:{}", value(name)),
            Self::Matched => f.write_str("sanitiseMatched"),
            Self::MatchedBytes { front, back } => {
                write!(f, "sanitiseMatchedBytes:{front}/{back}")
            }
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Phase(phase) => write!(f, "phase:{}", phase.number()),
            Self::Severity(severity) => write!(f, "severity:{severity}"),
            Self::Msg(text) => write!(f, "msg:{}", text_value(&text.to_string())),
            Self::LogData(text) => write!(f, "logdata:{}", text_value(&text.to_string())),
            Self::Tag(text) => write!(f, "tag:{}", text_value(&text.to_string())),
            Self::Ver(text) => write!(f, "ver:{}", text_value(text)),
            Self::Rev(text) => write!(f, "rev:{}", text_value(text)),
            Self::Maturity(level) => write!(f, "maturity:{level}"),
            Self::Accuracy(level) => write!(f, "accuracy:{level}"),
            Self::Transform(transformation) => write!(f, "t:{transformation}"),
            Self::MultiMatch => f.write_str("multiMatch"),
            Self::Capture => f.write_str("capture"),
            Self::XmlNamespace { prefix, uri } => {
                write!(f, "xmlns:{}", value(&format!("{prefix}={uri}")))
            }
            Self::SetVar(set) => write!(f, "setvar:{}", text_value(&set.to_string())),
            Self::ExpireVar {
                collection,
                name,
                seconds,
            } => write!(
                f,
                "expirevar:{}",
                text_value(&format!("{collection}.{name}={seconds}"))
            ),
            Self::DeprecateVar {
                collection,
                name,
                amount,
                period,
            } => write!(
                f,
                "deprecatevar:{}",
                text_value(&format!("{collection}.{name}={amount}/{period}"))
            ),
            Self::Sanitise(what) => write!(f, "{what}"),
            Self::InitCol { collection, key } => {
                write!(f, "initcol:{}", value(&format!("{collection}={key}")))
            }
            Self::SetEnv { name, value: text } => {
                write!(f, "setenv:{}", text_value(&format!("{name}={text}")))
            }
            Self::SetSid(key) => write!(f, "setsid:{}", value(&key.to_string())),
            Self::SetUid(key) => write!(f, "setuid:{}", value(&key.to_string())),
            Self::SetRsc(key) => write!(f, "setrsc:{}", value(&key.to_string())),
            Self::Ctl(ctl) => write!(f, "ctl:{}", value(&ctl.to_string())),
            Self::Chain => f.write_str("chain"),
            Self::Skip(rules) => write!(f, "skip:{rules}"),
            Self::SkipAfter(marker) => write!(f, "skipAfter:{}", value(marker)),
            Self::Deny => f.write_str("deny"),
            Self::Drop => f.write_str("drop"),
            Self::Pass => f.write_str("pass"),
            Self::Block => f.write_str("block"),
            Self::Allow(Allow::Transaction) => f.write_str("allow"),
            Self::Allow(Allow::Phase) => f.write_str("allow:phase"),
            Self::Allow(Allow::Request) => f.write_str("allow:request"),
            Self::Redirect(url) => write!(f, "redirect:{}", text_value(&url.to_string())),
            Self::Status(status) => write!(f, "status:{status}"),
            Self::Log => f.write_str("log"),
            Self::NoLog => f.write_str("nolog"),
            Self::AuditLog => f.write_str("auditlog"),
            Self::NoAuditLog => f.write_str("noauditlog"),
        }
    }
}

impl Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Display for SetVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            collection,
            name,
            change,
        } = self;
        match change {
            Change::Unset => write!(f, "!{collection}.{name}"),
            Change::Set(to) => write!(f, "{collection}.{name}={to}"),
            Change::Add(by) => write!(f, "{collection}.{name}=+{by}"),
            Change::Subtract(by) => write!(f, "{collection}.{name}=-{by}"),
        }
    }
}

impl Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Display for Ctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleEngine(mode) => write!(f, "ruleEngine={mode}"),
            Self::AuditEngine(mode) => write!(f, "auditEngine={mode}"),
            Self::AuditLogParts(PartsChange::Set(parts)) => write!(f, "auditLogParts={parts}"),
            Self::AuditLogParts(PartsChange::Add(parts)) => write!(f, "auditLogParts=+{parts}"),
            Self::AuditLogParts(PartsChange::Remove(parts)) => write!(f, "auditLogParts=-{parts}"),
            Self::DebugLogLevel(level) => write!(f, "debugLogLevel={level}"),
            Self::RequestBodyAccess(on) => write!(f, "requestBodyAccess={}", on_off(*on)),
            Self::RequestBodyLimit(bytes) => write!(f, "requestBodyLimit={bytes}"),
            Self::RequestBodyProcessor(processor) => write!(f, "requestBodyProcessor={processor}"),
            Self::ForceRequestBodyVariable(on) => {
                write!(f, "forceRequestBodyVariable={}", on_off(*on))
            }
            Self::ResponseBodyAccess(on) => write!(f, "responseBodyAccess={}", on_off(*on)),
            Self::ResponseBodyLimit(bytes) => write!(f, "responseBodyLimit={bytes}"),
            Self::ResponseBodyProcessor(processor) => {
                write!(f, "responseBodyProcessor={processor}")
            }
            Self::ForceResponseBodyVariable(on) => {
                write!(f, "forceResponseBodyVariable={}", on_off(*on))
            }
            Self::RuleRemove(RuleChoice::Ids(ids)) => write!(f, "ruleRemoveById={ids}"),
            Self::RuleRemove(RuleChoice::Tag(tag)) => write!(f, "ruleRemoveByTag={tag}"),
            Self::RuleRemove(RuleChoice::Msg(msg)) => write!(f, "ruleRemoveByMsg={msg}"),
            Self::RuleRemoveTarget { rules, target } => match rules {
                RuleChoice::Ids(ids) => write!(f, "ruleRemoveTargetById={ids};{target}"),
                RuleChoice::Tag(tag) => write!(f, "ruleRemoveTargetByTag={tag};{target}"),
                RuleChoice::Msg(msg) => write!(f, "ruleRemoveTargetByMsg={msg};{target}"),
            },
            Self::HashEngine(on) => write!(f, "hashEngine={}", on_off(*on)),
            Self::HashEnforcement(on) => write!(f, "hashEnforcement={}", on_off(*on)),
        }
    }
}

pub(super) const fn on_off(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

/// A free text, in single quotes whatever it holds.
///
/// One that ends in a backslash stays bare, for the quote would be taken for an escaped one; the parser makes such a
/// value only from one without quotes and so without commas.
fn text_value(text: &str) -> String {
    if text.ends_with('\\') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "\\'"))
    }
}

/// A value in single quotes only where it would be read otherwise without.
fn value(text: &str) -> String {
    let special =
        text.is_empty() || text.contains(',') || text.starts_with('\'') || text.trim() != text;
    if special {
        text_value(text)
    } else {
        text.to_owned()
    }
}
