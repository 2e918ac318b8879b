//! The schema and the reader agree: what the one accepts the other accepts.

use config::{parse_str, schema};
use regex::Regex;
use serde_json::Value;

/// Validates a value against the part of JSON Schema that our schema uses. Returns what is wrong and where.
struct Validator {
    root: Value,
}

impl Validator {
    fn new() -> Self {
        Self { root: schema() }
    }

    fn errors(&self, yaml: &str) -> Vec<String> {
        let value: Value = serde_saphyr::from_str(yaml).unwrap();
        let mut errors = Vec::new();
        self.check(&self.root, &value, "$", &mut errors);
        errors
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().unwrap() {
            let good = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" | "default" => true,
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    self.check(self.root.pointer(pointer).unwrap(), value, at, errors);
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|kind| is(value, kind)),
                    kind => is(value, kind),
                },
                "const" => value == rule,
                "pattern" => value
                    .as_str()
                    .is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
                "minLength" => value
                    .as_str()
                    .is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
                "minimum" => value
                    .as_i64()
                    .is_none_or(|number| number >= rule.as_i64().unwrap()),
                "maximum" => value
                    .as_i64()
                    .is_none_or(|number| number <= rule.as_i64().unwrap()),
                "minItems" => value
                    .as_array()
                    .is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
                "minProperties" => value
                    .as_object()
                    .is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap()),
                "maxProperties" => value
                    .as_object()
                    .is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap()),
                "required" => value.as_object().is_none_or(|map| {
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| map.contains_key(key.as_str().unwrap()))
                }),
                "anyOf" => self.forms(rule, value, at) >= 1,
                "oneOf" => self.forms(rule, value, at) == 1,
                "items" | "properties" | "propertyNames" | "additionalProperties" => {
                    self.check_parts(keyword, schema, value, at, errors);
                    true
                }
                other => panic!("the schema uses `{other}`, which this test does not know"),
            };
            if !good {
                errors.push(format!("{at}: {keyword} {rule}"));
            }
        }
    }

    fn check_parts(
        &self,
        keyword: &str,
        schema: &Value,
        value: &Value,
        at: &str,
        errors: &mut Vec<String>,
    ) {
        let rule = &schema[keyword];
        match keyword {
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(rule, item, &format!("{at}[{index}]"), errors);
                }
            }
            "properties" => {
                for (key, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        self.check(schema, value, &format!("{at}.{key}"), errors);
                    }
                }
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    self.check(
                        rule,
                        &Value::String(key.clone()),
                        &format!("{at}.{key}"),
                        errors,
                    );
                }
            }
            _ => {
                let known = schema.get("properties");
                let more = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| known.is_none_or(|k| k.get(key).is_none()));
                for (key, value) in more {
                    match rule {
                        Value::Bool(false) => errors.push(format!("{at}: unknown key {key}")),
                        rule => self.check(rule, value, &format!("{at}.{key}"), errors),
                    }
                }
            }
        }
    }

    fn forms(&self, forms: &Value, value: &Value, at: &str) -> usize {
        let fits = |form: &&Value| {
            let mut errors = Vec::new();
            self.check(form, value, at, &mut errors);
            errors.is_empty()
        };
        forms.as_array().unwrap().iter().filter(fits).count()
    }
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_examples_fit_the_schema() {
    let validator = Validator::new();
    for text in [
        include_str!("../../examples/smallest.yaml"),
        include_str!("../../examples/annotated.yaml"),
    ] {
        assert_eq!(validator.errors(text), Vec::<String>::new());
    }
}

/// What the reader makes of a file, with all defaults written out, fits the schema and reads the same again.
#[test]
fn what_was_read_can_be_written_and_read_again() {
    let validator = Validator::new();
    for text in [
        include_str!("../../examples/smallest.yaml"),
        include_str!("../../examples/annotated.yaml"),
    ] {
        let first = parse_str(text).unwrap().config.json();
        let written = serde_json::to_string_pretty(&first).unwrap();
        assert_eq!(validator.errors(&written), Vec::<String>::new());
        let second = parse_str(&written)
            .unwrap_or_else(|errors| panic!("{errors}"))
            .config;
        assert_eq!(first, second.json());
    }
}

/// Mistakes that the schema can express are found by the reader and by editors that know the schema.
#[test]
fn both_refuse_the_same_mistakes() {
    let validator = Validator::new();
    let smallest = include_str!("../../examples/smallest.yaml");
    for (key, value) in [
        ("workers", "many"),
        ("workers", "0"),
        ("io", "rings"),
        ("limits", "{ header_count: 0 }"),
        ("limits", "{ header_count: 257 }"),
        ("limits", "{ header_bytes: 8KB }"),
        ("limits", "{ headers: 3 }"),
        ("timeouts", "{ header: 30 }"),
        ("timeouts", "{ header: 1.5s }"),
        ("timeouts", "{ body_min_rate: 1KiB }"),
        ("kernel", "{}"),
        ("kernel", "{ interfaces: eth0 }"),
        ("admin", "{ address: localhost }"),
        ("waf", "{ crs: {} }"),
        ("waf", "{ 'c r s': { rules: shipped } }"),
        ("waf", "{ crs: { rules: [] } }"),
        ("waf", "{ crs: { rules: shipped, paranoia: 5 } }"),
        ("auth", "{ a: {} }"),
        ("auth", "{ a: { api_key: { store: x, jwt: y } } }"),
        (
            "auth",
            "{ a: { jwt: { issuer: x, audience: y, secret: literal } } }",
        ),
        ("log", "{ access: { sample: 101% } }"),
        ("log", "{ level: loud }"),
        ("upstream", "x"),
    ] {
        let text = format!("{smallest}{key}: {value}\n");
        assert!(
            !validator.errors(&text).is_empty(),
            "the schema accepts {key}: {value}"
        );
        assert!(
            parse_str(&text).is_err(),
            "the reader accepts {key}: {value}"
        );
    }
}
