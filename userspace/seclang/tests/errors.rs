//! What is wrong is told with its place, its words and a remedy: one table for all.

#[path = "errors/rules.rs"]
mod rules;
#[path = "errors/words.rs"]
mod words;

use seclang::{Diagnostic, parse_str};

fn errors(text: &str) -> Vec<Diagnostic> {
    parse_str("rules.conf", text).err().unwrap_or_default()
}

/// (text, line, column, message, remedy). The text is the only one of its file and has one error.
#[track_caller]
fn check(cases: &[(&str, u32, u32, &str, Option<&str>)]) {
    for (text, line, column, message, remedy) in cases {
        let found = errors(text);
        let seen: Vec<_> = found
            .iter()
            .map(|error| (error.line, error.column, error.message(), error.remedy()))
            .collect();
        let wanted = vec![(
            *line,
            *column,
            (*message).to_owned(),
            remedy.map(str::to_owned),
        )];
        assert_eq!(seen, wanted, "{text}");
    }
}

#[test]
fn all_errors_of_a_file_are_told_in_order() {
    let found = errors("SecRule ARGZ|TXX \"@foo x\" \"id:x,deni\"\nSecFoo\nSecRuleEngine 1\n");
    let seen: Vec<(u32, u32)> = found
        .iter()
        .map(|error| (error.line, error.column))
        .collect();
    assert_eq!(
        seen,
        [(1, 9), (1, 14), (1, 19), (1, 31), (1, 33), (2, 1), (3, 15)]
    );
}

#[test]
fn a_broken_starter_is_not_told_a_second_time() {
    let found = errors(
        "SecRule ARGS \"@foo x\" \"id:1,chain\"\n  SecRule ARGS y\nSecRule ARGS \"open\n  SecRule ARGS y\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn an_error_shows_its_line() {
    let found = errors("SecMarker A\nSecRule ARGS|ARGZ \"@rx x\" \"id:1\"\n");
    let expected = "rules.conf:2:14: unknown variable `ARGZ`\n 2 | SecRule ARGS|ARGZ \"@rx x\" \"id:1\"\n   |              ^^^^\n  = did you mean `ARGS`?";
    assert_eq!(found[0].to_string(), expected);
}

#[test]
fn a_long_line_is_shown_round_the_place() {
    let text = format!("SecRule ARGS \"@rx {}\" \"id:1,foo\"", "é".repeat(500));
    let shown = errors(&text)[0].to_string();
    assert!(
        shown.lines().all(|line| line.chars().count() < 140),
        "{shown}"
    );
    let lines: Vec<&str> = shown.lines().collect();
    let caret = lines[2].chars().position(|c| c == '^').expect("a caret");
    assert_eq!(
        lines[1].chars().skip(caret).take(3).collect::<String>(),
        "foo"
    );
}

#[test]
fn limits_end_the_work() {
    let many = "SecFoo\n".repeat(seclang::limits::DIAGNOSTICS + 10);
    assert_eq!(errors(&many).len(), seclang::limits::DIAGNOSTICS);
    let long = format!(
        "SecMarker {}",
        "a".repeat(seclang::limits::DIRECTIVE_BYTES + 1)
    );
    assert_eq!(
        errors(&long)[0].message(),
        "bytes of one directive: more than 262144"
    );
    let chain = format!(
        "SecRule ARGS x id:1,chain\n{}SecRule ARGS x",
        "SecRule ARGS x chain\n".repeat(100)
    );
    assert_eq!(
        errors(&chain)[0].message(),
        "links of one chain: more than 64"
    );
    let targets = vec!["ARGS"; seclang::limits::TARGETS + 1].join("|");
    assert_eq!(
        errors(&format!("SecRule {targets} x id:1"))[0].message(),
        "targets of one rule: more than 1024"
    );
    let huge = " ".repeat(seclang::limits::FILE_BYTES + 1);
    assert_eq!(
        errors(&huge)[0].to_string(),
        "rules.conf: bytes of one file: more than 16777216\n  = split it up"
    );
}

#[test]
fn hostile_texts_end_soon() {
    let fill = |piece: &str| piece.repeat(50_000 / piece.len());
    for text in [
        format!("SecRule {} x", fill("ARGS:/x|")),
        format!("SecRule ARGS \"@streq {}\" id:1", fill("%{")),
        format!("SecRule ARGS \"@streq {}}}\" id:1", fill("%{")),
        format!("SecRule ARGS \"{}\" id:1", fill("\\")),
        format!("SecRule ARGS \"{}x\" id:1", fill("\\ ")),
        format!("SecAction \"id:1,{}\"", fill("zz:'y',")),
        format!("SecAction \"id:1,{}\"", fill("msg:'%{q}',")),
        fill("SecRule \"\n"),
        fill("'"),
        fill("`"),
    ] {
        let found = errors(&text);
        assert!(found.iter().all(|error| error.to_string().len() < 2000));
    }
}
