//! Actions: what a rule is called, what it stores and what it decides.

use super::names::names;
use super::operator::Operator;
use super::setting::{AuditLogParts, AuditMode, EngineMode};
use super::template::Template;
use super::transformation::Transformation;
use super::variable::Target;
use crate::Spanned;

/// The number of a rule, unique over everything that is loaded: 1 to [`crate::limits::RULE_ID`].
pub type RuleId = u64;

/// When a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// 1, when the request line and header are there.
    RequestHeaders = 1,
    /// 2 or `request`, when the request body is there.
    RequestBody = 2,
    /// 3, when the response header is there.
    ResponseHeaders = 3,
    /// 4 or `response`, when the response body is there.
    ResponseBody = 4,
    /// 5 or `logging`, at the end.
    Logging = 5,
}

impl Phase {
    /// 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// How grave a match is; the number is the one of syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Severity {
    /// 0
    Emergency = 0,
    /// 1
    Alert = 1,
    /// 2
    Critical = 2,
    /// 3
    Error = 3,
    /// 4
    Warning = 4,
    /// 5
    Notice = 5,
    /// 6
    Info = 6,
    /// 7
    Debug = 7,
}

impl Severity {
    /// The words, by number.
    pub const NAMES: [&'static str; 8] = [
        "EMERGENCY",
        "ALERT",
        "CRITICAL",
        "ERROR",
        "WARNING",
        "NOTICE",
        "INFO",
        "DEBUG",
    ];

    /// 0 to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

names! {
    /// A collection that rules can write to.
    pub enum Collection {
        /// Lives as long as the transaction.
        Tx = "tx",
        /// Persistent, one for all.
        Global = "global",
        /// Persistent, one an address.
        Ip = "ip",
        /// Persistent, one a resource.
        Resource = "resource",
        /// Persistent, one a session.
        Session = "session",
        /// Persistent, one a user.
        User = "user",
    }
}

/// `setvar:collection.name=value`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetVar {
    /// Where.
    pub collection: Collection,
    /// What, compared without case.
    pub name: Template,
    /// How.
    pub change: Change,
}

/// What `setvar` does to the variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// `=value`; a bare name stores `1`.
    Set(Template),
    /// `=+value`
    Add(Template),
    /// `=-value`
    Subtract(Template),
    /// `!` before the collection.
    Unset,
}

/// What the audit log hides of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sanitise {
    /// `sanitiseArg:name`: the value of an argument.
    Arg(String),
    /// `sanitiseRequestHeader:name`
    RequestHeader(String),
    /// `sanitiseResponseHeader:name`
    ResponseHeader(String),
    /// `sanitiseMatched`: the value that matched.
    Matched,
    /// `sanitiseMatchedBytes:1/4`: of the value that matched, all but so many bytes at both ends.
    MatchedBytes {
        /// Bytes that stay at the front.
        front: u32,
        /// Bytes that stay at the back.
        back: u32,
    },
}

/// How much `allow` lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allow {
    /// `allow`: all phases but logging.
    Transaction,
    /// `allow:phase`: the rest of this phase.
    Phase,
    /// `allow:request`: the phases of the request.
    Request,
}

/// One action of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// `id:942100`
    Id(RuleId),
    /// `phase:2`
    Phase(Phase),
    /// `severity:CRITICAL`
    Severity(Severity),
    /// `msg:'...'`
    Msg(Template),
    /// `logdata:'...'`
    LogData(Template),
    /// `tag:'attack-sqli'`; stands as often as there are tags.
    Tag(Template),
    /// `ver:'...'`, the version of the rule set.
    Ver(String),
    /// `rev:'...'`, the revision of the rule.
    Rev(String),
    /// `maturity:0` to 9.
    Maturity(u8),
    /// `accuracy:0` to 9.
    Accuracy(u8),

    /// `t:lowercase`; in order.
    Transform(Transformation),
    /// `multiMatch`: inspect after every transformation that changed something.
    MultiMatch,
    /// `capture`: fill `TX:0` to `TX:9`.
    Capture,
    /// `xmlns:prefix=uri`, for XPath selectors.
    XmlNamespace {
        /// The prefix.
        prefix: String,
        /// What it stands for.
        uri: String,
    },

    /// `setvar:tx.score=+5`
    SetVar(SetVar),
    /// `expirevar:ip.counter=60`
    ExpireVar {
        /// Where.
        collection: Collection,
        /// What.
        name: Template,
        /// After how many seconds.
        seconds: Template,
    },
    /// `deprecatevar:session.score=60/300`
    DeprecateVar {
        /// Where.
        collection: Collection,
        /// What, a number.
        name: Template,
        /// How much is taken off.
        amount: Template,
        /// In how many seconds.
        period: Template,
    },
    /// `sanitiseArg:password` and its kin: the audit log shows asterisks. The spelling with `z` is read too.
    Sanitise(Sanitise),
    /// `initcol:ip=%{REMOTE_ADDR}`
    InitCol {
        /// Which collection is opened.
        collection: Collection,
        /// Under which key.
        key: Template,
    },
    /// `setenv:name=value`
    SetEnv {
        /// The name in `ENV`.
        name: Template,
        /// Its value.
        value: Template,
    },
    /// `setsid:...` opens `SESSION`.
    SetSid(Template),
    /// `setuid:...` opens `USER`.
    SetUid(Template),
    /// `setrsc:...` opens `RESOURCE`.
    SetRsc(Template),
    /// `ctl:option=value`
    Ctl(Ctl),

    /// `chain`: the next rule is a further condition of this one.
    Chain,
    /// `skip:n` rules.
    Skip(u32),
    /// `skipAfter:MARKER`
    SkipAfter(String),

    /// `deny`: answer with `status`, 403 by default.
    Deny,
    /// `drop`: close the connection.
    Drop,
    /// `pass`: go on.
    Pass,
    /// `block`: what `SecDefaultAction` of the phase says.
    Block,
    /// `allow`: let pass without further rules.
    Allow(Allow),
    /// `redirect:url`
    Redirect(Template),
    /// `status:403`, the status that a disruptive action answers with: 100 to 599.
    Status(u16),

    /// `log`
    Log,
    /// `nolog`
    NoLog,
    /// `auditlog`
    AuditLog,
    /// `noauditlog`
    NoAuditLog,
}

impl Action {
    /// Whether it decides what becomes of the transaction.
    #[must_use]
    pub const fn is_disruptive(&self) -> bool {
        matches!(
            self,
            Self::Deny | Self::Drop | Self::Pass | Self::Block | Self::Allow(_) | Self::Redirect(_)
        )
    }
}

/// Rules from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The lowest id.
    pub first: RuleId,
    /// The highest id.
    pub last: RuleId,
}

impl IdRange {
    /// Whether a rule is meant.
    #[must_use]
    pub const fn contains(self, id: RuleId) -> bool {
        self.first <= id && id <= self.last
    }
}

names! {
    /// Who parses a body.
    pub enum BodyProcessor {
        /// `application/x-www-form-urlencoded`
        Urlencoded = "URLENCODED",
        /// `multipart/form-data`
        Multipart = "MULTIPART",
        /// JSON
        Json = "JSON",
        /// XML
        Xml = "XML",
        /// Nobody: the bytes as they are.
        Raw = "RAW",
    }
}

/// What `ctl:auditLogParts` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartsChange {
    /// `=ABZ`
    Set(AuditLogParts),
    /// `=+E`
    Add(AuditLogParts),
    /// `=-E`
    Remove(AuditLogParts),
}

/// Which rules a `ctl:ruleRemoveTarget...` means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleChoice {
    /// `ById`
    Ids(IdRange),
    /// `ByTag`
    Tag(String),
    /// `ByMsg`
    Msg(String),
}

/// A change of the engine for the rest of this transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ctl {
    /// `ruleEngine=DetectionOnly`
    RuleEngine(EngineMode),
    /// `auditEngine=Off`
    AuditEngine(AuditMode),
    /// `auditLogParts=+E`
    AuditLogParts(PartsChange),
    /// `debugLogLevel=9`
    DebugLogLevel(u8),
    /// `requestBodyAccess=Off`
    RequestBodyAccess(bool),
    /// `requestBodyLimit=bytes`
    RequestBodyLimit(u64),
    /// `requestBodyProcessor=JSON`
    RequestBodyProcessor(BodyProcessor),
    /// `forceRequestBodyVariable=On`
    ForceRequestBodyVariable(bool),
    /// `responseBodyAccess=Off`
    ResponseBodyAccess(bool),
    /// `responseBodyLimit=bytes`
    ResponseBodyLimit(u64),
    /// `responseBodyProcessor=JSON`
    ResponseBodyProcessor(BodyProcessor),
    /// `forceResponseBodyVariable=On`
    ForceResponseBodyVariable(bool),
    /// `ruleRemoveById=1-999`, `ruleRemoveByTag=`, `ruleRemoveByMsg=`
    RuleRemove(RuleChoice),
    /// `ruleRemoveTargetById=942100;ARGS:q`, `ByTag`, `ByMsg`. The target's usage is always [`super::Use::Values`].
    RuleRemoveTarget {
        /// Whose target.
        rules: RuleChoice,
        /// Which one.
        target: Target,
    },
    /// `hashEngine=`, accepted and without effect.
    HashEngine(bool),
    /// `hashEnforcement=`, accepted and without effect.
    HashEnforcement(bool),
}

/// One link of a chain: the starter has the id, the phase and what is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `None` for `SecAction`, which always matches.
    pub condition: Option<Condition>,
    /// As written, [`Action::Chain`] included, in order.
    pub actions: Vec<Spanned<Action>>,
}

/// What a `SecRule` looks at and asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// At least one is not an exclusion.
    pub targets: Vec<Spanned<Target>>,
    /// The test.
    pub operator: Spanned<Operator>,
}

/// A `SecRule` or `SecAction` with the rules chained to it.
///
/// The starter has an id (a `SecAction` may have none) and, where it names none, phase 2. The chained links have neither, nor a
/// disruptive action, nor `skip` or `skipAfter`. A chain that the end of its file cut off ends in a link with [`Action::Chain`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The first link.
    pub starter: Spanned<Link>,
    /// The other links.
    pub chained: Vec<Spanned<Link>>,
}

impl Rule {
    /// The id; 0 for an action without one.
    #[must_use]
    pub fn id(&self) -> RuleId {
        let id = self
            .starter
            .actions
            .iter()
            .rev()
            .find_map(|action| match action.value {
                Action::Id(id) => Some(id),
                _ => None,
            });
        id.unwrap_or(0)
    }

    /// The phase of the whole chain.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = self
            .starter
            .actions
            .iter()
            .rev()
            .find_map(|action| match action.value {
                Action::Phase(phase) => Some(phase),
                _ => None,
            });
        phase.unwrap_or(Phase::RequestBody)
    }

    /// Whether the end of the file cut the chain off: it then never matches as a whole.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let last = self.chained.last().unwrap_or(&self.starter);
        let chain = |action: &Spanned<Action>| action.value == Action::Chain;
        last.actions.iter().any(chain)
    }

    /// All links, the starter first.
    pub fn links(&self) -> impl Iterator<Item = &Spanned<Link>> {
        std::iter::once(&self.starter).chain(&self.chained)
    }
}
