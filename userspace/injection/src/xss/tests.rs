//! Values that run script, and others.

use super::xss;

#[test]
fn what_runs_is_found_wherever_it_stands() {
    for value in [
        "<script>alert(1)</script>",
        "\" onfocus=alert(1) x=\"",
        "' style='x",
        "` onload=x",
        "<a href=\"javascript:alert(1)\">",
        "<a href=&#106;avascript:alert(1)>",
        "<!doctype html>",
        "<!--[if IE]>",
        "<!-- ` -->",
        "<?import x>",
        "<%`%>",
        "<svg/onload=x>",
        "<set attributeName=onclick>",
        "onclick = x",
    ] {
        assert!(xss(value.as_bytes()), "{value}");
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for value in [
        "",
        "hello",
        "a < b",
        "a <= b = c",
        "<b>bold</b>",
        "<a href=\"https://example.com/\">x</a>",
        "</b>",
        "<!-- comment -->",
        "x=1&y=2",
        "one = good",
        "style",
        "<",
        "=",
        "<!",
        "</",
        "<?",
        "<%",
        "<!--",
        "<![CDATA[",
        "<a b",
    ] {
        assert!(!xss(value.as_bytes()), "{value}");
    }
}

#[test]
fn a_long_value_needs_no_deep_stack() {
    for pattern in [
        "/", "</>", "<", "<!--", "<%", "a/", "-\0", "<a/", "=/", "`/", "</a ",
    ] {
        let value = format!("<a{}", pattern.repeat(300_000));
        assert!(!xss(value.as_bytes()), "{pattern}");
    }
}
