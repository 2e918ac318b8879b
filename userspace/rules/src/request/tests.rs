//! What people paste.

use super::*;

fn one(text: &str) -> Request {
    let mut found = read("given", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_curl_command_becomes_the_request_that_curl_sends() {
    let request = one(
        "curl -sk 'https://example.com:8443/a?b=1#x' \\\n  -H 'X-A: it'\\''s' -H 'Accept:' --data-raw \"q=\\\"1\\\"\" -d c=2",
    );
    assert_eq!(request.line(), "POST /a?b=1");
    assert_eq!(request.header("host"), Some(&b"example.com:8443"[..]));
    assert_eq!(request.header("x-a"), Some(&b"it's"[..]));
    assert_eq!(request.header("accept"), None);
    assert_eq!(text(&request.body), "q=\"1\"&c=2");
    assert_eq!(
        request.header("content-type"),
        Some(&b"application/x-www-form-urlencoded"[..])
    );
    assert_eq!(request.header("content-length"), Some(&b"9"[..]));

    assert_eq!(
        one("curl -G -d a=1 --data-urlencode 'q=<b> c' example.com/x").line(),
        "GET /x?a=1&q=%3Cb%3E%20c"
    );
    assert_eq!(
        one("curl -sXPUT --json '{\"a\":1}' http://h").line(),
        "PUT /"
    );
    let escaped = one("curl http://h/ --data-raw $'a\\x27b\\u0041\\n'");
    assert_eq!(text(&escaped.body), "a'bA\n");
    let form = one("curl -F a=1 -F 'b=x y' http://h/");
    assert!(text(&form.body).contains("name=\"b\"\r\n\r\nx y\r\n"));
    assert!(
        text(form.header("content-type").unwrap_or_default())
            .starts_with("multipart/form-data; boundary=")
    );
    let user = one("curl http://me:secret@h/ -I");
    assert_eq!(
        user.header("authorization"),
        Some(&b"Basic bWU6c2VjcmV0"[..])
    );
    assert_eq!(user.line(), "HEAD /");
}

#[test]
fn a_raw_request_is_read_with_either_line_end_and_whatever_is_wrong_with_it() {
    let request = one("POST /a HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc\n");
    assert_eq!(request.line(), "POST /a");
    assert_eq!(request.body, b"abc");
    let chunked = one(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!(chunked.body, b"abcde");
    assert_eq!(one("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n").target, b"/a b");
    assert!(
        one("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n")
            .refused_by_front()
            .is_some()
    );
    assert_eq!(
        one("GET / HTTP/1.1\r\nHost: h\r\n\r\n").refused_by_front(),
        None
    );
}

#[test]
fn a_har_file_gives_its_entries() {
    let har = r#"{"log":{"entries":[{"request":{"method":"POST","url":"https://h.example/p?a=1","headers":[{"name":":authority","value":"h.example"},{"name":"X-A","value":"1"}],"postData":{"mimeType":"text/plain","text":"hello"}}}]}}"#;
    let request = one(har);
    assert_eq!(request.line(), "POST /p?a=1");
    assert_eq!(request.header("host"), Some(&b"h.example"[..]));
    assert_eq!(request.body, b"hello");
    assert_eq!(request.header("content-length"), Some(&b"5"[..]));
}

#[test]
fn json_lines_give_their_bytes() {
    let line = r#"{"id":"x-1","stages":[{"raw_b64":"R0VUIC9hIEhUVFAvMS4xDQpIb3N0OiBoDQoNCg=="}]}"#;
    let request = one(line);
    assert_eq!(
        (request.name.as_str(), request.line()),
        ("x-1", "GET /a".to_owned())
    );
}

#[test]
fn what_is_no_request_says_what_would_be() {
    for (given, words) in [
        ("", "is empty"),
        ("curl -d a=1", "no URL"),
        ("curl 'http://h", "is not closed"),
        ("curl -H", "has no value"),
        ("{\"log\":{\"entries\":[]}}", "has no entry"),
        ("{\"raw_b64\":5}", "holds no request"),
    ] {
        let error = read("given", given.as_bytes())
            .err()
            .map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(words)),
            "{given}: {error:?}"
        );
    }
}

#[test]
fn paths_have_no_host_and_no_query() {
    for (target, path) in [
        ("/a?b", "/a"),
        ("http://h/x?y", "/x"),
        ("http://h", "/"),
        ("/a://b", "/a://b"),
    ] {
        let request = Request {
            target: target.as_bytes().to_vec(),
            ..Request::default()
        };
        assert_eq!(text(request.path()), path);
    }
}

#[test]
fn the_samples_are_requests() {
    assert_eq!(samples().len(), 5);
    for sample in samples() {
        assert_eq!(sample.refused_by_front(), None, "{}", sample.name);
    }
}
