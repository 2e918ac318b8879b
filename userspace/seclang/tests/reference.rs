//! Parses the OWASP Core Rule Set and the settings it is tested with, where they are at hand.

use std::path::{Path, PathBuf};

use seclang::ast::{Directive, Document};
use seclang::parse_str;

/// The reference data, or `None` (with a word about it) on a machine without them.
#[allow(clippy::print_stdout, reason = "a test that skips says so")]
fn reference() -> Option<PathBuf> {
    let root = std::env::var_os("BASCULE_SHARED").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).to_owned(),
        PathBuf::from,
    );
    let found = root.join("waf").is_dir().then(|| root.join("waf"));
    if found.is_none() {
        println!("skipped: reference data not found");
    }
    found
}

fn parse(path: &Path) -> Document {
    let text = std::fs::read_to_string(path).expect("the file is readable");
    parse_str(&path.display().to_string(), &text).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    })
}

fn core_rule_set(root: &Path) -> Vec<PathBuf> {
    let mut files = vec![root.join("crs/crs-setup.conf.example")];
    let rules = std::fs::read_dir(root.join("crs/rules")).expect("a directory of rules");
    files.extend(rules.map(|entry| entry.expect("an entry").path()));
    files.retain(|path| path.extension().is_none_or(|extension| extension != "data"));
    files.sort();
    files
}

#[test]
fn the_core_rule_set_parses_with_the_counts_of_the_inventory() {
    let Some(root) = reference() else { return };
    let documents: Vec<Document> = core_rule_set(&root)
        .iter()
        .map(|path| parse(path))
        .collect();
    let directives = || documents.iter().flat_map(|document| &document.directives);
    let links = || {
        documents
            .iter()
            .flat_map(Document::rules)
            .flat_map(seclang::ast::Rule::links)
    };
    let count =
        |wanted: fn(&Directive) -> bool| directives().filter(|directive| wanted(directive)).count();

    assert_eq!(
        links().filter(|link| link.condition.is_some()).count(),
        695,
        "SecRule"
    );
    assert_eq!(
        links().filter(|link| link.condition.is_none()).count(),
        8,
        "SecAction"
    );
    assert_eq!(
        count(|d| matches!(d, Directive::Marker(_))),
        30,
        "SecMarker"
    );
    assert_eq!(
        count(|d| matches!(d, Directive::RuleUpdateTarget { .. })),
        55,
        "SecRuleUpdateTargetById"
    );
    assert_eq!(
        count(|d| matches!(d, Directive::DefaultAction(_))),
        5,
        "SecDefaultAction"
    );
    assert_eq!(
        count(|d| matches!(d, Directive::ComponentSignature(_))),
        1,
        "SecComponentSignature"
    );
}

#[test]
fn the_engine_settings_parse() {
    let Some(root) = reference() else { return };
    let document = parse(&root.join("tests/engine-settings.conf"));
    assert_eq!(document.rules().count(), 8);
}

#[test]
fn formatting_the_core_rule_set_changes_nothing_but_its_looks() {
    let Some(root) = reference() else { return };
    for path in core_rule_set(&root) {
        let document = parse(&path);
        let formatted = seclang::format(&document);
        let again =
            parse_str("formatted", &formatted).unwrap_or_else(|errors| panic!("{}", errors[0]));
        assert_eq!(document, again, "{}", path.display());
        assert_eq!(formatted, seclang::format(&again), "{}", path.display());
    }
}

/// Texts that ModSecurity 3 loads and we do not.
const STRICTER: &[(&str, &[&str])] = &[
    (
        "scripts and remote rules are refused by name",
        &[
            "action-exec#3",
            "collection-lua#1",
            "collection-lua#2",
            "collection-lua#3",
            "collection-lua#5",
            "collection-lua#6",
            "collection-lua#7",
            "config-secremoterules#1",
            "directive-sec_rule_script#3",
            "directive-sec_rule_script#4",
            "issue-2427#1",
            "issue-2427#2",
            "operator-inpectFile#1",
            "operator-inpectFile#2",
            "operator-inpectFile#4",
            "operator-inpectFile#5",
            "operator-inpectFile#6",
            "operator-inpectFile#7",
            "operator-inpectFile#9",
        ],
    ),
    ("an id on a chained rule", &["variable-MATCHED_VAR_NAME#3"]),
    (
        "two ids on one rule",
        &["variable-TX#1", "variable-TX#2", "variable-TX#3"],
    ),
];

/// No file exists.
struct Nothing;

impl seclang::Loader for Nothing {
    fn read(&self, _path: &Path, _limit: usize) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn glob(&self, _pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

#[test]
fn what_modsecurity_3_refuses_to_load_is_refused_and_the_rest_parses() {
    let Some(root) = reference() else { return };
    let lines = std::fs::read_to_string(root.join("tests/modsec-regression-dev.jsonl"))
        .expect("a file of cases");
    let (mut refused, mut stricter) = (0, 0);
    for line in lines.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a case");
        let id = case["id"].as_str().expect("an id");
        let rules: Vec<&str> = case["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .filter_map(|rule| rule.as_str())
            .collect();
        let text = rules.join("\n");
        if case["expected"]["parser_error"].is_string() {
            refused += 1;
            assert!(
                seclang::load_str(id, &text, &Nothing).is_err(),
                "{id} loads"
            );
        } else if let Err(errors) = parse_str(id, &text) {
            stricter += 1;
            let known = STRICTER.iter().any(|(_, ids)| {
                ids.iter()
                    .any(|known| id == *known || known.ends_with('#') && id.starts_with(known))
            });
            assert!(known, "{}", errors[0]);
        }
    }
    assert!(refused >= 20, "only {refused} cases with a parser error");
    assert!(stricter <= 30, "{stricter} cases do not parse");
}
