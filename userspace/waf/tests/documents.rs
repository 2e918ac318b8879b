//! Bodies held against DTDs and schemas.
#![allow(clippy::unwrap_used)] // These are tests.
mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Exchange, get};
use waf::{CompileOptions, EngineError, Intervention, Mode, RuleSet, Scratch, Transaction};

/// Files by their names.
struct Files(&'static [(&'static str, &'static str)]);

impl seclang::Loader for Files {
    fn read(&self, path: &Path, _limit: usize) -> std::io::Result<Vec<u8>> {
        let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
        let text = found.ok_or(std::io::ErrorKind::NotFound)?.1;
        Ok(text.into())
    }

    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

const FILES: Files = Files(&[
    (
        "rules/a.dtd",
        "<!ENTITY % b SYSTEM 'parts/b.mod'>%b;<!ELEMENT a (b*)>",
    ),
    ("rules/parts/b.mod", "<!ELEMENT b (#PCDATA)>"),
    (
        "rules/a.xsd",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:include schemaLocation='parts/b.xsd'/><xs:element name='a' type='b'/></xs:schema>",
    ),
    (
        "rules/parts/b.xsd",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='b'><xs:sequence><xs:element name='b' type='xs:int' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:schema>",
    ),
    ("rules/a.json", r#"{"type":"object","required":["a"]}"#),
    (
        "rules/remote.xsd",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\n<xs:include schemaLocation='http://example.com/x.xsd'/></xs:schema>",
    ),
    ("rules/none.xsd", "<html>\n</html>"),
]);

fn compile(rule: &str) -> Result<RuleSet, Vec<String>> {
    let processors = "SecRequestBodyAccess On\nSecRuleEngine On
SecRule REQUEST_HEADERS:Content-Type xml \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"
SecRule REQUEST_HEADERS:Content-Type json \"id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"";
    let text = format!("{processors}\n{rule}");
    let written = |errors: Vec<_>| {
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    };
    let document = seclang::load_str("rules/a.conf", &text, &FILES).map_err(|problems| {
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<String>>()
    })?;
    let options = CompileOptions {
        work_limit_bytes: 1 << 20,
        ..CompileOptions::default()
    };
    RuleSet::compile(&[document], &options).map_err(written)
}

fn post(content_type: &str, body: &str) -> Exchange {
    let mut exchange = get("/");
    exchange.method = "POST".to_owned();
    exchange
        .headers
        .push(("Content-Type".to_owned(), content_type.into()));
    exchange.body = body.into();
    exchange
}

/// Whether rule 9 denies a body.
#[track_caller]
fn denies(rule: &str, content_type: &str, body: &str) -> bool {
    let rules = Arc::new(compile(rule).unwrap());
    let exchange = post(content_type, body);
    let mut transaction = Transaction::new(rules, &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, &mut Scratch::new());
    match transaction.intervention() {
        Intervention::None => false,
        Intervention::Deny { status: 403, .. } => true,
        other => panic!("{other:?}"),
    }
}

#[test]
fn xml_is_held_against_a_dtd() {
    let rule = "SecRule XML \"@validateDTD a.dtd\" \"id:9,phase:2,deny\"";
    assert!(!denies(rule, "text/xml", "<a><b>x</b> <b/></a>"));
    assert!(!denies(
        rule,
        "text/xml",
        "<!DOCTYPE a SYSTEM 'other.dtd'><a/>"
    ));
    assert!(denies(rule, "text/xml", "<a><c/></a>"));
    assert!(denies(rule, "text/xml", "<a><b></a>"));
    assert!(denies(rule, "text/xml", "no document"));
    // Where nothing was parsed as XML there is nothing to hold against it.
    assert!(!denies(rule, "text/plain", "<c/>"));
    assert!(!denies(rule, "text/xml", ""));
}

#[test]
fn xml_is_held_against_a_schema() {
    let rule = "SecRule XML \"@validateSchema a.xsd\" \"id:9,phase:2,deny\"";
    assert!(!denies(rule, "text/xml", "<a><b>1</b><b> 2 </b></a>"));
    assert!(denies(rule, "text/xml", "<a><b>x</b></a>"));
    assert!(denies(rule, "text/xml", "<a><b>&js;</b></a>"));
    let right = "SecRule XML \"!@validateSchema a.xsd\" \"id:9,phase:2,deny\"";
    assert!(denies(right, "text/xml", "<a><b>1</b></a>"));
}

#[test]
fn json_is_held_against_a_schema() {
    let rule = "SecRule REQUEST_BODY \"@validateSchema a.json\" \"id:9,phase:2,deny\"";
    assert!(!denies(rule, "application/json", "{\"a\":1}"));
    assert!(denies(rule, "application/json", "{\"b\":1}"));
    assert!(denies(rule, "application/json", "{"));
    assert!(!denies(rule, "application/json", ""));
    // The body is there for schemas alone.
    let other = "SecRule REQUEST_BODY \"@rx a\" \"id:9,phase:2,deny\"";
    assert!(!denies(other, "application/json", "{\"a\":1}"));
}

#[test]
fn files_that_cannot_be_used() {
    let rule = |file: &str| format!("SecRule XML \"@validateSchema {file}\" \"id:9,phase:2,deny\"");
    let errors = compile(&rule("missing.xsd")).unwrap_err();
    assert!(errors[0].contains("rules/missing.xsd"), "{errors:?}");
    let errors = compile(&rule("remote.xsd")).unwrap_err();
    assert!(
        errors[0].contains("rules/remote.xsd:2: the schema at `http://example.com/x.xsd`"),
        "{errors:?}"
    );
    // What is no schema is noticed, and no document passes it, as in ModSecurity.
    let rules = compile(&rule("none.xsd")).unwrap();
    let notice = rules.notices()[0].to_string();
    assert!(
        notice.contains("rules/none.xsd:1: expected a schema"),
        "{notice}"
    );
    assert!(denies(&rule("none.xsd"), "text/xml", "<a><b>1</b></a>"));
}

#[test]
fn work_counts_towards_the_limit() {
    let rule = "SecRule XML \"@validateSchema a.xsd\" \"id:9,phase:2,pass,nolog\"\n".repeat(12);
    let rule: String = rule
        .lines()
        .zip(100..)
        .map(|(line, id)| line.replace("id:9", &format!("id:{id}")) + "\n")
        .collect();
    let rules = Arc::new(compile(&rule).unwrap());
    let body = format!("<a>{}</a>", "<b>1</b>".repeat(10_000));
    let exchange = post("text/xml", &body);
    let mut transaction = Transaction::new(rules, &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, &mut Scratch::new());
    assert!(matches!(
        transaction.intervention(),
        Intervention::Fail(EngineError::WorkLimit)
    ));
}
