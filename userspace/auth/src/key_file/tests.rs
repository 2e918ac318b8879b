use super::*;
use crate::testing::{NOW, at};
use proptest::prelude::*;

const HEADER: &str = r#"{"format":"bascule-keys","version":1,"prefix":"bsk"}"#;

fn record_line(id: &str, hash_digit: char, more: &str) -> String {
    let hash = String::from(hash_digit).repeat(64);
    format!(
        r#"{{"id":"{id}","hash":"sha256:{hash}","consumer":"acme","created":"2026-03-01T12:00:00Z"{more}}}"#
    )
}

fn problem(lines: &[&str]) -> (usize, KeyFileProblem) {
    let error = KeyFile::parse(lines.join("\n").as_bytes()).unwrap_err();
    (error.line, error.problem)
}

#[test]
fn a_full_file_round_trips() {
    let line = record_line(
        "k-1",
        'a',
        r#","expires":"2027-01-01T00:00:00Z","revoked":"2026-06-01T00:00:00Z","disabled":true,"slot":"primary","scopes":["orders:read","orders:write"]"#,
    );
    let text = format!("{HEADER}\n{line}\n{}\n", record_line("k-2", 'b', ""));
    let file = KeyFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.to_text(), text);
    assert_eq!(file.records.len(), 2);
    let first = &file.records[0];
    assert_eq!(first.scopes, ["orders:read", "orders:write"]);
    assert!(first.disabled && !first.is_live());
    assert_eq!(first.slot, Some(Slot::Primary));
    assert_eq!(file.records[1].expires, None);
}

#[test]
fn empty_lines_and_windows_line_ends_are_read() {
    let text = format!("\n{HEADER}\r\n\r\n{}\r\n  \n", record_line("k", 'a', ""));
    assert_eq!(KeyFile::parse(text.as_bytes()).unwrap().records.len(), 1);
}

#[test]
fn the_first_line_names_the_format() {
    for first in [
        "",
        "hello",
        "{}",
        r#"{"format":"other","version":1,"prefix":"bsk"}"#,
        r#"{"format":"bascule-keys","version":1,"prefix":"bsk","more":1}"#,
        &record_line("k", 'a', ""),
    ] {
        assert_eq!(problem(&[first]), (1, KeyFileProblem::NoHeader), "{first}");
    }
    let version = HEADER.replace("1", "2");
    assert_eq!(problem(&[&version]), (1, KeyFileProblem::Version(2)));
    let prefix = HEADER.replace("bsk", "B");
    assert_eq!(problem(&[&prefix]), (1, KeyFileProblem::Prefix(BadPrefix)));
}

#[test]
fn each_wrong_record_is_named() {
    let cases = [
        (record_line("", 'a', ""), KeyFileProblem::Name("id")),
        (
            record_line("k", 'a', "").replace("acme", r"a\nb"),
            KeyFileProblem::Name("consumer"),
        ),
        (record_line("k", 'A', ""), KeyFileProblem::Hash),
        (
            record_line("k", 'a', "").replace("sha256:", "md5:"),
            KeyFileProblem::Hash,
        ),
        (
            record_line("k", 'a', "").replace("2026-03-01", "2026-02-30"),
            KeyFileProblem::Time("created"),
        ),
        (
            record_line("k", 'a', r#","expires":"soon""#),
            KeyFileProblem::Time("expires"),
        ),
        (
            record_line("k", 'a', r#","revoked":"yes!""#),
            KeyFileProblem::Time("revoked"),
        ),
        (
            record_line("k", 'a', r#","scopes":["a b"]"#),
            KeyFileProblem::Scope,
        ),
        (
            record_line("k", 'a', r#","scopes":[""]"#),
            KeyFileProblem::Scope,
        ),
        (
            format!("{{\"x\":\"{}\"}}", "y".repeat(LINE_LIMIT_BYTES)),
            KeyFileProblem::LineTooLong,
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(problem(&[HEADER, "", &line]), (3, expected), "{line}");
    }
    for line in [
        "{",
        "[]",
        &record_line("k", 'a', r#","expires":7"#),
        &record_line("k", 'a', r#","unknown":1"#),
        &record_line("k", 'a', r#","slot":"third""#),
        &record_line("k", 'a', r#","id":"twice""#),
    ] {
        assert!(
            matches!(problem(&[HEADER, line]), (2, KeyFileProblem::Record { .. })),
            "{line}"
        );
    }
}

#[test]
fn an_error_says_where_and_what() {
    let line = record_line("k", 'a', r#","expiry":"2027-01-01T00:00:00Z""#);
    let error = KeyFile::parse(format!("{HEADER}\n{line}").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("line 2: expected a key record"),
        "{error}"
    );
    assert!(error.contains("unknown field `expiry`"), "{error}");
    assert!(!error.contains(&"a".repeat(8)), "repeats the hash: {error}");
}

#[test]
fn ids_hashes_and_live_slots_are_unique() {
    let first = record_line("k1", 'a', r#","slot":"primary""#);
    let same_id = record_line("k1", 'b', "");
    assert_eq!(
        problem(&[HEADER, &first, &same_id]),
        (3, KeyFileProblem::DuplicateId("k1".into()))
    );
    let same_hash = record_line("k2", 'a', "");
    assert_eq!(
        problem(&[HEADER, &first, &same_hash]),
        (3, KeyFileProblem::DuplicateHash)
    );
    let same_slot = record_line("k2", 'b', r#","slot":"primary""#);
    let taken = KeyFileProblem::SlotTaken {
        consumer: "acme".into(),
        slot: Slot::Primary,
    };
    assert_eq!(problem(&[HEADER, &first, &same_slot]), (3, taken));

    let revoked = record_line(
        "k2",
        'b',
        r#","slot":"primary","revoked":"2026-04-01T00:00:00Z""#,
    );
    let other = record_line("k3", 'c', r#","slot":"secondary""#);
    let text = [HEADER, &first, &revoked, &other].join("\n");
    assert_eq!(KeyFile::parse(text.as_bytes()).unwrap().records.len(), 3);
}

#[test]
fn a_pair_is_rotated_slot_by_slot() {
    let mut file = KeyFile::new("bsk").unwrap();
    let new = |id: &str, slot| NewKey {
        id: id.to_owned(),
        consumer: "acme".to_owned(),
        slot: Some(slot),
        scopes: vec!["read".to_owned()],
        expires: Some(at(60)),
    };
    file.issue(new("a", Slot::Primary), &[1; RANDOM_BYTES], at(0))
        .unwrap();
    file.issue(new("b", Slot::Secondary), &[2; RANDOM_BYTES], at(0))
        .unwrap();
    let taken = file
        .issue(new("c", Slot::Primary), &[3; RANDOM_BYTES], at(0))
        .unwrap_err();
    assert!(matches!(
        taken,
        KeyFileProblem::SlotTaken {
            slot: Slot::Primary,
            ..
        }
    ));
    assert_eq!(
        file.records.len(),
        2,
        "a refused key leaves the file as it was"
    );

    assert!(file.revoke("a", at(5)));
    assert!(file.revoke("a", at(9)), "revoking twice is no error");
    assert!(!file.revoke("nobody", at(5)));
    assert_eq!(file.records[0].revoked, Some(NOW + 5));
    let secret = file
        .issue(new("c", Slot::Primary), &[3; RANDOM_BYTES], at(5))
        .unwrap();
    assert_eq!(file.records[2].hash, KeyHash::of(secret.expose()));
    assert_eq!(file.records[2].expires, Some(NOW + 60));
    assert_eq!(KeyFile::parse(file.to_text().as_bytes()).unwrap(), file);
    assert!(
        !file
            .to_text()
            .contains(std::str::from_utf8(secret.expose()).unwrap())
    );
}

#[test]
fn a_key_that_the_parser_would_refuse_is_not_issued() {
    let mut file = KeyFile::new("bsk").unwrap();
    let good = NewKey {
        id: "k".into(),
        consumer: "acme".into(),
        ..NewKey::default()
    };
    let nameless = NewKey {
        id: String::new(),
        ..good.clone()
    };
    let unscoped = NewKey {
        scopes: vec!["a b".into()],
        ..good.clone()
    };
    let random = &[1; RANDOM_BYTES];
    assert_eq!(
        file.issue(nameless, random, at(0)).unwrap_err(),
        KeyFileProblem::Name("id")
    );
    assert_eq!(
        file.issue(unscoped, random, at(0)).unwrap_err(),
        KeyFileProblem::Scope
    );
    file.issue(good.clone(), random, at(0)).unwrap();
    let again = NewKey {
        id: "k2".into(),
        ..good
    };
    assert_eq!(
        file.issue(again, random, at(0)).unwrap_err(),
        KeyFileProblem::DuplicateHash
    );
}

proptest! {
    #[test]
    fn never_panics(bytes: Vec<u8>) {
        let _ = KeyFile::parse(&bytes);
    }

    #[test]
    fn never_panics_behind_the_header(line in ".{0,200}") {
        let _ = KeyFile::parse(format!("{HEADER}\n{line}").as_bytes());
    }

    #[test]
    fn what_is_written_is_read(
        id in "[^\\p{Cc}]{1,40}", consumer in "[^\\p{Cc}]{1,40}", hash: [u8; 32], created in 0..civil_time::YEAR_10000,
        expires in proptest::option::of(0..civil_time::YEAR_10000), disabled: bool, scope in "[!#-\\[\\]-~]{1,20}",
    ) {
        let hash = KeyHash::from_bytes(hash);
        let record = KeyRecord {
            id, hash, consumer, created, expires, revoked: expires, disabled, slot: None, scopes: vec![scope],
        };
        let file = KeyFile { prefix: "bsk".to_owned(), records: vec![record] };
        prop_assert_eq!(KeyFile::parse(file.to_text().as_bytes()).unwrap(), file);
    }
}
