//! `SECLANG.md` held against the engine: every row loads or does not, as it says, and every word of the language has a row.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use seclang::ast::{NoOp, OperatorKind, Transformation, Variable};

use crate::{CompileOptions, RuleSet};

const PAGE: &str = include_str!("../SECLANG.md");

/// The files that the examples name.
struct Files;

impl seclang::Loader for Files {
    fn read(&self, path: &Path, _limit: usize) -> std::io::Result<Vec<u8>> {
        let name = path.to_string_lossy();
        Ok(match &*name {
            "unicode.mapping" => b"20127 (US-ASCII)\n0100:41\n".to_vec(),
            "networks.txt" => b"192.0.2.0/24\n".to_vec(),
            "words.txt" => b"word\n".to_vec(),
            "x.dtd" | "order.dtd" => b"<!ELEMENT order ANY>".to_vec(),
            "x.xsd" | "order.xsd" => {
                b"<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'/>".to_vec()
            }
            "x.json" | "order.json" => b"{}".to_vec(),
            "places.mmdb" => crate::operator::places_for_tests(),
            _ => return Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

/// Why rules do not load, if they do not.
fn problem(rules: &str) -> Option<String> {
    let document = match seclang::load_str("rules.conf", rules, &Files) {
        Ok(document) => document,
        Err(problems) => return problems.first().map(ToString::to_string),
    };
    match RuleSet::compile(&[document], &CompileOptions::default()) {
        Ok(_) => None,
        Err(errors) => errors.first().map(ToString::to_string),
    }
}

/// The rows of a table: the example, and whether it works, has no effect or is refused.
fn rows(title: &str) -> Vec<(&'static str, &'static str)> {
    let (_, behind) = PAGE.split_once(&format!("## {title}\n")).unwrap();
    let section = behind.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
        Some((cells.next()?.strip_suffix('`')?, cells.next()?))
    });
    rows.collect()
}

/// Checks every row, and gives the first word of each example.
fn check(title: &str, rules: impl Fn(&str) -> String) -> BTreeSet<String> {
    let rows = rows(title);
    assert!(rows.len() > 10, "{title}: {} rows", rows.len());
    let mut words = BTreeSet::new();
    for (example, says) in rows {
        let problem = problem(&rules(example));
        match (says, &problem) {
            ("works" | "no effect", None) | ("refused", Some(_)) => {}
            _ => panic!("{title}: `{example}` {says}, but: {problem:?}"),
        }
        let word = example.split([' ', ':', '=']).next().unwrap();
        words.insert(word.to_ascii_lowercase());
    }
    words
}

#[track_caller]
fn holds<'a>(words: &BTreeSet<String>, names: impl IntoIterator<Item = &'a str>) {
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !words.contains(&name.to_ascii_lowercase()))
        .collect();
    assert!(missing.is_empty(), "SECLANG.md has no row for {missing:?}");
}

/// The words of a table of the inventory, where that is at hand.
fn inventory(section: &str) -> Vec<String> {
    let text = crate::testing::reference("waf/seclang-inventory.md").unwrap_or_default();
    let section = text
        .split("\n## ")
        .find(|part| part.contains(section))
        .unwrap_or("");
    let rows = section.lines().filter_map(|line| {
        let word = line.strip_prefix("| `")?.split('`').next()?;
        Some(word.trim_start_matches(['@']).to_owned())
    });
    rows.collect()
}

#[test]
fn of_directives() {
    let rule = "SecRule ARGS \"@rx x\" \"id:1,phase:2,deny,tag:attack,msg:attack\"\n";
    let words = check("Directives", |example| {
        match ["SecRuleRemove", "SecRuleUpdate"].map(|start| example.starts_with(start)) {
            [false, false] => example.to_owned(),
            _ => format!("{rule}{example}"),
        }
    });
    holds(&words, NoOp::NAMES.iter().copied());
    let known = inventory("1. Directives");
    holds(
        &words,
        known.iter().map(String::as_str).filter(|word| {
            // One stands above the table, the other is Coraza's word in lower case for SecUnicodeMap.
            !["Include", "secunicodemap"].contains(word)
        }),
    );
}

#[test]
fn of_variables() {
    let words = check("Variables", |example| {
        format!("SecRule {example} \"@unconditionalMatch\" \"id:1,phase:2,pass\"")
    });
    holds(&words, Variable::NAMES.iter().copied());
    let known = inventory("2. Variables");
    holds(&words, known.iter().map(String::as_str));
}

#[test]
fn of_operators() {
    let words = check("Operators", |example| {
        format!(
            "SecGeoLookupDb places.mmdb\nSecDataset words `a`\nSecDataset networks `192.0.2.0/24`\nSecRule ARGS \"{example}\" \"id:1,phase:2,pass\""
        )
    });
    let words = words
        .iter()
        .map(|word| word.trim_start_matches('@').to_owned())
        .collect();
    holds(&words, OperatorKind::NAMES.iter().copied());
    let known = inventory("3. Operators");
    holds(&words, known.iter().map(String::as_str));
}

#[test]
fn of_transformations() {
    let (_, behind) = PAGE.split_once("## Transformations\n").unwrap();
    let section = behind.split("\n## ").next().unwrap();
    let words: BTreeSet<String> = section
        .split('`')
        .filter_map(|word| word.strip_prefix("t:"))
        .map(str::to_ascii_lowercase)
        .collect();
    holds(&words, Transformation::NAMES.iter().copied());
    for word in &words {
        let rules = format!("SecRule ARGS \"@rx x\" \"id:1,phase:2,pass,t:{word}\"");
        assert_eq!(problem(&rules), None);
    }
}

#[test]
fn of_actions() {
    let words = check("Actions", |example| match example.split(':').next() {
        Some("id" | "phase") => format!("SecAction \"id:1,phase:1,pass,{example}\"")
            .replace("id:1,phase:1,pass,id", "phase:1,pass,id"),
        Some("chain") => {
            "SecRule ARGS \"@rx x\" \"id:1,phase:1,pass,chain\"\nSecRule ARGS x".into()
        }
        Some("allow" | "block" | "deny" | "drop" | "redirect" | "proxy") => {
            format!("SecAction \"id:1,phase:1,{example}\"")
        }
        _ => format!("SecAction \"id:1,phase:1,pass,{example}\"\nSecMarker END"),
    });
    let known = inventory("5. Actions");
    holds(
        &words,
        known
            .iter()
            .map(String::as_str)
            .filter(|word| *word != "ctl"),
    );
}

#[test]
fn of_options_of_ctl() {
    let words = check("Options of ctl", |example| {
        format!("SecAction \"id:1,phase:1,pass,ctl:{example}\"")
    });
    let known = inventory("6. `ctl:` options");
    holds(
        &words,
        known.iter().filter_map(|word| word.strip_prefix("ctl:")),
    );
}

#[test]
fn of_persistent_collections() {
    let rules: String = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("    Sec"))
        .map(|line| format!("Sec{line}\n"))
        .collect();
    assert!(rules.contains("initcol"));
    assert_eq!(problem(&rules), None);
}
