//! Routing tables: built, or refused with a reason; lookups give a route that exists and parameters that lie in the
//! path. Lines of `host path methods` (`=` before an exact path), an empty line, lines of `host path method`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use route::{Lookup, NoHeaders, PathSpec, RouteSpec, Table};

/// Routes of one table.
const ROUTES: usize = 30;

fn spec((number, line): (usize, &str)) -> RouteSpec {
    let mut words = line.split(' ');
    let hosts = words.next().filter(|host| *host != "*");
    let path = words.next().unwrap_or_default();
    let methods = words.next().filter(|methods| *methods != "-");
    RouteSpec {
        name: number.to_string(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        path: match path.strip_prefix('=') {
            Some(exact) => PathSpec::Exact(exact.to_owned()),
            None if path.contains('{') => PathSpec::Template(path.to_owned()),
            None => PathSpec::Prefix(path.to_owned()),
        },
        methods: methods
            .into_iter()
            .flat_map(|methods| methods.split(','))
            .map(str::to_owned)
            .collect(),
        ..RouteSpec::default()
    }
}

fuzz_target!(|text: &str| {
    let (specs, requests) = text.split_once("\n\n").unwrap_or((text, ""));
    let specs: Vec<RouteSpec> = specs.lines().enumerate().take(ROUTES).map(spec).collect();
    let count = specs.len();
    let table = match Table::build(specs) {
        Ok(table) => table,
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            return;
        }
    };
    for request in requests.lines() {
        let mut words = request.split(' ');
        let mut word = || words.next().unwrap_or_default().as_bytes();
        let (host, path, method) = (word(), word(), word());
        match table.lookup(host, path, method, &NoHeaders) {
            Lookup::Found { route, params } => {
                assert!(route < count && path.starts_with(b"/"));
                assert_eq!(params.len(), table.param_names(route).len());
                for span in params.spans() {
                    let _ = span.of(path);
                }
            }
            Lookup::MethodNotAllowed { allow } => assert!(!allow.to_string().is_empty()),
            Lookup::NotFound => {}
        }
    }
});
