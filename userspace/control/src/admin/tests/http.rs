use super::*;

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn errors_are_problems_with_a_clear_sentence() {
    let given = given();
    for (request, status, words) in [
        (post("/v1/bans", "target=1.2.3.4"), "400", "expected {"),
        (
            post("/v1/bans", r#"{"target":"1.2.3.4","tll":5}"#),
            "400",
            "unknown field `tll`",
        ),
        (
            post("/v1/bans", &" ".repeat(20_000)),
            "413",
            "at most 16384 bytes",
        ),
        (post("/v1/status", ""), "405", "this resource has GET, HEAD"),
        (post("/v2/status", ""), "404", "/v1/status"),
        (
            post("/v1/bans?target=1.2.3.4", "").replace("POST", "DELETE"),
            "404",
            "is not banned",
        ),
        (
            post("/v1/bans", "").replace("POST", "DELETE"),
            "400",
            "name the ban",
        ),
        (post("/v1/reload", "").replace("POST", "GET"), "405", "POST"),
    ] {
        let answer = given.raw(&request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains(words), "{answer}");
    }
    assert_eq!(given.instance.reloads.load(Ordering::Relaxed), 0);
}

#[test]
fn tcp_has_nothing_that_changes_or_tells_much() {
    let given = given();
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert!(
            given
                .over_tcp(&format!("GET {path}"))
                .starts_with("HTTP/1.1 200 ")
        );
    }
    for line in [
        "GET /v1/status",
        "GET /v1/bans",
        "POST /v1/reload",
        "POST /v1/drain",
        "DELETE /v1/bans?target=1.2.3.4",
        "POST /v1/bans/flush",
        "POST /v1/logs/reopen",
    ] {
        let answer = given.over_tcp(line);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.contains("on the admin socket alone"), "{answer}");
    }
    assert!(given.over_tcp("POST /metrics").starts_with("HTTP/1.1 405 "));
    assert_eq!(given.instance.state(), ProcessState::Serving);
}

#[test]
fn head_is_get_without_the_body() {
    let given = given();
    let answer = given.over_tcp("HEAD /healthz");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let given = given();
    let answer = given.raw(&format!(
        "GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n",
        "y".repeat(100_000)
    ));
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    given.client.status().unwrap();
}
