//! Which room may import which: the table of the design, held against the Cargo manifests.

use super::Source;

/// The rooms from the ground floor up, and what each may import. `abi` is what both sides of the kernel share.
const ROOMS: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("types", &[]),
    // Grammars of documents, without rules.
    ("schema", &[]),
    // Which further files a grammar names, it asks `schema`.
    ("seclang", &["schema"]),
    // The detectors know bytes alone.
    ("injection", &[]),
    ("waf", &["seclang", "injection", "schema"]),
    ("http", &["types"]),
    // What stands before a connection's bytes is read without knowing what they are.
    ("preamble", &[]),
    // What people who write rules run, without a server.
    ("rules", &["types", "seclang", "waf", "http"]),
    ("config", &["types", "seclang"]),
    ("net", &["types"]),
    ("tls", &["types", "net"]),
    ("auth", &["types"]),
    ("route", &["types"]),
    // The hash of clients is the BPF program's as well.
    ("balance", &["abi", "types"]),
    // What is an offence, the reasons say.
    ("penalty", &["types"]),
    // The Maglev tables in the kernel are those of `balance`.
    ("kernel", &["abi", "types", "balance"]),
    // Rooms take their own specs as input; `control` alone translates the configuration into them.
    (
        "proxy",
        &[
            "types", "seclang", "waf", "http", "preamble", "net", "tls", "auth", "route",
            "balance", "penalty", "kernel",
        ],
    ),
    (
        "control",
        &[
            "types", "seclang", "waf", "http", "rules", "config", "net", "tls", "auth", "route",
            "balance", "penalty", "kernel", "proxy",
        ],
    ),
    ("bascule", &["types", "rules", "config", "control"]),
];

/// Not rooms: they look at all rooms from outside, and no room looks at them.
const OUTSIDE: &[&str] = &["xtask", "tests", "benches"];

/// Crates of others that only these rooms may import, so that each concern has one place.
const FENCED: &[(&str, &[&str])] = &[
    ("aya", &["abi", "kernel"]),
    ("tokio-uring", &["net"]),
    ("io-uring", &["net"]),
    ("httparse", &["http"]),
    ("hyperscan", &["waf"]),
    ("pcre2", &["waf"]),
    ("maxminddb", &["waf"]),
    ("rustls", &["tls", "control"]),
    ("aws-lc-rs", &["tls", "auth"]),
    ("hyper", &["control"]),
    ("prometheus", &["proxy", "control"]),
    ("clap", &["bascule"]),
    ("zip", &["rules"]),
    ("tar", &["rules"]),
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for manifest in sources {
        let Some(package) = package(&manifest.path) else {
            continue;
        };
        if OUTSIDE.contains(&package) {
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == package) else {
            findings.push(format!(
                "{}: `{package}` has no line in the table of rooms",
                manifest.path
            ));
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            let at = format!("{}:{}", manifest.path, dependency.line);
            if let Some(room) = dependency.name.strip_prefix("bascule-") {
                if !allowed.contains(&room) {
                    findings.push(format!("{at}: `{package}` may not import `{room}`"));
                }
            } else if !dependency.for_tests && is_fenced_off(&dependency.name, package) {
                findings.push(format!(
                    "{at}: `{}` has its place in another room",
                    dependency.name
                ));
            }
        }
    }
    findings
}

fn is_fenced_off(name: &str, package: &str) -> bool {
    FENCED
        .iter()
        .any(|(fenced, rooms)| *fenced == name && !rooms.contains(&package))
}

/// The room of a manifest of the workspace.
fn package(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    if let Some(room) = folder.strip_prefix("userspace/") {
        return Some(room);
    }
    match folder {
        "ebpf/abi" => Some("abi"),
        _ => OUTSIDE.iter().copied().find(|outside| *outside == folder),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    line: usize,
    for_tests: bool,
}

/// The dependencies of a manifest. Every one stands at the start of a line or in the header of its own table.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut section = "";
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        let name = if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            section.split_once("dependencies.").map(|(_, name)| name)
        } else if section.ends_with("dependencies") {
            let end = line.find(['.', ' ', '=']).unwrap_or(0);
            line.get(..end)
        } else {
            None
        };
        if let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with('#')) {
            found.push(Dependency {
                name: name.to_owned(),
                line: index + 1,
                for_tests: section.contains("dev-dependencies"),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }])
    }

    #[test]
    fn the_table_only_points_downwards() {
        for (index, (room, allowed)) in ROOMS.iter().enumerate() {
            for below in *allowed {
                let place = ROOMS.iter().position(|(name, _)| name == below);
                assert!(
                    place.is_some_and(|place| place < index),
                    "{room} imports {below}"
                );
            }
        }
    }

    #[test]
    fn imports_from_above_are_found() {
        let text = "[dependencies]\nbascule-types.workspace = true\n# a comment = 1\nbascule-net = { workspace = true }\n";
        assert_eq!(
            findings("userspace/route/Cargo.toml", text),
            ["userspace/route/Cargo.toml:4: `route` may not import `net`"]
        );
        assert!(findings("userspace/tls/Cargo.toml", text).is_empty());
        assert!(findings("tests/Cargo.toml", text).is_empty());
        assert_eq!(findings("userspace/cellar/Cargo.toml", text).len(), 1);
    }

    #[test]
    fn fences_hold_but_for_tests() {
        let text = "[dev-dependencies]\nrustls.workspace = true\n[dependencies.rustls]\nworkspace = true\n";
        assert_eq!(
            findings("userspace/auth/Cargo.toml", text),
            ["userspace/auth/Cargo.toml:3: `rustls` has its place in another room"]
        );
    }
}
