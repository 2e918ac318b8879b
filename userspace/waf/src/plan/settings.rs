//! What directives set up, with the defaults of ModSecurity's recommended configuration.

use std::sync::Arc;

use seclang::ast::{
    AuditLogFormat, AuditLogParts, AuditLogType, AuditMode, EngineMode, KeepFiles, LimitAction,
    Setting,
};

use super::error::{CompileErrorKind, CompileOptions};
use crate::operator::Regex;
use crate::transform::UnicodeMap;

/// Where rules want the audit log. Who runs them opens it; a policy's own word goes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditLogSettings {
    /// `SecAuditLog`
    pub path: Option<String>,
    /// `SecAuditLogFormat`; `None` where no rule file says one.
    pub format: Option<AuditLogFormat>,
    /// `SecAuditLogType`; `None` where no rule file says one.
    pub kind: Option<AuditLogType>,
}

/// Settings of a rule set. Every limit says what happens at it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) engine: EngineMode,
    pub(crate) audit: AuditMode,
    pub(crate) audit_parts: AuditLogParts,
    pub(crate) audit_log: AuditLogSettings,
    pub(crate) audit_relevant_status: Option<Regex>,
    pub(crate) argument_separator: u8,
    /// Arguments of query and body together; further ones are dropped, and a JSON body with more is an error of the body.
    pub(crate) arguments_limit: usize,
    pub(crate) request_body_access: bool,
    /// Bytes of a request body. A longer one is refused or cut, as `request_body_limit_action` says.
    pub(crate) request_body_limit: usize,
    pub(crate) request_body_limit_action: LimitAction,
    /// Bytes of a body without its files. A longer one is not parsed: an error of the body.
    pub(crate) request_body_no_files_limit: usize,
    /// Levels of a JSON body. A deeper one is an error of the body.
    pub(crate) json_depth_limit: usize,
    /// Files of a multipart body. Further ones set `MULTIPART_FILE_LIMIT_EXCEEDED`.
    pub(crate) upload_file_limit: usize,
    pub(crate) response_body_access: bool,
    pub(crate) response_body_limit: usize,
    pub(crate) response_body_limit_action: LimitAction,
    /// Types whose bodies are inspected, without parameters; the empty text stands for no type at all.
    pub(crate) response_body_types: Vec<String>,
    /// Steps of one pattern on one value. At it the pattern does not match and `TX:MSC_PCRE_LIMITS_EXCEEDED` is set.
    pub(crate) match_limit: u64,
    /// The map of `SecUnicodeMapFile`.
    pub(crate) unicode_map: Option<Arc<UnicodeMap>>,
    /// Seconds after its last change at which a record of a persistent collection expires.
    pub(crate) collection_timeout: u64,
    pub(crate) web_app_id: String,
    pub(crate) sensor_id: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            engine: EngineMode::On,
            audit: AuditMode::RelevantOnly,
            audit_parts: AuditLogParts::from_letters("ABFHZ").unwrap_or_default(),
            audit_log: AuditLogSettings::default(),
            audit_relevant_status: None,
            argument_separator: b'&',
            arguments_limit: 1000,
            request_body_access: true,
            request_body_limit: 13_107_200,
            request_body_limit_action: LimitAction::Reject,
            request_body_no_files_limit: 131_072,
            json_depth_limit: 512,
            upload_file_limit: 100,
            response_body_access: false,
            response_body_limit: 524_288,
            response_body_limit_action: LimitAction::ProcessPartial,
            response_body_types: vec!["text/plain".into(), "text/html".into(), "text/xml".into()],
            match_limit: 100_000,
            unicode_map: None,
            collection_timeout: 3600,
            web_app_id: String::new(),
            sensor_id: String::new(),
        }
    }
}

impl Settings {
    /// Takes over what a directive says. Those about files and logs are the caller's business; they are kept nowhere here.
    pub(crate) fn apply(
        &mut self,
        setting: &Setting,
        options: &CompileOptions,
    ) -> Result<(), CompileErrorKind> {
        let size = |bytes: &u64| usize::try_from(*bytes).unwrap_or(usize::MAX);
        match setting {
            Setting::ArgumentSeparator(byte) => self.argument_separator = *byte,
            Setting::ArgumentsLimit(limit) => self.arguments_limit = size(limit),
            Setting::AuditEngine(mode) => self.audit = *mode,
            Setting::AuditLogParts(parts) => self.audit_parts = *parts,
            Setting::AuditLogRelevantStatus(pattern) => {
                let regex = Regex::new(pattern, options.match_limit.unwrap_or(self.match_limit));
                self.audit_relevant_status = Some(regex.map_err(CompileErrorKind::Pattern)?);
            }
            Setting::CollectionTimeout(seconds) => self.collection_timeout = *seconds,
            Setting::PcreMatchLimit(steps) => self.match_limit = *steps,
            Setting::RequestBodyAccess(on) => self.request_body_access = *on,
            Setting::RequestBodyJsonDepthLimit(levels) => self.json_depth_limit = size(levels),
            Setting::RequestBodyLimit(bytes) => self.request_body_limit = size(bytes),
            Setting::RequestBodyLimitAction(action) => self.request_body_limit_action = *action,
            Setting::RequestBodyNoFilesLimit(bytes) => {
                self.request_body_no_files_limit = size(bytes);
            }
            Setting::ResponseBodyAccess(on) => self.response_body_access = *on,
            Setting::ResponseBodyLimit(bytes) => self.response_body_limit = size(bytes),
            Setting::ResponseBodyLimitAction(action) => self.response_body_limit_action = *action,
            Setting::ResponseBodyMimeType(types) => {
                let types = types.iter().map(|name| {
                    if name == "(null)" {
                        String::new()
                    } else {
                        name.to_ascii_lowercase()
                    }
                });
                self.response_body_types = types.collect();
            }
            Setting::ResponseBodyMimeTypesClear => self.response_body_types.clear(),
            Setting::RuleEngine(mode) => self.engine = *mode,
            Setting::SensorId(id) => self.sensor_id.clone_from(id),
            Setting::UploadFileLimit(files) => self.upload_file_limit = size(files),
            Setting::WebAppId(id) => self.web_app_id.clone_from(id),
            // Files of uploads would be the only thing that a request leaves behind on the host.
            Setting::UploadKeepFiles(KeepFiles::On | KeepFiles::RelevantOnly)
            | Setting::TmpSaveUploadedFiles(true) => {
                return Err(CompileErrorKind::Uploads);
            }
            Setting::AuditLog(path) => self.audit_log.path = Some(path.clone()),
            Setting::AuditLogFormat(format) => self.audit_log.format = Some(*format),
            Setting::AuditLogType(kind) => self.audit_log.kind = Some(*kind),
            Setting::AuditLog2(_)
            | Setting::AuditLogDirMode(_)
            | Setting::AuditLogFileMode(_)
            | Setting::AuditLogStorageDir(_)
            | Setting::CookieFormat(_)
            | Setting::DataDir(_)
            | Setting::DebugLog(_)
            | Setting::DebugLogLevel(_)
            | Setting::GeoLookupDb(_)
            | Setting::PcreMatchLimitRecursion(_)
            | Setting::RequestBodyInMemoryLimit(_)
            | Setting::ServerSignature(_)
            | Setting::TmpDir(_)
            | Setting::TmpSaveUploadedFiles(false)
            | Setting::UnicodeMapFile { .. }
            | Setting::UploadDir(_)
            | Setting::UploadFileMode(_)
            | Setting::UploadKeepFiles(KeepFiles::Off)
            | Setting::XmlExternalEntity(_) => {}
        }
        Ok(())
    }
}

/// What a setting does not do, where its author may expect it.
pub(super) const fn notice(setting: &Setting) -> Option<&'static str> {
    Some(match setting {
        Setting::XmlExternalEntity(true) => {
            "SecXmlExternalEntity On: no entity is loaded from elsewhere; a document that uses one is in error"
        }
        Setting::CookieFormat(1) => {
            "SecCookieFormat 1: cookies are split at `;` as those of format 0, which clients send"
        }
        _ => return None,
    })
}
