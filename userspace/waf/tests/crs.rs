//! The OWASP Core Rule Set on this engine: it loads without a word, and what makes it fast changes nothing. That its own tests
//! come out as they ask is tested through the proxy.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // These are tests.
mod common;

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use common::{Exchange, get, shared};
use serde_json::Value;
use waf::{
    CompileOptions, DirectoryCache, EngineError, Intervention, Mode, RuleMatch, RuleSet, Scratch,
    Transaction,
};

/// The rules with the settings of their test run, `changed` as a test wants. Reference data are read from where they lie.
fn document(changed: impl Fn(String) -> String) -> Option<seclang::Document> {
    let settings = std::fs::read_to_string(shared("waf/tests/engine-settings.conf")?).unwrap();
    let crs = shared("waf/crs")?;
    // Paths of the settings are relative to a folder that holds `crs/`; the map is not among the data.
    let settings = settings
        .replace("crs/crs-setup.conf", "crs/crs-setup.conf.example")
        .replace("SecUnicodeMapFile", "# SecUnicodeMapFile");
    let name = crs
        .parent()
        .unwrap_or(Path::new(""))
        .join("engine-settings.conf");
    let name = name.display().to_string();
    match seclang::load_str(&name, &changed(settings), &seclang::FsLoader) {
        Ok(document) => Some(document),
        Err(problems) => panic!("the CRS does not parse: {problems:#?}"),
    }
}

/// How rules are compiled.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Every rule looks at every value.
    Exact,
    /// Values are filtered, but not by the databases, as at the start of a service.
    WithoutDatabases,
    /// Values are filtered by all means.
    Gated,
}

fn compiled(document: &seclang::Document, form: Form) -> Arc<RuleSet> {
    // The databases take long to compile: they are kept from run to run.
    let kept = || {
        Arc::new(DirectoryCache::new(concat!(
            env!("CARGO_TARGET_TMPDIR"),
            "/databases"
        )))
    };
    let options = CompileOptions {
        gates: !matches!(form, Form::Exact),
        databases: matches!(form, Form::Gated).then(|| kept() as _),
        compile_databases: matches!(form, Form::Gated),
        ..CompileOptions::default()
    };
    let rules = RuleSet::compile(std::slice::from_ref(document), &options)
        .unwrap_or_else(|errors| panic!("{errors:#?}"));
    Arc::new(rules)
}

#[test]
fn the_crs_loads_without_a_word() {
    let Some(document) = document(|settings| settings) else {
        return;
    };
    let rules = compiled(&document, Form::Exact);
    assert!(rules.detection_rules() > 300, "{:?}", rules.stats());
    let notices: Vec<_> = rules.notices().iter().map(ToString::to_string).collect();
    assert!(notices.is_empty(), "{notices:#?}");
}

/// The package of the distribution, where it is installed. It asks a database of places that it does not bring, and block lists.
#[test]
fn the_crs_of_a_distribution_loads_without_an_untrue_word() {
    let file = Path::new("/usr/share/modsecurity-crs/owasp-crs.load");
    if !file.exists() {
        return;
    }
    let document = seclang::load(&[file], &seclang::FsLoader)
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let rules = compiled(&document, Form::Exact);
    assert!(rules.detection_rules() > 100, "{:?}", rules.stats());
    for notice in rules.notices() {
        let text = notice.to_string();
        let true_ones = ["@geoLookup finds nothing", "@rbl finds nothing"];
        assert!(true_ones.iter().any(|known| text.contains(known)), "{text}");
    }
}

/// A request as the bytes of the test have it. `None` where no HTTP front would hand it to a WAF.
fn exchange(raw: &[u8]) -> Option<Exchange> {
    let line_end = raw.windows(2).position(|window| window == b"\r\n")?;
    let line = &raw[..line_end];
    let method_end = line.iter().position(|&byte| byte == b' ')?;
    let protocol_start = line.iter().rposition(|&byte| byte == b' ')?;
    let (target, protocol) =
        if protocol_start > method_end && line[protocol_start + 1..].starts_with(b"HTTP/") {
            (
                &line[method_end + 1..protocol_start],
                &line[protocol_start + 1..],
            )
        } else {
            (&line[method_end + 1..], &b""[..])
        };
    let mut exchange = get("/");
    exchange.method = String::from_utf8_lossy(&line[..method_end]).into_owned();
    exchange.target = target.to_vec();
    exchange.protocol = String::from_utf8_lossy(protocol).into_owned();
    exchange.client = [127, 0, 0, 1].into();
    exchange.headers.clear();
    let mut rest = &raw[line_end + 2..];
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .unwrap_or(rest.len());
        let field = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        if field.is_empty() {
            break;
        }
        let colon = field.iter().position(|&byte| byte == b':')?;
        exchange.headers.push((
            String::from_utf8_lossy(&field[..colon]).into_owned(),
            field[colon + 1..].to_vec(),
        ));
    }
    let chunked = exchange.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("transfer-encoding")
            && value
                .to_ascii_lowercase()
                .windows(7)
                .any(|part| part == b"chunked")
    });
    exchange.body = if chunked {
        dechunk(rest)
    } else {
        rest.to_vec()
    };
    reflect(&mut exchange);
    Some(exchange)
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(size) = size.filter(|&size| size > 0) else {
            break;
        };
        let data = rest.get(end + 2..).unwrap_or_default();
        body.extend_from_slice(&data[..size.min(data.len())]);
        rest = data.get(size + 2..).unwrap_or_default();
    }
    body
}

/// What the reflecting backend of the tests answers.
fn reflect(exchange: &mut Exchange) {
    if exchange.method != "POST" || !exchange.target.starts_with(b"/reflect") {
        return;
    }
    let Ok(wanted) = serde_json::from_slice::<Value>(&exchange.body) else {
        return;
    };
    exchange.status = wanted["status"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|&status| status > 0)
        .unwrap_or(200);
    let decode = |text: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap_or_default()
    };
    exchange.response_body = match (wanted["body"].as_str(), wanted["encodedBody"].as_str()) {
        (Some(body), _) => body.as_bytes().to_vec(),
        (None, Some(encoded)) => decode(encoded),
        (None, None) => Vec::new(),
    };
    let content_type = wanted["headers"]["Content-Type"]
        .as_str()
        .map_or_else(|| sniff(&exchange.response_body), str::to_owned);
    exchange
        .response_headers
        .push(("Content-Type".into(), content_type));
}

/// The type that the backend would find for a body without one.
fn sniff(body: &[u8]) -> String {
    let start = body.trim_ascii_start().to_ascii_lowercase();
    let html: [&[u8]; 8] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<script",
        b"<title",
        b"<body",
        b"<h1",
        b"<!--",
    ];
    if html.iter().any(|tag| start.starts_with(tag)) {
        "text/html; charset=utf-8".into()
    } else if start.starts_with(b"<?xml") {
        "text/xml; charset=utf-8".into()
    } else if body
        .iter()
        .take(512)
        .any(|&byte| byte < 0x20 && !b"\t\n\r\x0c\x1b".contains(&byte))
    {
        "application/octet-stream".into()
    } else {
        "text/plain; charset=utf-8".into()
    }
}

/// What rules made of a request.
type Verdict = (Vec<RuleMatch>, Intervention, Option<EngineError>);

fn verdict(rules: &Arc<RuleSet>, exchange: &Exchange, scratch: &mut Scratch) -> Verdict {
    let mut transaction = Transaction::new(Arc::clone(rules), &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, scratch);
    (
        transaction.matches().to_vec(),
        transaction.intervention().clone(),
        transaction.error(),
    )
}

/// The requests of the regression tests with their names.
fn requests() -> Option<Vec<(String, Exchange)>> {
    let tests = std::fs::read_to_string(shared("waf/tests/crs-ftw-dev.jsonl")?).unwrap();
    let requests = tests.lines().flat_map(|line| {
        let test: Value = serde_json::from_str(line).unwrap();
        let stages = test["stages"].as_array().unwrap().clone();
        let name = test["id"].as_str().unwrap().to_owned();
        stages.into_iter().filter_map(move |stage| {
            let raw = base64::engine::general_purpose::STANDARD
                .decode(stage["raw_b64"].as_str().unwrap())
                .unwrap();
            Some((name.clone(), exchange(&raw)?))
        })
    });
    Some(requests.collect())
}

/// Whatever is done for speed, the same rules match the same values.
fn expect_the_same_verdicts(document: &seclang::Document, requests: &[(String, Exchange)]) {
    let [exact, without, gated] =
        [Form::Exact, Form::WithoutDatabases, Form::Gated].map(|form| compiled(document, form));
    std::thread::scope(|scope| {
        for part in requests.chunks(requests.len().div_ceil(2)) {
            let (exact, without, gated) = (&exact, &without, &gated);
            scope.spawn(move || {
                let [mut plain, mut fast, mut warm, mut met] =
                    std::array::from_fn(|_| Scratch::new());
                for (name, exchange) in part {
                    let expected = verdict(exact, exchange, &mut plain);
                    let found = verdict(without, exchange, &mut fast);
                    assert_eq!(found, expected, "{name} without databases");
                    // Twice: what was remembered of other requests, then of this one.
                    for round in ["warm", "hot"] {
                        let found = verdict(gated, exchange, &mut warm);
                        assert_eq!(found, expected, "{name}, {round}");
                    }
                    // Then of another request with the same head.
                    met.forget();
                    let other = Exchange {
                        target: b"/?q=autumn".to_vec(),
                        body: Vec::new(),
                        ..exchange.clone()
                    };
                    verdict(gated, &other, &mut met);
                    let found = verdict(gated, exchange, &mut met);
                    assert_eq!(found, expected, "{name}, its head is known");
                }
            });
        }
    });
}

#[test]
fn no_gate_changes_what_matches() {
    let (Some(document), Some(requests)) = (document(|settings| settings), requests()) else {
        return;
    };
    assert!(requests.len() > 3500, "{}", requests.len());
    expect_the_same_verdicts(&document, &requests);
}

#[test]
fn no_gate_changes_what_is_blocked() {
    let blocking = |settings: String| {
        settings
            .replace("SecRuleEngine DetectionOnly", "SecRuleEngine On")
            .replace("ctl:ruleEngine=DetectionOnly,", "")
            .replace("blocking_paranoia_level=4", "blocking_paranoia_level=1")
    };
    let (Some(document), Some(requests)) = (document(blocking), requests()) else {
        return;
    };
    expect_the_same_verdicts(&document, &requests);
}
