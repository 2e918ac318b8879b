//! Verbs that need no running instance.

use crate::support::{bascule, given};
use std::fs;

const SMALLEST: &str = include_str!("../../../config/examples/smallest.yaml");

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["ban"],
        vec!["ban", "add"],
        vec!["ban", "add", "203.0.113.7", "--ttl", "soon"],
        vec!["run", "--io", "magic"],
        vec!["run", "--workers", "0"],
        vec!["key", "create", "--consumer", "acme"],
        vec!["status", "--verbose-please"],
    ] {
        bascule(&arguments).exits(2);
    }
    bascule(&["ban", "add", "203.0.113.7", "--ttl", "soon"]).says("such as 90s, 10m or 7d");
}

#[test]
fn help_documents_exit_codes_and_every_verb() {
    let help = bascule(&["--help"]).exits(0).stdout;
    for words in [
        "run", "check", "reload", "status", "drain", "ban", "key", "rules", "replay", "crs",
        "schema", "version",
    ] {
        assert!(help.contains(words), "{words}");
    }
    assert!(help.contains("3  the configuration is invalid"), "{help}");
    assert!(
        bascule(&["check", "--help"])
            .exits(0)
            .stdout
            .contains("listeners: [{")
    );
}

#[test]
fn a_valid_configuration_is_told_with_what_the_host_makes_of_it() {
    let given = given();
    let file = given.file("bascule.yaml", SMALLEST);
    let checked = bascule(&["check", "--config", &file]).exits(0);
    for words in ["valid", "path prefix /", "I/O: ", "kernel path: "] {
        assert!(
            checked.stdout.contains(words),
            "{words} in {}",
            checked.stdout
        );
    }
    let json = bascule(&["check", "--config", &file, "--json"])
        .exits(0)
        .json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["routes"].as_array().unwrap().len(), 1);
    assert!(
        json["io"]["driver"].is_string() && json["kernel_path"]["path"].is_string(),
        "{json}"
    );
    let left: Vec<_> = fs::read_dir(given.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a check leaves nothing behind");
}

#[test]
fn an_invalid_configuration_is_3_and_says_where_and_what_to_do() {
    let given = given();
    let file = given.file(
        "bascule.yaml",
        &SMALLEST.replace("upstream: app", "upstream: appp"),
    );
    let checked = bascule(&["check", "-c", &file]).exits(3);
    assert_eq!(checked.stdout, "");
    for words in ["bascule.yaml:2:", "appp", "^", "`app`"] {
        assert!(
            checked.stderr.contains(words),
            "{words} in {}",
            checked.stderr
        );
    }
    let json = bascule(&["--json", "check", "-c", &file]).exits(3).json();
    assert_eq!(json["exit_code"], 3);
    assert_eq!(json["diagnostics"][0]["line"], 2);

    // `run` refuses it in the same words.
    let run = bascule(&["run", "-c", &file]).exits(3);
    assert!(run.stderr.contains("bascule.yaml:2:"), "{}", run.stderr);
    bascule(&["check", "-c", "/nonexistent/bascule.yaml"])
        .exits(3)
        .says("cannot be read");
}

#[test]
fn nobody_running_is_4() {
    let given = given();
    let file = given.file("bascule.yaml", SMALLEST);
    for verb in [
        &["status"][..],
        &["reload"],
        &["drain"],
        &["ban", "list"],
        &["ban", "flush"],
    ] {
        let arguments = [verb, &["--config", &file]].concat();
        bascule(&arguments)
            .exits(4)
            .says("start it with `bascule run`");
    }
    let socket = given.path("elsewhere.sock");
    let json = bascule(&["status", "--json", "--socket", &socket])
        .exits(4)
        .json();
    assert!(
        json["error"].as_str().unwrap().contains("elsewhere.sock"),
        "{json}"
    );
}

#[test]
fn a_key_is_printed_alone_and_once() {
    let given = given();
    let store = given.path("keys.db");
    let create = [
        "key",
        "create",
        "--store",
        &store,
        "--consumer",
        "acme",
        "--scope",
        "orders:read",
        "--ttl",
        "30d",
    ];
    let created = bascule(&create).exits(0);
    let key = created.stdout.trim_end().to_owned();
    assert!(
        key.starts_with("bsc_") && !key.contains(char::is_whitespace),
        "{key}"
    );
    assert!(
        created.stderr.contains("acme") && !created.stderr.contains(&key),
        "{}",
        created.stderr
    );

    let list = bascule(&["key", "list", "--store", &store]).exits(0).stdout;
    assert!(
        list.contains("acme") && list.contains("live") && list.contains("orders:read"),
        "{list}"
    );
    assert!(!list.contains(&key));
    let json = bascule(&["key", "list", "--json", "--store", &store])
        .exits(0)
        .json();
    let id = json["keys"][0]["id"].as_str().unwrap();
    assert_eq!(json["keys"][0]["state"], "live");

    bascule(&["key", "revoke", "--store", &store, id]).exits(0);
    let again = bascule(&["key", "revoke", "--store", &store, id]).exits(0);
    assert!(again.stdout.contains("before"), "{}", again.stdout);
    bascule(&["key", "revoke", "--store", &store, "nobody"])
        .exits(1)
        .says("no key in");
    bascule(&["key", "list", "--store", &given.path("none.db")])
        .exits(1)
        .says("there is no key store");

    let json = bascule(&[
        "--json",
        "key",
        "create",
        "--store",
        &store,
        "--consumer",
        "b",
    ])
    .exits(0)
    .json();
    assert!(json["key"].as_str().unwrap().starts_with("bsc_"), "{json}");
}

#[test]
fn the_schema_and_the_version_are_printed() {
    let schema = bascule(&["schema"]).exits(0).json();
    assert!(
        schema["$schema"].is_string() && schema.to_string().contains("listeners"),
        "{schema}"
    );
    let version = bascule(&["version", "--json"]).exits(0).json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        bascule(&["version"])
            .exits(0)
            .stdout
            .starts_with("bascule ")
    );
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let mut child = crate::support::command(&["schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}
