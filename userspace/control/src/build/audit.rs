//! Audit logs of policies: opened once for each place, and what a policy's words about them come to as directives.

use super::Site;
use crate::audit_sinks::AuditPlace;
use config::{AuditFormat, AuditLog, AuditWhich, Entry, WafPolicy};
use proxy::AuditTarget;
use seclang::ast::{AuditLogFormat, AuditLogType};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waf::RuleSet;

/// What a policy says about its records, in the words of rules.
pub(super) fn directives(log: &AuditLog) -> String {
    let mut text = String::new();
    let which = log.which.map(|which| match which {
        AuditWhich::Relevant => "RelevantOnly",
        AuditWhich::All => "On",
        AuditWhich::Off => "Off",
    });
    // Writing to a String cannot fail.
    if let Some(which) = which {
        let _ = writeln!(text, "SecAuditEngine {which}");
    }
    if let Some(parts) = &log.parts {
        let _ = writeln!(text, "SecAuditLogParts {}", parts.0);
    }
    if let Some(status) = &log.relevant_status {
        let escaped = status.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "SecAuditLogRelevantStatus \"{escaped}\"");
    }
    text
}

/// Opens the log that a policy names, or else the one that its rules name.
pub(super) fn open(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    rules: &RuleSet,
) -> Option<AuditTarget> {
    let wanted = rules.audit_log();
    let Some(log) = &entry.value.audit_log else {
        let place = place_of_rules(site, entry, wanted)?;
        let format = match wanted.format {
            Some(AuditLogFormat::Native) => proxy::AuditFormat::Native,
            Some(AuditLogFormat::Json) | None => proxy::AuditFormat::Json,
        };
        let sink = sink(site, place, None, |site, found| {
            let remedy = "name a log with `audit_log`, or make the folder";
            site.warning(entry.name.span, format!("SecAuditLog: {found}"), remedy);
        })?;
        return Some(AuditTarget { sink, format });
    };
    let format = match log.format {
        AuditFormat::Json => proxy::AuditFormat::Json,
        AuditFormat::Native => proxy::AuditFormat::Native,
    };
    let place = AuditPlace::of(log)?;
    let span = log.file.as_ref().map_or(entry.name.span, |file| file.span);
    let sink = sink(site, place, Some(log), |site, found| {
        site.file_error(span, found, "check the folder and who may write to it");
    })?;
    Some(AuditTarget { sink, format })
}

/// Where SecAuditLog wants the log.
fn place_of_rules(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    wanted: &waf::AuditLogSettings,
) -> Option<AuditPlace> {
    let path = wanted.path.as_ref()?;
    match wanted.kind {
        Some(AuditLogType::Https) => return Some(AuditPlace::Http(path.clone())),
        Some(AuditLogType::Concurrent) => site.warning(
            entry.name.span,
            "SecAuditLogType Concurrent: all records go to the one file of SecAuditLog",
            "set SecAuditLogType Serial, which is what happens",
        ),
        Some(AuditLogType::Serial) | None => {}
    }
    let path = PathBuf::from(path);
    if path.is_absolute() {
        return Some(AuditPlace::File(path));
    }
    // Relative to the configuration, as its own paths are.
    let folder = site.path.parent().unwrap_or(Path::new(""));
    Some(AuditPlace::File(folder.join(path)))
}

fn sink(
    site: &mut Site<'_>,
    place: AuditPlace,
    log: Option<&AuditLog>,
    refuse: impl FnOnce(&mut Site<'_>, String),
) -> Option<proxy::LineSink> {
    if site.dry {
        return None;
    }
    let known = site.after.audit_logs.get(&place);
    let known = known
        .or_else(|| site.before.audit_logs.get(&place))
        .cloned();
    let writer = match known {
        Some(writer) => writer,
        None => match place.open(log) {
            Ok(writer) => Arc::new(writer),
            Err(error) => {
                let found = match &place {
                    AuditPlace::File(path) => {
                        format!("`{}` cannot be written: {error}", path.display())
                    }
                    AuditPlace::Syslog(name) | AuditPlace::Http(name) => {
                        format!("`{name}` cannot be used: {error}")
                    }
                };
                refuse(site, found);
                return None;
            }
        },
    };
    let sink = writer.sink();
    site.after.audit_logs.insert(place, writer);
    Some(sink)
}
