//! Another process takes the place of the running one, and no client notices.

use bascule_tests::{
    Authority, Bascule, Finished, Io, KeyKind, Load, Origin, Reply, Setup, TlsClient, eventually,
    on_both_drivers, request,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Plain and TLS listeners before one endpoint. What is under way has two seconds when a process goes.
const BOTH: &str = "
    timeouts: { drain: 2s }
    listeners:
      - { name: web, address: $web }
      - { name: tls, address: $tls, tls: { certificates: [{ cert: shop.pem, key: shop.key }] } }
    routes: [{ name: app, path: /, upstream: app }]
    upstreams: { app: { endpoints: [$app] } }
";

fn setup(io: Io, authority: &Authority, origin: &Origin) -> Setup {
    let shop = authority.issue(&["shop.test"], KeyKind::Ecdsa);
    Setup::new()
        .io(io)
        .with("app", origin.address())
        .file("shop.pem", &shop.certificate)
        .file("shop.key", &shop.key)
}

/// Clients of every kind: kept connections and new ones, plain and over TLS.
struct Loads(Vec<(&'static str, Load)>);

impl Loads {
    fn start(bascule: &Bascule, authority: &Authority) -> Self {
        let (web, tls) = (bascule.address("web"), bascule.address("tls"));
        let client = || (TlsClient::new(authority), "shop.test");
        Self(vec![
            ("kept", Load::start(web, 3, "/")),
            ("connecting", Load::start_connecting(web, 2, "/")),
            ("kept, TLS", Load::start_tls(tls, 2, client(), true)),
            ("connecting, TLS", Load::start_tls(tls, 1, client(), false)),
        ])
    }

    /// Waits until each client had answers since now.
    #[track_caller]
    fn go_on(&self) {
        let before: Vec<_> = self.0.iter().map(|(_, load)| load.count()).collect();
        eventually("clients of every kind are answered", || {
            let now = self.0.iter().map(|(_, load)| load.count());
            now.zip(&before).all(|(now, before)| now >= before + 10)
        });
    }

    #[track_caller]
    fn stop(self) -> usize {
        let mut served = 0;
        for (kind, load) in self.0 {
            let report = load.stop();
            assert_eq!(report.failures, Vec::<String>::new(), "{kind}");
            served += report.served();
        }
        served
    }
}

#[track_caller]
fn told(finished: &Finished) -> serde_json::Value {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

/// What the admin socket says of the process behind it.
#[track_caller]
fn status(bascule: &Bascule) -> serde_json::Value {
    told(&bascule.command(&["status", "--json", "--socket", "admin.sock"]))
}

on_both_drivers! {
    /// Twenty upgrades under load, plain and over TLS, with kept connections and new ones: not one request fails.
    fn twenty_upgrades_fail_no_request(io) {
        let authority = Authority::new("Test CA");
        let origin = Origin::echo();
        let mut bascule = setup(io, &authority, &origin).start(BOTH);
        let loads = Loads::start(&bascule, &authority);
        for round in 0..20 {
            let before = bascule.pid();
            let upgraded = told(&bascule.upgrade(&[]));
            assert_eq!(upgraded["previous_pid"], before.as_raw_nonzero().get(), "round {round}");
            let now = status(&bascule);
            assert_eq!((&now["pid"], &now["ready"]), (&upgraded["pid"], &true.into()), "round {round}");
            loads.go_on();
        }
        assert!(loads.stop() > 1000);
        assert_eq!(bascule.wait_for_end(Duration::from_secs(20)).code(), Some(0));
        let answer = bascule.client().get("/");
        assert_eq!(answer.status, 200);
    }

    /// What is under way at the old process is finished there, and its idle connections learn of the end by their next answer.
    fn what_is_under_way_stays_with_the_old_process(io) {
        let authority = Authority::new("Test CA");
        let origin = Origin::serve(|seen| {
            if seen.target == "/slow" {
                std::thread::sleep(Duration::from_millis(1500));
            }
            Reply::ok("whole")
        });
        let yaml = BOTH.replace("drain: 2s", "drain: 20s");
        let mut bascule = setup(io, &authority, &origin).start(&yaml);
        let mut idle = bascule.client();
        assert_eq!(idle.get("/").status, 200);
        let mut slow = bascule.client();
        let asked = origin.count();
        slow.send(request("GET", "/slow", &[], b""));
        eventually("the request is at its endpoint", || origin.count() > asked);
        told(&bascule.upgrade(&[]));
        assert!(idle.stays_silent(Duration::from_millis(300)), "an idle connection is not closed under its client");
        let answer = idle.get("/");
        assert!(answer.status == 200 && answer.says_close() && idle.is_closed());
        assert!(bascule.is_running(), "it has a request under way");
        assert_eq!(slow.answer().text(), "whole");
        assert!(slow.stays_silent(Duration::from_millis(100)));
        drop(slow);
        assert_eq!(bascule.wait_for_end(Duration::from_secs(5)).code(), Some(0));
        assert_eq!(bascule.client().get("/").status, 200);
        assert!(bascule.path("admin.sock").exists(), "the socket is the new process's");
    }

    /// Whatever keeps the new process from serving: the old one goes on, says why, and no client notices.
    fn a_failed_upgrade_loses_nothing(io) {
        let authority = Authority::new("Test CA");
        let origin = Origin::echo();
        let mut bascule = setup(io, &authority, &origin).start(BOTH);
        let loads = Loads::start(&bascule, &authority);
        let pid = status(&bascule)["pid"].clone();
        script(&bascule, "crashes", "exit 7");
        script(&bascule, "hangs", "exec sleep 60");
        let cases: [(&[&str], i32, &str); 4] = [
            (&["--program", "crashes"], 1, "ended before it was ready (exit status: 7)"),
            (&["--program", "hangs", "--timeout", "1s"], 1, "was not ready within 1 s"),
            (&["--program", "missing"], 1, "cannot be started: No such file"),
            (&["--program", "bascule.yaml"], 1, "cannot be started: Permission denied"),
        ];
        for (arguments, code, words) in cases {
            let refused = bascule.upgrade(arguments);
            assert_eq!(refused.code, Some(code), "{refused:?}");
            assert!(refused.stdout.contains(words), "{words} in {refused:?}");
            assert!(refused.stdout.contains("goes on serving"), "{refused:?}");
            loads.go_on();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = port.local_addr().unwrap().to_string();
        let wrong = [
            (BOTH.replace("upstream: app", "upstream: appp"), 3, "appp"),
            (BOTH.replace("    listeners:\n", &format!("    listeners:\n      - {{ name: more, address: {taken} }}\n")), 3, "cannot be listened on"),
        ];
        for (yaml, code, words) in wrong {
            bascule.rewrite(&yaml);
            let refused = bascule.upgrade(&[]);
            assert_eq!(refused.code, Some(code), "{refused:?}");
            assert!(refused.stdout.contains(words), "{words} in {refused:?}");
            loads.go_on();
        }
        bascule.rewrite(BOTH);
        let now = status(&bascule);
        assert_eq!((&now["pid"], &now["state"]), (&pid, &"serving".into()));
        let again = told(&bascule.upgrade(&[]));
        assert_ne!(again["pid"], pid);
        loads.go_on();
        loads.stop();
    }
}

/// The new process may have more workers than the old one, or fewer: no socket with connections in it is closed.
#[test]
fn the_number_of_workers_may_change() {
    let authority = Authority::new("Test CA");
    let origin = Origin::echo();
    let with =
        |workers: usize| format!("    workers: {workers}\n{}", BOTH.trim_start_matches('\n'));
    let mut bascule = setup(Io::Epoll, &authority, &origin)
        .workers(0)
        .start(&with(3));
    let loads = Loads::start(&bascule, &authority);
    for workers in [1, 4, 2, 3] {
        bascule.rewrite(&with(workers));
        told(&bascule.upgrade(&[]));
        assert_eq!(status(&bascule)["workers"], workers);
        loads.go_on();
    }
    loads.stop();
}

/// A new configuration is put in force by the upgrade: what it does not have any more ends, what it has more begins.
#[test]
fn the_new_process_has_the_new_configuration() {
    let authority = Authority::new("Test CA");
    let origin = Origin::echo();
    let mut bascule = setup(Io::Epoll, &authority, &origin).start(BOTH);
    let changed = BOTH
        .replace("name: tls, address: $tls", "name: tls, address: $other")
        .replace("drain: 2s", "drain: 1s");
    bascule.rewrite(&changed);
    told(&bascule.upgrade(&[]));
    let tls = TlsClient::new(&authority);
    assert!(tls.connect(bascule.address("other"), "shop.test").is_ok());
    eventually("the listener that is gone takes no connections", || {
        bascule_tests::Client::try_connect(bascule.address("tls")).is_err()
    });
    assert_eq!(bascule.client().get("/").status, 200);
}

/// Bans that were made at run time hold at the new process, with the time that they have left.
#[test]
fn bans_are_handed_over() {
    let authority = Authority::new("Test CA");
    let origin = Origin::echo();
    let mut bascule = setup(Io::Epoll, &authority, &origin).start(BOTH);
    let ban = |arguments: &[&str]| bascule.command(&[&["ban"], arguments].concat());
    let socket = ["--socket", "admin.sock"];
    for target in ["127.0.0.7", "2001:db8::/32"] {
        let added = ban(&[
            &["add", target, "--ttl", "1h", "--reason", "scanner"][..],
            &socket,
        ]
        .concat());
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    for last in 1..=250 {
        let target = format!("192.0.2.{last}");
        assert_eq!(
            ban(&[&["add", &target][..], &socket].concat()).code,
            Some(0)
        );
    }
    told(&bascule.upgrade(&[]));
    let list = told(&bascule.command(&["ban", "list", "--json", "--socket", "admin.sock"]));
    let bans = list["bans"].as_array().unwrap();
    assert_eq!(bans.len(), 252);
    let scanner = bans
        .iter()
        .find(|ban| ban["target"] == "127.0.0.7")
        .unwrap();
    let left = scanner["remaining_seconds"].as_u64().unwrap();
    assert!(
        (3500..=3600).contains(&left) && scanner["reason"] == "scanner",
        "{scanner}"
    );
    let mut banned =
        bascule_tests::Client::connect_from([127, 0, 0, 7].into(), bascule.address("web"));
    assert!(banned.is_closed());
    assert_eq!(bascule.client().get("/").status, 200);
}

/// Whoever is told to end while the new process prepares itself ends, and the new one with it.
#[test]
fn an_upgrade_is_given_up_when_the_process_is_told_to_end() {
    let authority = Authority::new("Test CA");
    let origin = Origin::echo();
    let mut bascule = setup(Io::Epoll, &authority, &origin).start(BOTH);
    script(&bascule, "slow", "echo $$ > slow.pid; exec sleep 60");
    let arguments = ["upgrade", "--program", "slow", "--socket", "admin.sock"];
    let refused = std::thread::scope(|scope| {
        let upgrade = scope.spawn(|| bascule.command(&arguments));
        eventually("the new process begins", || {
            fs::read_to_string(bascule.path("slow.pid")).is_ok_and(|text| text.ends_with('\n'))
        });
        bascule.signal(Signal::TERM);
        upgrade.join().unwrap()
    });
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(bascule.wait_for_end(Duration::from_secs(5)).code(), Some(0));
    let pid = fs::read_to_string(bascule.path("slow.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    assert!(has_ended(pid), "{pid} is left behind");
}

/// Whether a process has ended, and waits for nobody but its parent.
fn has_ended(pid: Pid) -> bool {
    // A process that has ended has no command line any more.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty())
        || test_kill_process(pid).is_err()
}

/// An executable file in the folder of the configuration.
fn script(bascule: &Bascule, name: &str, text: &str) {
    let path = bascule.path(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A service manager opens the sockets (LISTEN_FDS), hears of readiness and the main process (NOTIFY_SOCKET), and both go on
/// through an upgrade.
#[test]
fn sockets_of_a_service_manager_are_taken_over_and_it_is_told() {
    let origin = Origin::echo();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let manager = tempfile::tempdir().unwrap();
    let manager = manager.path().join("notify");
    let notified = UnixDatagram::bind(&manager).unwrap();
    notified
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let heard = || {
        let mut words = [0; 1024];
        let length = notified.recv(&mut words).unwrap();
        String::from_utf8(words[..length].to_vec()).unwrap()
    };
    let mut bascule = Setup::new()
        .with("web", address)
        .with("app", origin.address())
        .env("NOTIFY_SOCKET", manager.to_str().unwrap())
        .listen_fd(OwnedFd::from(listener))
        .start(
            "
            timeouts: { drain: 1s }
            routes: [{ name: app, path: /, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
    assert!(heard().starts_with(&format!("READY=1\nMAINPID={}\n", bascule.pid())));
    assert_eq!(bascule.client().get("/").status, 200);
    told(&bascule.upgrade(&[]));
    // The old process says who is the main one before that one speaks: a manager listens to the main one alone.
    assert_eq!(heard(), format!("MAINPID={}", bascule.pid()));
    assert!(heard().starts_with(&format!("READY=1\nMAINPID={}\n", bascule.pid())));
    assert_eq!(bascule.client().get("/").status, 200);
    assert_eq!(
        bascule.wait_for_end(Duration::from_secs(10)).code(),
        Some(0)
    );
    kill_process(bascule.pid(), Signal::TERM).unwrap();
    assert!(heard().starts_with("STOPPING=1\n"));
    let last = bascule.pid();
    eventually("the last process ends", || has_ended(last));
}
