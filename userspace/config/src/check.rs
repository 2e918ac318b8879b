//! What only shows when the file is seen as a whole: names that are not defined, blocks that nothing uses, duplicates.

mod addresses;

use crate::blocks::{AuthMethod, Listener, Protocol, ProxyVersion, ServiceMode, WafMode};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Kind, Span};
use crate::document::{Node, Value};
use crate::reader::{Reader, listed, shortened};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

/// The blocks that routes refer to.
const NAMED: [&str; 3] = ["upstreams", "waf", "auth"];

/// Checks names and duplicates on the tree, so that a mistake elsewhere hides none of them.
pub(crate) fn names(root: &Node, reader: &mut Reader<'_>) {
    for block in NAMED {
        let defined = defined(root, block);
        let known: HashSet<&str> = defined.iter().map(|(name, _)| *name).collect();
        let mut used = HashSet::new();
        for (index, route) in items(root.get("routes")).enumerate() {
            for reference in references(route, block) {
                let Value::Scalar { text, .. } = &reference.value else {
                    continue;
                };
                used.insert(text.as_str());
                if !known.contains(text.as_str()) {
                    let finding = unknown(block, text, reference.span, &defined, reader);
                    reader.report(finding.at(format!("routes[{index}].{}", key_of(block))));
                }
            }
        }
        if block == "upstreams" {
            listener_upstreams(root, &known, &defined, &mut used, reader);
        }
        for (name, span) in defined.iter().filter(|(name, _)| !used.contains(name)) {
            reader.report(
                Diagnostic::warning(
                    Kind::Unused,
                    *span,
                    format!("nothing uses `{}`", shortened(name)),
                )
                .at(block)
                .remedy("remove it, or refer to it from a route"),
            );
        }
    }
    duplicates(root, "routes", "name", reader);
    duplicates(root, "listeners", "name", reader);
    duplicates(root, "listeners", "address", reader);
}

/// Where listeners name upstreams.
fn listener_upstreams<'n>(
    root: &'n Node,
    known: &HashSet<&str>,
    defined: &[(&str, Span)],
    used: &mut HashSet<&'n str>,
    reader: &mut Reader<'_>,
) {
    for (index, listener) in items(root.get("listeners")).enumerate() {
        let at = format!("listeners[{index}]");
        let own = listener
            .get("upstream")
            .map(|node| (format!("{at}.upstream"), node));
        let named = items(listener.get("sni")).enumerate();
        let named = named.filter_map(|(nth, entry)| {
            let node = entry.get("upstream")?;
            Some((format!("{at}.sni[{nth}].upstream"), node))
        });
        for (at, node) in own.into_iter().chain(named) {
            let Value::Scalar { text, .. } = &node.value else {
                continue;
            };
            if node.is_nothing() {
                continue;
            }
            used.insert(text.as_str());
            if !known.contains(text.as_str()) {
                let finding = unknown("upstreams", text, node.span, defined, reader);
                reader.report(finding.at(at));
            }
        }
    }
}

fn items(list: Option<&Node>) -> impl Iterator<Item = &Node> {
    let items = match list.map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().map(|item| &**item)
}

fn defined<'n>(root: &'n Node, block: &str) -> Vec<(&'n str, Span)> {
    match root.get(block).map(|node| &node.value) {
        Some(Value::Map(pairs)) => pairs
            .iter()
            .map(|pair| (pair.key.as_str(), pair.span))
            .collect(),
        _ => Vec::new(),
    }
}

/// The key of a route that names an entry of a block.
fn key_of(block: &str) -> &str {
    if block == "upstreams" {
        "upstream"
    } else {
        block
    }
}

/// Where a route names an entry of a block.
fn references<'n>(route: &'n Node, block: &str) -> Vec<&'n Node> {
    let key = key_of(block);
    let Some(node) = route.get(key).filter(|node| !node.is_nothing()) else {
        return Vec::new();
    };
    match (&node.value, block) {
        (Value::Scalar { .. }, _) => vec![node],
        (Value::Map(_), "waf") => node.get("policy").into_iter().collect(),
        (Value::Map(pairs), "auth") => pairs
            .iter()
            .flat_map(|pair| match &pair.value.value {
                Value::List(_) => items(Some(&pair.value)).collect(),
                _ => vec![&*pair.value],
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn unknown(
    block: &str,
    name: &str,
    span: Span,
    defined: &[(&str, Span)],
    reader: &Reader<'_>,
) -> Diagnostic {
    let known = || defined.iter().map(|(name, _)| *name);
    let remedy = match reader.closest(name, known()) {
        Some(other) => format!("write `{other}`"),
        None => format!("define it: `{block}: {{ {}: ... }}`", shortened(name)),
    };
    let expected = match defined {
        [] => format!("a name from the block `{block}`, which is empty"),
        _ => format!("one of {}", listed(known())),
    };
    Diagnostic::error(
        Kind::UnknownName,
        span,
        format!("`{}` is not defined under `{block}`", shortened(name)),
    )
    .expected(expected)
    .remedy(remedy)
}

fn says_udp(protocol: &Node) -> bool {
    matches!(&protocol.value, Value::Scalar { text, .. } if text == Protocol::Udp.name())
}

/// Reports a value that an earlier entry of a list has under the same key.
fn duplicates(root: &Node, list: &str, key: &str, reader: &mut Reader<'_>) {
    let mut seen: HashMap<(&str, bool), u32> = HashMap::new();
    for (index, entry) in items(root.get(list)).enumerate() {
        let Some(node) = entry.get(key) else { continue };
        // UDP has ports of its own.
        let is_udp = key == "address" && entry.get("protocol").is_some_and(says_udp);
        let Value::Scalar { text, .. } = &node.value else {
            continue;
        };
        // Port 0 asks the kernel for a free one: two of these never collide.
        let free = text
            .parse::<SocketAddr>()
            .is_ok_and(|address| address.port() == 0);
        if let Some(line) = seen
            .insert((text, is_udp), node.span.line)
            .filter(|_| !free)
        {
            let found = format!("`{}` stands in line {line} already", shortened(text));
            reader.report(
                Diagnostic::error(Kind::Conflict, node.span, found)
                    .at(format!("{list}[{index}].{key}"))
                    .remedy(if key == "name" {
                        "rename one: names stand in logs and metrics"
                    } else {
                        "remove one, or take another port"
                    }),
            );
        }
    }
}

/// Checks the whole configuration, after each block was found good for itself.
pub(crate) fn whole(config: &Config, node: &Node, reader: &mut Reader<'_>) {
    let speaks_http = |listener: &Listener| listener.protocol == Protocol::Http;
    let needs_routes = config.listeners.iter().any(speaks_http) || config.listeners.is_empty();
    for (key, count, example) in [
        (
            "listeners",
            config.listeners.len(),
            "[{ address: 0.0.0.0:8080 }]",
        ),
        (
            "routes",
            config.routes.len(),
            "[{ path: /, upstream: app }]",
        ),
        (
            "upstreams",
            config.upstreams.len(),
            "{ app: { endpoints: [127.0.0.1:9001] } }",
        ),
    ] {
        if count == 0 && (needs_routes || key != "routes") {
            reader.report(
                Diagnostic::error(Kind::BadValue, node.span_of(key), "found nothing in it")
                    .at(key)
                    .expected("at least one entry")
                    .remedy(format!("add one: `{key}: {example}`")),
            );
        }
    }
    if !needs_routes && !config.routes.is_empty() {
        reader.report(
            Diagnostic::warning(
                Kind::Unused,
                node.span_of("routes"),
                "no listener speaks HTTP",
            )
            .at("routes")
            .remedy("remove `routes`, or add a listener without `protocol`"),
        );
    }
    admin(config, reader);
    services(config, reader);
    addresses::check(config, reader);
    datagrams(config, reader);
    routes(config, node, reader);
    keys_in_urls(config, reader);
}

/// Services have the gate that balances them, and an address each.
fn services(config: &Config, reader: &mut Reader<'_>) {
    for (index, entry) in config.services.iter().enumerate() {
        let address = &entry.value.address;
        let at = format!("services.{}.address", entry.name.value);
        let mode = &entry.value.mode;
        if config.kernel.is_none() && *mode != ServiceMode::Nat {
            let found = format!(
                "`mode: {}` needs the XDP gate, which is not configured",
                mode.name()
            );
            reader.report(
                Diagnostic::error(Kind::Conflict, entry.name.span, found)
                    .at("services")
                    .remedy("add `kernel: { interfaces: [eth0] }` with the interfaces that clients and endpoints are at; `mode: nat` is done by the proxy without it"),
            );
        }
        let earlier = config.services.iter().take(index);
        for other in earlier.filter(|other| other.value.address.value == address.value) {
            let line = other.value.address.span.line;
            let found = format!("`{}` stands in line {line} already", address.value);
            reader.report(
                Diagnostic::error(Kind::Conflict, address.span, found)
                    .at(at.clone())
                    .remedy("remove one, or take another address, port or protocol"),
            );
        }
    }
}

fn admin(config: &Config, reader: &mut Reader<'_>) {
    let Some(admin) = config.admin.address else {
        return;
    };
    let taken = config
        .listeners
        .iter()
        .filter(|listener| listener.protocol != Protocol::Udp)
        .find(|listener| listener.address.value == admin.value);
    if let Some(listener) = taken.filter(|_| admin.port() != 0) {
        let found = format!(
            "`{}` is taken by the listener in line {}",
            admin.value, listener.address.span.line
        );
        reader.report(
            Diagnostic::error(Kind::Conflict, admin.span, found)
                .at("admin.address")
                .remedy("give it another port"),
        );
    }
    if !admin.ip().is_loopback() {
        reader.report(
            Diagnostic::warning(
                Kind::Risky,
                admin.span,
                "metrics are served beyond this host, without a password",
            )
            .at("admin.address")
            .expected("a loopback address, or one that only your monitoring reaches"),
        );
    }
}

/// What an upstream cannot do for datagrams.
fn datagrams(config: &Config, reader: &mut Reader<'_>) {
    let listeners = config.listeners.iter().enumerate();
    for (index, listener) in listeners.filter(|(_, l)| l.protocol == Protocol::Udp) {
        let Some(name) = &listener.upstream else {
            continue;
        };
        let Some(upstream) = config.upstreams.get(name.as_str()) else {
            continue;
        };
        let sends_v1 = upstream
            .proxy_protocol
            .as_ref()
            .is_some_and(|send| send.version == ProxyVersion::V1);
        let (found, remedy) = if upstream.tls.is_some() {
            ("has `tls`, which datagrams have not", "remove `tls`")
        } else if sends_v1 {
            (
                "has `proxy_protocol: v1`, which knows no datagrams",
                "set `proxy_protocol: v2`",
            )
        } else {
            continue;
        };
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                name.span,
                format!("the upstream `{}` {found}", name.value),
            )
            .at(format!("listeners[{index}].upstream"))
            .remedy(format!("{remedy} there, or name another upstream")),
        );
    }
}

fn routes(config: &Config, node: &Node, reader: &mut Reader<'_>) {
    let nodes: Vec<&Node> = items(node.get("routes")).collect();
    for (index, route) in config.routes.iter().enumerate() {
        let connect = config.timeouts.connect;
        if let Some(total) = route.timeouts.total.filter(|total| *total < connect) {
            let at = nodes
                .get(index)
                .map_or(node.span, |route| route.span_of("timeouts"));
            let found =
                format!("`total` ({total:?}) is shorter than the global `connect` ({connect:?})");
            reader.report(
                Diagnostic::error(Kind::Conflict, at, found)
                    .at(format!("routes[{index}].timeouts.total"))
                    .remedy("raise `total`, or lower `timeouts.connect`"),
            );
        }
        let Some(waf) = route.waf.as_ref().filter(|waf| waf.mode.is_none()) else {
            continue;
        };
        if config
            .waf
            .get(waf.policy.as_str())
            .is_some_and(|policy| policy.mode == WafMode::Off)
        {
            let found = format!(
                "the policy `{}` is off: no rule runs on this route",
                waf.policy.value
            );
            reader.report(
                Diagnostic::warning(Kind::Risky, waf.policy.span, found)
                    .at(format!("routes[{index}].waf")),
            );
        }
    }
}

fn keys_in_urls(config: &Config, reader: &mut Reader<'_>) {
    for entry in &config.auth {
        let AuthMethod::ApiKey(key) = &entry.value else {
            continue;
        };
        if let Some(query) = key.query.as_ref().filter(|_| key.header.is_none()) {
            let found = "keys are taken from URLs alone, which end up in logs and histories";
            reader.report(
                Diagnostic::warning(Kind::Risky, query.span, found)
                    .at(format!("auth.{}.api_key.query", entry.name.value))
                    .remedy("add `header: x-api-key`"),
            );
        }
    }
}
