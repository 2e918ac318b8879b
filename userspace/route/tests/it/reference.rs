//! The table against the plainest implementation: all routes that match a request, the first by precedence.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use route::{HeaderSpec, HeaderTest, Lookup, PathSpec, RouteError, RouteSpec, Table};
use std::cmp::Reverse;
use std::collections::BTreeSet;

const HOSTS: [&str; 6] = ["a.com", "b.a.com", "c.b.a.com", "x.com", "y.org", ""];
const HOST_PATTERNS: [&str; 6] = ["a.com", "b.a.com", "*.a.com", "*.b.a.com", "*.com", "*"];
const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "BREW"];

fn path() -> impl Strategy<Value = PathSpec> {
    let segments = |kinds: &'static [&'static str]| prop::collection::vec(select(kinds), 0..3);
    let text = |segments: Vec<&str>, end: &str| {
        format!(
            "/{}",
            segments.iter().map(|s| format!("{s}/")).collect::<String>() + end
        )
    };
    let trim = |text: String| {
        if text.len() > 1 {
            text.trim_end_matches('/').to_owned()
        } else {
            text
        }
    };
    prop_oneof![
        segments(&["a", "b"]).prop_map(move |s| PathSpec::Exact(trim(text(s, "")))),
        segments(&["a", "b"]).prop_map(move |s| PathSpec::Exact(text(s, ""))),
        segments(&["a", "b"]).prop_map(move |s| PathSpec::Prefix(trim(text(s, "")))),
        segments(&["a", "b"]).prop_map(move |s| PathSpec::Prefix(text(s, ""))),
        segments(&["a", "b", "{}"])
            .prop_map(move |s| PathSpec::Template(number(&trim(text(s, ""))))),
        segments(&["a", "{}"]).prop_map(move |s| PathSpec::Template(number(&text(s, "{rest*}")))),
    ]
}

/// Gives parameters different names.
fn number(text: &str) -> String {
    (0..4).fold(text.to_owned(), |text, n| {
        text.replacen("{}", &format!("{{p{n}}}"), 1)
    })
}

fn header() -> impl Strategy<Value = HeaderSpec> {
    let test = prop_oneof![
        Just(HeaderTest::Present),
        Just(HeaderTest::Absent),
        select(&["1", "12"][..]).prop_map(|v| HeaderTest::Equals(v.to_owned())),
        select(&["1", "12"][..]).prop_map(|v| HeaderTest::Prefix(v.to_owned())),
    ];
    (select(&["x", "y"][..]), test).prop_map(|(name, test)| HeaderSpec {
        name: name.to_owned(),
        test,
    })
}

fn route() -> impl Strategy<Value = RouteSpec> {
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    (
        subsequence(HOST_PATTERNS.to_vec(), 0..3).prop_map(owned),
        path(),
        prop_oneof![2 => Just(Vec::new()), 1 => subsequence(METHODS.to_vec(), 1..3).prop_map(owned)],
        prop::option::weighted(0.3, header()),
        prop::option::weighted(0.3, 0..3i32),
    )
        .prop_map(|(hosts, path, methods, header, priority)| RouteSpec {
            name: String::new(),
            hosts,
            path,
            methods,
            headers: header.into_iter().collect(),
            priority,
        })
}

type Headers = [(&'static str, &'static [u8])];

/// Every request that could tell these routes apart.
fn requests() -> Vec<(&'static str, String, &'static str, &'static Headers)> {
    const HEADERS: [&Headers; 6] = [
        &[],
        &[("x", b"1")],
        &[("x", b"12"), ("y", b"1")],
        &[("x", b"3"), ("y", b"12")],
        &[("x", b"1"), ("x", b"12")],
        &[("y", b"1")],
    ];
    let mut paths = vec!["/".to_owned()];
    for n in 0..2 {
        let longest: Vec<String> = paths
            .iter()
            .filter(|p| p.matches('/').count() == n + 1)
            .cloned()
            .collect();
        for path in longest {
            let base = path.trim_end_matches('/');
            paths.extend(["a", "b", "c"].map(|segment| format!("{base}/{segment}")));
        }
        paths.extend(
            paths
                .clone()
                .into_iter()
                .filter(|p| !p.ends_with('/'))
                .map(|p| p + "/"),
        );
        paths.sort();
        paths.dedup();
    }
    paths.extend(["//a", "/a//a", "/a/b/a", "/b/a/c", "/a/a/b/"].map(str::to_owned));
    let mut all = Vec::new();
    for host in HOSTS {
        for path in &paths {
            for method in METHODS {
                all.extend(HEADERS.map(|headers| (host, path.clone(), method, headers)));
            }
        }
    }
    all
}

fn host_rank(pattern: &str, host: &str) -> Option<(u8, Reverse<usize>)> {
    match pattern.strip_prefix('*') {
        Some("") => Some((2, Reverse(0))),
        Some(suffix) => host.ends_with(suffix).then_some((1, Reverse(suffix.len()))),
        None => (pattern == host).then_some((0, Reverse(0))),
    }
}

/// The kinds of a pattern's segments, where it matches.
fn path_rank(spec: &PathSpec, path: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = path[1..].split('/').collect();
    let mut pattern: Vec<&str> = spec.text()[1..].split('/').collect();
    let last = pattern.last().copied().unwrap_or_default();
    let end = match spec {
        PathSpec::Prefix(_) if last.is_empty() => 3,
        PathSpec::Template(_) if last == "{rest*}" => 3,
        PathSpec::Prefix(_) => 4,
        _ => 2,
    };
    if end == 3 {
        pattern.pop();
    }
    let long_enough = match end {
        2 => parts.len() == pattern.len(),
        3 => parts.len() > pattern.len(),
        _ => parts.len() >= pattern.len(),
    };
    let fits = |(pattern, part): (&&str, &&str)| {
        if pattern.starts_with('{') {
            !part.is_empty()
        } else {
            pattern == part
        }
    };
    if !long_enough || !pattern.iter().zip(&parts).all(fits) {
        return None;
    }
    Some(
        pattern
            .iter()
            .map(|p| u8::from(p.starts_with('{')))
            .chain([end])
            .collect(),
    )
}

fn header_fits(spec: &HeaderSpec, headers: &Headers) -> bool {
    let values: Vec<&[u8]> = headers
        .iter()
        .filter(|(name, _)| *name == spec.name)
        .map(|(_, value)| *value)
        .collect();
    match &spec.test {
        HeaderTest::Present => !values.is_empty(),
        HeaderTest::Absent => values.is_empty(),
        HeaderTest::Equals(wanted) => values == [wanted.as_bytes()],
        HeaderTest::Prefix(wanted) => values.len() == 1 && values[0].starts_with(wanted.as_bytes()),
    }
}

type Precedence = (
    bool,
    Option<i32>,
    (u8, Reverse<usize>),
    Vec<u8>,
    Reverse<usize>,
    bool,
);

/// The precedence of a route for a request, where all but the method matches.
fn precedence(spec: &RouteSpec, host: &str, path: &str, headers: &Headers) -> Option<Precedence> {
    let any = ["*".to_owned()];
    let hosts = if spec.hosts.is_empty() {
        &any[..]
    } else {
        &spec.hosts
    };
    let host = hosts
        .iter()
        .filter_map(|pattern| host_rank(pattern, host))
        .min()?;
    let path = path_rank(&spec.path, path)?;
    spec.headers
        .iter()
        .all(|header| header_fits(header, headers))
        .then_some(())?;
    Some((
        spec.priority.is_none(),
        spec.priority,
        host,
        path,
        Reverse(spec.headers.len()),
        spec.methods.is_empty(),
    ))
}

fn takes(spec: &RouteSpec, method: &str) -> bool {
    let named = |name: &str| spec.methods.iter().any(|m| m == name);
    spec.methods.is_empty() || named(method) || method == "HEAD" && named("GET")
}

/// What the reference says of a request: the routes that match, best first; or the methods that would.
fn reference(
    specs: &[RouteSpec],
    request: &(&str, String, &str, &Headers),
) -> (Vec<(Precedence, usize)>, BTreeSet<String>) {
    let (host, path, method, headers) = request;
    let mut found = Vec::new();
    let mut allow = BTreeSet::new();
    for (index, spec) in specs.iter().enumerate() {
        let Some(precedence) = precedence(spec, host, path, headers) else {
            continue;
        };
        if takes(spec, method) {
            found.push((precedence, index));
        } else {
            allow.extend(
                METHODS
                    .iter()
                    .filter(|method| takes(spec, method))
                    .map(|method| (*method).to_owned()),
            );
        }
    }
    found.sort();
    (found, allow)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn agrees_with_the_reference(mut specs in prop::collection::vec(route(), 1..8)) {
        for (index, spec) in specs.iter_mut().enumerate() {
            spec.name = format!("r{index}");
        }
        let requests = requests();
        // Take out what conflicts, and see that it does: one request must show it.
        let table = loop {
            match Table::build(specs.clone()) {
                Ok(table) => break table,
                Err(errors) => {
                    let RouteError::Conflict { first, second, .. } = &errors[0] else { panic!("{errors:?}") };
                    let pair: Vec<_> = specs.iter().filter(|s| s.name == *first || s.name == *second).cloned().collect();
                    let tied = |request| {
                        let (found, _) = reference(&pair, request);
                        found.len() == 2 && found[0].0 == found[1].0
                    };
                    // Two routes may meet on a less specific host of theirs, where only a host that the better ones do
                    // not match shows the tie.
                    let shown = requests.iter().any(tied) || pair.iter().any(|spec| spec.hosts.len() > 1)
                        || pair.iter().any(|spec| !spec.headers.is_empty());
                    prop_assert!(shown, "{}", errors[0]);
                    let second = second.clone();
                    specs.retain(|spec| spec.name != second);
                }
            }
        };
        for request in &requests {
            let (found, allow) = reference(&specs, request);
            let (host, path, method, headers) = request;
            if let [first, second, ..] = found.as_slice() {
                prop_assert!(first.0 != second.0, "{request:?}: the table has no conflict, but two routes tie");
            }
            match table.lookup(host.as_bytes(), path.as_bytes(), method.as_bytes(), headers) {
                Lookup::Found { route, .. } => {
                    prop_assert_eq!(Some(route), found.first().map(|f| f.1), "{:?}", request);
                }
                Lookup::MethodNotAllowed { allow: listed } => {
                    prop_assert!(found.is_empty(), "{request:?}");
                    let listed: BTreeSet<String> = listed.iter().map(str::to_owned).collect();
                    prop_assert_eq!(listed, allow);
                }
                Lookup::NotFound => prop_assert!(found.is_empty() && allow.is_empty(), "{request:?}"),
            }
        }
    }
}
