//! Routes in one line, and requests in another.
//!
//! A route: `name: [priority=N] [GET,POST] [host,host]path [header predicates]`. A path that begins with `=` is exact,
//! one with braces a template, all others are prefixes. A predicate is `name`, `!name`, `name=value` or `name^prefix`.
//! A request: `METHOD host/path [name=value]...`.

use route::{HeaderLookup, HeaderSpec, HeaderTest, Lookup, PathSpec, RouteSpec, Table};

/// Reads a route.
pub(crate) fn spec(line: &str) -> RouteSpec {
    let (name, rest) = line.split_once(':').expect("a name and a colon");
    let mut spec = RouteSpec {
        name: name.trim().to_owned(),
        ..RouteSpec::default()
    };
    let mut has_path = false;
    for word in rest.split_whitespace() {
        if let Some(number) = word.strip_prefix("priority=") {
            spec.priority = Some(number.parse().expect("a number"));
        } else if let (true, Some(slash)) = (!has_path, word.find(['/', '='])) {
            let (hosts, path) = word.split_at(slash);
            spec.hosts = hosts
                .split(',')
                .filter(|host| !host.is_empty())
                .map(str::to_owned)
                .collect();
            spec.path = path_spec(path);
            has_path = true;
        } else if has_path {
            spec.headers.push(header(word));
        } else {
            spec.methods = word.split(',').map(str::to_owned).collect();
        }
    }
    spec
}

fn path_spec(text: &str) -> PathSpec {
    match text.strip_prefix('=') {
        Some(exact) => PathSpec::Exact(exact.to_owned()),
        None if text.contains('{') => PathSpec::Template(text.to_owned()),
        None => PathSpec::Prefix(text.to_owned()),
    }
}

fn header(word: &str) -> HeaderSpec {
    let (name, test) = match word.find(['=', '^']) {
        Some(place) if word[place..].starts_with('=') => (
            &word[..place],
            HeaderTest::Equals(word[place + 1..].to_owned()),
        ),
        Some(place) => (
            &word[..place],
            HeaderTest::Prefix(word[place + 1..].to_owned()),
        ),
        None => match word.strip_prefix('!') {
            Some(name) => (name, HeaderTest::Absent),
            None => (word, HeaderTest::Present),
        },
    };
    HeaderSpec {
        name: name.to_owned(),
        test,
    }
}

/// Reads routes, one a line.
pub(crate) fn specs(text: &str) -> Vec<RouteSpec> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(spec)
        .collect()
}

/// Builds a table and expects no error.
pub(crate) fn table(text: &str) -> Table {
    Table::build(specs(text)).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Builds a table and expects errors, as people see them.
pub(crate) fn errors(text: &str) -> Vec<String> {
    let errors = Table::build(specs(text)).expect_err("something is wrong");
    errors.iter().map(ToString::to_string).collect()
}

/// Sends a request and says what came: `route name=value ...`, `405 METHODS` or `404`.
pub(crate) fn ask(table: &Table, request: &str) -> String {
    let mut words = request.split(' ').filter(|word| !word.is_empty());
    let method = words.next().expect("a method");
    let target = words.next().expect("a host and a path");
    let slash = target.find(['/', '*']).unwrap_or(target.len());
    let (host, path) = target.split_at(slash);
    let headers: Vec<(&str, &[u8])> = words
        .map(|word| {
            word.split_once('=')
                .map_or((word, &b""[..]), |(n, v)| (n, v.as_bytes()))
        })
        .collect();
    show(table, host, path, method, &headers.as_slice())
}

/// Sends a request in its parts.
pub(crate) fn show(
    table: &Table,
    host: &str,
    path: &str,
    method: &str,
    headers: &dyn HeaderLookup,
) -> String {
    match table.lookup(host.as_bytes(), path.as_bytes(), method.as_bytes(), headers) {
        Lookup::NotFound => "404".to_owned(),
        Lookup::MethodNotAllowed { allow } => format!("405 {allow}"),
        Lookup::Found { route, params } => {
            let mut text = table
                .name(route)
                .expect("the index is of a route")
                .to_owned();
            assert_eq!(table.param_names(route).len(), params.len());
            for (name, span) in table.param_names(route).iter().zip(params.spans()) {
                let value = String::from_utf8_lossy(span.of(path.as_bytes()));
                text.push_str(&format!(" {name}={value}"));
            }
            text
        }
    }
}

/// Checks requests and answers: `request -> answer`, one a line.
pub(crate) fn check(table: &Table, expected: &str) {
    for line in expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (request, answer) = line.split_once("->").expect("an arrow");
        assert_eq!(ask(table, request), answer.trim(), "{request}");
    }
}
