//! From a refused request to packets that are dropped: the program behind a cable, with the XDP gate, clients at the other end.
//!
//! The network is that of the kernel room's tests.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it measured")]

#[path = "../../../userspace/kernel/tests/support/mod.rs"]
mod support;

use bascule_tests::{Bascule, Client, Io, Origin, Setup, on_both_drivers, request, within};
use serde_json::Value as Json;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use support::namespace::{CLIENTS, Cable, SERVER_V4};
use support::{PinDir, kernel_path_is_there};

const RULES: &str =
    r#"SecRule ARGS "@contains attack" "id:1001,phase:2,deny,status:403,msg:'an attack'""#;
const ATTACK: &str = "/?q=attack";
const BAD: &str = CLIENTS[0];
const GOOD: &str = CLIENTS[1];
const SOON: Duration = Duration::from_secs(5);

/// The program at the gate's end of a cable, clients at the other.
struct Wire {
    bascule: Bascule,
    cable: Cable,
    _pins: PinDir,
    _origin: Origin,
}

impl Wire {
    /// Nothing where this host cannot have it; it says why.
    fn new(io: Io, auto_ban: &str, kernel: &str, listener: &str) -> Option<Self> {
        if !kernel_path_is_there() {
            return None;
        }
        let cable = Cable::new()?;
        let pins = PinDir::new();
        let (bascule, origin) = cable.at_gate(|| {
            let origin = Origin::echo();
            let config = format!(
                "kernel: {{ interfaces: [veth0], pin: {}{kernel} }}\n\
                 auto_ban: {{ {auto_ban} }}\n\
                 listeners: [{{ name: web, address: $web{listener} }}]\n\
                 waf: {{ own: {{ rules: [rules.conf] }} }}\n\
                 routes: [{{ name: app, path: /, waf: own, upstream: app }}]\n\
                 upstreams: {{ app: {{ endpoints: [$app] }} }}\n",
                pins.0.display()
            );
            let web: SocketAddr = format!("{SERVER_V4}:8080").parse().unwrap();
            let setup = Setup::new().io(io).file("rules.conf", RULES);
            let setup = setup.with("web", web).with("app", origin.address());
            (setup.start(&config), origin)
        });
        Some(Self {
            bascule,
            cable,
            _pins: pins,
            _origin: origin,
        })
    }

    fn connect(&self, client: &str) -> Client {
        let source: IpAddr = client.parse().unwrap();
        let to = self.bascule.address("web");
        self.cable.at_clients(|| Client::connect_from(source, to))
    }

    /// Attacks; the reset of a ban may overtake the answer.
    fn attack(&self, client: &str, fields: &[(&str, &str)], times: usize) {
        for _ in 0..times {
            let mut client = self.connect(client);
            client
                .wire()
                .send(&request("GET", ATTACK, fields, b""))
                .unwrap();
            match client.try_answer("GET") {
                Ok(answer) => assert_eq!(answer.status, 403),
                Err(error) => {
                    let lost = [ErrorKind::ConnectionReset, ErrorKind::WouldBlock];
                    assert!(lost.contains(&error.kind()), "{error}");
                }
            }
        }
    }

    fn json(&self, arguments: &[&str]) -> Json {
        let arguments = [arguments, &["--json", "--socket", "admin.sock"]].concat();
        let told = self.cable.at_gate(|| self.bascule.command(&arguments));
        assert_eq!(told.code, Some(0), "{told:?}");
        serde_json::from_str(&told.stdout).unwrap()
    }

    fn bans(&self) -> Vec<Json> {
        let list = self.json(&["ban", "list"]);
        assert_eq!(list["in_kernel"], true);
        list["bans"].as_array().unwrap().clone()
    }

    fn withheld(&self, why: &str) -> f64 {
        let metrics = self.cable.at_gate(|| self.bascule.metrics());
        metrics.sum("bascule_auto_bans_withheld_total", &[("why", why)])
    }

    /// Whether a ban is listed before long.
    fn bans_soon(&self) -> Vec<Json> {
        let found = within(SOON, || Some(self.bans()).filter(|bans| !bans.is_empty()));
        found.expect("a ban follows")
    }
}

on_both_drivers! {
    /// Attacks of a client end in packets that the gate drops: every packet of it, and of nobody else.
    fn attacks_end_on_the_wire(io) {
        let Some(wire) = Wire::new(io, "ttl: 10s", "", "") else { return };
        let mut kept = wire.connect(BAD);
        assert_eq!(kept.get("/").status, 200);
        assert!(wire.cable.arrives_from(BAD));
        wire.attack(BAD, &[], 4);
        let bans = wire.bans_soon();
        assert_eq!(bans[0]["target"], BAD);
        assert_eq!(bans[0]["reason"], "waf 1001, score 120");
        assert!(wire.cable.is_cut_off(BAD), "datagrams to other ports as well");
        assert!(wire.cable.arrives_from(GOOD));
        assert_eq!(wire.connect(GOOD).get("/").status, 200);
        // The connection that was open: this host has forgotten it, and what the client sends is dropped.
        kept.wire().patience(Duration::from_millis(500));
        let _ = kept.wire().send(&request("GET", "/", &[], b""));
        assert!(kept.try_answer("GET").is_err());
        let shown = wire.json(&["ban", "show", BAD]);
        assert!(shown["bans"][0]["packets"].as_u64().unwrap() >= 1, "{shown}");
        assert_eq!(shown["scores"][0]["offences"][0]["rule"], 1001, "{shown}");

        wire.json(&["ban", "remove", BAD]);
        assert!(wire.cable.arrives_from(BAD));
        wire.attack(BAD, &[], 3);
        assert!(wire.cable.arrives_from(BAD), "a pardon is a new beginning");
    }

    /// Who attacks through a proxy is not on the wire: nothing of the proxy is dropped.
    fn a_proxy_is_not_cut_off(io) {
        let listener = format!(", trusted_proxies: [{GOOD}/32]");
        let Some(wire) = Wire::new(io, "ttl: 10s", "", &listener) else { return };
        // The client that the proxy names has an address of the cable, so that it could be cut off.
        let fields = [("x-forwarded-for", BAD)];
        wire.attack(GOOD, &fields, 4);
        let bans = wire.bans_soon();
        assert_eq!((&bans[0]["target"], &bans[0]["forwarded"]), (&BAD.into(), &true.into()));
        assert_eq!(wire.connect(GOOD).get_with("/", &fields).status, 403);
        assert_eq!(wire.connect(GOOD).get("/").status, 200);
        assert!(wire.cable.arrives_from(GOOD) && wire.cable.arrives_from(BAD));
    }

    /// The allow list of the gate guards; a dry run drops nothing.
    fn the_allowed_are_spared(io) {
        let kernel = format!(", allow: [{BAD}/32]");
        let Some(wire) = Wire::new(io, "ttl: 10s", &kernel, "") else { return };
        wire.attack(BAD, &[], 12);
        assert!(within(SOON, || (wire.withheld("guarded") >= 3.0).then_some(())).is_some());
        assert!(wire.bans().is_empty() && wire.cable.arrives_from(BAD));
    }

    fn a_dry_run_drops_nothing(io) {
        let Some(wire) = Wire::new(io, "dry_run: true", "", "") else { return };
        wire.attack(BAD, &[], 12);
        assert!(within(SOON, || (wire.withheld("dry_run") >= 1.0).then_some(())).is_some());
        assert!(wire.bans().is_empty() && wire.cable.arrives_from(BAD));
    }

    /// The ban outlives an upgrade, and so does the memory of it.
    fn an_upgrade_keeps_the_ban(io) {
        let Some(mut wire) = Wire::new(io, "ttl: 30s", "", "") else { return };
        wire.attack(BAD, &[], 4);
        wire.bans_soon();
        let Wire { bascule, cable, .. } = &mut wire;
        let told = cable.at_gate(|| bascule.upgrade(&[]));
        assert_eq!(told.code, Some(0), "{told:?}");
        let bans = wire.bans();
        assert_eq!((&bans[0]["by_score"], &bans[0]["repetition"]), (&true.into(), &1.into()));
        assert!(wire.cable.is_cut_off(BAD) && wire.cable.arrives_from(GOOD));
        assert_eq!(wire.json(&["ban", "show", BAD])["scores"][0]["bans"], 1);
    }

    /// From the attack that is one too many, as the client sends it, to a packet of it that does not arrive: one request and
    /// a moment.
    fn a_ban_is_quick(io) {
        let Some(wire) = Wire::new(io, "ttl: 10s, weights: { waf: 100 }", "", "") else { return };
        let receiver = wire.cable.at_gate(|| UdpSocket::bind((SERVER_V4, 0)).unwrap());
        let sender = wire.cable.at_clients(|| UdpSocket::bind((BAD, 0)).unwrap());
        let to = receiver.local_addr().unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut client = wire.connect(BAD);
        assert_eq!(client.get("/").status, 200);
        client.send(request("GET", ATTACK, &[], b""));
        let sent = Instant::now();
        let mut lost = 0;
        let mut since = sent;
        while lost < 50 && sent.elapsed() < SOON {
            let at = Instant::now();
            sender.send_to(b"x", to).unwrap();
            std::thread::sleep(Duration::from_micros(50));
            let mut arrived = false;
            while receiver.recv(&mut [0; 8]).is_ok() {
                arrived = true;
            }
            (lost, since) = match (arrived, lost) {
                (true, _) => (0, at),
                (false, 0) => (1, at),
                (false, lost) => (lost + 1, since),
            };
        }
        let took = since - sent;
        println!("from the attack to the first dropped packet: {took:?}");
        assert!(lost == 50 && took < Duration::from_secs(1), "{took:?}");
    }
}
