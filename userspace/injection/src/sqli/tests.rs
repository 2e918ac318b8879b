//! Values and their fingerprints.

use std::time::{Duration, Instant};

use super::sqli;

fn fingerprint(value: &[u8]) -> String {
    sqli(value).map_or_else(String::new, |found| found.to_string())
}

/// What libinjection says of them.
#[test]
fn attacks_have_their_fingerprint() {
    for (value, expected) in [
        ("1' OR '1'='1", "s&sos"),
        ("1 UNION SELECT 1,2", "1UE1"),
        ("1 /*x*/ union", "1U"),
        ("1 union all select user()", "1UEf("),
        ("1--", "1c"),
        ("1 --", "1c"),
        ("1-- x", "1c"),
        ("1234-ABC--", "1c"),
        ("1/*", "1c"),
        ("foo /*x*/", "nc"),
        ("1 -- sp_password", "1c"),
        ("foo -- sp_password", "nc"),
        ("x' + 'y", "sos"),
        ("x' and 'y", "s&s"),
        ("sexy and 17<18", "n&1"),
        ("1 and 1=1", "1&1"),
        ("x into outfile 'y'", "nks"),
        ("x intO outfile 'y'", "nks"),
        ("1 /*! union */ select", "X"),
        ("1 /* a /* b */ c */", "X"),
        ("1' and sleep(5)#", "s&f(1"),
        ("1' and sleep(5)-- x", "s&f(1"),
        (r#"1" or 1=1#"#, "s&1c"),
        ("1;if(1=1) waitfor delay '0:0:5'", "1;T(1"),
        ("1; drop table x", "1;Tnn"),
        ("1 or {x 1}=1", "1&1"),
        ("1 or {``.``.id}", "X"),
        ("1 = `sleep`(5)", "1of(1"),
        ("$$x$$ or 1=1", "s&1"),
        ("$a$ ' $a$ or 1=1", "s&1"),
        ("$1,000.00 or 1=1", "1&1"),
        ("q'[x]' or 1=1", "s&1"),
        ("nq'(x)' or 1=1", "s&1"),
        ("u&'x' or 1=1", "s&1"),
        (r#"e'\'' or 1=1"#, "s&1"),
        ("b'01' or 1=1", "1&1"),
        ("x'0f' or 1=1", "1&1"),
        ("0x1f or 1=1", "1&1"),
        ("0b01 or 1=1", "1&1"),
        (r#"\N or 1=1"#, "1&1"),
        (r#"\%1 or 1=1"#, "1&1"),
        ("1.5fUNION select 1", "1UE1"),
        ("@@version or 1=1", "v&1"),
        ("@`x` or 1=1", "v&1"),
        ("[x] or 1=1", "n&1"),
        ("1::int or 1=1", "1&1"),
        ("1 not in (select 1)", "1o(E1"),
        ("1 like (select 1)", "1f(E1"),
        ("user() or 1=1", "f()&1"),
        ("1,-1 or 1=1", "1&1"),
        ("1,-sin(1) or 1=1", "1,f(1"),
        ("((1)) or 1=1", "1)&1"),
    ] {
        assert_eq!(fingerprint(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn ordinary_values_have_none() {
    for value in [
        "",
        "1 union",
        "foo--",
        "foo #",
        "1 #",
        "'x' + 'y'",
        "sexy and 17",
        "1 and 1",
        "x order 1",
        "x from y",
        "select * from users",
        "SELECT.1",
        "SELECT`x`",
        "-1 or 1.e(1)",
        "1 collate utf8_bin or 1=1",
        "x like 'y'",
        "user(1) or 1=1",
        "O'Neill",
        "it's 5 o'clock",
        "a@example.com",
        "https://example.com/?a=1&b=2",
        "1 + 1 = 2",
        "rock and roll",
        "(555) 123-4567",
        r#"C:\Users\x"#,
        r#"{"a": [1, 2]}"#,
        "hello world -- bye",
        "union square",
        "select committee",
    ] {
        assert_eq!(fingerprint(value.as_bytes()), "", "{value}");
    }
}

/// Patterns of which every repetition is folded away, and others that look for an end that never comes.
#[test]
fn a_long_value_takes_time_in_proportion_to_its_length() {
    let started = Instant::now();
    for pattern in [
        "like.", "not`", "1+", "null,", "x.", "'", "''", "'\\'", "\"\"", "`", "/*", "*/", "/**/",
        "--\n", "--", "#", "$a", "$a$", "$$", "$", "q'(", "nq'", "b'0", "x'f", "[", "{x ", "(",
        ")", ";", "\\", "\\N,", "@", "@`", "0x", "1e", "e'", "u&'", "!", ",-1",
    ] {
        for start in ["", "1 ", "'", "\"", "x\0", "-"] {
            let value = format!("{start}{}", pattern.repeat(50_000));
            let _ = sqli(value.as_bytes());
        }
    }
    // A second or two without optimisation; hours if one of them were quadratic.
    assert!(started.elapsed() < Duration::from_secs(120));
}
