//! Directives that set the engine up, and those that do nothing or are refused.

use super::value::{expect, number, on_off};
use crate::ast::{
    AuditLogFormat, AuditLogParts, AuditLogType, AuditMode, Directive, EngineMode, KeepFiles,
    LimitAction, NoOp, Setting,
};
use crate::diagnostic::Problems;
use crate::lexer::Statement;
use crate::mapped::Mapped;
use crate::problem::{Problem, WordKind};

/// Every setting, in its canonical spelling.
pub(super) const SETTINGS: [&str; 44] = [
    "SecArgumentSeparator",
    "SecArgumentsLimit",
    "SecAuditEngine",
    "SecAuditLog",
    "SecAuditLog2",
    "SecAuditLogDirMode",
    "SecAuditLogFileMode",
    "SecAuditLogFormat",
    "SecAuditLogParts",
    "SecAuditLogRelevantStatus",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecCollectionTimeout",
    "SecCookieFormat",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecGeoLookupDb",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecRequestBodyAccess",
    "SecRequestBodyInMemoryLimit",
    "SecRequestBodyJsonDepthLimit",
    "SecRequestBodyLimit",
    "SecRequestBodyLimitAction",
    "SecRequestBodyNoFilesLimit",
    "SecResponseBodyAccess",
    "SecResponseBodyLimit",
    "SecResponseBodyLimitAction",
    "SecResponseBodyMimeType",
    "SecResponseBodyMimeTypesClear",
    "SecRuleEngine",
    "SecSensorId",
    "SecServerSignature",
    "SecTmpDir",
    "SecTmpSaveUploadedFiles",
    "SecUnicodeMapFile",
    "SecUploadDir",
    "SecUploadFileLimit",
    "SecUploadFileMode",
    "SecUploadKeepFiles",
    "SecWebAppId",
    "SecXmlExternalEntity",
    // ModSecurity 2 spells it so.
    "SecXMLExternalEntity",
];

const CANNOT_CHANGE_ROOT: &str = "confine the process with the service manager";
const NO_SCRIPTS: &str = "no scripts are run from rules; express it in SecLang";

/// Directives of other engines that change what is decided and that we do not have. Those that are fine while they say
/// `Off` are in [`off_only`].
pub(super) const REFUSED: [(&str, &str); 4] = [
    ("SecChrootDir", CANNOT_CHANGE_ROOT),
    (
        "SecGuardianLog",
        "no programs are run; read the access log instead",
    ),
    (
        "SecRemoteRules",
        "fetch the rules to a file and include that",
    ),
    ("SecRuleScript", NO_SCRIPTS),
];

/// A setting by its name; `None` if the directive is none or its arguments do not fit.
pub(super) fn setting(
    name: &'static str,
    statement: &Statement,
    problems: &mut Problems,
) -> Option<Setting> {
    let arguments = &statement.arguments;
    match name {
        "SecResponseBodyMimeTypesClear" => {
            exactly(statement, 0, "no argument", problems)?;
            return Some(Setting::ResponseBodyMimeTypesClear);
        }
        "SecResponseBodyMimeType" if !arguments.is_empty() => {
            let types = arguments
                .iter()
                .flat_map(|word| word.text().split_ascii_whitespace());
            return Some(Setting::ResponseBodyMimeType(
                types.map(str::to_owned).collect(),
            ));
        }
        "SecUnicodeMapFile" => return unicode_map(statement, problems),
        _ => {}
    }
    let argument = one(statement, problems)?;
    let text = argument.text().trim();
    let (found, expected) = path_or_text(name, text)
        .or_else(|| count(name, text))
        .unwrap_or_else(|| choice(name, text));
    expect(found, name, expected, argument, problems)
}

/// Paths and free texts: anything but nothing.
fn path_or_text(name: &str, text: &str) -> Option<(Option<Setting>, &'static str)> {
    let to: fn(String) -> Setting = match name {
        "SecAuditLog" => Setting::AuditLog,
        "SecAuditLog2" => Setting::AuditLog2,
        "SecAuditLogRelevantStatus" => Setting::AuditLogRelevantStatus,
        "SecAuditLogStorageDir" => Setting::AuditLogStorageDir,
        "SecDataDir" => Setting::DataDir,
        "SecDebugLog" => Setting::DebugLog,
        "SecGeoLookupDb" => Setting::GeoLookupDb,
        "SecSensorId" => Setting::SensorId,
        "SecServerSignature" => Setting::ServerSignature,
        "SecTmpDir" => Setting::TmpDir,
        "SecUploadDir" => Setting::UploadDir,
        "SecWebAppId" => Setting::WebAppId,
        _ => return None,
    };
    let expected = match name {
        "SecAuditLogRelevantStatus" => "a regular expression",
        "SecSensorId" | "SecServerSignature" | "SecWebAppId" => "a text",
        _ => "a path",
    };
    Some(((!text.is_empty()).then(|| to(text.to_owned())), expected))
}

/// Numbers.
fn count(name: &str, text: &str) -> Option<(Option<Setting>, &'static str)> {
    const BYTES: &str = "a number of bytes";
    let (to, expected): (fn(u64) -> Setting, _) = match name {
        "SecArgumentsLimit" => (Setting::ArgumentsLimit, "a number of arguments"),
        "SecCollectionTimeout" => (Setting::CollectionTimeout, "a number of seconds"),
        "SecPcreMatchLimit" => (Setting::PcreMatchLimit, "a number of steps"),
        "SecPcreMatchLimitRecursion" => (Setting::PcreMatchLimitRecursion, "a depth"),
        "SecRequestBodyInMemoryLimit" => (Setting::RequestBodyInMemoryLimit, BYTES),
        "SecRequestBodyJsonDepthLimit" => {
            (Setting::RequestBodyJsonDepthLimit, "a number of levels")
        }
        "SecRequestBodyLimit" => (Setting::RequestBodyLimit, BYTES),
        "SecRequestBodyNoFilesLimit" => (Setting::RequestBodyNoFilesLimit, BYTES),
        "SecResponseBodyLimit" => (Setting::ResponseBodyLimit, BYTES),
        "SecUploadFileLimit" => (Setting::UploadFileLimit, "a number of files"),
        _ => return None,
    };
    Some((number(text).map(to), expected))
}

/// One of a few words, a byte or a mode.
fn choice(name: &str, text: &str) -> (Option<Setting>, &'static str) {
    const MODE: &str = "an octal mode such as 0640, or default";
    const LIMIT: &str = "Reject or ProcessPartial";
    let switch = |to: fn(bool) -> Setting| (on_off(text).map(to), "On or Off");
    match name {
        "SecArgumentSeparator" => match text.as_bytes() {
            [byte] if byte.is_ascii() => (Some(Setting::ArgumentSeparator(*byte)), ""),
            _ => (None, "one ASCII character"),
        },
        "SecAuditEngine" => (
            AuditMode::from_name(text).map(Setting::AuditEngine),
            "On, Off or RelevantOnly",
        ),
        "SecAuditLogDirMode" => (mode(text).map(Setting::AuditLogDirMode), MODE),
        "SecAuditLogFileMode" => (mode(text).map(Setting::AuditLogFileMode), MODE),
        "SecUploadFileMode" => (mode(text).map(Setting::UploadFileMode), MODE),
        "SecAuditLogFormat" => (
            AuditLogFormat::from_name(text).map(Setting::AuditLogFormat),
            "JSON or Native",
        ),
        "SecAuditLogParts" => (
            AuditLogParts::from_letters(text)
                .ok()
                .map(Setting::AuditLogParts),
            "letters A to K and Z",
        ),
        "SecAuditLogType" => (
            AuditLogType::from_name(text).map(Setting::AuditLogType),
            "Serial, Concurrent or HTTPS",
        ),
        "SecCookieFormat" => (
            number(text)
                .filter(|format| *format <= 1)
                .map(Setting::CookieFormat),
            "0 or 1",
        ),
        "SecDebugLogLevel" => (
            number(text)
                .filter(|level| *level <= 9)
                .map(Setting::DebugLogLevel),
            "a level from 0 to 9",
        ),
        "SecRequestBodyLimitAction" => (
            LimitAction::from_name(text).map(Setting::RequestBodyLimitAction),
            LIMIT,
        ),
        "SecResponseBodyLimitAction" => (
            LimitAction::from_name(text).map(Setting::ResponseBodyLimitAction),
            LIMIT,
        ),
        "SecRuleEngine" => (
            EngineMode::from_name(text).map(Setting::RuleEngine),
            "On, Off or DetectionOnly",
        ),
        "SecUploadKeepFiles" => (
            KeepFiles::from_name(text).map(Setting::UploadKeepFiles),
            "On, Off or RelevantOnly",
        ),
        "SecRequestBodyAccess" => switch(Setting::RequestBodyAccess),
        "SecResponseBodyAccess" => switch(Setting::ResponseBodyAccess),
        "SecTmpSaveUploadedFiles" => switch(Setting::TmpSaveUploadedFiles),
        _ => switch(Setting::XmlExternalEntity),
    }
}

fn mode(text: &str) -> Option<Option<u32>> {
    if text.eq_ignore_ascii_case("default") {
        return Some(None);
    }
    let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o7777)?;
    Some(Some(mode))
}

fn unicode_map(statement: &Statement, problems: &mut Problems) -> Option<Setting> {
    match statement.arguments.as_slice() {
        [file] if !file.text().is_empty() => Some(Setting::UnicodeMapFile {
            file: file.text().to_owned(),
            code_page: None,
        }),
        [file, page] if !file.text().is_empty() => {
            let code_page = number(page.text());
            let expected = "a file and the number of a code page";
            let code_page = expect(code_page, "SecUnicodeMapFile", expected, page, problems)?;
            Some(Setting::UnicodeMapFile {
                file: file.text().to_owned(),
                code_page: Some(code_page),
            })
        }
        _ => wrong_count(statement, "a file and the number of a code page", problems),
    }
}

/// A directive without effect, or one that is accepted only while it says `Off`.
pub(super) fn no_op(
    directive: NoOp,
    statement: &Statement,
    problems: &mut Problems,
) -> Option<Directive> {
    if let Some(reason) = off_only(directive) {
        let argument = one(statement, problems)?;
        if on_off(argument.text()) != Some(false) {
            let kind = WordKind::Directive;
            let word = format!("{directive} {}", argument.text());
            problems.add(statement.span, Problem::Refused { kind, word, reason });
            return None;
        }
    }
    Some(Directive::NoOp {
        directive,
        arguments: statement
            .arguments
            .iter()
            .map(|word| word.text().to_owned())
            .collect(),
    })
}

/// Why anything but `Off` is refused.
const fn off_only(directive: NoOp) -> Option<&'static str> {
    const STREAM: &str = "bodies are inspected as a whole; write `Off`";
    Some(match directive {
        NoOp::ContentInjection => "responses are not rewritten by rules; write `Off`",
        NoOp::DisableBackendCompression => {
            "remove Accept-Encoding in the route instead; write `Off`"
        }
        NoOp::HashEngine => "links are not signed here; write `Off`",
        NoOp::IgnoreRuleCompilationErrors => {
            "a rule that does not compile protects nobody; write `Off`"
        }
        NoOp::InterceptOnError => "the site's failure mode decides that; write `Off`",
        NoOp::RuleInheritance => "a site's rules are the ones that it names; write `Off`",
        NoOp::StreamInBodyInspection | NoOp::StreamOutBodyInspection => STREAM,
        _ => return None,
    })
}

/// The only argument.
pub(super) fn one<'a>(statement: &'a Statement, problems: &mut Problems) -> Option<&'a Mapped> {
    match statement.arguments.as_slice() {
        [argument] => Some(argument),
        _ => wrong_count(statement, "one argument", problems),
    }
}

pub(super) fn exactly(
    statement: &Statement,
    count: usize,
    expected: &'static str,
    problems: &mut Problems,
) -> Option<()> {
    if statement.arguments.len() == count {
        return Some(());
    }
    wrong_count(statement, expected, problems)
}

pub(super) fn wrong_count<T>(
    statement: &Statement,
    expected: &'static str,
    problems: &mut Problems,
) -> Option<T> {
    problems.add(
        statement.span,
        Problem::ArgumentCount {
            directive: statement.name.text().to_owned(),
            expected,
            found: statement.arguments.len(),
        },
    );
    None
}
