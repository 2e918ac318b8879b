//! What is wrong with a file is found in one go, at its place, with what to do about it.

use crate::given::{Given, given};
use config::{Kind, Severity};

const LISTENERS: &str = "listeners: [{ address: 0.0.0.0:8080 }]";
const ROUTES: &str = "routes: [{ path: /, upstream: app }]";
const UPSTREAMS: &str = "upstreams: { app: { endpoints: [127.0.0.1:9001] } }";

/// A good file with one more line.
fn with(line: &str) -> Given {
    given(&format!("{line}\n{LISTENERS}\n{ROUTES}\n{UPSTREAMS}\n"))
}

/// A good file with another listener.
fn with_listener(keys: &str) -> Given {
    given(&format!(
        "listeners: [{{ {keys} }}]\n{ROUTES}\n{UPSTREAMS}\n"
    ))
}

/// A good file with more in its route.
fn with_route(keys: &str) -> Given {
    given(&format!(
        "routes: [{{ path: /, upstream: app, {keys} }}]\n{LISTENERS}\n{UPSTREAMS}\n"
    ))
}

/// A good file with another upstream.
fn with_upstream(keys: &str) -> Given {
    given(&format!(
        "upstreams: {{ app: {{ {keys} }} }}\n{LISTENERS}\n{ROUTES}\n"
    ))
}

/// A good file with a route that needs a token.
fn with_jwt(keys: &str) -> Given {
    given(&format!(
        "auth: {{ a: {{ jwt: {{ issuer: i, audience: b, {keys} }} }} }}
routes: [{{ path: /, upstream: app, auth: a }}]\n{LISTENERS}\n{UPSTREAMS}"
    ))
}

#[test]
fn typos_are_answered_with_the_key_that_was_meant() {
    with("«timeout: {}")
        .finds(Kind::UnknownKey)
        .remedy("write `timeouts`");
    with("limits: { «header-bytes: 1KiB }")
        .finds(Kind::UnknownKey)
        .remedy("write `header_bytes`");
    with("«gzip: true")
        .finds(Kind::UnknownKey)
        .remedy("remove it");
    with("io: «uringg")
        .finds(Kind::BadValue)
        .remedy("write `uring`");
    with_listener("«adress: 0.0.0.0:80")
        .finds_only(Kind::UnknownKey)
        .remedy("write `address`");
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    let text = "listeners: [{ address: 80 }]
routes: [{ path: x, upstream: ap }]
workers: 0
upstreams: { app: { endpoints: [a] } }";
    let places: Vec<_> = given(text)
        .errors()
        .iter()
        .map(|error| (error.span.line, error.path.clone()))
        .collect();
    let expected = [
        (1, "listeners[0].address"),
        (2, "routes[0].path"),
        (2, "routes[0].upstream"),
        (3, "workers"),
        (4, "upstreams.app.endpoints[0].address"),
    ];
    assert_eq!(places, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn what_is_missing_is_named() {
    given("«{}").finds(Kind::MissingKey).says("`listeners`");
    given("").finds(Kind::MissingKey).says("empty");
    given("# nothing but a comment\n")
        .finds(Kind::MissingKey)
        .says("empty");
    given(&format!("listeners: «[]\n{ROUTES}\n{UPSTREAMS}"))
        .finds(Kind::BadValue)
        .remedy("add one");
    with("admin«:")
        .finds(Kind::WrongType)
        .remedy("remove the key");
    with_upstream("endpoints: «[]")
        .finds(Kind::BadValue)
        .remedy("add one");
    with_upstream("endpoints: «10.0.0.1:80")
        .finds(Kind::WrongType)
        .remedy("brackets");
}

#[test]
fn numbers_have_units_and_ranges() {
    with("timeouts: { header: «30 }")
        .finds(Kind::BadValue)
        .remedy("`30s`");
    with("timeouts: { header: «1m30s }")
        .finds(Kind::BadValue)
        .remedy("90s");
    with("timeouts: { header: «-1s }").finds(Kind::BadValue);
    with("timeouts: { header: «99999999999999999999s }")
        .finds(Kind::BadValue)
        .remedy("smaller");
    with("timeouts: { header: «10h }")
        .finds(Kind::OutOfRange)
        .remedy("write `header: 5m`");
    with("limits: { header_bytes: «8KB }")
        .finds(Kind::BadValue)
        .remedy("KiB");
    with("limits: { header_bytes: «1B }")
        .finds(Kind::OutOfRange)
        .remedy("1KiB");
    with("limits: { header_count: «\"9\" }")
        .finds(Kind::BadValue)
        .remedy("remove the quotes");
    with("limits: { header_count: «9.5 }").finds(Kind::BadValue);
    with("log: { access: { sample: «5 } }")
        .finds(Kind::BadValue)
        .remedy("end with `%`");
    with_upstream("endpoints: [{ address: '127.0.0.1:80', weight: «0 }]").finds(Kind::OutOfRange);
}

#[test]
fn addresses_say_what_is_wrong_with_them() {
    with_listener("address: «8080").finds(Kind::BadValue);
    with_listener("address: «':8080'")
        .finds(Kind::BadValue)
        .remedy("0.0.0.0:8080");
    with_listener("address: «127.0.0.1")
        .finds(Kind::BadValue)
        .remedy("`127.0.0.1:8080`");
    with_listener("address: «localhost:80")
        .finds(Kind::BadValue)
        .remedy("`127.0.0.1:80`");
    with_listener("address: «'::1'")
        .finds(Kind::BadValue)
        .remedy("`[::1]:8080`");
    with_upstream("endpoints: [«10.0.0.1]")
        .finds(Kind::BadValue)
        .remedy("`10.0.0.1:8080`");
    with_upstream("endpoints: [«'http://a:1/']")
        .finds(Kind::BadValue)
        .remedy("`a:1`");
    with_upstream("endpoints: [«'300.0.0.1:80']").finds(Kind::BadValue);
    with_upstream("endpoints: [«'a:0']")
        .finds(Kind::BadValue)
        .remedy("1 to 65535");
    with_route("allow: [«10.1.0.0/8]")
        .finds(Kind::BadValue)
        .remedy("`10.0.0.0/8`");
}

#[test]
fn names_must_be_defined() {
    with_route("waf: «crs")
        .finds(Kind::UnknownName)
        .remedy("define it");
    with_route("waf: { policy: «crs, mode: detect }").finds(Kind::UnknownName);
    with_route("auth: { all_of: [«keys] }").finds(Kind::UnknownName);
    given(&format!(
        "{LISTENERS}\nroutes: [{{ path: /, upstream: «apq }}]\n{UPSTREAMS}"
    ))
    .finds(Kind::UnknownName)
    .remedy("write `app`");
    with("waf: { «own: { rules: shipped } }").warns(Kind::Unused);
}

#[test]
fn what_excludes_each_other_is_refused() {
    with("timeouts: { connect: 10s, total: «5s }")
        .finds(Kind::Conflict)
        .remedy("raise `total`");
    with("limits: { header_bytes: 1KiB, uri_bytes: «2KiB }").finds(Kind::Conflict);
    with_route("timeouts: «{ total: 1s }")
        .finds(Kind::Conflict)
        .says("connect");
    with_route("headers: [{ name: a, equals: b, present: «true }]").finds(Kind::Conflict);
    with_route("headers: [{ name: a }, { name: «A, equals: b }]").finds(Kind::Conflict);
    with_route("request_headers: { set: { x-a: b }, remove: [«X-A] }").finds(Kind::Conflict);
    with_route("request_headers: { set: { «Host: b } }").finds(Kind::Conflict);
    with_upstream("endpoints: ['a:1', «'a:1']").finds(Kind::Conflict);
    with_upstream("endpoints: ['a:1'], health: { tcp: true, http: «/ }").finds(Kind::Conflict);
    with_upstream("endpoints: ['a:1'], health: { tcp: true, interval: «1s }").finds(Kind::Conflict);
    with_upstream("endpoints: ['a:1'], tls: { ca: a, insecure_skip_verify: «true }")
        .finds(Kind::Conflict);
    with_listener("address: '[::]:80' }, { address: «'[::]:80'").finds(Kind::Conflict);
    with_listener("address: '[::]:0' }, { address: '[::]:0'").is_good();
    with("admin: { address: «0.0.0.0:8080 }").finds(Kind::Conflict);
}

#[test]
fn tls_without_certificates_is_refused() {
    let tls = |keys: &str| with_listener(&format!("address: '[::]:443', tls: {keys}"));
    tls("«{}").finds(Kind::MissingKey).says("certificates");
    tls("{ certificates: «[] }").finds(Kind::BadValue);
    tls("{ certificates: [«{ cert: a.pem }] }")
        .finds(Kind::MissingKey)
        .says("`key`");
    tls("{ certificates: [{ cert: a, key: b }], policy: modern, min_version: «'1.2' }")
        .finds(Kind::Conflict);
}

#[test]
fn risks_are_warned_of() {
    with("admin: { address: «0.0.0.0:9900 }").warns(Kind::Risky);
    with_upstream("endpoints: ['a:1'], tls: { insecure_skip_verify: «true }").warns(Kind::Risky);
    let file = |block: &str, route: &str| {
        given(&format!(
            "{block}\nroutes: [{{ path: /, upstream: app, {route} }}]\n{LISTENERS}\n{UPSTREAMS}"
        ))
    };
    file(
        "auth: { k: { api_key: { query: «key, store: a.db } } }",
        "auth: k",
    )
    .warns(Kind::Risky)
    .remedy("x-api-key");
    file("waf: { own: { rules: shipped, mode: off } }", "waf: «own").warns(Kind::Risky);
    file(
        "waf: { own: { rules: shipped, mode: off } }",
        "waf: { policy: own, mode: block }",
    )
    .is_good();
}

#[test]
fn methods_hosts_and_paths_are_those_of_http() {
    with_route("methods: [«get]")
        .finds(Kind::BadValue)
        .remedy("`GET`");
    with_route("methods: [«PSOT]")
        .finds(Kind::BadValue)
        .remedy("`POST`");
    with_route("methods: [«CONNECT]").finds(Kind::BadValue);
    with_route("methods: [PURGE, PROPFIND]").is_good();
    with_route("host: «'https://a.b'")
        .finds(Kind::BadValue)
        .remedy("without `http://`");
    with_route("host: «'a.b:80'")
        .finds(Kind::BadValue)
        .remedy("port");
    with_route("host: «'*'")
        .finds(Kind::BadValue)
        .remedy("leave `host` out");
    with_route("host: «'a.*.b'")
        .finds(Kind::BadValue)
        .remedy("*.example.com");
    with_route("host: ['a.b', '*.c.d']").is_good();
}

#[test]
fn tokens_are_pinned_to_their_keys() {
    with_jwt("jwks: { file: k.json }").is_good();
    with_jwt("leeway: 1s")
        .finds(Kind::MissingKey)
        .says("one more key");
    with_jwt("jwks: { file: k.json }, secret: «{ env: A }").finds(Kind::Conflict);
    with_jwt("jwks: { file: k.json }, algorithms: [«HS256]").finds(Kind::Conflict);
    with_jwt("secret: { env: A }, algorithms: [«RS256]").finds(Kind::Conflict);
    with_jwt("secret: { env: A }, algorithms: [«none]").finds(Kind::BadValue);
    with_jwt("jwks: { url: «'http://a/b' }").warns(Kind::Risky);
    with_jwt("jwks: { url: «'https://u@a/b' }").finds(Kind::BadValue);
    with_jwt("jwks: { file: a, url: 'https://a' }").finds(Kind::Conflict);
    with_jwt("jwks: { file: a }, required_claims: { «exp: 5 }").finds(Kind::Conflict);
    with_jwt("jwks: { file: a }, required_claims: { a: { present: true }, b: [1, x, true] }")
        .is_good();
    with_jwt("jwks: { file: a }, scopes: [«'a b']").finds(Kind::BadValue);
}

#[test]
fn everything_but_plain_yaml_is_refused() {
    given("a: [1\nb«: 2").finds(Kind::Syntax);
    given("a: 1\n«---\nb: 2")
        .finds(Kind::Syntax)
        .says("second document");
    with("workers: !!int «4").finds(Kind::Syntax).says("tags");
    given("«<<: { a: 1 }")
        .finds(Kind::Syntax)
        .says("merge keys");
    given("«[a, b]: c").finds(Kind::Syntax);
    given("a: &x [«*x]").finds(Kind::Syntax);
    given("a: «*x").finds(Kind::Syntax).remedy("&name");
    given("«%YAML 1.2\n---\na: 1").finds(Kind::Syntax);
    given(&format!("{LISTENERS}\n{ROUTES}\n{UPSTREAMS}\n«{ROUTES}"))
        .finds(Kind::DuplicateKey)
        .says("twice");
}

#[test]
fn aliases_stand_for_what_they_repeat() {
    let text = format!(
        "{LISTENERS}\n{ROUTES}\nupstreams: {{ app: &a {{ endpoints: [127.0.0.1:9001] }}, «two: *a }}"
    );
    given(&text).warns(Kind::Unused);
}

#[test]
fn findings_beyond_the_hundredth_are_counted() {
    let many: String = (0..500).map(|n| format!("key{n}: 1\n")).collect();
    let findings = given(&format!("{many}{LISTENERS}\n{ROUTES}\n{UPSTREAMS}")).findings;
    assert_eq!(findings.iter().count(), config::MAX_DIAGNOSTICS);
    assert_eq!(findings.len(), 500);
    assert!(findings.to_string().ends_with("and 400 more\n"));
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
}

#[test]
fn sets_of_addresses_are_held_against_each_other() {
    let listeners = |sets: &str| given(&format!("listeners: [{sets}]\n{ROUTES}\n{UPSTREAMS}\n"));
    with_listener("address: 0.0.0.0:80, addresses: [«10.0.0.7/8:80]")
        .finds_only(Kind::BadValue)
        .remedy("write `10.0.0.0/8` for the prefix");
    with_listener("address: 0.0.0.0:80, addresses: [«10.0.0.0/8:90-80]")
        .finds_only(Kind::BadValue)
        .remedy("from 1 to 65535");
    with_listener("address: 0.0.0.0:80, addresses: [«\"2001:db8::/32\"]")
        .finds_only(Kind::BadValue)
        .remedy("`[2001:db8::/32]`");
    with_listener("address: 0.0.0.0:80, addresses: [«\"[2001:db8::/32]:80\"]")
        .finds_only(Kind::Conflict)
        .remedy("such as `[::1]:80`");
    with_listener("address: 0.0.0.0:0, addresses: [«10.0.0.0/8]")
        .finds_only(Kind::BadValue)
        .remedy("`10.0.0.0/8:443`");
    listeners(
        "{ address: 0.0.0.0:80, addresses: [10.0.0.0/8:80-90] },
{ address: 0.0.0.0:81, addresses: [10.1.0.0/16:80-90, «10.0.0.0/8:90-99] }",
    )
    .finds_only(Kind::Conflict)
    .says("port 90 in common with line 1");
    listeners("{ address: 10.1.2.3:80 }, { address: 0.0.0.0:81, addresses: [10.1.0.0/16:80, «10.1.2.3:80] }")
        .finds_only(Kind::Conflict)
        .says("`10.1.2.3:80`, which the listener in line 1 is bound to");
}
