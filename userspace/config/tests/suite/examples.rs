//! The examples that ship are good configurations, and the annotated one shows every key.

use config::{
    AccessTarget, AuthMethod, Balance, BalanceAlgorithm, Config, Env, FileKind, HashKey, Host,
    PathPattern, Workers, parse_str, schema,
};
use serde_json::Value;
use std::path::Path;

const SMALLEST: &str = include_str!("../../examples/smallest.yaml");
const ANNOTATED: &str = include_str!("../../examples/annotated.yaml");

#[test]
fn the_smallest_example_is_complete() {
    assert!(SMALLEST.lines().count() <= 10);
    let loaded = parse_str(SMALLEST).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.workers, Workers::Auto);
    assert_eq!(config.routes[0].path.value, PathPattern::Prefix("/".into()));
    let app = config.upstreams.get("app").unwrap();
    assert_eq!(app.endpoints.len(), 2);
    assert!(matches!(
        app.balance,
        Balance::Simple(BalanceAlgorithm::RoundRobin)
    ));
    assert!(config.kernel.is_none() && config.waf.is_empty() && config.auth.is_empty());
    assert_eq!(config.log.access.path, AccessTarget::Off);
}

#[test]
fn the_annotated_example_is_free_of_findings() {
    let loaded = parse_str(ANNOTATED).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let config = loaded.config;
    assert_eq!(config.route_names(), ["shop", "api", "/batch", "/plant/"]);
    assert_eq!(
        config.limits.with(&config.listeners[0].limits).connections,
        50_000
    );
    assert_eq!(
        config.limits.with(&config.listeners[1].limits).connections,
        20_000
    );
    assert!(matches!(
        config.upstreams.get("api").unwrap().balance,
        Balance::Hash(HashKey::Cookie(_))
    ));
    let AuthMethod::Jwt(internal) = config.auth.get("internal").unwrap() else {
        panic!("a JWT method")
    };
    assert_eq!(
        internal
            .accepted()
            .iter()
            .map(|a| a.name())
            .collect::<Vec<_>>(),
        ["HS256"]
    );
}

/// What the design promises that an operator can write.
#[test]
fn the_taste_of_a_full_configuration_is_good() {
    let text = "
kernel:
  interfaces: [eth0]
  bans: { files: [bans/*.txt] }
listeners:
  - address: 0.0.0.0:443
    tls: { certificates: [{ cert: tls/shop.pem, key: tls/shop.key }], policy: modern }
waf:
  crs: { rules: [/usr/share/modsecurity-crs/rules/*.conf], paranoia: 1, mode: block }
auth:
  partners: { jwt: { issuer: https://id.example.com, audience: shop, jwks: { url: https://id.example.com/jwks } } }
  keys:     { api_key: { header: x-api-key, store: keys.db } }
routes:
  - host: shop.example.com
    path: /
    waf: crs
    upstream: shop
  - host: api.example.com
    path: /v1/{rest*}
    waf: crs
    auth: { any_of: [partners, keys] }
    upstream: api
upstreams:
  shop: { balance: least_requests, endpoints: [10.0.0.11:8080, 10.0.0.12:8080], health: { http: /healthz } }
  api:  { balance: ewma, endpoints: [{ address: 10.0.1.11:8443, weight: 2 }, 10.0.1.12:8443], tls: { ca: tls/ca.pem } }
";
    let loaded = parse_str(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(
        loaded.config.route_names(),
        ["shop.example.com/", "api.example.com/v1/{rest*}"]
    );
}

/// The annotated example on a real folder, with the files that it names, through the file system.
#[test]
fn the_annotated_example_loads_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for name in [
        "bans/a.txt",
        "tls/shop.pem",
        "tls/shop.key",
        "tls/api.pem",
        "tls/api.key",
        "tls/ca.pem",
        "keys.db",
        "plant-jwks.json",
        "rules/a.conf",
        "rules/b.conf",
        "setup.conf",
    ] {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        std::fs::write(root.join(name), "x").unwrap();
    }
    std::fs::write(root.join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::create_dir(root.join("logs")).unwrap();
    let text = ANNOTATED
        .replace("/etc/bascule/crs-setup.conf", "setup.conf")
        .replace("/etc/bascule/crs-next/crs-setup.conf", "setup.conf")
        .replace("/etc/bascule/crs-next/rules", "rules")
        .replace("/usr/share/modsecurity-crs/rules", "rules")
        .replace("{ env: BATCH_JWT_SECRET }", "{ file: secret }");
    std::fs::write(root.join("bascule.yaml"), text).unwrap();
    let loaded =
        Config::load(&root.join("bascule.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let AuthMethod::Jwt(internal) = loaded.config.auth.get("internal").unwrap() else {
        panic!("a JWT method")
    };
    assert_eq!(
        internal.secret.as_ref().unwrap().secret.expose().len(),
        32,
        "without the line break"
    );
    let kernel = loaded.config.kernel.unwrap();
    assert_eq!(kernel.bans.files[0].found, [root.join("bans/a.txt")]);
    assert!(Host.expect(Path::new("/"), FileKind::Folder).is_ok());
}

/// Every key of the schema stands in the annotated example, so that it cannot fall behind.
#[test]
fn the_annotated_example_shows_every_key() {
    let schema = schema();
    let mut missing = Vec::new();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        keys(definition, &mut |key| {
            if !ANNOTATED.contains(&format!("{key}:")) {
                missing.push(format!("{name}.{key}"));
            }
        });
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// Every definition and every key says what it means.
#[test]
fn the_schema_describes_everything() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert!(
            definition["description"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{name}"
        );
        let objects =
            std::iter::once(definition).chain(definition["anyOf"].as_array().into_iter().flatten());
        for (key, property) in objects
            .filter_map(|object| object["properties"].as_object())
            .flatten()
        {
            assert!(
                property["description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 10),
                "{name}.{key}"
            );
        }
    }
    let rate = &schema["$defs"]["Timeouts"]["properties"]["header"];
    assert_eq!(rate["default"], "15s");
    assert!(
        rate["description"]
            .as_str()
            .unwrap()
            .contains("From 100ms to 5m."),
        "{rate}"
    );
    assert_eq!(
        schema["$defs"]["Limits"]["properties"]["header_count"]["maximum"],
        256
    );
    assert_eq!(
        schema["$defs"]["Config"]["required"],
        serde_json::json!(["listeners", "upstreams"])
    );
}

fn keys(schema: &Value, found: &mut dyn FnMut(&str)) {
    if let Some(properties) = schema["properties"].as_object() {
        for (key, value) in properties {
            found(key);
            keys(value, found);
        }
    }
    for part in schema["anyOf"].as_array().into_iter().flatten() {
        keys(part, found);
    }
}
