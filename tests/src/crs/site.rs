//! The configuration that the tests of the Core Rule Set are run with.

use crate::{Bascule, Origin, Setup};
use std::fs;
use std::path::{Path, PathBuf};

/// The engine's settings, as the authors of the rules recommend them: everything is looked at and nothing blocked.
const ENGINE: &str = r#"
SecRuleEngine DetectionOnly
SecAuditEngine On
SecAuditLogParts ABHZ

SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecArgumentSeparator &
SecCookieFormat 0
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000

SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial

# Who reads a body: by its type.
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" \
    "id:200000,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/json" \
    "id:200001,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON"

# A body that could not be read was not inspected.
SecRule REQBODY_ERROR "!@eq 0" \
    "id:200002,phase:2,deny,status:400,log,t:none,severity:2,msg:'The request body cannot be parsed',logdata:'%{reqbody_error_msg}'"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
    "id:200003,phase:2,deny,status:400,log,t:none,msg:'The multipart body is not strictly valid'"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" \
    "id:200004,phase:2,deny,log,t:none,msg:'The multipart body may have a boundary that was not matched'"
SecRule TX:/^MSC_/ "!@streq 0" \
    "id:200005,phase:2,deny,log,t:none,msg:'The engine could not finish: %{MATCHED_VAR_NAME}'"
SecRule &ARGS "@ge 1000" \
    "id:200007,phase:2,deny,status:400,log,t:none,severity:2,msg:'There are more arguments than are parsed'"
"#;

/// What the tests take as given, between the set-up and the rules. Version 3 has another name for the paranoia level.
const POLICY: &str = r#"
SecAction "id:900005,phase:1,pass,nolog,ctl:ruleEngine=DetectionOnly,\
    setvar:tx.blocking_paranoia_level=4,\
    setvar:tx.paranoia_level=4,\
    setvar:tx.crs_validate_utf8_encoding=1,\
    setvar:tx.arg_name_length=100,\
    setvar:tx.arg_length=400,\
    setvar:tx.total_arg_length=64000,\
    setvar:tx.max_num_args=255,\
    setvar:tx.max_file_size=64100,\
    setvar:tx.combined_file_sizes=65535"
"#;

/// The file that records go to.
const AUDIT: &str = "audit.json";

/// Starts the program with the rules of a folder, before an endpoint.
///
/// # Errors
/// When the folder does not hold the rules.
///
/// # Panics
/// When the program does not start.
pub(super) fn start(crs: &Path, origin: &Origin) -> Result<Bascule, String> {
    let rules = crs
        .join("rules")
        .canonicalize()
        .map_err(|error| format!("{}: {error}", crs.join("rules").display()))?;
    let yaml = format!(
        "
        listeners: [{{ name: web, address: $web, length_beside_coding: drop }}]
        waf:
          crs:
            rules: [engine.conf, \"{}\", policy.conf, \"{}/*.conf\"]
            audit_log: {AUDIT}
        routes: [{{ path: /, waf: crs, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$app] }} }}
        log: {{ level: info, access: access.json }}
        ",
        set_up(crs)?.display(),
        rules.display()
    );
    Ok(Setup::new()
        .with("app", origin.address())
        .file("engine.conf", ENGINE)
        .file("policy.conf", POLICY)
        .start(&yaml))
}

/// Where the records are.
#[must_use]
pub(super) fn audit_log(bascule: &Bascule) -> PathBuf {
    bascule.path(AUDIT)
}

/// The set-up file: beside the rules as the project ships them, or where the distribution's file says.
fn set_up(crs: &Path) -> Result<PathBuf, String> {
    let beside = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| crs.join(name));
    let named = fs::read_to_string(crs.join("owasp-crs.load")).unwrap_or_default();
    let named = named
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1).map(PathBuf::from))
        .filter(|path| path.ends_with("crs-setup.conf"));
    beside
        .into_iter()
        .chain(named)
        .find_map(|path| path.canonicalize().ok())
        .ok_or_else(|| format!("{}: no crs-setup.conf, and none is named", crs.display()))
}
