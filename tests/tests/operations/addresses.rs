//! Listeners that serve prefixes and ranges of ports.

use crate::host::Host;
use crate::support::kernel_path_is_there;
use bascule_tests::{Bascule, Client, Load, Origin, Setup, eventually};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const APP: &str = "
    timeouts: { drain: 1s }
    routes: [{ path: /, upstream: app }]
    upstreams: { app: { endpoints: [$app] } }
";

fn config(listeners: &str) -> String {
    format!("{APP}    listeners:\n{listeners}")
}

/// A host that prefixes belong to, where sk_lookup works.
fn host() -> Option<Host> {
    if !kernel_path_is_there() {
        return None;
    }
    let host = Host::new()?;
    for net in ["203.0.113.0/24", "2001:db8:113::/64"] {
        host.ip(&format!("route add local {net} dev lo"));
    }
    Some(host)
}

/// The address that a request came to, as the program sees it; none where the connection is refused.
fn asked(address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    let mut client = Client::try_connect(address).ok()?;
    Some(client.get("/").text())
}

fn command(bascule: &Bascule, arguments: &[&str]) -> String {
    let told = bascule.command(&[arguments, &["--socket", "admin.sock"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    told.stdout
}

#[test]
fn prefixes_change_live_under_load_and_no_request_fails() {
    let Some(host) = host() else { return };
    host.at(|| {
        let origin = Origin::echo();
        let narrow =
            "      - { name: web, address: $web, addresses: [\"203.0.113.0/25:80-82\"] }\n";
        let mut bascule = Setup::new()
            .with("app", origin.address())
            .start(&config(narrow));
        assert!(asked("203.0.113.9:80").is_some() && asked("203.0.113.127:82").is_some());
        assert_eq!(asked("203.0.113.9:83"), None);
        assert_eq!(asked("203.0.113.128:80"), None);
        assert_eq!(asked("[2001:db8:113::7]:80"), None);
        assert!(command(&bascule, &["status"]).contains("addresses: sk_lookup, 1 prefix"));

        let kept = Load::start("203.0.113.10:80".parse().unwrap(), 2, "/");
        let connecting = Load::start_connecting("203.0.113.11:81".parse().unwrap(), 2, "/");
        let more = "
      - { name: web, address: $web, addresses: [\"203.0.113.0/24:80-90\", \"203.0.113.200\"] }
      - { name: six, address: \"[::1]:8888\", addresses: [\"[2001:db8:113::/64]:80\"] }
      - { name: exact, address: \"203.0.113.50:80\" }\n";
        for round in 0..6 {
            bascule.reload(&config(more));
            assert!(asked("203.0.113.9:90").is_some() && asked("203.0.113.128:80").is_some());
            assert!(asked("[2001:db8:113::7]:80").is_some());
            assert!(asked("203.0.113.50:80").is_some());
            let before = connecting.count();
            eventually("requests go on", || connecting.count() > before + 20);
            if round % 2 == 1 {
                bascule.reload(&config(narrow));
                eventually("a prefix that is gone takes nothing", || {
                    asked("203.0.113.128:80").is_none() && asked("[2001:db8:113::7]:80").is_none()
                });
                assert_eq!(bascule.upgrade(&[]).code, Some(0));
            }
        }
        for load in [kept, connecting] {
            let report = load.stop();
            assert_eq!(report.failures, Vec::<String>::new());
            assert!(report.served() > 100);
        }
    });
}

/// A configuration whose prefixes cannot be served changes nothing, and says why.
#[test]
fn a_reload_that_fails_leaves_the_prefixes_that_were() {
    let Some(host) = host() else { return };
    host.at(|| {
        let origin = Origin::echo();
        let good = "      - { name: web, address: $web, addresses: [\"203.0.113.0/24:80\"] }\n";
        let mut bascule = Setup::new()
            .with("app", origin.address())
            .start(&config(good));
        let many: Vec<String> = (0..20_000)
            .map(|number| {
                format!(
                    "\"10.{}.{}.{}:80\"",
                    number >> 16,
                    number >> 8 & 255,
                    number & 255
                )
            })
            .collect();
        bascule.rewrite(&config(&format!(
            "      - {{ name: web, address: $web, addresses: [{}] }}\n",
            many.join(", ")
        )));
        let refused = bascule.command(&["reload", "--socket", "admin.sock"]);
        assert_ne!(refused.code, Some(0));
        let words = refused.stdout + &refused.stderr;
        assert!(
            words.contains("IPv4 prefixes, and 16384 are the limit"),
            "{words}"
        );
        assert!(asked("203.0.113.9:80").is_some());
    });
}

#[test]
fn packets_that_are_not_for_this_host_are_warned_of() {
    let Some(host) = host() else { return };
    host.at(|| {
        let origin = Origin::echo();
        let listeners =
            "      - { name: web, address: $web, addresses: [\"203.0.113.0/24:80\", \"198.51.100.0/24:80\"] }\n";
        let bascule = Setup::new()
            .with("app", origin.address())
            .start(&config(listeners));
        let checked = bascule.command(&["check", "--config", "bascule.yaml"]);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let words = checked.stdout + &checked.stderr;
        assert!(words.contains("`ip route add local 198.51.100.0/24 dev lo`"), "{words}");
        assert!(!words.contains("local 203.0.113.0/24"), "{words}");
    });
}

/// Answers come from the address and port that were asked: clients take no others.
#[test]
fn datagrams_are_answered_from_the_address_that_was_asked() {
    let Some(host) = host() else { return };
    host.at(|| {
        let endpoint = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = endpoint.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while let Ok((length, from)) = endpoint.recv_from(&mut bytes) {
                if &bytes[..length] == b"end" {
                    return;
                }
                let _ = endpoint.send_to(&bytes[..length], from);
            }
        });
        let bascule = Setup::new().with("dns", at).start(
            "
            listeners:
              - { address: \"127.0.0.1:5353\", protocol: udp, upstream: dns, addresses: [\"203.0.113.0/24:53-60\", \"203.0.113.0/24\"] }
              - { address: \"[::1]:5353\", protocol: udp, upstream: dns, addresses: [\"[2001:db8:113::/64]:53\", \"[2001:db8:113::/64]\"] }
              - { address: \"0.0.0.0:7777\", protocol: udp, upstream: dns }
            upstreams: { dns: { endpoints: [$dns] } }
            ",
        );
        let v4 = UdpSocket::bind("127.0.0.1:0").unwrap();
        let v6 = UdpSocket::bind("[::1]:0").unwrap();
        for socket in [&v4, &v6] {
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        for (client, to) in [
            (&v4, "127.0.0.1:5353"),
            (&v4, "203.0.113.7:5353"),
            (&v4, "203.0.113.8:53"),
            (&v4, "203.0.113.9:60"),
            (&v4, "127.0.0.3:7777"),
            (&v6, "[2001:db8:113::8]:53"),
            (&v6, "[2001:db8:113::9]:5353"),
        ] {
            let to: SocketAddr = to.parse().unwrap();
            for _ in 0..3 {
                client.send_to(to.to_string().as_bytes(), to).unwrap();
                let mut answer = [0; 64];
                let (length, from) = client
                    .recv_from(&mut answer)
                    .unwrap_or_else(|error| panic!("{to}: {error}"));
                assert_eq!(&answer[..length], to.to_string().as_bytes());
                assert_eq!(from, to);
            }
        }
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"end", at).unwrap();
        drop(bascule);
    });
}
