//! The transformations against the unit cases of other engines, and a few of our own.

use base64::Engine as _;
use seclang::ast::Transformation;
use serde_json::Value;

use super::{apply, changes_empty, triggers};
use crate::bytes::ByteSet;

/// Cases of the reference data that we answer otherwise, with the reason. May only shrink.
const KNOWN: &[(&str, &str)] = &[(
    "tfn:invalidLen:5ad4b4debfde",
    "an odd digit is dropped as in ModSecurity; Coraza gives nothing at all",
)];

fn run(transformation: Transformation, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    apply(transformation, input, &mut out);
    out
}

/// The name in the data is the one of a file there; some are spelled otherwise than in SecLang.
fn named(name: &str) -> Option<Transformation> {
    let name = match name {
        "invalidLen" => "hexDecode",
        name if name.starts_with("md5-") => "md5",
        name if name.starts_with("sha1-") => "sha1",
        name => name,
    };
    Transformation::from_name(name)
}

#[test]
fn unit_cases_of_other_engines() {
    let Some(cases) = crate::testing::reference("waf/tests/transformations-dev.jsonl") else {
        return;
    };
    let decode = |value: &Value| {
        base64::engine::general_purpose::STANDARD
            .decode(value.as_str().unwrap())
            .unwrap()
    };
    let mut wrong = Vec::new();
    let mut total = 0;
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        total += 1;
        let name = case["name"].as_str().unwrap();
        let id = case["id"].as_str().unwrap();
        let transformation = named(name).unwrap_or_else(|| panic!("{name} is unknown"));
        let input = decode(&case["input_b64"]);
        let output = run(transformation, &input);
        let answers: Vec<_> = case["expect"].as_array().unwrap().iter().collect();
        // Where the two sources disagree, ModSecurity's answer is ours (the low byte of %u00HH and of long CSS escapes).
        let expected = answers
            .iter()
            .find(|answer| answer["source"] == "modsecurity")
            .or(answers.first())
            .map(|answer| decode(&answer["output_b64"]))
            .unwrap();
        let known = KNOWN.iter().any(|(known, _)| *known == id);
        if (output != expected) != known {
            wrong.push(format!(
                "{id}: {:?} gave {:?}, expected {:?}",
                input.escape_ascii().to_string(),
                output.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            ));
        }
    }
    println!(
        "{} of {total} cases as expected, {} known to differ",
        total - wrong.len() - KNOWN.len(),
        KNOWN.len()
    );
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn decoders() {
    use Transformation as T;
    for (transformation, input, output) in [
        (T::UrlDecodeUni, "%u0041%uFF41%u00zz%4a+%", "Aa%u00zzJ %"),
        (T::UrlDecode, "a%20b+c%2", "a b c%2"),
        (T::JsDecode, r"\u0061\x62\143\n\'", "abc\n'"),
        (T::JsDecode, r"\uff1cscript", "<script"),
        (T::CssDecode, "ja\\76 ascript", "javascript"),
        (
            T::HtmlEntityDecode,
            "&lt;&#x41;&#66&quot&copy;&",
            "<AB\"&copy;&",
        ),
        (T::HtmlEntityDecode, "&#99999999999999999999;", "\u{fffd}"),
        (T::EscapeSeqDecode, r"\x41\101\q\xzz", "AAqxzz"),
        (T::CmdLine, "C^at  , /etc;\"x\" (y)", "cat/etc x(y)"),
        (T::SqlHexDecode, "a 0x4142 b 0xzz", "a AB b 0xzz"),
        (
            T::Utf8toUnicode,
            "a\u{e9}\u{20ac}\u{1f600}",
            "a%u00e9%u20ac%u1f600",
        ),
        (T::RemoveCommentsChar, "a/*b*/--c#<!--d-->", "abcd"),
    ] {
        let decoded = run(transformation, input.as_bytes());
        if output == "\u{fffd}" {
            assert_eq!(decoded, b"\xff", "{input}");
        } else {
            assert_eq!(
                decoded.escape_ascii().to_string(),
                output.as_bytes().escape_ascii().to_string(),
                "{input}"
            );
        }
    }
}

/// The second gate passes over a transformation when none of its trigger bytes is there: it must then be the identity.
#[test]
fn without_trigger_bytes_nothing_changes() {
    let mut samples: Vec<Vec<u8>> =
        vec![b"".to_vec(), b"a".to_vec(), b"plain-text_1.html".to_vec()];
    // Every pair and triple of a small alphabet of troublesome bytes.
    let alphabet = b"aZ0 \t\x0b\xa0\xc3\x00%+\\/*-<>!#&;.'\"^,(=x1";
    for &a in alphabet {
        for &b in alphabet {
            samples.push(vec![a, b]);
            samples.extend(alphabet.iter().map(|&c| vec![a, b, c, b'a']));
        }
    }
    for &transformation in Transformation::ALL {
        let triggers = triggers(transformation);
        for sample in &samples {
            if sample.is_empty() {
                assert_eq!(
                    run(transformation, sample) != *sample,
                    changes_empty(transformation),
                    "{transformation} of nothing"
                );
            } else if !ByteSet::present_in(sample).intersects(&triggers) {
                assert_eq!(
                    &run(transformation, sample),
                    sample,
                    "{transformation} of {:?}",
                    sample.escape_ascii().to_string()
                );
            }
        }
    }
}

#[test]
fn what_is_no_utf8_becomes_what_a_careless_reader_makes_of_it() {
    let cases: [(&[u8], &[u8]); 10] = [
        (b"..\xC0\xAF", b"..%u002f\xC0"),
        (b"\xE0\x80\xAFx", b"%u002f\xE0x"),
        (b"\xF0\x80\x80\xAF", b"%u002f\xF0"),
        (b"\xED\xA0\x80", b"%ud800\xED"),
        (b"un\xE1ion", b"union"),
        (b"a\xC4", b"a"),
        (b"\xF3\x93\x0F", b"\x93\x0F"),
        (b"a\x80b\xFF", b"a\x80b\xFF"),
        (b"/etc\0/passwd\0", b"/etc/passwd"),
        (b"\xF0\x9F\x98\x80\xE2\x80\x99", b"%u1f600%u2019"),
    ];
    for (input, expected) in cases {
        assert_eq!(
            run(Transformation::Utf8toUnicode, input),
            expected,
            "{input:?}"
        );
    }
}
