//! The verbs of the command, on a running instance.

use crate::before;
use bascule_tests::{Bascule, Client, Io, Origin, Setup, eventually};
use serde_json::Value as Json;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn json(bascule: &Bascule, arguments: &[&str]) -> Json {
    let told = bascule.command(&[arguments, &["--socket", "admin.sock", "--json"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    serde_json::from_str(&told.stdout).unwrap()
}

#[test]
fn status_tells_what_runs() {
    let origin = Origin::named("ok");
    let bascule = before(Io::Epoll, &origin);
    assert_eq!(bascule.client().get("/").status, 200);
    let status = json(&bascule, &["status"]);
    assert_eq!(
        (&status["state"], &status["io"], &status["workers"]),
        (&"serving".into(), &"epoll".into(), &2.into())
    );
    assert_eq!(
        status["upstreams"][0]["endpoints"][0]["address"],
        origin.address().to_string()
    );
    let text = bascule.command(&["status", "--socket", "admin.sock"]);
    assert!(
        text.stdout.contains("serving") && text.stdout.contains(&origin.address().to_string()),
        "{text:?}"
    );
}

#[test]
fn a_ban_holds_until_it_is_lifted() {
    let origin = Origin::named("ok");
    let bascule = before(Io::Epoll, &origin);
    let from = |last| {
        Client::connect_from(
            IpAddr::V4(Ipv4Addr::new(127, 0, 9, last)),
            bascule.address("web"),
        )
    };
    let is_served = |last| {
        let mut client = from(last);
        let _ = client.wire().send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client
            .try_answer("GET")
            .is_ok_and(|answer| answer.status == 200)
    };
    assert!(is_served(1) && is_served(2));
    let _ = json(
        &bascule,
        &[
            "ban",
            "add",
            "127.0.9.1",
            "--ttl",
            "1h",
            "--reason",
            "a test",
        ],
    );
    assert!(!is_served(1) && is_served(2));
    let _ = json(&bascule, &["ban", "add", "127.0.9.0/24"]);
    assert!(!is_served(2));
    let listed = bascule
        .command(&["ban", "list", "--socket", "admin.sock"])
        .stdout;
    assert!(
        listed.contains("127.0.9.1")
            && listed.contains("a test")
            && listed.contains("127.0.9.0/24"),
        "{listed}"
    );
    let _ = json(&bascule, &["ban", "del", "127.0.9.0/24"]);
    assert!(!is_served(1) && is_served(2));
    let _ = json(&bascule, &["ban", "flush"]);
    assert!(is_served(1));
    bascule.wait_for_metric("bascule_refused_total", &[("reason", "banned")], 3.0);
}

#[test]
fn drain_ends_the_process() {
    let origin = Origin::named("ok");
    let mut bascule = before(Io::Epoll, &origin);
    let told = bascule.command(&["drain", "--socket", "admin.sock"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(bascule.wait_for_end(Duration::from_secs(5)).code(), Some(0));
    let told = bascule.command(&["status", "--socket", "admin.sock"]);
    assert_eq!(told.code, Some(4), "{told:?}");
}

#[test]
fn check_tells_what_is_wrong_and_where() {
    let setup = Setup::new().file(
        "bad.yaml",
        "listeners: [{ address: 127.0.0.1:1 }]\nroutes:\n  - path: /\n    upstream: ap\nupstreams: { app: { endpoints: [127.0.0.1:2] } }\n",
    );
    let told = bascule_tests::run_program(setup.folder(), &["check", "--config", "bad.yaml"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let said = told.stdout + &told.stderr;
    assert!(
        said.contains("bad.yaml:4:15") && said.contains("app"),
        "{said}"
    );
}

#[test]
fn reload_tells_what_changed() {
    let origin = Origin::named("ok");
    let mut bascule = before(Io::Epoll, &origin);
    let unchanged = bascule.command(&["reload", "--config", "bascule.yaml"]);
    assert!(
        unchanged.stdout.contains("nothing changed"),
        "{unchanged:?}"
    );
    bascule.rewrite(
        "
        routes: [{ name: app, path: /, upstream: app, body_limit: 1KiB }]
        upstreams: { app: { endpoints: [$app] } }
        ",
    );
    let changed = bascule.command(&["reload", "--config", "bascule.yaml"]);
    assert!(changed.stdout.contains("body_limit"), "{changed:?}");
    eventually("it is in force", || {
        bascule.client().post("/", &[b'x'; 2000]).status == 413
    });
}
