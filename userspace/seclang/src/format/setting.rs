//! Settings in their canonical form.

use std::fmt::{self, Display};

use super::action::on_off;
use super::word;
use crate::ast::Setting;

impl Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = match self {
            Self::ArgumentSeparator(byte) => {
                ("SecArgumentSeparator", char::from(*byte).to_string())
            }
            Self::ArgumentsLimit(count) => ("SecArgumentsLimit", count.to_string()),
            Self::AuditEngine(mode) => ("SecAuditEngine", mode.to_string()),
            Self::AuditLog(path) => ("SecAuditLog", path.clone()),
            Self::AuditLog2(path) => ("SecAuditLog2", path.clone()),
            Self::AuditLogDirMode(bits) => ("SecAuditLogDirMode", mode(*bits)),
            Self::AuditLogFileMode(bits) => ("SecAuditLogFileMode", mode(*bits)),
            Self::AuditLogFormat(format) => ("SecAuditLogFormat", format.to_string()),
            Self::AuditLogParts(parts) => ("SecAuditLogParts", parts.to_string()),
            Self::AuditLogRelevantStatus(regex) => ("SecAuditLogRelevantStatus", regex.clone()),
            Self::AuditLogStorageDir(path) => ("SecAuditLogStorageDir", path.clone()),
            Self::AuditLogType(kind) => ("SecAuditLogType", kind.to_string()),
            Self::CollectionTimeout(seconds) => ("SecCollectionTimeout", seconds.to_string()),
            Self::CookieFormat(version) => ("SecCookieFormat", version.to_string()),
            Self::DataDir(path) => ("SecDataDir", path.clone()),
            Self::DebugLog(path) => ("SecDebugLog", path.clone()),
            Self::DebugLogLevel(level) => ("SecDebugLogLevel", level.to_string()),
            Self::GeoLookupDb(path) => ("SecGeoLookupDb", path.clone()),
            Self::PcreMatchLimit(steps) => ("SecPcreMatchLimit", steps.to_string()),
            Self::PcreMatchLimitRecursion(depth) => {
                ("SecPcreMatchLimitRecursion", depth.to_string())
            }
            Self::RequestBodyAccess(on) => ("SecRequestBodyAccess", on_off(*on).to_owned()),
            Self::RequestBodyInMemoryLimit(bytes) => {
                ("SecRequestBodyInMemoryLimit", bytes.to_string())
            }
            Self::RequestBodyJsonDepthLimit(levels) => {
                ("SecRequestBodyJsonDepthLimit", levels.to_string())
            }
            Self::RequestBodyLimit(bytes) => ("SecRequestBodyLimit", bytes.to_string()),
            Self::RequestBodyLimitAction(action) => {
                ("SecRequestBodyLimitAction", action.to_string())
            }
            Self::RequestBodyNoFilesLimit(bytes) => {
                ("SecRequestBodyNoFilesLimit", bytes.to_string())
            }
            Self::ResponseBodyAccess(on) => ("SecResponseBodyAccess", on_off(*on).to_owned()),
            Self::ResponseBodyLimit(bytes) => ("SecResponseBodyLimit", bytes.to_string()),
            Self::ResponseBodyLimitAction(action) => {
                ("SecResponseBodyLimitAction", action.to_string())
            }
            Self::ResponseBodyMimeType(types) => {
                f.write_str("SecResponseBodyMimeType")?;
                return types
                    .iter()
                    .try_for_each(|kind| write!(f, " {}", word(kind)));
            }
            Self::ResponseBodyMimeTypesClear => {
                return f.write_str("SecResponseBodyMimeTypesClear");
            }
            Self::RuleEngine(mode) => ("SecRuleEngine", mode.to_string()),
            Self::SensorId(id) => ("SecSensorId", id.clone()),
            Self::ServerSignature(text) => ("SecServerSignature", text.clone()),
            Self::TmpDir(path) => ("SecTmpDir", path.clone()),
            Self::TmpSaveUploadedFiles(on) => ("SecTmpSaveUploadedFiles", on_off(*on).to_owned()),
            Self::UnicodeMapFile { file, code_page } => {
                write!(f, "SecUnicodeMapFile {}", word(file))?;
                return code_page.map_or(Ok(()), |page| write!(f, " {page}"));
            }
            Self::UploadDir(path) => ("SecUploadDir", path.clone()),
            Self::UploadFileLimit(files) => ("SecUploadFileLimit", files.to_string()),
            Self::UploadFileMode(bits) => ("SecUploadFileMode", mode(*bits)),
            Self::UploadKeepFiles(keep) => ("SecUploadKeepFiles", keep.to_string()),
            Self::WebAppId(id) => ("SecWebAppId", id.clone()),
            Self::XmlExternalEntity(on) => ("SecXmlExternalEntity", on_off(*on).to_owned()),
        };
        write!(f, "{name} {}", word(&value))
    }
}

fn mode(bits: Option<u32>) -> String {
    bits.map_or_else(|| "default".to_owned(), |bits| format!("{bits:04o}"))
}
