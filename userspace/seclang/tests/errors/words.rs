//! Names, quotes and lines.

use super::{check, errors};

#[test]
fn names_that_nobody_knows() {
    check(&[
        (
            "SecRul ARGS x \"id:1\"",
            1,
            1,
            "unknown directive `SecRul`",
            Some("did you mean `SecRule`?"),
        ),
        ("Foo bar", 1, 1, "unknown directive `Foo`", None),
        (
            "SecRule ARGZ x \"id:1\"",
            1,
            9,
            "unknown variable `ARGZ`",
            Some("did you mean `ARGS`?"),
        ),
        (
            "SecRule ARGS|&REQUEST_HEADER:a x \"id:1\"",
            1,
            15,
            "unknown variable `REQUEST_HEADER`",
            Some("did you mean `REQUEST_HEADERS`?"),
        ),
        (
            "SecRule ARGS \"@contain x\" \"id:1\"",
            1,
            15,
            "unknown operator `@contain`",
            Some("did you mean `contains`?"),
        ),
        (
            "SecRule ARGS \"!@zzzzzz x\" \"id:1\"",
            1,
            16,
            "unknown operator `@zzzzzz`",
            None,
        ),
        (
            "SecRule ARGS x \"id:1,\\\n  t:lowercse\"",
            2,
            5,
            "unknown transformation `lowercse`",
            Some("did you mean `lowercase`?"),
        ),
        (
            "SecAction \"id:1,dennny\"",
            1,
            17,
            "unknown action `dennny`",
            Some("did you mean `deny`?"),
        ),
        (
            "SecAction \"id:1,ctl:ruleEngin=On\"",
            1,
            21,
            "unknown ctl option `ruleEngin`",
            Some("did you mean `ruleEngine`?"),
        ),
        (
            "SecAction \"id:1,setvar:txx.a=1\"",
            1,
            24,
            "unknown collection `txx`",
            Some("did you mean `tx`?"),
        ),
        (
            "SecAction \"id:1,msg:'%{tz.a}'\"",
            1,
            24,
            "unknown variable `tz`",
            Some("did you mean `TX`?"),
        ),
    ]);
}

#[test]
fn words_that_are_refused() {
    check(&[
        (
            "SecRuleScript a.lua",
            1,
            1,
            "the directive `SecRuleScript` is not supported",
            Some("no scripts are run from rules; express it in SecLang"),
        ),
        (
            "SecContentInjection On",
            1,
            1,
            "the directive `SecContentInjection On` is not supported",
            Some("responses are not rewritten by rules; write `Off`"),
        ),
        (
            "<IfModule security2_module>",
            1,
            1,
            "the directive `<IfModule` is not supported",
            Some("sections of a web server's configuration are not SecLang; remove the line"),
        ),
        (
            "SecAction \"id:1,exec:/bin/true\"",
            1,
            17,
            "the action `exec` is not supported",
            Some("no scripts and programs are run from rules; express it in SecLang"),
        ),
        (
            "SecRule ARGS \"@rsub s/a/b/\" \"id:1\"",
            1,
            15,
            "the operator `@rsub` is not supported",
            Some("bodies are not rewritten by rules"),
        ),
        (
            "SecRule WEBSERVER_ERROR_LOG x \"id:1\"",
            1,
            9,
            "the variable `WEBSERVER_ERROR_LOG` is not supported",
            Some("there is no error log of a web server here"),
        ),
    ]);
}

#[test]
fn quotes_and_lines() {
    check(&[
        (
            "SecMarker \"abc",
            1,
            11,
            "the quote \" is not closed on this line",
            Some("close it, or end the line with `\\` to go on in the next one"),
        ),
        (
            "SecAction \"id:1,msg:'abc\"",
            1,
            21,
            "the quote ' is not closed on this line",
            Some("close it before the double quote that ends the list"),
        ),
        (
            "SecRule ARGS \"a\"b\" \"id:1\"",
            1,
            16,
            "text directly behind the closing quote \"",
            Some("write a quote inside of quotes as `\\\"`, or put a blank between"),
        ),
        (
            "SecAction \"id:1,msg:'it's'\"",
            1,
            24,
            "text directly behind the closing quote '",
            Some("write a quote inside of quotes as `\\'`, or put a blank between"),
        ),
        (
            "SecRule ARGS x \\ \n \"id:1\"",
            1,
            16,
            "blanks between `\\` and the end of the line",
            Some("remove the blanks, or the `\\`"),
        ),
    ]);
}

#[test]
fn an_open_quote_is_one_error() {
    let found = errors("SecRule ARGS \"@rx a \\\n  \"id:1,\\\n  deny\"\nSecMarker A\nSecMarkr B\n");
    let lines: Vec<u32> = found.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 5], "{found:?}");
}

#[test]
fn actions_may_end_with_their_line_instead_of_a_quote() {
    for (text, actions) in [
        (
            "SecRule ARGS \"@rx a\" \"id:1,msg:'a \\\"b',deny\r\nSecMarker A\n",
            3,
        ),
        ("SecRule ARGS \"@rx a\" \\\n  \"id:1,\\\n  pass", 2),
        ("SecAction \"id:1\n# a comment\n", 1),
    ] {
        let document = seclang::parse_str("x", text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let rule = document.rules().next().expect("a rule");
        assert_eq!(rule.starter.actions.len(), actions, "{text}");
        assert_eq!(document.remarks.len(), 1, "{text}");
        assert_eq!(document.sources.text(document.remarks[0].span), "\"");
    }
    // A line that was meant to go on, and a quote that holds something else.
    for text in [
        "SecRule ARGS \"@rx a\" \"id:1,\n  deny\"\n",
        "SecRule ARGS \"@rx a id:1,deny\nSecMarker A\n",
        "SecMarker \"A\nSecMarker B\n",
    ] {
        let found = errors(text);
        assert!(found[0].to_string().contains("is not closed"), "{found:?}");
    }
}
