//! The rules that ship in `rules/`: each has requests that it must match and requests that it must not.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail and say so"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Exchange, get};
use seclang::ast::{Action, RuleId};
use seclang::{Document, FsLoader, Source};
use serde::Deserialize;
use waf::{CompileOptions, Intervention, Mode, RuleSet, Scratch, Transaction};

/// Requests of each kind that every rule has at least.
const AT_LEAST: usize = 2;

/// The tests of rules that count from paranoia level 2 on.
const STRICT_FILE: &str = "bascule-70-strict.yaml";

/// What a corpus calls its requests that are no attack.
const ORDINARY: &str = "norm";

/// The range of ids that `rules/README.md` promises.
const IDS: std::ops::RangeInclusive<RuleId> = 9_500_000..=9_599_999;

fn rules() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules")).to_owned()
}

fn load() -> Document {
    seclang::load(&[rules().join("*.conf")], &FsLoader)
        .unwrap_or_else(|errors| panic!("{}", shown(&errors)))
}

fn shown(errors: &[impl ToString]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The tests of one rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: RuleId,
    #[serde(rename = "match")]
    matching: Vec<Request>,
    no_match: Vec<Request>,
}

/// A request: the text of the query argument `q`, or in full.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Request {
    Text(String),
    Full(Box<Full>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Full {
    method: Option<String>,
    /// The request target as it goes over the wire; `/` by default.
    uri: Option<String>,
    /// Arguments that are percent-encoded and appended to the target.
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    /// Arguments that are percent-encoded into the body.
    form: BTreeMap<String, String>,
    /// The name of a file that is uploaded as multipart.
    file: Option<String>,
    json: Option<String>,
    body: Option<String>,
}

impl Request {
    fn exchange(&self) -> Exchange {
        match self {
            Self::Text(text) => exchange(&Full {
                query: BTreeMap::from([("q".to_owned(), text.clone())]),
                ..Full::default()
            }),
            Self::Full(request) => exchange(request),
        }
    }
}

fn exchange(request: &Full) -> Exchange {
    let mut target = request.uri.clone().unwrap_or_else(|| "/".to_owned());
    if !request.query.is_empty() {
        target = format!("{target}?{}", encoded(&request.query));
    }
    let mut exchange = get(&target);
    for (name, value) in &request.headers {
        exchange = exchange.with(name, value.as_bytes());
    }
    let (content_type, body) = if !request.form.is_empty() {
        (
            Some("application/x-www-form-urlencoded"),
            encoded(&request.form),
        )
    } else if let Some(name) = &request.file {
        let part = format!("Content-Disposition: form-data; name=\"upload\"; filename=\"{name}\"");
        let body =
            format!("--xyz\r\n{part}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n");
        (Some("multipart/form-data; boundary=xyz"), body)
    } else if let Some(json) = &request.json {
        (Some("application/json"), json.clone())
    } else {
        (None, request.body.clone().unwrap_or_default())
    };
    if let Some(content_type) = content_type {
        exchange = exchange.with("Content-Type", content_type);
    }
    let method = if body.is_empty() { "GET" } else { "POST" };
    exchange.method = request.method.clone().unwrap_or_else(|| method.to_owned());
    exchange.body = body.into_bytes();
    exchange
}

/// As a browser encodes a form.
fn encoded(arguments: &BTreeMap<String, String>) -> String {
    let word = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                    char::from(byte).to_string()
                }
                b' ' => "+".to_owned(),
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let pairs = arguments
        .iter()
        .map(|(name, value)| format!("{}={}", word(name), word(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn cases() -> Vec<(String, Case)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(rules().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("bascule-") {
            let text = std::fs::read_to_string(&path).unwrap();
            let cases: Vec<Case> =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            found.extend(cases.into_iter().map(|case| (name.clone(), case)));
        }
    }
    found
}

/// What stands before the rules of a policy with `paranoia: 2`.
const STRICT: &str =
    "SecAction \"id:9599998,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=2\"\n";

struct Engine {
    rules: Arc<RuleSet>,
    scratch: Scratch,
}

impl Engine {
    fn new() -> Self {
        Self::of(&[load()])
    }

    /// At paranoia level 2.
    fn strict() -> Self {
        let first = seclang::parse_str("paranoia level", STRICT);
        Self::of(&[
            first.unwrap_or_else(|errors| panic!("{}", shown(&errors))),
            load(),
        ])
    }

    fn of(documents: &[Document]) -> Self {
        let rules = RuleSet::compile(documents, &CompileOptions::default());
        let rules = Arc::new(rules.unwrap_or_else(|errors| panic!("{}", shown(&errors))));
        let scratch = Scratch::new();
        Self { rules, scratch }
    }

    /// What becomes of a request and the ids of the logged rules that matched.
    fn judge(&mut self, exchange: &Exchange) -> (Intervention, Vec<RuleId>) {
        let mut transaction =
            Transaction::new(Arc::clone(&self.rules), &exchange.connection(), Mode::Block);
        exchange.run(&mut transaction, &mut self.scratch);
        assert!(transaction.error().is_none(), "{:?}", transaction.error());
        let ids = transaction
            .matches()
            .iter()
            .map(|matched| matched.rule)
            .collect();
        (transaction.intervention().clone(), ids)
    }
}

#[test]
fn each_rule_matches_what_it_must_and_nothing_that_it_must_not() {
    let (mut ordinary, mut strict) = (Engine::new(), Engine::strict());
    let mut wrong = Vec::new();
    for (file, case) in cases() {
        let engine = if file == STRICT_FILE {
            &mut strict
        } else {
            &mut ordinary
        };
        for request in &case.matching {
            let (_, ids) = engine.judge(&request.exchange());
            if !ids.contains(&case.rule) {
                wrong.push(format!(
                    "{file}: {} must match {request:?}; matched: {ids:?}",
                    case.rule
                ));
            }
        }
        for request in &case.no_match {
            let (_, ids) = engine.judge(&request.exchange());
            if ids.contains(&case.rule) {
                wrong.push(format!("{file}: {} must not match {request:?}", case.rule));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_rule_that_reports_has_tests() {
    let document = load();
    let reporting = document.rules().filter(|rule| {
        let actions = &rule.starter.actions;
        actions
            .iter()
            .any(|action| matches!(action.value, Action::Msg(_)))
    });
    let known: BTreeSet<RuleId> = reporting.map(seclang::ast::Rule::id).collect();
    let mut tested: BTreeMap<RuleId, (usize, usize)> = BTreeMap::new();
    for (_, case) in cases() {
        let (matching, other) = tested.entry(case.rule).or_default();
        *matching += case.matching.len();
        *other += case.no_match.len();
    }
    let lacking: Vec<&RuleId> = known
        .iter()
        .filter(|id| {
            tested
                .get(id)
                .is_none_or(|(matching, other)| *matching < AT_LEAST || *other < AT_LEAST)
        })
        .collect();
    assert!(
        lacking.is_empty(),
        "rules with fewer than {AT_LEAST} tests of each kind: {lacking:?}"
    );
    let unknown: Vec<&RuleId> = tested.keys().filter(|id| !known.contains(id)).collect();
    assert!(
        unknown.is_empty(),
        "tests of rules that do not exist: {unknown:?}"
    );
}

#[test]
fn ordinary_requests_pass_without_a_match() {
    let text = std::fs::read_to_string(rules().join("tests/benign.yaml")).unwrap();
    let requests: Vec<Request> = serde_saphyr::from_str(&text).unwrap();
    assert!(requests.len() >= 60, "only {} requests", requests.len());
    let mut engine = Engine::new();
    let mut wrong = Vec::new();
    for request in &requests {
        let (intervention, ids) = engine.judge(&request.exchange());
        if intervention != Intervention::None || !ids.is_empty() {
            wrong.push(format!("{request:?}: {ids:?} {intervention:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn rules_say_who_they_are_and_what_they_cost() {
    for rule in load().rules() {
        let id = rule.id();
        // A chain scores with its last link, which runs when all others matched.
        let has = |wanted: fn(&Action) -> bool| {
            let mut actions = rule.links().flat_map(|link| &link.actions);
            actions.any(|action| wanted(&action.value))
        };
        assert!(IDS.contains(&id), "{id} is out of range");
        if !(9_520_000..9_590_000).contains(&id) {
            continue;
        }
        assert!(
            has(|action| matches!(action, Action::Msg(_))),
            "{id} has no msg"
        );
        assert!(
            has(|action| matches!(action, Action::LogData(_))),
            "{id} has no logdata"
        );
        assert!(
            has(|action| matches!(action, Action::Severity(_))),
            "{id} has no severity"
        );
        assert!(
            has(|action| matches!(action, Action::Tag(_))),
            "{id} has no tag"
        );
        assert!(
            has(|action| matches!(action, Action::SetVar(_))),
            "{id} adds no score"
        );
    }
}

#[test]
fn the_files_are_in_canonical_form() {
    for source in load().sources.iter().map(Source::name) {
        let text = std::fs::read_to_string(source).unwrap();
        let document =
            seclang::parse_str(source, &text).unwrap_or_else(|errors| panic!("{}", shown(&errors)));
        assert!(
            seclang::format(&document) == text,
            "{source} is not formatted"
        );
    }
}

/// One row of a corpus of attacks and of ordinary values.
#[derive(Deserialize)]
struct Row {
    #[serde(rename = "type")]
    kind: String,
    expect: String,
    payload: String,
    raw_b64: String,
}

/// The request of a row, which is a whole request as it goes over the wire.
fn parsed(raw: &[u8]) -> Exchange {
    let text = String::from_utf8_lossy(raw);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap().splitn(3, ' ');
    let method = words.next().unwrap().to_owned();
    let mut exchange = get(words.next().unwrap());
    exchange.headers.clear();
    exchange.method = method;
    exchange.body = body.as_bytes().to_vec();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        exchange = exchange.with(name, value.trim().as_bytes());
    }
    exchange
}

/// Runs a corpus. (kind, rows, blocked) for each kind, and the ordinary values that were blocked.
fn run_corpus(file: &Path) -> (BTreeMap<String, (usize, usize)>, Vec<String>) {
    use base64::Engine as _;
    let mut engine = Engine::new();
    let (mut counts, mut blocked_in_error) =
        (BTreeMap::<String, (usize, usize)>::new(), Vec::new());
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        let raw = base64::engine::general_purpose::STANDARD
            .decode(&row.raw_b64)
            .unwrap();
        let (intervention, ids) = engine.judge(&parsed(&raw));
        let blocked = !intervention.is_none();
        let (rows, hits) = counts.entry(row.kind.clone()).or_default();
        *rows += 1;
        *hits += usize::from(blocked);
        if row.expect == "allow" && blocked {
            blocked_in_error.push(format!("{:?} by {ids:?}", row.payload));
        } else if !blocked && row.expect == "block" && std::env::var_os("SHOW_MISSED").is_some() {
            println!("missed ({}): {}", row.kind, row.payload);
        }
    }
    (counts, blocked_in_error)
}

/// The least that is blocked of a corpus: file, kind, percent. It may only grow.
const FLOORS: &[(&str, &str, usize)] = &[
    ("httpparams-dev.jsonl", "sqli", 99),
    ("httpparams-dev.jsonl", "xss", 97),
    ("httpparams-dev.jsonl", "cmdi", 100),
    ("httpparams-dev.jsonl", "path-traversal", 96),
    ("wordlists-attack-dev.jsonl", "Command Injection", 95),
    ("wordlists-attack-dev.jsonl", "Directory Traversal", 98),
    ("wordlists-attack-dev.jsonl", "File Inclusion", 90),
    ("wordlists-attack-dev.jsonl", "NoSQL Injection", 99),
    ("wordlists-attack-dev.jsonl", "Open Redirect", 85),
    ("wordlists-attack-dev.jsonl", "SQL Injection", 95),
    (
        "wordlists-attack-dev.jsonl",
        "Server Side Template Injection",
        99,
    ),
    ("wordlists-attack-dev.jsonl", "XXE Injection", 90),
    ("wordlists-attack-dev.jsonl", "lfi", 99),
    ("wordlists-attack-dev.jsonl", "path-traversal", 99),
    ("wordlists-attack-dev.jsonl", "server-side-include", 99),
];

/// The least mean, in percent, of attacks blocked and ordinary requests passed where a corpus has both.
const BALANCED: f64 = 99.5;

#[test]
fn corpora_are_told_apart() {
    for file in ["httpparams-dev.jsonl", "wordlists-attack-dev.jsonl"] {
        let Some(path) = common::shared(&format!("waf/tests/{file}")) else {
            return;
        };
        let (counts, blocked_in_error) = run_corpus(&path);
        for (kind, (rows, blocked)) in &counts {
            println!("{file}: {kind}: {blocked} of {rows} blocked");
        }
        assert!(
            blocked_in_error.is_empty(),
            "{}",
            blocked_in_error.join("\n")
        );
        for (_, kind, percent) in FLOORS.iter().filter(|(of, _, _)| *of == file) {
            let (rows, blocked) = counts.get(*kind).copied().unwrap_or_default();
            assert!(
                rows > 0 && blocked * 100 >= rows * percent,
                "{file}: only {blocked} of {rows} {kind} are blocked"
            );
        }
        if let Some(balanced) = balanced_percent(&counts) {
            println!("{file}: balanced accuracy {balanced:.2} %");
            assert!(balanced >= BALANCED, "{file}: {balanced:.2} %");
        }
    }
}

/// The mean of attacks that are blocked and ordinary requests that pass; `None` for a corpus of attacks alone.
fn balanced_percent(counts: &BTreeMap<String, (usize, usize)>) -> Option<f64> {
    let (ordinary, refused) = counts.get(ORDINARY).copied()?;
    let attacks = counts.iter().filter(|(kind, _)| *kind != ORDINARY);
    let (rows, blocked) = attacks.fold((0, 0), |(rows, blocked), (_, count)| {
        (rows + count.0, blocked + count.1)
    });
    let percent = |part: usize, of: usize| {
        let part = u32::try_from(part).unwrap();
        100.0 * f64::from(part) / f64::from(u32::try_from(of).unwrap())
    };
    Some(f64::midpoint(
        percent(blocked, rows),
        percent(ordinary - refused, ordinary),
    ))
}
