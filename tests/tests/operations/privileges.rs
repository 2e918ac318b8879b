//! The program with few capabilities: an ordinary user with three of them, and what is left in effect once it serves.

use crate::host::Host;
use crate::support::{PinDir, kernel_path_is_there};
use bascule_tests::{Bascule, Client, Origin, Setup, run_program_as};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};

/// Nobody's number.
const USER: u32 = 65_534;
const THREE: &str = "bpf,net_admin,perfmon";
const BPFFS: &str = "/sys/fs/bpf";

/// What capabilities a process's threads have in effect and may have, by the thread's name.
fn capabilities(pid: &str) -> BTreeMap<String, (u64, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let field = |name: &str| {
                let value = status.lines().find_map(|line| line.strip_prefix(name));
                value.unwrap().trim().to_owned()
            };
            let set = |name: &str| u64::from_str_radix(&field(name), 16).unwrap();
            (field("Name:"), (set("CapEff:"), set("CapPrm:")))
        })
        .collect()
}

/// Lets a user of no rights pin maps in a folder, as an administrator does.
fn open_pins(pins: &PinDir) -> u32 {
    let before = fs::metadata(BPFFS).unwrap().permissions().mode();
    fs::set_permissions(BPFFS, fs::Permissions::from_mode(before | 0o001)).unwrap();
    fs::create_dir(&pins.0).unwrap();
    chown(&pins.0, Some(USER), Some(USER)).unwrap();
    before
}

/// Puts the mode of the file system back.
struct Mode(u32);

impl Drop for Mode {
    fn drop(&mut self) {
        let _ = fs::set_permissions(BPFFS, fs::Permissions::from_mode(self.0));
    }
}

fn config(pins: &PinDir, more: &str) -> String {
    format!(
        "
    timeouts: {{ drain: 1s }}
    cache: cache
    kernel: {{ interfaces: [lo], mode: generic, pin: {} }}
    listeners:
      - {{ name: web, address: $web, addresses: [\"203.0.113.0/24:8080\"{more}] }}
    routes: [{{ path: /, upstream: app }}]
    upstreams: {{ app: {{ endpoints: [$app] }} }}
    ",
        pins.0.display()
    )
}

fn asked(address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    Client::try_connect(address).is_ok_and(|mut client| client.get("/").status == 200)
}

fn told(bascule: &Bascule, arguments: &[&str]) -> String {
    let told = bascule.command(&[arguments, &["--socket", "admin.sock"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    told.stdout
}

fn host() -> Option<Host> {
    if !kernel_path_is_there() {
        return None;
    }
    if !bascule_tests::can_become_another_user() {
        println!("skipped: `setpriv` is not there, or this is not root");
        return None;
    }
    let host = Host::new()?;
    host.ip("route add local 203.0.113.0/24 dev lo");
    Some(host)
}

/// Starts, bans, reloads and is upgraded; in effect is nothing all the while, but for the thread that keeps them, when it works.
#[test]
fn three_capabilities_are_enough_and_are_not_in_effect() {
    let Some(host) = host() else { return };
    let pins = PinDir::new();
    let _mode = Mode(open_pins(&pins));
    host.at(|| {
        let origin = Origin::echo();
        let mut bascule = Setup::new()
            .with("app", origin.address())
            .as_user(USER, THREE)
            .start(&config(&pins, ""));
        let status = told(&bascule, &["status"]);
        assert!(status.contains("xdp on lo (generic)"), "{status}");
        assert!(
            status.contains("least loaded worker") && status.contains("sk_lookup"),
            "{status}"
        );
        for round in 0..3 {
            assert!(asked("203.0.113.7:8080"));
            let threads = capabilities(&bascule.pid().to_string());
            for (name, (effective, permitted)) in &threads {
                assert_eq!(*effective, 0, "{name}: {threads:?}");
                let may = match name.as_str() {
                    "privileges" => 1 << 39 | 1 << 12 | 1 << 38,
                    // It stands in for CAP_NET_RAW: upstreams may keep the client's address.
                    worker if worker.starts_with("worker-") => 1 << 12,
                    _ => 0,
                };
                assert_eq!(*permitted, may, "{name}: {threads:?}");
            }
            assert!(threads.contains_key("worker-0") && threads.contains_key("privileges"));
            told(&bascule, &["ban", "add", "198.51.100.7", "--ttl", "1h"]);
            assert!(told(&bascule, &["ban", "list"]).contains("198.51.100.7"));
            bascule.reload(&config(&pins, ", \"203.0.113.0/25:8090-8099\""));
            assert!(asked("203.0.113.7:8095"));
            bascule.reload(&config(&pins, ""));
            assert!(!asked("203.0.113.7:8095"));
            assert_eq!(bascule.upgrade(&[]).code, Some(0), "round {round}");
            let status = told(&bascule, &["status"]);
            assert!(status.contains("xdp on lo (generic)"), "{status}");
        }
    });
}

/// What is missing is said, with what to do about it; traffic is served all the same.
#[test]
fn what_is_missing_is_explained() {
    let Some(host) = host() else { return };
    let pins = PinDir::new();
    fs::create_dir(&pins.0).unwrap();
    fs::set_permissions(&pins.0, fs::Permissions::from_mode(0o700)).unwrap();
    host.at(|| {
        let origin = Origin::echo();
        let single = config(&pins, "").replace("203.0.113.0/24:8080", "203.0.113.7:8080-8083");
        let bascule = Setup::new()
            .with("app", origin.address())
            .as_user(USER, "")
            .start(&single);
        assert!(asked("203.0.113.7:8083") && !asked("203.0.113.8:8083"));
        let status = told(&bascule, &["status"]);
        assert!(
            status.contains("user space: missing CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"),
            "{status}"
        );
        assert!(
            status.contains("addresses: bound one by one: missing CAP_BPF"),
            "{status}"
        );
        let check = |capabilities: &str| {
            let told = run_program_as(
                &bascule.path(""),
                &["check", "--config", "bascule.yaml"],
                USER,
                capabilities,
            );
            told.stdout + &told.stderr
        };
        let words = check("bpf,net_admin");
        assert!(
            words.contains("missing CAP_PERFMON; run as root, or grant"),
            "{words}"
        );
        let words = check(THREE);
        assert!(
            words.contains("is not open to this user") && words.contains("install -d -o USER"),
            "{words}"
        );
        drop(bascule);
        // A prefix cannot be bound.
        let refused = Setup::new()
            .with("app", origin.address())
            .as_user(USER, "")
            .refused(&config(&pins, ""));
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(
            refused.stderr.contains(
                "`203.0.113.0/24:8080` cannot be served without sk_lookup: missing CAP_BPF"
            ),
            "{refused:?}"
        );
        // Ports below 1024 need another one.
        let low = config(&pins, "").replace(
            "address: $web, addresses: [\"203.0.113.0/24:8080\"]",
            "address: \"127.0.0.1:81\"",
        );
        let setup = || Setup::new().with("app", origin.address());
        let refused = setup().as_user(USER, THREE).refused(&low);
        assert!(
            refused.stderr.contains("need CAP_NET_BIND_SERVICE or root"),
            "{refused:?}"
        );
        let with = format!("{THREE},net_bind_service");
        let _bascule = setup().as_user(USER, &with).start(&low);
        assert!(asked("127.0.0.1:81"));
    });
}
