//! Arguments of the directives that set the engine up.

use std::fmt;

use super::names::names;

names! {
    /// `SecRuleEngine`
    pub enum EngineMode {
        /// Rules run and decide.
        On = "On",
        /// No rule runs.
        Off = "Off",
        /// Rules run and log, nothing is blocked.
        DetectionOnly = "DetectionOnly",
    }
}

names! {
    /// `SecAuditEngine`
    pub enum AuditMode {
        /// Every transaction is logged.
        On = "On",
        /// None is.
        Off = "Off",
        /// Those that matched a rule with `auditlog` or whose status is relevant.
        RelevantOnly = "RelevantOnly",
    }
}

names! {
    /// `SecAuditLogFormat`
    pub enum AuditLogFormat {
        /// One object a line.
        Json = "JSON",
        /// Parts between boundaries.
        Native = "Native",
    }
}

names! {
    /// `SecAuditLogType`
    pub enum AuditLogType {
        /// One file for all.
        Serial = "Serial",
        /// A file each and an index.
        Concurrent = "Concurrent" | "Parallel",
        /// Posted to a collector.
        Https = "HTTPS",
    }
}

names! {
    /// What happens at the limit of a body.
    pub enum LimitAction {
        /// The transaction is refused.
        Reject = "Reject",
        /// What is there up to the limit is inspected.
        ProcessPartial = "ProcessPartial",
    }
}

names! {
    /// `SecUploadKeepFiles`
    pub enum KeepFiles {
        /// All are kept.
        On = "On",
        /// None is.
        Off = "Off",
        /// Those of transactions that are logged.
        RelevantOnly = "RelevantOnly",
    }
}

/// A directive that sets the engine up: its name without `Sec`, and its typed argument. Later ones win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `SecArgumentSeparator`, a single byte.
    ArgumentSeparator(u8),
    /// `SecArgumentsLimit`, a number of arguments.
    ArgumentsLimit(u64),
    /// `SecAuditEngine`
    AuditEngine(AuditMode),
    /// `SecAuditLog`, a path.
    AuditLog(String),
    /// `SecAuditLog2`, a path.
    AuditLog2(String),
    /// `SecAuditLogDirMode`, a Unix mode; `None` is `default`.
    AuditLogDirMode(Option<u32>),
    /// `SecAuditLogFileMode`, a Unix mode; `None` is `default`.
    AuditLogFileMode(Option<u32>),
    /// `SecAuditLogFormat`
    AuditLogFormat(AuditLogFormat),
    /// `SecAuditLogParts`
    AuditLogParts(AuditLogParts),
    /// `SecAuditLogRelevantStatus`, a regular expression.
    AuditLogRelevantStatus(String),
    /// `SecAuditLogStorageDir`, a path.
    AuditLogStorageDir(String),
    /// `SecAuditLogType`
    AuditLogType(AuditLogType),
    /// `SecCollectionTimeout`, seconds.
    CollectionTimeout(u64),
    /// `SecCookieFormat`: 0 (Netscape) or 1.
    CookieFormat(u8),
    /// `SecDataDir`, a path.
    DataDir(String),
    /// `SecDebugLog`, a path.
    DebugLog(String),
    /// `SecDebugLogLevel`: 0 to 9.
    DebugLogLevel(u8),
    /// `SecGeoLookupDb`, a path.
    GeoLookupDb(String),
    /// `SecPcreMatchLimit`, steps.
    PcreMatchLimit(u64),
    /// `SecPcreMatchLimitRecursion`, depth.
    PcreMatchLimitRecursion(u64),
    /// `SecRequestBodyAccess`
    RequestBodyAccess(bool),
    /// `SecRequestBodyInMemoryLimit`, bytes.
    RequestBodyInMemoryLimit(u64),
    /// `SecRequestBodyJsonDepthLimit`, levels.
    RequestBodyJsonDepthLimit(u64),
    /// `SecRequestBodyLimit`, bytes.
    RequestBodyLimit(u64),
    /// `SecRequestBodyLimitAction`
    RequestBodyLimitAction(LimitAction),
    /// `SecRequestBodyNoFilesLimit`, bytes.
    RequestBodyNoFilesLimit(u64),
    /// `SecResponseBodyAccess`
    ResponseBodyAccess(bool),
    /// `SecResponseBodyLimit`, bytes.
    ResponseBodyLimit(u64),
    /// `SecResponseBodyLimitAction`
    ResponseBodyLimitAction(LimitAction),
    /// `SecResponseBodyMimeType`, types without parameters; `(null)` is a response without one.
    ResponseBodyMimeType(Vec<String>),
    /// `SecResponseBodyMimeTypesClear`
    ResponseBodyMimeTypesClear,
    /// `SecRuleEngine`
    RuleEngine(EngineMode),
    /// `SecSensorId`
    SensorId(String),
    /// `SecServerSignature`
    ServerSignature(String),
    /// `SecTmpDir`, a path.
    TmpDir(String),
    /// `SecTmpSaveUploadedFiles`
    TmpSaveUploadedFiles(bool),
    /// `SecUnicodeMapFile`
    UnicodeMapFile {
        /// The path.
        file: String,
        /// The code page of it that is meant; the engine chooses when there is none.
        code_page: Option<u32>,
    },
    /// `SecUploadDir`, a path.
    UploadDir(String),
    /// `SecUploadFileLimit`, a number of files.
    UploadFileLimit(u64),
    /// `SecUploadFileMode`, a Unix mode; `None` is `default`.
    UploadFileMode(Option<u32>),
    /// `SecUploadKeepFiles`
    UploadKeepFiles(KeepFiles),
    /// `SecWebAppId`
    WebAppId(String),
    /// `SecXmlExternalEntity`
    XmlExternalEntity(bool),
}

names! {
    /// Directives that are accepted, because configurations of other engines hold them, and do nothing here.
    pub enum NoOp {
        /// We never cache transformations across transactions.
        CacheTransformations = "SecCacheTransformations",
        /// Connections are limited by the listener, not by rules.
        ConnEngine = "SecConnEngine",
        /// Connections are limited by the listener, not by rules.
        ConnReadStateLimit = "SecConnReadStateLimit",
        /// Connections are limited by the listener, not by rules.
        ConnWriteStateLimit = "SecConnWriteStateLimit",
        /// `Off` only: nothing is written into responses.
        ContentInjection = "SecContentInjection",
        /// Cookies are split at `;` alone.
        CookieV0Separator = "SecCookieV0Separator",
        /// `Off` only: what the backend sends is passed on.
        DisableBackendCompression = "SecDisableBackendCompression",
        /// Google ended the service.
        GsbLookupDb = "SecGsbLookupDb",
        /// `Off` only: links are not signed.
        HashEngine = "SecHashEngine",
        /// Links are not signed.
        HashKey = "SecHashKey",
        /// Links are not signed.
        HashMethodPm = "SecHashMethodPm",
        /// Links are not signed.
        HashMethodRx = "SecHashMethodRx",
        /// Links are not signed.
        HashParam = "SecHashParam",
        /// The key of a service that `@rbl` does not use here.
        HttpBlKey = "SecHttpBlKey",
        /// `Off` only: a rule that does not compile is an error.
        IgnoreRuleCompilationErrors = "SecIgnoreRuleCompilationErrors",
        /// `Off` only: an error of the engine is handled by the site's failure mode.
        InterceptOnError = "SecInterceptOnError",
        /// Rules are not fetched from elsewhere, so there is nothing to fail.
        RemoteRulesFailAction = "SecRemoteRulesFailAction",
        /// `Off` only: a site's rules are the ones that it names.
        RuleInheritance = "SecRuleInheritance",
        /// What rules cost is measured otherwise.
        RulePerfTime = "SecRulePerfTime",
        /// Patterns are always filtered first.
        RxPreFilter = "SecRxPreFilter",
        /// Nothing is reported to anybody.
        StatusEngine = "SecStatusEngine",
        /// `Off` only: bodies are inspected as a whole.
        StreamInBodyInspection = "SecStreamInBodyInspection",
        /// `Off` only: bodies are inspected as a whole.
        StreamOutBodyInspection = "SecStreamOutBodyInspection",
        /// The word of Coraza that stands for a built-in map.
        UnicodeMap = "SecUnicodeMap",
    }
}

/// A set of parts of the audit log, `A` to `K` and `Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AuditLogParts(u32);

impl AuditLogParts {
    /// The letters there are.
    pub const LETTERS: &'static str = "ABCDEFGHIJKZ";

    /// The set of these letters, whatever their case; the first that is no part otherwise.
    ///
    /// # Errors
    /// A character that is not in [`Self::LETTERS`].
    pub fn from_letters(letters: &str) -> Result<Self, char> {
        letters.chars().try_fold(Self(0), |parts, letter| {
            let upper = letter.to_ascii_uppercase();
            if Self::LETTERS.contains(upper) {
                Ok(Self(parts.0 | Self::bit(upper)))
            } else {
                Err(letter)
            }
        })
    }

    /// Whether the part of this letter, in upper case, is in the set.
    #[must_use]
    pub fn contains(self, letter: char) -> bool {
        self.0 & Self::bit(letter) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn bit(letter: char) -> u32 {
        Self::LETTERS.find(letter).map_or(0, |index| 1 << index)
    }
}

impl fmt::Display for AuditLogParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::LETTERS
            .chars()
            .filter(|letter| self.contains(*letter))
            .try_for_each(|letter| write!(f, "{letter}"))
    }
}
