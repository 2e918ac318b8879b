//! Values held against JSON schemas.

use super::JsonSchema;
use crate::{Files, Finding, Problem, Work};

fn read(text: &str) -> Result<JsonSchema, Problem> {
    JsonSchema::read(&Files::of([("a.json", text.as_bytes().to_vec())]), "a.json")
}

#[track_caller]
fn holds(schema: &str, right: &[&str], wrongs: &[&str]) {
    let schema = read(schema).unwrap_or_else(|problem| panic!("{problem}"));
    let check = |text: &str| schema.check(text.as_bytes(), &mut Work::of(1_000_000));
    for text in right {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    for text in wrongs {
        assert!(matches!(check(text), Err(Finding::Invalid(_))), "{text}");
    }
}

#[test]
fn objects() {
    holds(
        r#"{"type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer","minimum":0,"exclusiveMaximum":150}},
            "required":["name"],"patternProperties":{"^x-":{"type":["string","null"]}},"additionalProperties":false,"dependentRequired":{"age":["x-a"]}}"#,
        &[
            r#"{"name":"Ada"}"#,
            r#"{"name":"Ada","age":36.0,"x-a":null}"#,
        ],
        &[
            "{}",
            "[]",
            "{",
            r#"{"name":""}"#,
            r#"{"name":"a","other":1}"#,
            r#"{"name":"a","age":1}"#,
            r#"{"name":"a","age":150,"x-a":""}"#,
            r#"{"name":"a","age":1.5,"x-a":""}"#,
            r#"{"name":"a","x-b":1}"#,
        ],
    );
}

#[test]
fn arrays() {
    holds(
        r#"{"type":"array","prefixItems":[{"const":1}],"items":{"enum":["a","b",[2]]},"uniqueItems":true,"maxItems":3,"contains":{"const":"b"}}"#,
        &[r#"[1,"b"]"#, r#"[1.0,"b",[2.0]]"#],
        &[
            "[]",
            "[1]",
            r#"[2,"b"]"#,
            r#"[1,"b","b"]"#,
            r#"[1,"b","a",[2]]"#,
            r#"[1,"b","c"]"#,
        ],
    );
}

#[test]
fn combinations_and_references() {
    holds(
        r##"{"$defs":{"tree":{"type":"object","properties":{"next":{"$ref":"#/$defs/tree"},"v":{"oneOf":[{"type":"integer"},{"multipleOf":0.5}]}},"additionalProperties":false}},
            "$ref":"#/$defs/tree","not":{"required":["no"]},"anyOf":[{"minProperties":1},false],"if":{"required":["v"]},"then":{"maxProperties":1}}"##,
        &[r#"{"next":{"next":{}}}"#, r#"{"v":0.5}"#],
        &[
            "{}",
            r#"{"v":1}"#,
            r#"{"v":0.3}"#,
            r#"{"v":0.5,"next":{}}"#,
            r#"{"next":{"x":1}}"#,
        ],
    );
}

#[test]
fn what_is_wrong_with_a_schema() {
    for (text, says) in [
        ("{\n", "a.json:2: the file is not well-formed"),
        (
            r#"{"type":"text"}"#,
            "#/type: \"text\"` is not a type of JSON",
        ),
        (r##"{"$ref":"#/no"}"##, "there is no schema `#/no`"),
        (r##"{"allOf":[{"$ref":"#"}]}"##, "is defined by itself"),
        (
            r#"{"$ref":"http://example.com/a.json"}"#,
            "a reference out of the file",
        ),
        (
            r#"{"unevaluatedProperties":false}"#,
            "the word `unevaluatedProperties` at # is not supported",
        ),
        (r#"{"pattern":"(?=a)"}"#, "not linear"),
        (
            r#"{"requird":["a"]}"#,
            "the word `requird` at # is not supported",
        ),
        ("7", "is not a schema"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.to_string().contains(says), "{text}: {problem}");
    }
}

#[test]
fn work_has_an_end() {
    let schema = read(r#"{"uniqueItems":true}"#).unwrap();
    let numbers: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let text = format!("[{}]", numbers.join(","));
    let outcome = schema.check(text.as_bytes(), &mut Work::of(100_000));
    assert_eq!(outcome, Err(Finding::Exhausted));
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(
        schema
            .check(deep.as_bytes(), &mut Work::of(100_000))
            .is_err()
    );
}
