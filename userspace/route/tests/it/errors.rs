//! Routes that make no sense.

use crate::routes::errors;
use proptest::prelude::*;
use route::{
    HeaderProblem, HeaderSpec, HeaderTest, MAX_METHODS, NoHeaders, PathProblem, PathSpec,
    RouteError, RouteSpec, Table,
};

fn one(spec: RouteSpec) -> RouteError {
    let spec = RouteSpec {
        name: "shop".to_owned(),
        ..spec
    };
    let mut errors = Table::build(vec![spec]).expect_err("something is wrong");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

fn path(path: PathSpec) -> PathProblem {
    match one(RouteSpec {
        path,
        ..RouteSpec::default()
    }) {
        RouteError::Path { route, problem, .. } if route == "shop" => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths() {
    let exact = |text: &str| path(PathSpec::Exact(text.to_owned()));
    let template = |text: &str| path(PathSpec::Template(text.to_owned()));
    assert_eq!(exact(""), PathProblem::NoSlash);
    assert_eq!(exact("login"), PathProblem::NoSlash);
    assert_eq!(exact("/a?b"), PathProblem::Query);
    assert_eq!(exact("/a#b"), PathProblem::Query);
    assert_eq!(exact("/a\tb"), PathProblem::Control);
    assert_eq!(exact("/a%00"), PathProblem::Control);
    assert_eq!(exact("/100%"), PathProblem::Percent);
    assert_eq!(exact("/%4g"), PathProblem::Percent);
    assert_eq!(exact("/a/../b"), PathProblem::DotSegment);
    assert_eq!(exact("/%2e"), PathProblem::DotSegment);
    assert_eq!(exact("/a//b"), PathProblem::EmptySegment);
    assert_eq!(exact(&"/a".repeat(65)), PathProblem::TooManySegments);
    assert_eq!(
        exact(&format!("/{}", "a".repeat(4096))),
        PathProblem::TooLong
    );
    assert_eq!(template("/v{version}"), PathProblem::Brace);
    assert_eq!(template("/{a}{b}"), PathProblem::ParamName);
    assert_eq!(template("/{a"), PathProblem::Brace);
    assert_eq!(template("/{}"), PathProblem::ParamName);
    assert_eq!(template("/{*}"), PathProblem::ParamName);
    assert_eq!(template("/{a b}"), PathProblem::ParamName);
    assert_eq!(template("/{a}/{a}"), PathProblem::ParamTwice);
    assert_eq!(template("/{a*}/b"), PathProblem::RestNotLast);
    let many: String = (0..=route::MAX_PARAMS)
        .map(|n| format!("/{{p{n}}}"))
        .collect();
    assert_eq!(template(&many), PathProblem::TooManyParams);
}

#[test]
fn hosts() {
    assert_eq!(
        errors("shop: shop.example.com:8080/"),
        [
            "route `shop`: host `shop.example.com:8080` has a port: routes match the name alone, so drop the port"
        ]
    );
    assert_eq!(
        errors("shop: a.com,A.com/"),
        ["route `shop`: host `A.com` is given twice"]
    );
}

#[test]
fn methods() {
    assert_eq!(
        errors("shop: get /"),
        [
            "route `shop`: `get` is no method: expected a token such as GET, POST or PURGE in upper case"
        ]
    );
    let many: String = (0..=MAX_METHODS)
        .map(|n| format!("r{n}: M{n} /{n}\n"))
        .collect();
    assert_eq!(errors(&many).len(), 1);
}

#[test]
fn headers() {
    let header = |name: &str, test| RouteSpec {
        headers: vec![HeaderSpec {
            name: name.to_owned(),
            test,
        }],
        ..RouteSpec::default()
    };
    let problem = |spec| match one(spec) {
        RouteError::Header { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        problem(header("", HeaderTest::Present)),
        HeaderProblem::Name
    );
    assert_eq!(
        problem(header("x y", HeaderTest::Present)),
        HeaderProblem::Name
    );
    for value in [" a", "a ", "a\nb"] {
        assert_eq!(
            problem(header("x", HeaderTest::Equals(value.to_owned()))),
            HeaderProblem::Value
        );
    }
    let mut twice = header("x-a", HeaderTest::Present);
    twice.headers.push(HeaderSpec {
        name: "X-A".to_owned(),
        test: HeaderTest::Absent,
    });
    assert_eq!(problem(twice), HeaderProblem::Twice);
}

#[test]
fn errors_know_their_routes() {
    let conflict = RouteError::Conflict {
        first: "a".to_owned(),
        second: "b".to_owned(),
        host: "*".to_owned(),
        path: "/".to_owned(),
    };
    assert!(conflict.names("a") && conflict.names("b") && !conflict.names("c"));
    assert!(RouteError::DuplicateName("a".to_owned()).names("a"));
    assert!(!RouteError::TooManyMethods.names("a"));
}

#[test]
fn names() {
    let errors = errors("shop: /a\nshop: /b");
    assert_eq!(
        errors,
        [
            "two routes are named `shop`: names tell them apart in logs and metrics, so choose another one"
        ]
    );
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let errors = errors("a: a..b/x\nb: get /y\nc: /z?\nd: /x y^\n");
    assert_eq!(errors.len(), 3, "{errors:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is configured and asked for, nothing panics; and a literal path finds itself, if it is in normal form: what
    /// is asked for always is, and of what is configured `/<` becomes `/%3C`.
    #[test]
    fn any_bytes(
        host in "[*.a-z0-9:\\[\\]-]{0,9}|.{0,9}",
        path in "/[a-c/{}*%.0-9]{0,12}|.{0,9}",
        kind in 0..3u8,
        asked in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let spec = match kind {
            0 => PathSpec::Exact(path.clone()),
            1 => PathSpec::Prefix(path.clone()),
            _ => PathSpec::Template(path.clone()),
        };
        let any_host = RouteSpec { name: "any".to_owned(), path: spec.clone(), ..RouteSpec::default() };
        let one_host = RouteSpec { name: "one".to_owned(), hosts: vec![host.clone()], ..any_host.clone() };
        let Ok(table) = Table::build(vec![any_host]) else { return Ok(()) };
        let _ = table.lookup(&asked, &asked, &asked, &NoHeaders);
        let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/}".contains(&byte);
        if path.bytes().all(is_literal) {
            let found = matches!(table.lookup(b"", path.as_bytes(), b"GET", &NoHeaders), route::Lookup::Found { .. });
            prop_assert!(found || path.contains('}') || kind == 2, "{path}");
        }
        if let Ok(table) = Table::build(vec![one_host]) {
            let _ = table.lookup(host.as_bytes(), &asked, b"GET", &NoHeaders);
        }
    }
}
