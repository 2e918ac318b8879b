//! The body processors on bodies that are right and on those that are not.

use super::*;
use crate::store::Store;
use crate::transaction::{Parsed, Source};

fn pairs(parsed: &Parsed, store: &Store) -> Vec<(String, String)> {
    let text = |span| String::from_utf8_lossy(store.get(span)).into_owned();
    parsed
        .args
        .iter()
        .map(|argument| (text(argument.key), text(argument.value)))
        .collect()
}

fn named(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn read_json(text: &str) -> (Vec<(String, String)>, Option<String>) {
    let (mut parsed, mut store) = (Parsed::default(), Store::default());
    json(text.as_bytes(), 4, 20, &mut parsed, &mut store);
    (pairs(&parsed, &store), parsed.error)
}

#[test]
fn json_scalars_are_named_by_their_path() {
    let text = r#" {"foo":{"bar":1,"arr":["x",{"y":"z"},["n"]],"nul":null,"t":true,"":"ek"},"top":[1,2.50],"e":{},"l":[]} "#;
    let expected = [
        ("json.foo.bar", "1"),
        ("json.foo.arr.0", "x"),
        ("json.foo.arr.1.y", "z"),
        ("json.foo.arr.2.0", "n"),
        ("json.foo.arr.2", "1"),
        ("json.foo.arr", "3"),
        ("json.foo.nul", ""),
        ("json.foo.t", "true"),
        ("json.foo.", "ek"),
        ("json.top.0", "1"),
        ("json.top.1", "2.50"),
        ("json.top", "2"),
        ("json.l", "0"),
    ];
    assert_eq!(read_json(text), (named(&expected), None));
    assert_eq!(
        read_json(r#""\u0061\ud83d\ude00\n""#),
        (named(&[("json", "a\u{1f600}\n")]), None)
    );
    assert_eq!(read_json("-1.5e+3"), (named(&[("json", "-1.5e+3")]), None));
}

#[test]
fn broken_json_keeps_what_came_before() {
    let (args, error) = read_json(r#"{"a":1,"b":"#);
    assert_eq!(args, named(&[("json.a", "1")]));
    assert_eq!(
        error.as_deref(),
        Some("JSON parsing error: the text ends too early at byte 11")
    );
    for broken in [
        "",
        "[1,]",
        "{a:1}",
        "01",
        "1.",
        "tru",
        "\"\\x\"",
        "\"\n\"",
        "[1] 2",
        "[1}",
        "\"\\u12\"",
        "-",
    ] {
        assert!(read_json(broken).1.is_some(), "{broken:?}");
    }
}

#[test]
fn json_has_its_limits() {
    assert!(read_json("[[[[1]]]]").1.is_none());
    assert!(
        read_json("[[[[[1]]]]]")
            .1
            .is_some_and(|error| error.contains("SecRequestBodyJsonDepthLimit"))
    );
    let many = format!("[{}1]", "1,".repeat(20));
    let (args, error) = read_json(&many);
    assert_eq!(args.len(), 20);
    assert!(error.is_some_and(|error| error.contains("SecArgumentsLimit")));
}

#[test]
fn forms_split_at_the_first_equals_sign() {
    let (mut parsed, mut store) = (Parsed::default(), Store::default());
    urlencoded(
        b"a=1&flag&=v&b=x=y+%41%zz&&last=",
        b'&',
        100,
        &mut parsed,
        &mut store,
        Source::Form,
    );
    let expected = [
        ("a", "1"),
        ("flag", ""),
        ("", "v"),
        ("b", "x=y A%zz"),
        ("last", ""),
    ];
    assert_eq!(pairs(&parsed, &store), named(&expected));
    assert!(parsed.urlencoded_error);
}

#[test]
fn arguments_over_the_limit_are_dropped() {
    let (mut parsed, mut store) = (Parsed::default(), Store::default());
    urlencoded(
        b"a=1&b=2&c=3",
        b'&',
        2,
        &mut parsed,
        &mut store,
        Source::Query,
    );
    assert_eq!(parsed.args.len(), 2);
}

struct Read {
    parsed: Parsed,
    store: Store,
}

fn read_multipart(content_type: &str, body: &str) -> Read {
    let (mut parsed, mut store) = (Parsed::default(), Store::default());
    let limits = MultipartLimits {
        arguments: 10,
        files: 2,
        no_files_bytes: 1000,
    };
    multipart(
        body.as_bytes(),
        content_type.as_bytes(),
        &limits,
        &mut parsed,
        &mut store,
    );
    Read { parsed, store }
}

const TYPE: &str = "multipart/form-data; boundary=XX";

fn body(parts: &[&str]) -> String {
    let parts: String = parts
        .iter()
        .map(|part| format!("--XX\r\n{part}\r\n"))
        .collect();
    format!("{parts}--XX--\r\n")
}

#[test]
fn multipart_gives_fields_files_and_part_headers() {
    let read = read_multipart(
        TYPE,
        &body(&[
            "Content-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo",
            "Content-Disposition: form-data; name=\"f\"; filename=\"x\\\"y.txt\"\r\nContent-Type: text/plain\r\n\r\ndata",
        ]),
    );
    assert_eq!(read.parsed.error, None);
    assert!(
        !read.parsed.multipart.is_strict_error(),
        "{:?}",
        read.parsed.multipart
    );
    assert_eq!(
        pairs(&read.parsed, &read.store),
        named(&[("a", "one\r\ntwo")])
    );
    let file = read.parsed.files[0];
    assert_eq!(
        (
            read.store.get(file.field),
            read.store.get(file.name),
            file.size
        ),
        (&b"f"[..], &b"x\"y.txt"[..], 4)
    );
    let line = read.parsed.part_headers[2];
    assert_eq!(
        (read.store.get(line.key), read.store.get(line.value)),
        (&b"f"[..], &b"Content-Type: text/plain"[..])
    );
}

#[test]
fn multipart_errors_are_told() {
    let field = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1";
    for (content_type, body, expected) in [
        (TYPE, format!("--XX\r\n{field}\r\n"), "final boundary"),
        (TYPE, "nothing".to_owned(), "no boundary"),
        ("multipart/form-data", body(&[field]), "names no boundary"),
        (
            "multipart/form-data; boundary=XX; boundary=YY",
            body(&[field]),
            "two boundaries",
        ),
        (
            "multipart/form-data; boundary=X\u{1}X",
            body(&[field]),
            "must not",
        ),
        (TYPE, body(&["X: y\r\n\r\n1"]), "no Content-Disposition"),
        (
            TYPE,
            body(&["Content-Disposition: attachment; name=a\r\n\r\n1"]),
            "not form-data",
        ),
        (
            TYPE,
            body(&["Content-Disposition: form-data; name=a; x=y\r\n\r\n1"]),
            "unknown parameter",
        ),
        (
            TYPE,
            body(&["Content-Disposition: form-data; name=a; name=b\r\n\r\n1"]),
            "twice",
        ),
        (
            TYPE,
            body(&["Content-Disposition: form-data; name=a; filename*=b\r\n\r\n1"]),
            "filename*",
        ),
        (
            TYPE,
            body(&["Content-Disposition: form-data\r\n\r\n1"]),
            "no name",
        ),
        (
            TYPE,
            body(&["Content-Dis\u{0}position: form-data; name=a\r\n\r\n1"]),
            "bytes that it must not",
        ),
        (TYPE, body(&["nonsense\r\n\r\n1"]), "no colon"),
        (TYPE, body(&["A: b\r\na: c\r\n\r\n1"]), "same header twice"),
        (
            TYPE,
            format!("--XXY\r\n{field}\r\n--XX--\r\n"),
            "follows the boundary",
        ),
    ] {
        let read = read_multipart(content_type, &body);
        let error = read.parsed.error.unwrap_or_default();
        assert!(error.contains(expected), "{body:?} gave {error:?}");
        assert!(read.parsed.multipart.is_strict_error());
    }
}

#[test]
fn what_can_be_told_of_a_wrong_multipart_body_is_published() {
    let lines = "Content-Disposition: form-data; name=\"a\"\r\nF\u{1}o: x\r\nno colon\r\n\r\n1";
    let read = read_multipart(TYPE, &body(&[lines, "X: y\r\n\r\n2"]));
    let part_headers: Vec<_> = read
        .parsed
        .part_headers
        .iter()
        .map(|pair| read.store.get(pair.value))
        .collect();
    let wanted: [&[u8]; 4] = [
        b"Content-Disposition: form-data; name=\"a\"",
        b"F\x01o: x",
        b"no colon",
        b"X: y",
    ];
    assert_eq!(part_headers, wanted);
    let args: Vec<_> = read
        .parsed
        .args
        .iter()
        .map(|arg| (read.store.get(arg.key), read.store.get(arg.value)))
        .collect();
    assert_eq!(args, [(&b"a"[..], &b"1"[..])], "what has no name is none");
    let empty = read_multipart(TYPE, "");
    assert_eq!(empty.parsed.error, None);
    let cut = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\ncut off";
    let read = read_multipart(TYPE, cut);
    assert_eq!(read.store.get(read.parsed.args[0].value), b"cut off");
}

#[test]
fn multipart_flags_what_others_may_read_otherwise() {
    let field = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1";
    let flags =
        |content_type: &str, body: &str| read_multipart(content_type, body).parsed.multipart;
    assert!(flags("multipart/form-data; boundary=\"XX\"", &body(&[field])).boundary_quoted);
    assert!(flags("multipart/form-data; boundary = XX", &body(&[field])).boundary_whitespace);
    assert!(flags("multipart/form-data boundary=XX", &body(&[field])).missing_semicolon);
    assert!(flags(TYPE, &format!("before\r\n{}", body(&[field]))).data_before);
    assert!(flags(TYPE, &format!("{}after", body(&[field]))).data_after);
    assert!(flags(TYPE, &body(&[field]).replace("\r\n", "\n")).lf_line);
    assert!(
        flags(
            TYPE,
            &body(&["Content-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1"])
        )
        .header_folding
    );
    assert!(
        flags(
            TYPE,
            &body(&["Content-Disposition: form-data; name='a'\r\n\r\n1"])
        )
        .invalid_quoting
    );
    assert_eq!(
        flags(
            TYPE,
            &body(&["Content-Disposition: form-data; name=a\r\n\r\n-- XX"])
        )
        .unmatched_boundary,
        1
    );
    assert_eq!(
        flags(
            TYPE,
            &body(&["Content-Disposition: form-data; name=a\r\n\r\n--other"])
        )
        .unmatched_boundary,
        2
    );
    let files = vec!["Content-Disposition: form-data; name=f; filename=x\r\n\r\n1"; 3];
    assert!(flags(TYPE, &body(&files)).file_limit_exceeded);
}

fn read_xml(body: &[u8]) -> (Vec<Vec<u8>>, Option<String>) {
    let (mut parsed, mut store) = (Parsed::default(), Store::default());
    let limits = XmlLimits {
        keeps_document: false,
        attributes: 4,
        paths: &[],
        visits: 0,
    };
    xml(body, limits, &mut parsed, &mut store);
    (
        parsed
            .xml
            .iter()
            .map(|pair| store.get(pair.value).to_vec())
            .collect(),
        parsed.error,
    )
}

#[test]
fn xml_keeps_bytes_that_are_not_utf8() {
    assert_eq!(
        read_xml(b"<a x='\xe9'>\xff&#xe9;</a>"),
        (vec![b"\xff\xc3\xa9".to_vec(), b"\xe9".to_vec()], None)
    );
    assert_eq!(
        read_xml("<a>é</a>".as_bytes()),
        (vec!["é".as_bytes().to_vec()], None)
    );
}

#[test]
fn xml_has_its_limits() {
    assert!(
        read_xml(b"<\0a\0/\0>\0")
            .1
            .is_some_and(|error| error.contains("NUL"))
    );
    let deep = "<a>".repeat(2000);
    assert!(
        read_xml(deep.as_bytes())
            .1
            .is_some_and(|error| error.contains("too deep"))
    );
    assert!(
        read_xml(b"<a a='' b='' c='' d='' e=''/>")
            .1
            .is_some_and(|error| error.contains("SecArgumentsLimit"))
    );
}
