//! Test files as people have them: go-ftw's, which the CRS uses, and the short form of the rules that ship.

use super::wire;
use crate::request::Request;
use seclang::ast::RuleId;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// Such as `942100-1`.
    pub(super) id: String,
    pub(super) description: String,
    pub(super) stages: Vec<Stage>,
}

/// One request and what is expected of it.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// `None` where the bytes are no request at all.
    pub(super) request: Option<Request>,
    pub(super) output: Output,
}

/// What is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub(super) status: Statuses,
    pub(super) log_contains: String,
    pub(super) no_log_contains: String,
    pub(super) response_contains: String,
    pub(super) expect_error: Option<bool>,
    pub(super) log: Log,
    /// Beside go-ftw's: the request matches no rule and passes. Of the short form.
    #[serde(skip)]
    pub(super) passes: bool,
}

/// What is expected of the log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Log {
    pub(super) expect_ids: Vec<RuleId>,
    pub(super) no_expect_ids: Vec<RuleId>,
    pub(super) match_regex: String,
    pub(super) no_match_regex: String,
}

/// `status: 403`, or in older files `status: [403]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Statuses(pub(super) Vec<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 403, or a list of them")
            }

            fn visit_u64<E: serde::de::Error>(self, status: u64) -> Result<Statuses, E> {
                match u16::try_from(status) {
                    Ok(0) => Ok(Statuses::default()),
                    Ok(status) => Ok(Statuses(vec![status])),
                    Err(_) => Err(E::custom(format!("{status} is no status"))),
                }
            }

            fn visit_i64<E: serde::de::Error>(self, status: i64) -> Result<Statuses, E> {
                self.visit_u64(u64::try_from(status).map_err(E::custom)?)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
                let mut statuses = Vec::new();
                while let Some(status) = list.next_element()? {
                    statuses.push(status);
                }
                Ok(Statuses(statuses))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What is sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Input {
    pub(super) method: Option<String>,
    pub(super) uri: Option<String>,
    pub(super) version: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    /// Later versions of go-ftw: fields in the order in which they are sent.
    pub(super) ordered_headers: Vec<NamedValue>,
    pub(super) data: Option<Data>,
    pub(super) encoded_data: Option<String>,
    pub(super) encoded_request: Option<String>,
    pub(super) autocomplete_headers: Option<bool>,
    /// Older files: the contrary of `autocomplete_headers`.
    pub(super) stop_magic: Option<bool>,
}

/// A field.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct NamedValue {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// A text, or in older files a list of lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Data {
    Text(String),
    Lines(Vec<String>),
}

#[derive(Deserialize)]
#[serde(default)]
struct Meta {
    enabled: bool,
}

impl Default for Meta {
    fn default() -> Self {
        Self { enabled: true }
    }
}

#[derive(Deserialize)]
struct GoFile {
    #[serde(default)]
    meta: Meta,
    #[serde(default)]
    rule_id: RuleId,
    tests: Vec<GoTest>,
}

#[derive(Deserialize)]
struct GoTest {
    #[serde(default)]
    test_id: u64,
    #[serde(default)]
    test_title: String,
    #[serde(default)]
    desc: String,
    stages: Vec<GoStage>,
}

/// `- input: …, output: …`, or as it was, `- stage: { input: …, output: … }`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GoStage {
    input: Option<Input>,
    output: Option<Output>,
    stage: Option<Box<GoStage>>,
}

/// Requests that a rule must match, and requests that it must not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShortCase {
    rule: RuleId,
    #[serde(rename = "match", default)]
    matching: Vec<ShortRequest>,
    #[serde(default)]
    no_match: Vec<ShortRequest>,
}

/// A request: the text of the query argument `q`, or in full.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ShortRequest {
    Text(String),
    Full(Box<ShortFull>),
}

/// A request in words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ShortFull {
    pub(super) method: Option<String>,
    /// The request target as it goes over the wire; `/` by default.
    pub(super) uri: Option<String>,
    /// Arguments that are percent-encoded and appended to the target.
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    /// Arguments that are percent-encoded into the body.
    pub(super) form: BTreeMap<String, String>,
    /// The name of a file that is uploaded as multipart.
    pub(super) file: Option<String>,
    pub(super) json: Option<String>,
    pub(super) body: Option<String>,
}

/// What the forms of a test file are called in messages.
const FORMS: &str = "expected a go-ftw file (`tests:` with `stages:`), a list of `rule:` with `match:` and `no_match:`, or a list of requests that match nothing";

/// Reads a file of any form. `name` stands for it where tests have no names of their own.
pub(crate) fn read(name: &str, text: &str) -> Result<Vec<Test>, String> {
    let form = Form::of(text);
    let told = |error: serde_saphyr::Error| error.to_string();
    match form {
        Form::GoFtw => {
            let file: GoFile = serde_saphyr::from_str(text).map_err(told)?;
            if !file.meta.enabled {
                return Ok(Vec::new());
            }
            let rule = file.rule_id;
            file.tests
                .into_iter()
                .zip(1..)
                .map(|(test, number)| go_test(name, rule, test, number))
                .collect()
        }
        Form::Cases => {
            let cases: Vec<ShortCase> = serde_saphyr::from_str(text).map_err(told)?;
            Ok(cases.iter().flat_map(short_tests).collect())
        }
        Form::Requests => {
            let requests: Vec<ShortRequest> = serde_saphyr::from_str(text).map_err(told)?;
            let tests = requests.iter().zip(1..).map(|(request, number)| {
                let output = Output {
                    passes: true,
                    ..Output::default()
                };
                short_test(format!("{name}-{number}"), request, output)
            });
            Ok(tests.collect())
        }
        Form::Empty => Ok(Vec::new()),
        Form::Unknown => Err(FORMS.to_owned()),
    }
}

enum Form {
    GoFtw,
    Cases,
    Requests,
    Empty,
    Unknown,
}

impl Form {
    /// The first lines that are neither blank nor comment tell.
    fn of(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with("---")
        });
        let Some(first) = lines.next() else {
            return Self::Empty;
        };
        match first.strip_prefix('-') {
            Some(rest) if rest.trim_start().starts_with("rule:") => Self::Cases,
            Some(_) => Self::Requests,
            None if text.lines().any(|line| line.starts_with("tests:")) => Self::GoFtw,
            None => Self::Unknown,
        }
    }
}

fn go_test(file: &str, rule: RuleId, test: GoTest, number: u64) -> Result<Test, String> {
    let id = match (rule, test.test_id, test.test_title.as_str()) {
        (_, 0, "") => format!("{file}-{number}"),
        (_, 0, title) => title.to_owned(),
        (0, test, _) => format!("{file}-{test}"),
        (rule, test, _) => format!("{rule}-{test}"),
    };
    let stages = test.stages.into_iter().map(|stage| {
        let stage = match stage.stage {
            Some(inner) => *inner,
            None => stage,
        };
        let request = wire::request(&stage.input.unwrap_or_default())
            .map_err(|problem| format!("test {id}: {problem}"))?;
        Ok(Stage {
            request,
            output: stage.output.unwrap_or_default(),
        })
    });
    let stages = stages.collect::<Result<Vec<Stage>, String>>()?;
    Ok(Test {
        id,
        description: test.desc,
        stages,
    })
}

fn short_tests(case: &ShortCase) -> Vec<Test> {
    let rule = case.rule;
    let matching = case.matching.iter().zip(1..).map(|(request, number)| {
        let mut output = Output::default();
        output.log.expect_ids.push(rule);
        short_test(format!("{rule}-match-{number}"), request, output)
    });
    let other = case.no_match.iter().zip(1..).map(|(request, number)| {
        let mut output = Output::default();
        output.log.no_expect_ids.push(rule);
        short_test(format!("{rule}-no-match-{number}"), request, output)
    });
    matching.chain(other).collect()
}

fn short_test(id: String, request: &ShortRequest, output: Output) -> Test {
    let request = wire::short(request);
    Test {
        id,
        description: String::new(),
        stages: vec![Stage {
            request: Some(request),
            output,
        }],
    }
}
