//! What goes wrong on a host: the program is killed, interfaces go and come, lists are full, somebody else has the interface.

use crate::support::namespace::{CLIENTS, Cable, INTERFACE, SERVER_V4, ip};
use crate::support::{PinDir, kernel_path_is_there, pass};
use bascule_tests::{Bascule, Finished, Origin, Setup, eventually};
use rustix::process::Signal;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const BANNED: &str = CLIENTS[0];
const OTHER: &str = CLIENTS[1];

/// A cable with the program at one end, and clients at the other.
struct Wire {
    cable: Cable,
    pins: PinDir,
}

impl Wire {
    fn new() -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        Some(Self {
            cable: Cable::new()?,
            pins: PinDir::new(),
        })
    }

    fn config(&self, kernel: &str) -> String {
        format!(
            "
            timeouts: {{ drain: 1s }}
            kernel: {{ interfaces: [{INTERFACE}], pin: {}{kernel} }}
            routes: [{{ path: /, upstream: app }}]
            upstreams: {{ app: {{ endpoints: [127.0.0.1:9] }} }}
            ",
            self.pins.0.display()
        )
    }

    fn start(&self, kernel: &str) -> Bascule {
        let config = self.config(kernel);
        self.cable.at_gate(|| Setup::new().start(&config))
    }
}

fn command(bascule: &Bascule, arguments: &[&str]) -> Finished {
    bascule.command(&[arguments, &["--socket", "admin.sock"]].concat())
}

#[track_caller]
fn told(bascule: &Bascule, arguments: &[&str]) -> String {
    let told = command(bascule, arguments);
    assert_eq!(told.code, Some(0), "{told:?}");
    told.stdout
}

/// Packets that exact bans of IPv4 have dropped since the maps were made.
fn dropped(wire: &Wire, bascule: &Bascule) -> f64 {
    wire.cable.at_gate(|| {
        let metrics = bascule.metrics();
        metrics.sum(
            "bascule_xdp_packets_total",
            &[("reason", "drop_ban_exact_v4")],
        )
    })
}

/// Kills the program in the middle of a flood: drops go on, and the next one knows what happened meanwhile.
#[test]
fn drops_and_counters_outlive_a_kill_in_a_flood() {
    let Some(wire) = Wire::new() else { return };
    let mut bascule = wire.start("");
    told(
        &bascule,
        &["ban", "add", BANNED, "--ttl", "1h", "--reason", "flood"],
    );
    assert!(wire.cable.is_cut_off(BANNED) && wire.cable.arrives_from(OTHER));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            wire.cable.at_clients(|| {
                let socket = UdpSocket::bind((BANNED, 0)).unwrap();
                let mut sent = 0_u64;
                // A bound of its own, should the test end early.
                while !over.load(Ordering::Relaxed) && sent < 2_000_000 {
                    sent += u64::from(socket.send_to(&[0; 64], (SERVER_V4, 9)).is_ok());
                }
                sent
            })
        });
        eventually("the flood is dropped", || dropped(&wire, &bascule) > 1000.0);
        let before = dropped(&wire, &bascule);
        bascule.signal(Signal::KILL);
        bascule.wait_for_end(Duration::from_secs(5));
        assert!(
            wire.cable.is_cut_off(BANNED),
            "nobody is there, and drops go on"
        );
        assert!(wire.cable.arrives_from(OTHER));
        std::thread::sleep(Duration::from_millis(200));
        let bascule = wire.start("");
        let after = dropped(&wire, &bascule);
        assert!(after > before + 1000.0, "{before} before, {after} after");
        let list = told(&bascule, &["ban", "list"]);
        assert!(list.contains(BANNED) && list.contains("flood"), "{list}");
        assert!(wire.cable.is_cut_off(BANNED) && wire.cable.arrives_from(OTHER));
        over.store(true, Ordering::Relaxed);
        let sent = flood.join().unwrap();
        assert!(dropped(&wire, &bascule) <= sent as f64 + 1000.0);
        told(&bascule, &["ban", "del", BANNED]);
        assert!(
            wire.cable.arrives_from(BANNED),
            "the maps are the new process's"
        );
    });
}

/// An interface goes down and up, and is removed and made anew: bans hold on it without anybody's doing.
#[test]
fn interfaces_go_and_come() {
    let Some(wire) = Wire::new() else { return };
    let bascule = wire.start("");
    told(&bascule, &["ban", "add", BANNED]);
    assert!(wire.cable.is_cut_off(BANNED));
    wire.cable.ip_at_gate(&format!("link set {INTERFACE} down"));
    wire.cable.ip_at_gate(&format!("link set {INTERFACE} up"));
    assert!(wire.cable.arrives_from(OTHER) && wire.cable.is_cut_off(BANNED));
    for _ in 0..2 {
        wire.cable.unplug();
        std::thread::sleep(Duration::from_millis(100));
        assert!(told(&bascule, &["status"]).contains("serving"));
        wire.cable.plug();
        eventually("the gate is on the new interface", || {
            wire.cable.is_cut_off(BANNED)
        });
        assert!(wire.cable.arrives_from(OTHER));
    }
    assert!(bascule.log().contains("an interface has come back"));
}

/// A list that is full takes no more and says so; what is in it holds, and what has expired makes room.
#[test]
fn a_full_list_of_bans_says_so() {
    let Some(wire) = Wire::new() else { return };
    let bascule = wire.start(", bans: { limit_addresses: 3 }");
    told(&bascule, &["ban", "add", BANNED]);
    told(&bascule, &["ban", "add", "192.0.2.1"]);
    told(&bascule, &["ban", "add", "192.0.2.2", "--ttl", "1s"]);
    let refused = command(&bascule, &["ban", "add", "192.0.2.3"]);
    assert_ne!(refused.code, Some(0));
    let words = refused.stdout + &refused.stderr;
    assert!(
        words.contains("3 IPv4 addresses") || words.contains("limit"),
        "{words}"
    );
    assert!(wire.cable.is_cut_off(BANNED));
    std::thread::sleep(Duration::from_millis(1100));
    told(&bascule, &["ban", "add", "192.0.2.3"]);
    assert!(wire.cable.is_cut_off(BANNED));
}

/// Somebody else's program stays where it is: traffic is served, bans hold at accept, and the words say what to do.
#[test]
fn the_program_of_another_is_left_alone() {
    let Some(wire) = Wire::new() else { return };
    let origin = Origin::echo();
    let foreign = wire.cable.at_gate(|| pass::attach(INTERFACE));
    let bascule = wire.start("");
    let status = told(&bascule, &["status"]);
    assert!(
        status.contains(&format!(
            "user space: another XDP program is on `{INTERFACE}`"
        )),
        "{status}"
    );
    told(&bascule, &["ban", "add", BANNED]);
    assert!(wire.cable.arrives_from(BANNED), "it passes everything");
    // One that a link holds cannot be replaced by whoever is told to.
    drop(bascule);
    let bascule = wire.start(", foreign: replace");
    let status = told(&bascule, &["status"]);
    assert!(status.contains("cannot be replaced"), "{status}");
    drop((foreign, bascule, origin));
}

/// One without a link is replaced where the operator says so, and only there.
#[test]
fn the_program_of_another_is_replaced_where_that_is_asked_for() {
    let Some(wire) = Wire::new() else { return };
    let pinned = format!("{}-foreign", wire.pins.0.display());
    wire.cable.at_gate(|| {
        pass::pin(&pinned);
        // Not `ip -n`: it would have a file system of BPF of its own.
        ip(&format!("link set {INTERFACE} xdpgeneric pinned {pinned}"));
    });
    let _ = std::fs::remove_file(&pinned);
    let refusing = wire.start("");
    let status = told(&refusing, &["status"]);
    assert!(status.contains("another XDP program is on"), "{status}");
    assert!(status.contains("kernel.foreign: replace"), "{status}");
    drop(refusing);
    let bascule = wire.start(", foreign: replace");
    let status = told(&bascule, &["status"]);
    assert!(
        status.contains(&format!("xdp on {INTERFACE} (driver)")),
        "{status}"
    );
    told(&bascule, &["ban", "add", BANNED]);
    assert!(wire.cable.is_cut_off(BANNED) && wire.cable.arrives_from(OTHER));
    assert!(bascule.log().contains("was taken off"));
}
