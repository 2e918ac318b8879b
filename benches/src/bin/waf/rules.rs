//! The rule files of a run: settings, the CRS's own set-up, a paranoia level, the CRS, and a customer's rules on request.

use crate::options::Options;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What both engines run with: as ModSecurity recommends it, with blocking on and the audit log off.
const SETTINGS: &str = r#"SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecResponseBodyAccess Off
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,t:none,log,deny,status:400,msg:'The request body does not parse'"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,t:none,log,deny,status:400,msg:'The multipart body is not strict'"
"#;

/// Writes the main file for a paranoia level. Data files of `ours` lie beside the rules, so both read the same.
pub(crate) fn write(options: &Options, level: u8, ours: bool) -> Result<PathBuf, String> {
    let crs = std::path::absolute(&options.crs).map_err(|error| error.to_string())?;
    let beside = crs.join("crs-setup.conf.example");
    let setup = options.setup.as_ref().unwrap_or(&beside);
    let crs = crs.display();
    let mut text = SETTINGS.to_owned();
    if options.worst {
        // Long bodies shall come as far as the work limit.
        text.push_str("SecRequestBodyNoFilesLimit 13107200\n");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Include {}", setup.display());
    let _ = writeln!(
        text,
        "SecAction \"id:900005,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level},setvar:tx.detection_paranoia_level={level},setvar:tx.paranoia_level={level},setvar:tx.executing_paranoia_level={level}\""
    );
    let _ = writeln!(text, "Include {crs}/rules/*.conf");
    if ours {
        text.push_str(&customer(options.extra));
    }
    let path = options.out.join(if ours {
        format!("rules-{level}.conf")
    } else {
        format!("peer-{level}.conf")
    });
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Rules such as people write for their own applications: names of scripts and parameters, tokens, product codes, bad bots.
fn customer(count: usize) -> String {
    const NOUNS: &[&str] = &[
        "account", "basket", "coupon", "device", "export", "folder", "gateway", "handler",
        "import", "journal", "ledger", "module", "notice", "plugin", "report", "tenant",
    ];
    let noun = |index: usize| NOUNS.get(index % NOUNS.len()).copied().unwrap_or_default();
    let mut text = String::new();
    for index in 0..count {
        let (first, second) = (noun(index), noun(index / 16 + index));
        let (target, pattern) = match index % 5 {
            0 => (
                "REQUEST_FILENAME",
                format!(r"(?i)/{first}[-_]{second}{index}\.(?:php|aspx?|jsp)$"),
            ),
            1 => (
                "ARGS",
                format!(r"(?i)\b{first}_{index}\s*\(\s*['\x22]?{second}"),
            ),
            2 => (
                "ARGS|ARGS_NAMES|REQUEST_COOKIES",
                format!(r"^{first}:[a-f0-9]{{8}}-{index}:{second}$"),
            ),
            3 => (
                "REQUEST_HEADERS:User-Agent",
                format!(r"(?i){first}(?:bot|crawler|spider)/{index}\.\d+"),
            ),
            _ => (
                "ARGS|REQUEST_BODY",
                format!(r"(?i)<{first}{index}[^>]{{0,100}}\b{second}\s*="),
            ),
        };
        let _ = writeln!(
            text,
            "SecRule {target} \"@rx {pattern}\" \"id:{},phase:2,t:none,t:urlDecodeUni,deny,status:403,log,msg:'customer rule'\"",
            1_000_000 + index
        );
    }
    text
}
