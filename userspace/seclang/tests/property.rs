//! No text panics, and what is printed says the same as what was read.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use seclang::{format, parse_str};

/// Pieces that a parser can trip over.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "SecRule",
        "SecAction",
        "SecMarker",
        "SecDefaultAction",
        "SecRuleRemoveById",
        "SecRuleUpdateTargetById",
        "SecDataset",
        "Include",
        "SecAuditLog",
        "#",
        " ",
        " ",
        " ",
        "\t",
        "\n",
        "\n",
        "\\\n",
        "\\\r\n",
        "\r",
        "\"",
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "\\'",
        ",",
        ":",
        "|",
        "/",
        "!",
        "&",
        "@",
        "=",
        "+",
        "-",
        ".",
        "%{",
        "}",
        "ARGS",
        "XML:/*",
        "TX:/a|b/",
        "REQUEST_URI",
        "rx",
        "@rx ",
        "@pm ",
        "@streq",
        "%{tx.a}",
        "id:1",
        "id:2",
        "phase:1",
        "chain",
        "deny",
        "msg:",
        "'a, b'",
        "setvar:tx.a",
        "ctl:ruleRemoveTargetById=1;ARGS:x",
        "t:none",
        "1",
        "é",
        "\u{0}",
        "\u{a0}",
        "x",
    ])
}

/// Characters that quotes have to protect.
fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        "a", "B", " ", "'", "\"", "\\", ",", "|", "/", "%{tx.a}", "%{", "}", "é", ":", "=", "+",
    ]);
    prop::collection::vec(character, 0..8).prop_map(|parts| parts.concat())
}

/// A text as an author would put it into single or no quotes inside of a list in double quotes.
fn value() -> impl Strategy<Value = String> {
    (text(), any::<bool>()).prop_map(|(text, quoted)| {
        let text = if quoted {
            format!("'{}'", text.replace('\'', "\\'"))
        } else {
            text
        };
        text.replace('"', "\\\"")
    })
}

fn action() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "deny",
        "t:lowercase",
        "t:none",
        "multiMatch",
        "capture",
        "severity:2",
        "status:404",
        "nolog",
        "allow:phase",
        "skip:3",
        "ctl:ruleEngine=Off",
        "ctl:auditLogParts=+E",
        "ctl:ruleRemoveById=1-5",
        "setvar:!tx.a",
    ]);
    let keys = prop::sample::select(vec![
        "msg:",
        "logdata:",
        "tag:",
        "ver:",
        "setvar:tx.a=",
        "setvar:ip.b=+",
        "setenv:a=",
        "redirect:",
        "skipAfter:",
        "initcol:ip=",
        "expirevar:tx.a=",
        "setsid:",
        "ctl:ruleRemoveTargetByTag=",
    ]);
    prop_oneof![
        words.prop_map(str::to_owned),
        (keys, value()).prop_map(|(key, value)| format!("{key}{value}"))
    ]
}

fn target() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec!["ARGS", "&TX", "!ARGS", "XML", "REQUEST_URI", "FILES"]);
    let selector = prop_oneof![
        Just(String::new()),
        text().prop_map(|text| format!(":{text}")),
        text().prop_map(|text| format!(":/{text}/")),
        text().prop_map(|text| format!(":'/{text}/'")),
        text().prop_map(|text| format!(":'{text}'")),
    ];
    (start, selector).prop_map(|(start, selector)| format!("{start}{selector}"))
}

fn rule() -> impl Strategy<Value = String> {
    let operator = prop_oneof![
        (
            prop::sample::select(vec!["", "@rx ", "!@rx ", "@pm a", "@streq ", "!"]),
            text()
        )
            .prop_map(|(a, b)| format!("{a}{b}")),
        text(),
    ];
    let targets = prop::collection::vec(target(), 1..4);
    let actions = prop::collection::vec(action(), 0..5);
    (targets, operator, actions, any::<bool>()).prop_map(|(targets, operator, actions, bare)| {
        let quoted = |text: String| {
            if bare {
                text
            } else {
                format!("\"{}\"", text.replace('"', "\\\""))
            }
        };
        let list = std::iter::once("id:1".to_owned())
            .chain(actions)
            .collect::<Vec<_>>()
            .join(",");
        format!(
            "SecRule {} {} \"{list}\"\n",
            quoted(targets.join("|")),
            quoted(operator)
        )
    })
}

/// Reads, prints and reads again. Texts that do not parse are fine as long as they say so.
fn round_trip(text: &str) -> Result<bool, TestCaseError> {
    let document = match parse_str("first", text) {
        Ok(document) => document,
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(!error.to_string().is_empty());
            }
            return Ok(false);
        }
    };
    let printed = format(&document);
    match parse_str("second", &printed) {
        Ok(again) => {
            prop_assert_eq!(&document, &again, "{}", printed);
            prop_assert_eq!(&printed, &format(&again));
            Ok(true)
        }
        Err(errors) => Err(TestCaseError::fail(format!("{printed}\n{}", errors[0]))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_parses_or_says_why(text in any::<String>()) {
        round_trip(&text)?;
    }

    #[test]
    fn any_sequence_of_pieces_parses_or_says_why(pieces in prop::collection::vec(piece(), 0..40)) {
        round_trip(&pieces.concat())?;
    }

    #[test]
    fn rules_say_the_same_after_printing(text in rule()) {
        round_trip(&text)?;
    }
}

#[test]
fn enough_of_the_rules_that_are_tried_parse() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut parsed = 0;
    for _ in 0..1000 {
        let text = rule().new_tree(&mut runner).expect("a tree").current();
        parsed += usize::from(round_trip(&text).expect("it round-trips"));
    }
    assert!(parsed > 100, "only {parsed} of 1000 parsed");
}
