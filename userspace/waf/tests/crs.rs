//! The OWASP Core Rule Set on this engine: it loads, and its own regression tests give the verdicts they ask for.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use common::{Exchange, get, shared};
use serde_json::Value;
use waf::{CompileOptions, DirectoryCache, Mode, RuleSet, Scratch, Transaction};

/// Rules of the CRS that this engine cannot carry out yet, with the reason. May only shrink.
const UNSUPPORTED: &[(u64, &str)] = &[];

/// Tests that give another verdict than they ask for, with the reason. May only shrink.
const KNOWN_FAILURES: &[(&str, &str)] = &[];

/// Without optimisation every test of this many is run, so that the suite stays short; `BASCULE_ALL_TESTS` runs all of them.
const SAMPLE: usize = 10;

/// The CRS with the settings of its test run. Reference data are read from where they lie.
fn document() -> Option<seclang::Document> {
    let settings = std::fs::read_to_string(shared("waf/tests/engine-settings.conf")?).unwrap();
    let crs = shared("waf/crs")?;
    // Paths of the settings are relative to a folder that holds `crs/`.
    let settings = settings
        .replace("crs/crs-setup.conf", "crs/crs-setup.conf.example")
        .lines()
        .filter(|line| !line.starts_with("SecUnicodeMapFile"))
        .collect::<Vec<_>>()
        .join("\n");
    let name = crs
        .parent()
        .unwrap_or(Path::new(""))
        .join("engine-settings.conf");
    match seclang::load_str(&name.display().to_string(), &settings, &seclang::FsLoader) {
        Ok(document) => Some(document),
        Err(problems) => panic!("the CRS does not parse: {problems:#?}"),
    }
}

/// Takes out what is not supported, and checks that it is exactly that.
fn supported(mut document: seclang::Document) -> seclang::Document {
    let unsupported: BTreeSet<u64> = UNSUPPORTED.iter().map(|(id, _)| *id).collect();
    let errors = RuleSet::compile(
        std::slice::from_ref(&document),
        &CompileOptions {
            gates: false,
            ..CompileOptions::default()
        },
    );
    let errors = errors.err().unwrap_or_default();
    let found: BTreeSet<u64> = errors.iter().filter_map(|error| error.rule).collect();
    assert_eq!(found, unsupported, "{errors:#?}");
    document
        .directives
        .retain(|directive| match &directive.value {
            seclang::ast::Directive::Rule(rule) => !unsupported.contains(&rule.id()),
            _ => true,
        });
    document
}

fn rules(gates: bool) -> Option<Arc<RuleSet>> {
    let document = supported(document()?);
    // The databases take long to compile: they are kept from run to run.
    let databases = Arc::new(DirectoryCache::new(concat!(
        env!("CARGO_TARGET_TMPDIR"),
        "/databases"
    )));
    let options = CompileOptions {
        gates,
        databases: Some(databases),
        ..CompileOptions::default()
    };
    let started = std::time::Instant::now();
    let rules =
        RuleSet::compile(&[document], &options).unwrap_or_else(|errors| panic!("{errors:#?}"));
    println!("{:?} in {:?}", rules.stats(), started.elapsed());
    Some(Arc::new(rules))
}

#[test]
fn the_crs_loads_but_for_a_known_list() {
    let Some(rules) = rules(false) else { return };
    assert!(rules.detection_rules() > 300, "{:?}", rules.stats());
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

/// What a stage of a test misses, if anything.
fn judge(output: &Value, ids: &BTreeSet<u64>, log: &[String]) -> Option<String> {
    let list = |name: &str| -> BTreeSet<u64> {
        output[name]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect()
    };
    let missing: Vec<_> = list("expect_ids").difference(ids).copied().collect();
    if !missing.is_empty() {
        return Some(format!("misses {missing:?}"));
    }
    let unwanted: Vec<_> = list("no_expect_ids").intersection(ids).copied().collect();
    if !unwanted.is_empty() {
        return Some(format!("has {unwanted:?}"));
    }
    let matches = |pattern: &str| {
        let regex = regex::Regex::new(pattern).unwrap();
        log.iter().any(|line| regex.is_match(line))
    };
    if let Some(pattern) = output["match_regex"]
        .as_str()
        .filter(|pattern| !matches(pattern))
    {
        return Some(format!("no line matches {pattern}"));
    }
    if let Some(pattern) = output["no_match_regex"]
        .as_str()
        .filter(|pattern| matches(pattern))
    {
        return Some(format!("a line matches {pattern}"));
    }
    None
}

#[test]
fn the_regression_tests_of_the_crs() {
    let (Some(rules), Some(tests)) = (rules(true), shared("waf/tests/crs-ftw-dev.jsonl")) else {
        return;
    };
    let tests = std::fs::read_to_string(tests).unwrap();
    let mut scratch = Scratch::new();
    let naive = self::rules(false).unwrap();
    let mut compared = 0usize;
    let mut failures: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let (mut total, mut failed, mut unsupported, mut front) = (0, 0, 0, 0);
    let all = !cfg!(debug_assertions) || std::env::var_os("BASCULE_ALL_TESTS").is_some();
    for line in tests.lines().step_by(if all { 1 } else { SAMPLE }) {
        let test: Value = serde_json::from_str(line).unwrap();
        total += 1;
        let rule = test["rule_id"].as_u64().unwrap();
        if UNSUPPORTED.iter().any(|(id, _)| *id == rule) {
            unsupported += 1;
            continue;
        }
        for stage in test["stages"].as_array().unwrap() {
            let raw = base64::engine::general_purpose::STANDARD
                .decode(stage["raw_b64"].as_str().unwrap())
                .unwrap();
            let output = &stage["output"];
            // A stage that asks for a status of its own asks the front, not the engine.
            let Some(exchange) = exchange(&raw)
                .filter(|_| output["status"].is_null() && output["expect_error"].is_null())
            else {
                front += 1;
                continue;
            };
            let mut transaction =
                Transaction::new(Arc::clone(&rules), &exchange.connection(), Mode::Block);
            exchange.run(&mut transaction, &mut scratch);
            if compared.is_multiple_of(if all { 1 } else { 5 }) {
                let mut exact =
                    Transaction::new(Arc::clone(&naive), &exchange.connection(), Mode::Block);
                exchange.run(&mut exact, &mut scratch);
                assert_eq!(
                    transaction.matches(),
                    exact.matches(),
                    "the gates change {}",
                    test["id"]
                );
            }
            compared += 1;
            let logged: Vec<_> = transaction
                .matches()
                .iter()
                .filter(|matched| matched.log)
                .collect();
            let ids = logged.iter().map(|matched| matched.rule).collect();
            let log: Vec<String> = logged.iter().map(ToString::to_string).collect();
            if let Some(problem) = judge(output, &ids, &log) {
                failed += 1;
                let id = test["id"].as_str().unwrap();
                if !KNOWN_FAILURES.iter().any(|(known, _)| *known == id) {
                    failures
                        .entry(rule)
                        .or_default()
                        .push(format!("{id} {problem}"));
                }
            }
        }
    }
    println!(
        "{} of {total} pass; {failed} fail, {unsupported} test unsupported rules, {front} test the front",
        total - failed - unsupported - front
    );
    assert!(failures.is_empty(), "{failures:#?}");
}
