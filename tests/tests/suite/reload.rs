//! Another configuration takes effect as a whole or not at all, and no request notices.

use bascule_tests::{
    Authority, Bascule, Client, Io, KeyKind, Load, Origin, Setup, TlsClient, eventually,
    on_both_drivers,
};
use rustix::process::Signal;
use std::fs;

/// Two configurations that differ in a route, an upstream and a limit.
const VARIANTS: [&str; 2] = [
    "
    log: { level: info, access: access.json }
    routes: [{ name: app, path: /, upstream: app }]
    upstreams: { app: { endpoints: [$a, $b] } }
    ",
    "
    log: { level: info, access: access.json }
    limits: { header_count: 50 }
    routes:
      - { name: app, path: /, upstream: app }
      - { name: more, path: /more/, upstream: other }
    upstreams:
      app: { endpoints: [$b, $a, $c], balance: least_requests }
      other: { endpoints: [$c] }
    ",
];

fn three() -> [Origin; 3] {
    ["a", "b", "c"].map(Origin::named)
}

fn setup(io: Io, [a, b, c]: &[Origin; 3]) -> Setup {
    Setup::new()
        .io(io)
        .with("a", a.address())
        .with("b", b.address())
        .with("c", c.address())
}

fn is_open(bascule: &Bascule, name: &str) -> bool {
    Client::try_connect(bascule.address(name)).is_ok()
}

on_both_drivers! {
    /// A hundred reloads under load, each with changes, and not one request fails.
    fn a_hundred_reloads_fail_no_request(io) {
        let origins = three();
        let mut bascule = setup(io, &origins).start(VARIANTS[0]);
        let kept = Load::start(bascule.address("web"), 3, "/");
        let connecting = Load::start_connecting(bascule.address("web"), 1, "/");
        let first = bascule.generation();
        for round in 0..100 {
            bascule.rewrite(VARIANTS[(round + 1) % 2]);
            let told = bascule.command(&["reload", "--socket", "admin.sock"]);
            assert_eq!(told.code, Some(0), "{told:?}");
        }
        let (kept, connecting) = (kept.stop(), connecting.stop());
        assert_eq!([kept.failures.as_slice(), connecting.failures.as_slice()].concat(), Vec::<String>::new());
        assert!(kept.served() > 100 && connecting.served() > 100);
        assert!(bascule.generation() >= first + 100);
    }

    /// A new listener is opened and one that is left out is closed; what stays keeps its connections.
    fn listeners_come_and_go(io) {
        let origins = three();
        let listeners = |names: &str| format!("{}listeners: [{names}]\n", bascule_yaml());
        let web = "{ name: web, address: $web }";
        let mut bascule = setup(io, &origins).start(&listeners(web));
        let mut kept = bascule.client();
        assert_eq!(kept.get("/").status, 200);
        bascule.reload(&listeners(&format!("{web}, {{ name: new, address: $new }}")));
        eventually("the new listener is open", || is_open(&bascule, "new"));
        let mut on_new = Client::connect(bascule.address("new"));
        assert_eq!(on_new.get("/").status, 200);
        bascule.reload(&listeners("{ name: new, address: $new }"));
        eventually("the old listener is closed", || !is_open(&bascule, "web"));
        assert_eq!(on_new.get("/").status, 200);
        assert_eq!(Client::connect(bascule.address("new")).get("/").status, 200);
        bascule.reload(&listeners(web));
        eventually("it is open again", || is_open(&bascule, "web"));
        assert_eq!(bascule.client().get("/").status, 200);
    }
}

fn bascule_yaml() -> &'static str {
    "routes: [{ path: /, upstream: app }]\nupstreams: { app: { endpoints: [$a, $b, $c] } }\n"
}

#[test]
fn a_file_that_changes_is_noticed() {
    let origins = three();
    let mut bascule = setup(Io::Epoll, &origins).start(VARIANTS[0]);
    let before = bascule.generation();
    assert_ne!(bascule.client().get("/more/").text(), "c");
    bascule.rewrite(VARIANTS[1]);
    eventually("the new configuration is in force", || {
        bascule.generation() > before
    });
    assert_eq!(bascule.client().get("/more/").text(), "c");
    assert_eq!(bascule.client().get("/more/").text(), "c");
}

#[test]
fn a_reload_by_hand_is_not_done_again_by_itself() {
    let origins = three();
    let mut bascule = setup(Io::Epoll, &origins).start(VARIANTS[0]);
    let before = bascule.generation();
    bascule.rewrite(VARIANTS[1]);
    // A file that is written in the moment in which it is read is read again, to be sure.
    std::thread::sleep(std::time::Duration::from_millis(50));
    bascule.signal(Signal::HUP);
    eventually("it is in force", || bascule.generation() > before);
    std::thread::sleep(std::time::Duration::from_millis(1600));
    assert_eq!(bascule.generation(), before + 1);
}

#[test]
fn what_waits_for_the_next_start_is_named() {
    let origins = three();
    let mut bascule = setup(Io::Epoll, &origins).start(bascule_yaml());
    bascule.reload(&format!(
        "{}log: {{ level: warn, format: json }}\n",
        bascule_yaml()
    ));
    for key in ["log.level", "log.format"] {
        let words = format!("`{key}` changed, which takes effect at the next start");
        eventually("the log says so", || bascule.log().contains(&words));
    }
    assert!(!bascule.log().contains("`workers` changed"));
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_reported() {
    let origins = three();
    let mut bascule = setup(Io::Epoll, &origins).start(VARIANTS[1]);
    let before = bascule.generation();
    for (bad, named) in [
        (
            "routes: [{ path: /, upstream: nowhere }]\nupstreams: { app: { endpoints: [$a] } }",
            "nowhere",
        ),
        (
            "routes: [{ path: /, upstrean: app }]\nupstreams: { app: { endpoints: [$a] } }",
            "upstrean",
        ),
        (
            "routes: [{ path: /, upstream: app }\nupstreams: { app",
            "bascule.yaml",
        ),
        (
            "routes: [{ path: /, upstream: app }]\nupstreams: { app: { endpoints: [$a] } }\n\
             listeners: [{ name: web, address: $web }, { name: taken, address: $a }]",
            "listened on",
        ),
    ] {
        bascule.rewrite(bad);
        let told = bascule.command(&["reload", "--socket", "admin.sock"]);
        assert_eq!(told.code, Some(3), "{told:?}");
        assert!(told.stderr.contains(named), "{named}: {}", told.stderr);
        assert_eq!(
            bascule.client().get("/more/").text(),
            "c",
            "the earlier one is in force"
        );
    }
    assert_eq!(bascule.generation(), before);
    assert!(bascule.log().contains("reload refused"));
    // The one that was bound for the failed generation is free again, and a good one takes effect.
    bascule.reload(VARIANTS[0]);
    assert_ne!(bascule.client().get("/more/").text(), "");
}

#[test]
fn a_signal_reloads() {
    let origins = three();
    let mut bascule = setup(Io::Epoll, &origins).start(VARIANTS[0]);
    bascule.reload(VARIANTS[1]);
    assert_eq!(bascule.client().get("/more/").text(), "c");
    bascule.rewrite("routes: [");
    bascule.signal(Signal::HUP);
    eventually("the refusal is logged", || {
        bascule.log().contains("reload refused")
    });
    assert_eq!(bascule.client().get("/more/").text(), "c");
}

#[test]
fn a_request_keeps_the_configuration_that_it_began_with() {
    let slow = Origin::serve(|_| {
        std::thread::sleep(std::time::Duration::from_millis(800));
        bascule_tests::Reply::ok("slow")
    });
    let fast = Origin::named("fast");
    let yaml = |name: &str| {
        format!(
            "routes: [{{ path: /, upstream: app }}]\nupstreams: {{ app: {{ endpoints: [${name}] }} }}"
        )
    };
    let setup = Setup::new()
        .with("slow", slow.address())
        .with("fast", fast.address());
    let mut bascule = setup.start(&yaml("slow"));
    let mut client = bascule.client();
    client.send(bascule_tests::request("GET", "/", &[], b""));
    eventually("it is under way", || slow.count() == 1);
    bascule.reload(&yaml("fast"));
    assert_eq!(bascule.client().get("/").text(), "fast");
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(client.get("/").text(), "fast");
}

#[test]
fn a_new_certificate_is_shown_to_new_connections() {
    let authority = Authority::new("Test CA");
    let (old, new) = (
        authority.issue(&["a.test"], KeyKind::Ecdsa),
        authority.issue(&["a.test"], KeyKind::Ecdsa),
    );
    let origin = Origin::named("app");
    let bascule = Setup::new()
        .with("app", origin.address())
        .file("cert.pem", &old.certificate)
        .file("key.pem", &old.key)
        .start(
            "
            listeners: [{ name: web, address: $web, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }]
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
    let connect = || {
        TlsClient::new(&authority)
            .connect(bascule.address("web"), "a.test")
            .unwrap()
    };
    let (mut kept, session) = connect();
    assert!(session.is_with(&old));
    fs::write(bascule.path("cert.pem"), &new.certificate).unwrap();
    fs::write(bascule.path("key.pem"), &new.key).unwrap();
    // Nobody tells the program: it looks at the files itself.
    eventually("the new certificate is shown", || connect().1.is_with(&new));
    assert_eq!(kept.get("/").text(), "app");
}
