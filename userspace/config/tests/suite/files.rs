//! Files that the configuration names are there, and are found relative to it.

use crate::given::given_in;
use config::{Config, Host, Kind, RuleSource};
use std::fs;
use std::path::Path;

const REST: &str = "listeners: [{ address: 0.0.0.0:8080 }]
routes: [{ path: /, upstream: app, waf: w }]
upstreams: { app: { endpoints: [127.0.0.1:9001] } }";

fn with_rules(folder: &Path, rules: &str) -> Result<Config, config::Diagnostics> {
    let path = folder.join("bascule.yaml");
    fs::write(&path, format!("waf: {{ w: {{ rules: {rules} }} }}\n{REST}")).unwrap();
    Config::load(&path).map(|loaded| loaded.config)
}

fn found(config: &Config) -> Vec<String> {
    let rules = &config.waf.get("w").unwrap().rules.0;
    let files = rules.iter().flat_map(|source| match source {
        RuleSource::Files(files) => files.found.clone(),
        RuleSource::Shipped(_) => vec!["shipped".into()],
    });
    files
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn patterns_find_files_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("rules")).unwrap();
    for name in ["b.conf", "a.conf", "c.data", ".hidden.conf"] {
        fs::write(root.join("rules").join(name), "").unwrap();
    }
    fs::write(root.join("setup.conf"), "").unwrap();
    let config = with_rules(root, "[setup.conf, rules/*.conf, shipped]").unwrap();
    assert_eq!(
        found(&config),
        ["setup.conf", "a.conf", "b.conf", "shipped"]
    );
    let absolute = root.join("rules/?.data");
    assert_eq!(
        found(&with_rules(root, absolute.to_str().unwrap()).unwrap()),
        ["c.data"]
    );

    let error = |rules: &str| {
        with_rules(root, rules)
            .unwrap_err()
            .iter()
            .next()
            .cloned()
            .unwrap()
    };
    assert!(error("rules/*.rules").found.contains("no file matches"));
    assert!(error("missing.conf").found.contains("does not exist"));
    assert!(error("rules").found.contains("it is a folder"));
    assert!(error("nowhere/*.conf").found.contains("does not exist"));
    assert!(
        error("r*/a.conf")
            .remedy
            .contains("one pattern for each folder")
    );
    assert!(error("~/a.conf").remedy.contains("whole path"));
    assert_eq!(error("missing.conf").span.column, 20);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_without_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Config::load(&folder.path().join("no.yaml")).unwrap_err();
    assert!(missing.to_string().contains("does not exist"), "{missing}");
    assert!(Config::load(folder.path()).is_err());
    let path = folder.path().join("bytes.yaml");
    fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(error.contains("line 2 is not UTF-8"), "{error}");
    fs::write(&path, vec![b'#'; config::MAX_BYTES + 1]).unwrap();
    assert!(
        Config::load(&path)
            .unwrap_err()
            .to_string()
            .contains("at most")
    );
}

#[test]
fn logs_need_a_folder() {
    let text = format!(
        "log: {{ access: «/nowhere/at/all/access.json }}\n{REST}\nwaf: {{ w: {{ rules: shipped }} }}"
    );
    given_in(&text, &Host)
        .finds_only(Kind::File)
        .says("/nowhere/at/all");
    let text = format!(
        "log: {{ access: {{ path: access.json }} }}\n{REST}\nwaf: {{ w: {{ rules: shipped }} }}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bascule.yaml");
    fs::write(&path, text).unwrap();
    Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn a_key_store_may_come_later() {
    let text = format!("auth: {{ k: {{ api_key: {{ store: «keys.db }} }} }}\n{REST}, auth: k }}]");
    let text = text
        .replace("waf: w }]", "auth: k }]")
        .replace(", auth: k }]", "")
        .replace("upstream: app", "upstream: app, auth: k }]");
    given_in(&text, &Host)
        .warns(Kind::File)
        .remedy("bascule key create");
}
