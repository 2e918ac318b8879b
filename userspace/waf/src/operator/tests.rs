//! The operators against the unit cases of other engines.

use base64::Engine as _;
use serde_json::Value;

use super::*;

/// Cases that we answer otherwise, with the reason. May only shrink.
const KNOWN: &[(&str, &str)] = &[];

/// Operators that have cases there and that no rule can use here yet. May only shrink.
const UNSUPPORTED: &[&str] = &[];

/// What `testdata/schema.json` has to say, by the cases that name it; the file does not come with them.
const SCHEMA: &str = r#"{"type":"object","required":["name","age"],"properties":{"name":{"type":"string"},"age":{"type":"integer"}}}"#;

const MATCH_LIMIT: u64 = 100_000;

fn test_named(name: &str, argument: &str) -> Test {
    match name {
        "rx" => Test::Rx(Regex::new(argument, MATCH_LIMIT).unwrap()),
        "pm" => Test::Phrases(Phrases::of_words(argument).unwrap()),
        "pmFromFile" => Test::Phrases(Phrases::of_lines(argument.as_bytes()).unwrap()),
        "contains" | "strmatch" => Test::Text(Comparison::Contains),
        "containsWord" => Test::Text(Comparison::ContainsWord),
        "streq" => Test::Text(Comparison::Equals),
        "beginsWith" => Test::Text(Comparison::BeginsWith),
        "endsWith" => Test::Text(Comparison::EndsWith),
        "within" => Test::Text(Comparison::Within),
        "eq" => Test::Number(Relation::Equal),
        "ge" => Test::Number(Relation::GreaterOrEqual),
        "gt" => Test::Number(Relation::Greater),
        "le" => Test::Number(Relation::LessOrEqual),
        "lt" => Test::Number(Relation::Less),
        "validateByteRange" => Test::ByteRange(byte_range(argument).unwrap()),
        "validateUrlEncoding" => Test::UrlEncoding,
        "validateUtf8Encoding" => Test::Utf8Encoding,
        // A list that does not read is an error when rules are compiled; others take it and match nothing.
        "ipMatch" => Networks::read(argument.split(',')).map_or(Test::Never, Test::Networks),
        "verifyCC" => Test::CardNumber(CardNumber(Regex::new(argument, MATCH_LIMIT).unwrap())),
        "detectSQLi" => Test::SqlInjection,
        "detectXSS" => Test::Xss,
        "verifyssn" => identity(Nation::UnitedStates, argument),
        "verifysvnr" => identity(Nation::Austria, argument),
        "verifycpf" => identity(Nation::Brazil, argument),
        "validateNid" => match argument.split_once(' ').unwrap() {
            ("cl", pattern) => identity(Nation::Chile, pattern),
            (_, pattern) => identity(Nation::UnitedStates, pattern),
        },
        "validateSchema" => {
            let files = schema::Files::of([(argument, SCHEMA.as_bytes())]);
            Test::Document(Box::new(
                Grammar::schema(&files, argument.as_ref()).unwrap(),
            ))
        }
        "unconditionalMatch" => Test::Always,
        "noMatch" => Test::Never,
        _ => panic!("{name} is unknown"),
    }
}

fn identity(nation: Nation, pattern: &str) -> Test {
    let regex = Regex::new(pattern, MATCH_LIMIT).unwrap();
    Test::IdentityNumber(IdentityNumber { regex, nation })
}

#[test]
fn unit_cases_of_other_engines() {
    let Some(cases) = crate::testing::reference("waf/tests/operators-dev.jsonl") else {
        return;
    };
    let decode = |value: &Value| {
        base64::engine::general_purpose::STANDARD
            .decode(value.as_str().unwrap())
            .unwrap()
    };
    let mut wrong = Vec::new();
    let (mut total, mut unsupported) = (0, 0);
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (id, name) = (case["id"].as_str().unwrap(), case["name"].as_str().unwrap());
        total += 1;
        if UNSUPPORTED.contains(&name) {
            unsupported += 1;
            continue;
        }
        let mut argument = decode(&case["param_b64"]);
        if name == "pmFromFile" {
            let file = format!("waf/tests/data/{}", String::from_utf8_lossy(&argument));
            let Some(lines) = crate::testing::reference(&file) else {
                unsupported += 1;
                continue;
            };
            argument = lines.into_bytes();
        }
        let test = test_named(name, &String::from_utf8_lossy(&argument));
        let value = decode(&case["input_b64"]);
        let answers: Vec<_> = case["expect"].as_array().unwrap().iter().collect();
        // Where the two sources disagree ModSecurity is right: Coraza's harness does not run its own rows.
        let expected = answers
            .iter()
            .find(|answer| answer["source"] == "modsecurity")
            .or(answers.first())
            .unwrap();
        let mut captures = Captures::default();
        let matched = match &test {
            Test::Document(grammar) => {
                let mut work = schema::Work::of(1_000_000);
                grammar.differs(None, &value, &mut work).unwrap()
            }
            test => test
                .matches(&value, &argument, Some(&mut captures))
                .unwrap(),
        };
        let mut right = Some(matched) == expected["match"].as_bool();
        if let Some(groups) = case["captures_b64"].as_array() {
            let groups: Vec<_> = groups.iter().map(decode).collect();
            let captured: Vec<_> = captures
                .groups()
                .iter()
                .map(|&(start, end)| value[start..end].to_vec())
                .collect();
            right &= groups == captured;
        }
        if right == KNOWN.iter().any(|(known, _)| *known == id) {
            wrong.push(format!("{id}: {} gave {matched}", case["text"]));
        }
    }
    println!(
        "{} of {total} cases as expected, {unsupported} not asked",
        total - wrong.len() - unsupported
    );
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn phrases_read_snort_bytes_and_ignore_case() {
    let phrases = Phrases::of_words("abc |41 42|c x|20|y a|b").unwrap();
    assert_eq!(phrases.phrases(), [b"abc".as_slice(), b"a|b", b"x y"]);
    let mut captures = Captures::default();
    assert!(phrases.matches(b"..ABC", Some(&mut captures)));
    assert_eq!(captures.groups(), [(2, 5)]);
    assert_eq!(
        Phrases::of_words("|4|a").unwrap_err(),
        PhraseError::Hex("4".to_owned())
    );
    let lines = Phrases::of_lines(b"# comment\r\n\r\nDef\r\nyyy zzz\n").unwrap();
    assert!(lines.matches(b"xxx yyy ZZZ", None));
    assert!(!lines.matches(b"xxx yyy", None));
}

#[test]
fn dollar_is_the_very_end_and_dot_is_any_byte() {
    let matches = |pattern: &str, value: &[u8]| {
        Regex::new(pattern, MATCH_LIMIT)
            .unwrap()
            .matches(value, None)
            .unwrap()
    };
    assert!(!matches("a$", b"a\n"));
    assert!(!matches("^b", b"a\nb"));
    assert!(matches("a.b", b"a\nb"));
    assert!(matches(r"\x{c2}\x{b4}", b"\xc2\xb4"));
    assert!(matches(r"\s", b"\x0b"));
    assert!(!matches(r"(?i)\xe9", b"\xc9"));
}

#[test]
fn a_pattern_over_its_match_limit_is_an_error() {
    let regex = Regex::new(r"^(a+)+$", 1000).unwrap();
    assert_eq!(
        regex.matches(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", None),
        Err(MatchError)
    );
}

/// The patterns of the CRS beside the repository, if it is there.
fn crs_patterns() -> Vec<String> {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/waf/crs/rules");
    let Ok(files) = std::fs::read_dir(rules) else {
        println!("no CRS beside the repository: its patterns are not compared");
        return Vec::new();
    };
    let texts = files.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
    let patterns = texts.flat_map(|text| {
        let lines = text.lines().filter_map(|line| {
            let (_, pattern) = line.split_once("@rx ")?;
            let pattern = pattern.trim_end_matches('\\').trim_end();
            Some(pattern.strip_suffix('"')?.replace("\\\"", "\""))
        });
        lines.collect::<Vec<_>>()
    });
    patterns.collect()
}

#[test]
fn long_values_match_as_short_ones_do() {
    let mut patterns = crs_patterns();
    patterns.extend(
        [
            r"(?i)b\W*c$",
            r"^a+b",
            r"a++b",
            r"(?<=x)b",
            r"\bab\b",
            r"(a|ab)(c|bcd)",
        ]
        .map(str::to_owned),
    );
    let pieces = [
        "a",
        "ab ",
        "<a b=c>",
        "' or 1=1 --",
        ";cat /etc/a|ls ",
        "${jndi:x}",
        "(\"\")a.b[c]",
        "\n",
        "=\\x41\0",
        "\u{fe}",
        "../..",
        "concat(char(",
    ];
    let mut found = 0;
    for pattern in &patterns {
        let Ok(regex) = Regex::new(pattern, 100_000) else {
            continue;
        };
        for one in pieces {
            for other in pieces {
                let value = format!("{}{other}{}", one.repeat(300), one.repeat(40));
                let mut captures = Captures::default();
                let matched = regex.matches(value.as_bytes(), Some(&mut captures));
                // This asks PCRE2 alone; what it gave up is decided now.
                let Ok(expected) = regex.find_at(value.as_bytes(), 0) else {
                    continue;
                };
                assert_eq!(matched, Ok(expected.is_some()), "{pattern} {one} {other}");
                assert_eq!(captures.groups().first().copied(), expected, "{pattern}");
                found += usize::from(expected.is_some());
            }
        }
    }
    assert!(found > 100, "{found} matches");
}

#[test]
fn the_time_of_a_long_value_is_not_its_square() {
    let regex = Regex::new(r"[^x]*\|[^x]*=x", 100_000).unwrap();
    // With PCRE2 alone: minutes.
    let value = "a|".repeat(1 << 19);
    assert_eq!(regex.matches(value.as_bytes(), None), Ok(false));
}
