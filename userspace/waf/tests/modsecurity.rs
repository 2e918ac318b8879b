//! ModSecurity's own regression cases, as far as they say which status an answer has.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Exchange, get, shared};
use serde_json::Value;
use waf::{CompileOptions, Intervention, Mode, RuleSet, Scratch, Transaction};

/// Cases that end with another status here, with the reason. May only shrink.
const KNOWN_FAILURES: &[(&str, &str)] = &[
    (
        "config-body_limits#3",
        "a body over its limit is answered with 413, not 403",
    ),
    (
        "config-update-action-by-id#4",
        "a rule that decides nothing itself does what SecDefaultAction says, as in ModSecurity 2 and Coraza",
    ),
    (
        "config-update-target-by-id#4",
        "an exclusion of ARGS:key says nothing about ARGS_NAMES, as in ModSecurity 2 and Coraza",
    ),
    (
        "request-body-parser-multipart#27",
        "blanks round the value of a field belong to HTTP, not to the value",
    ),
];

/// What came of a case.
enum Outcome {
    Passed,
    Failed(String),
    /// The rules use what this engine refuses.
    Refused(String),
}

/// The grammars that cases name: of our own writing, they say of the cases' documents what ModSecurity's files say.
struct Grammars;

impl seclang::Loader for Grammars {
    fn read(&self, path: &Path, _limit: usize) -> std::io::Result<Vec<u8>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(match &*name {
            "SoapEnvelope.dtd" => {
                "<!ELEMENT Envelope (Body)><!ELEMENT Body (getInput)><!ELEMENT getInput (id)>
                 <!ELEMENT id (#PCDATA)><!ATTLIST id type CDATA #IMPLIED>"
            }
            "SoapEnvelope-bad.dtd" => "<!ELEMENT Envelope (Body)><!ELEMENT Body (getInput",
            "SoapEnvelope.xsd" => {
                "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'
                     targetNamespace='http://schemas.xmlsoap.org/soap/envelope/'>
                   <xs:element name='Envelope'><xs:complexType><xs:sequence>
                     <xs:element ref='s:Header' minOccurs='0'/><xs:element ref='s:Body'/>
                   </xs:sequence></xs:complexType></xs:element>
                   <xs:element name='Header'/>
                   <xs:element name='Body'><xs:complexType><xs:sequence>
                     <xs:any minOccurs='0' maxOccurs='unbounded' processContents='lax'/>
                   </xs:sequence><xs:anyAttribute processContents='lax'/></xs:complexType></xs:element>
                   <xs:attribute name='mustUnderstand'><xs:simpleType><xs:restriction base='xs:boolean'>
                     <xs:pattern value='0|1'/></xs:restriction></xs:simpleType></xs:attribute>
                   <xs:attribute name='encodingStyle'><xs:simpleType><xs:list itemType='xs:anyURI'/></xs:simpleType></xs:attribute>
                 </xs:schema>"
            }
            "SoapEnvelope-bad.xsd" => "<xs:chema xmlns:xs='http://www.w3.org/2001/XMLSchema'></xs:schema>",
            _ => return Err(std::io::ErrorKind::NotFound.into()),
        }
        .into())
    }

    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(
        || {
            if value.is_null() {
                String::new()
            } else {
                value.to_string()
            }
        },
        str::to_owned,
    )
}

/// Header fields of a case, in the order of the data.
fn fields(value: &Value) -> Vec<(String, Vec<u8>)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value).into_bytes()))
        .collect()
}

fn exchange(case: &Value) -> Exchange {
    let request = &case["request"];
    let mut exchange = get(request["uri"].as_str().unwrap_or("/"));
    exchange.method = request["method"].as_str().unwrap_or("GET").to_owned();
    exchange.protocol = format!(
        "HTTP/{}",
        request["http_version"]
            .as_f64()
            .map_or("1.1".to_owned(), |version| format!("{version:.1}"))
    );
    exchange.headers = fields(&request["headers"]);
    let lines = |body: &Value| {
        body.as_array()
            .map(|lines| lines.iter().map(text).collect::<Vec<_>>().join("\n"))
    };
    exchange.body = lines(&request["body"])
        .or_else(|| request["body"].as_str().map(str::to_owned))
        .unwrap_or_default()
        .into_bytes();
    if let Ok(client) = text(&case["client"]["ip"]).parse() {
        exchange.client = client;
    }
    let response = &case["response"];
    exchange.status = response["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(200);
    exchange.response_headers = fields(&response["headers"])
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    exchange.response_body = lines(&response["body"]).unwrap_or_default().into_bytes();
    exchange
}

fn run(case: &Value, expected: u16) -> Outcome {
    let rules: Vec<String> = case["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    let document = match seclang::load_str("case.conf", &rules.join("\n"), &Grammars) {
        Ok(document) => document,
        Err(problems) => {
            return Outcome::Refused(format!("{:?}", problems.first().map(ToString::to_string)));
        }
    };
    let rules = match RuleSet::compile(&[document], &CompileOptions::default()) {
        Ok(rules) => Arc::new(rules),
        Err(errors) => return Outcome::Refused(errors[0].to_string()),
    };
    let exchange = exchange(case);
    let mut transaction = Transaction::new(rules, &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, &mut Scratch::new());
    let status = match transaction.intervention() {
        Intervention::None => 200,
        Intervention::Deny { status, .. } | Intervention::Redirect { status, .. } => *status,
        Intervention::Drop { .. } => 403,
        Intervention::Fail(_) => 503,
    };
    if status == expected {
        Outcome::Passed
    } else {
        Outcome::Failed(format!("{status} for {expected}: {}", case["title"]))
    }
}

#[test]
fn cases_with_a_status() {
    let Some(path) = shared("waf/tests/modsec-regression-dev.jsonl") else {
        return;
    };
    let cases = std::fs::read_to_string(path).unwrap();
    let (mut passed, mut refused, mut total) = (0, Vec::new(), 0);
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(expected) = case["expected"]["http_code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
        else {
            continue;
        };
        if case["enabled"] == 0 {
            continue;
        }
        total += 1;
        let id = case["id"].as_str().unwrap();
        let known = KNOWN_FAILURES.iter().any(|(known, _)| *known == id);
        match run(&case, expected) {
            Outcome::Refused(reason) => refused.push(format!("{id}: {reason}")),
            Outcome::Passed if known => {
                wrong.push(format!("{id} passes now: take it off the list"));
            }
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) if known => {}
            Outcome::Failed(reason) => wrong.push(format!("{id}: {reason}")),
        }
    }
    println!(
        "{passed} of {total} pass, {} are refused:\n{}",
        refused.len(),
        refused.join("\n")
    );
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
