//! What changed between two generations, by block and name.

use config::{Config, Env, FileKind, diff, parse_str};
use std::io;
use std::path::Path;

const OLD: &str = "
limits: { header_count: 50 }
listeners:
  - { address: 0.0.0.0:8080 }
  - { name: two, address: 0.0.0.0:8081 }
routes:
  - { name: a, path: /a, upstream: app }
  - { name: b, path: /b, upstream: app, priority: 1 }
upstreams:
  app: { endpoints: [10.0.0.1:80, 10.0.0.2:80] }
  old: { endpoints: [10.0.0.9:80] }
";

fn changes(old: &str, new: &str) -> Vec<String> {
    let read = |text: &str| {
        parse_str(text)
            .unwrap_or_else(|errors| panic!("{errors}"))
            .config
    };
    diff(&read(old), &read(new))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_same_file_has_no_changes() {
    assert_eq!(changes(OLD, OLD), Vec::<String>::new());
    let annotated = include_str!("../../examples/annotated.yaml");
    assert_eq!(changes(annotated, annotated), Vec::<String>::new());
    let moved = OLD.replace("listeners:", "# moved down a line\nlisteners:");
    assert_eq!(changes(OLD, &moved), Vec::<String>::new());
    let read = |text: &str| parse_str(text).unwrap().config;
    assert_eq!(read(OLD), read(&moved));
    assert_ne!(read(OLD).limits, read(&OLD.replace("50", "51")).limits);
}

#[test]
fn routes_and_upstreams_are_found_by_name_wherever_they_stand() {
    let new = "
timeouts: { header: 20s }
listeners:
  - { name: two, address: 0.0.0.0:8081, backlog: 100 }
  - { address: 0.0.0.0:8080 }
routes:
  - { name: b, path: /b2, upstream: app, waf: w }
  - { name: c, path: /c, upstream: app }
waf: { w: { rules: shipped } }
upstreams:
  app: { endpoints: [10.0.0.1:80, { address: '10.0.0.2:80', weight: 3 }, 10.0.0.3:80] }
";
    let changes = changes(OLD, new);
    let expected = [
        "~ listeners[two].backlog: 4096 -> 100",
        "~ limits.header_count: 50 -> 100",
        "~ timeouts.header: 15s -> 20s",
        "+ waf.w: {",
        "- routes[a]: {",
        "~ routes[b].path: /b -> /b2",
        "- routes[b].priority: 1",
        "+ routes[b].waf: {",
        "+ routes[c]: {",
        "~ upstreams.app.endpoints[10.0.0.2:80].weight: 1 -> 3",
        "+ upstreams.app.endpoints[10.0.0.3:80]: {",
        "- upstreams.old: {",
    ];
    assert_eq!(changes.len(), expected.len(), "{changes:#?}");
    for (change, expected) in changes.iter().zip(expected) {
        assert!(change.starts_with(expected), "{change} is not {expected}");
    }
}

/// A world whose only secret is this.
struct Holds(&'static str);

impl Env for Holds {
    fn variable(&self, _: &str) -> Option<String> {
        Some(self.0.to_owned())
    }

    fn expect(&self, _: &Path, _: FileKind) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn find(&self, _: &Path, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

#[test]
fn a_new_secret_is_a_change_that_does_not_show_it() {
    let text = |reference: &str| {
        format!(
            "auth: {{ a: {{ jwt: {{ issuer: i, audience: b, secret: {reference} }} }} }}
listeners: [{{ address: 0.0.0.0:8080 }}]
routes: [{{ path: /, upstream: app, auth: a }}]
upstreams: {{ app: {{ endpoints: [127.0.0.1:9001] }} }}"
        )
    };
    let read = |reference: &str, secret| {
        Config::parse("x.yaml", &text(reference), &Holds(secret))
            .unwrap()
            .config
    };
    let old = read("{ env: KEY }", "first-first-first-first-first-first");
    let new = read("{ env: KEY }", "other-other-other-other-other-other");
    let moved = read("{ file: key }", "first-first-first-first-first-first");
    let show = |new: &Config| {
        diff(&old, new)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        show(&new),
        ["~ auth.a.jwt.secret: [secret] -> [another secret]"]
    );
    assert_eq!(
        show(&moved),
        [r#"~ auth.a.jwt.secret: {"env":"KEY"} -> {"file":"key"}"#]
    );
    assert_eq!(diff(&old, &moved)[0].json()["action"], "changed");
}
