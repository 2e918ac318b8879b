//! Bans that follow from what clients do, on one host: what adds to a score, who is hit, who is spared, what is closed.
//!
//! Clients are addresses of loopback, so `guard_own_addresses` is off where somebody is to be banned.

use crate::outdented;
use bascule_tests::{
    Authority, Bascule, Client, Io, KeyKind, Origin, Setup, eventually, on_both_drivers, request,
    socket_from, within,
};
use serde_json::Value as Json;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

const RULES: &str =
    r#"SecRule ARGS "@contains attack" "id:1001,phase:2,deny,status:403,msg:'an attack'""#;
const ATTACK: &str = "/?q=attack";

/// A store without a key.
const KEYS: &str = "{\"format\":\"bascule-keys\",\"version\":1,\"prefix\":\"bsc\"}\n";

/// How long something may take that happens at once.
const SOON: Duration = Duration::from_secs(2);

fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

/// The program before one endpoint, with a rule that finds `attack`.
fn start(io: Io, origin: &Origin, auto_ban: &str, listener: &str) -> Bascule {
    let yaml = format!(
        "
        auto_ban: {{ guard_own_addresses: false{auto_ban} }}
        listeners: [{{ name: web, address: $web{listener} }}]
        waf: {{ own: {{ rules: [rules.conf] }} }}
        routes: [{{ name: app, path: /, waf: own, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$app] }} }}
        "
    );
    Setup::new()
        .io(io)
        .file("rules.conf", RULES)
        .with("app", origin.address())
        .start(&outdented(&yaml))
}

fn from(bascule: &Bascule, number: u8) -> Client {
    Client::connect_from(host(number), bascule.address("web"))
}

/// Does what is refused with this status. The reset of a ban may overtake the answer to what it follows from.
#[track_caller]
fn offend(mut client: Client, request: &[u8], status: u16) {
    client.wire().send(request).unwrap();
    match client.try_answer("GET") {
        Ok(answer) => assert_eq!(answer.status, status),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

/// Attacks so many times, on a connection each.
#[track_caller]
fn attack(bascule: &Bascule, number: u8, times: usize) {
    for _ in 0..times {
        offend(
            from(bascule, number),
            &request("GET", ATTACK, &[], b""),
            403,
        );
    }
}

/// Whether a new connection is closed without an answer.
fn is_refused(bascule: &Bascule, number: u8) -> bool {
    let mut client = from(bascule, number);
    let _ = client
        .wire()
        .send(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    client.try_answer("GET").is_err()
}

fn is_refused_soon(bascule: &Bascule, number: u8) -> bool {
    within(SOON, || is_refused(bascule, number).then_some(())).is_some()
}

fn json(bascule: &Bascule, arguments: &[&str]) -> Json {
    let told = bascule.command(&[arguments, &["--json", "--socket", "admin.sock"]].concat());
    assert_eq!(told.code, Some(0), "{told:?}");
    serde_json::from_str(&told.stdout).unwrap()
}

fn bans(bascule: &Bascule) -> Vec<Json> {
    json(bascule, &["ban", "list"])["bans"]
        .as_array()
        .unwrap()
        .clone()
}

fn withheld(bascule: &Bascule, why: &str) -> f64 {
    bascule
        .metrics()
        .sum("bascule_auto_bans_withheld_total", &[("why", why)])
}

/// Closed by a reset or an end, within a moment.
fn is_cut(mut socket: TcpStream) -> bool {
    socket.set_read_timeout(Some(SOON)).unwrap();
    match socket.read(&mut [0; 512]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

on_both_drivers! {
    /// Four attacks are enough. Who is banned is told with reason, rule and score, and nobody else is.
    fn attacks_end_in_a_ban(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, "", "");
        let mut kept = from(&bascule, 7);
        assert_eq!(kept.get("/").status, 200);
        attack(&bascule, 7, 3);
        assert_eq!(kept.get("/").status, 200, "three are not enough");
        assert_eq!(bans(&bascule), [] as [Json; 0]);
        attack(&bascule, 7, 1);
        assert!(is_refused_soon(&bascule, 7));
        assert!(kept.is_closed(), "what was open is closed");
        assert_eq!(from(&bascule, 8).get("/").status, 200, "a neighbour is served");

        let bans = bans(&bascule);
        assert_eq!(bans.len(), 1, "{bans:?}");
        assert_eq!(bans[0]["target"], "127.0.0.7");
        assert_eq!(bans[0]["reason"], "waf 1001, score 120");
        assert_eq!((&bans[0]["by_score"], &bans[0]["repetition"]), (&true.into(), &1.into()));
        let left = bans[0]["remaining_seconds"].as_u64().unwrap();
        assert!((590..=600).contains(&left), "{left}");

        let shown = json(&bascule, &["ban", "show", "127.0.0.7"]);
        assert_eq!(shown["scores"][0]["offences"][0]["rule"], 1001, "{shown}");
        assert_eq!(shown["scores"][0]["bans"], 1, "{shown}");
        let text = bascule.command(&["ban", "show", "127.0.0.7", "--socket", "admin.sock"]).stdout;
        assert!(text.contains("waf (rule 1001)") && text.contains("score"), "{text}");
        let labels = [("cause", "waf"), ("target", "address"), ("place", "wire")];
        bascule.wait_for_metric("bascule_auto_bans_total", &labels, 1.0);
        bascule.wait_for_metric("bascule_offences_total", &[("cause", "waf")], 4.0);
        let log = bascule.log();
        let line = log.lines().find(|line| line.contains("127.0.0.7/32")).unwrap_or_default();
        for word in ["banned", "waf", "1001", "score", "ttl_seconds", "repetition"] {
            assert!(line.contains(word), "{word}: {line}");
        }
    }

    /// What a client does wrong before, beside and in a request has its cause.
    fn each_offence_has_its_cause(io) {
        let origin = Origin::echo();
        let all = ", threshold_24: 0, weights: { waf: 100, auth: 100, malformed: 100, slow: 100, limit: 100 }";
        let bascule = {
            let yaml = format!(
                "
                auto_ban: {{ guard_own_addresses: false{all} }}
                timeouts: {{ header: 300ms }}
                limits: {{ uri_bytes: 128B, connections_per_client: 3 }}
                auth: {{ keys: {{ api_key: {{ header: x-api-key, store: keys.db }} }} }}
                routes: [{{ path: /, auth: keys, upstream: app }}]
                upstreams: {{ app: {{ endpoints: [$app] }} }}
                "
            );
            let setup = Setup::new().io(io).file("keys.db", KEYS).with("app", origin.address());
            setup.start(&outdented(&yaml))
        };
        offend(from(&bascule, 11), &request("GET", "/", &[("x-api-key", "bsc_wrong")], b""), 401);
        assert!(is_refused_soon(&bascule, 11), "auth");
        offend(from(&bascule, 12), b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
        assert!(is_refused_soon(&bascule, 12), "malformed");
        offend(from(&bascule, 13), b"GET / HTTP/1.1\r\nHos", 408);
        assert!(is_refused_soon(&bascule, 13), "slow");
        let long = format!("/{}", "a".repeat(200));
        offend(from(&bascule, 14), &request("GET", &long, &[], b""), 414);
        assert!(is_refused_soon(&bascule, 14), "limit");
        let many: Vec<_> = (0..4).map(|_| socket_from(host(15), bascule.address("web"))).collect();
        assert!(is_refused_soon(&bascule, 15), "limit of connections");
        assert!(many.into_iter().all(is_cut));
        // Who asks without a key is told that there is one, and asks again.
        for _ in 0..20 {
            assert_eq!(from(&bascule, 16).get("/").status, 401);
        }
        assert_eq!(bans(&bascule).len(), 5);
        for (cause, count) in [("auth", 1.0), ("malformed", 1.0), ("slow", 1.0), ("auth_missing", 20.0)] {
            // Whoever looks whether it is banned yet may be one more.
            let counted = || bascule.metrics().sum("bascule_offences_total", &[("cause", cause)]);
            eventually("offences are counted", || counted() >= count);
        }
    }

    /// A client that a trusted proxy names is banned behind that proxy alone.
    fn a_forwarded_client_is_banned_in_the_proxy(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, "", ", trusted_proxies: [127.0.0.2/32]");
        let mut proxy = from(&bascule, 2);
        let bad = [("x-forwarded-for", "203.0.113.7")];
        for _ in 0..4 {
            assert_eq!(proxy.get_with(ATTACK, &bad).status, 403);
        }
        let answer = within(SOON, || {
            let answer = proxy.get_with("/", &bad);
            (answer.status == 403).then_some(answer)
        });
        assert_eq!(answer.unwrap().reason(), "banned");
        let good = [("x-forwarded-for", "203.0.113.8")];
        assert_eq!(proxy.get_with("/", &good).status, 200, "the proxy's connection goes on");
        assert_eq!(from(&bascule, 2).get("/").status, 200, "and so does the proxy");

        let bans = bans(&bascule);
        assert_eq!((&bans[0]["target"], &bans[0]["forwarded"]), (&"203.0.113.7".into(), &true.into()));
        let labels = [("place", "proxy")];
        bascule.wait_for_metric("bascule_auto_bans_total", &labels, 1.0);
        // Forged headers of others mean nothing.
        for _ in 0..4 {
            offend(from(&bascule, 9), &request("GET", ATTACK, &good, b""), 403);
        }
        assert!(is_refused_soon(&bascule, 9));
        assert_eq!(proxy.get_with("/", &good).status, 200);
    }

    /// With `forwarded: close` it is not even answered.
    fn a_forwarded_client_may_be_closed(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, ", forwarded: close", ", trusted_proxies: [127.0.0.2/32]");
        let mut proxy = from(&bascule, 2);
        let bad = [("x-forwarded-for", "203.0.113.7")];
        for _ in 0..4 {
            assert_eq!(proxy.get_with(ATTACK, &bad).status, 403);
        }
        eventually("its ban is made", || bans(&bascule).len() == 1);
        let mut proxy = from(&bascule, 2);
        proxy.send("GET / HTTP/1.1\r\nHost: app.test\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n");
        assert!(proxy.is_closed());
    }

    /// The PROXY protocol names the client of a whole connection, which is closed with it.
    fn a_client_of_a_header_is_banned_in_the_proxy(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, "", ", proxy_protocol: { accept: required, from: [127.0.0.2/32] }");
        let header = |last: u8| format!("PROXY TCP4 203.0.113.{last} 198.51.100.1 5000 80\r\n");
        let connect = |last: u8| {
            let mut client = from(&bascule, 2);
            client.send(header(last));
            client
        };
        let mut kept = connect(7);
        assert_eq!(kept.get("/").status, 200);
        let mut other = connect(8);
        assert_eq!(other.get("/").status, 200);
        for _ in 0..4 {
            offend(connect(7), &request("GET", ATTACK, &[], b""), 403);
        }
        eventually("it is banned", || bans(&bascule).len() == 1);
        assert!(kept.is_closed());
        assert_eq!(other.get("/").status, 200);
        assert_eq!(connect(9).get("/").status, 200);
        assert!(connect(7).is_closed());
        assert_eq!(bans(&bascule)[0]["forwarded"], true);

        // Who may not send a header is banned for trying.
        for _ in 0..5 {
            drop(from(&bascule, 6));
        }
        assert!(within(SOON, || (bans(&bascule).len() == 2).then_some(())).is_some());
    }

    /// All that the banned have open is closed: HTTP, TCP, a TLS handshake, sessions of UDP. By the operator's word as well.
    fn what_is_open_is_closed(io) {
        let authority = Authority::new("test");
        let identity = authority.issue(&["app.test"], KeyKind::Ecdsa);
        let origin = Origin::talk(|conversation| {
            conversation.send("hello")?;
            let mut sink = |_: &[u8]| {};
            conversation.wire.to_end(&mut sink)
        });
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let bascule = Setup::new()
            .io(io)
            .file("cert.pem", &identity.certificate)
            .file("key.pem", &identity.key)
            .with("app", origin.address())
            .with("udp", udp.local_addr().unwrap())
            .start(&outdented("
                listeners:
                  - { name: web, address: $web }
                  - { name: tcp, address: $tcp, protocol: tcp, upstream: app }
                  - { name: tls, address: $tls, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }
                  - { name: through, address: $through, protocol: tls_passthrough, upstream: app }
                  - { name: dns, address: $dns, protocol: udp, upstream: dns }
                routes: [{ path: /, upstream: app }]
                upstreams: { app: { endpoints: [$app] }, dns: { endpoints: [$udp] } }
            "));
        let connect = |number, name| socket_from(host(number), bascule.address(name));
        let open = |number| {
            let idle = connect(number, "web");
            let mut tcp = connect(number, "tcp");
            tcp.read_exact(&mut [0; 5]).unwrap();
            let mut hello = connect(number, "tls");
            // The beginning of a record of a handshake.
            hello.write_all(&[22, 3, 1, 2, 0]).unwrap();
            let mut through = connect(number, "through");
            through.write_all(&[22, 3, 1, 2, 0]).unwrap();
            [idle, tcp, hello, through]
        };
        let (bad, good) = (open(7), open(8));
        let datagram = UdpSocket::bind((host(7), 0)).unwrap();
        datagram.send_to(b"one", bascule.address("dns")).unwrap();
        udp.set_read_timeout(Some(SOON)).unwrap();
        assert!(udp.recv_from(&mut [0; 16]).is_ok());
        // What is accepted is on the list.
        eventually("its eight connections are open", || bascule.metrics().sum("bascule_connections", &[]) >= 8.0);
        std::thread::sleep(Duration::from_millis(100));

        let told = bascule.command(&["ban", "add", "127.0.0.7", "--ttl", "1m", "--socket", "admin.sock"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        for (number, socket) in bad.into_iter().enumerate() {
            assert!(is_cut(socket), "connection {number}");
        }
        bascule.wait_for_metric("bascule_banned_connections_closed_total", &[], 5.0);
        let labels = [("listener", "dns"), ("reason", "banned")];
        bascule.wait_for_metric("bascule_layer4_connections_total", &labels, 1.0);
        let labels = [("listener", "tcp"), ("reason", "banned")];
        bascule.wait_for_metric("bascule_layer4_connections_total", &labels, 1.0);
        datagram.send_to(b"two", bascule.address("dns")).unwrap();
        udp.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(udp.recv_from(&mut [0; 16]).is_err(), "its datagrams are dropped");
        for mut socket in good {
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let read = socket.read(&mut [0; 16]);
            assert!(read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        }
    }

    /// Each further ban is longer. Who was pardoned begins anew.
    fn bans_grow_and_pardons_count(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, ", ttl: 1s, escalation: 60, max_ttl: 30s", "");
        attack(&bascule, 7, 4);
        assert!(is_refused_soon(&bascule, 7));
        eventually("its first ban ends", || !is_refused(&bascule, 7));
        attack(&bascule, 7, 4);
        assert!(is_refused_soon(&bascule, 7));
        let second = &bans(&bascule)[0];
        assert_eq!(second["repetition"], 2);
        assert!(second["remaining_seconds"].as_u64().unwrap() > 20, "{second}");

        json(&bascule, &["ban", "remove", "127.0.0.7"]);
        attack(&bascule, 7, 3);
        assert_eq!(from(&bascule, 7).get("/").status, 200, "not banned again at once");
        attack(&bascule, 7, 1);
        assert!(is_refused_soon(&bascule, 7));
        assert_eq!(bans(&bascule)[0]["repetition"], 1);
    }

    /// A dry run decides and bans nobody; a reload ends it.
    fn a_dry_run_bans_nobody(io) {
        let origin = Origin::echo();
        let mut bascule = start(io, &origin, ", dry_run: true", "");
        attack(&bascule, 7, 10);
        bascule.wait_for_metric("bascule_auto_bans_withheld_total", &[("why", "dry_run")], 1.0);
        assert_eq!(bans(&bascule), [] as [Json; 0]);
        assert_eq!(from(&bascule, 7).get("/").status, 200);
        let scores = json(&bascule, &["ban", "scores"]);
        assert_eq!(scores["mode"], "dry_run");
        assert_eq!(scores["scores"][0]["target"], "127.0.0.0/24", "{scores}");
        assert!(bascule.log().contains("dry run"));

        let text = std::fs::read_to_string(bascule.path("bascule.yaml")).unwrap();
        bascule.reload(&text.replace("dry_run: true", "dry_run: false"));
        attack(&bascule, 7, 4);
        assert!(is_refused_soon(&bascule, 7));
    }

    /// Lists, trusted proxies and, unless it is said otherwise, the addresses of this host are never banned.
    fn the_guarded_are_spared(io) {
        let origin = Origin::echo();
        let more = ", allow: [127.0.0.7/32], threshold_24: 100";
        let bascule = start(io, &origin, more, ", trusted_proxies: [127.0.0.3/32]");
        attack(&bascule, 7, 12);
        attack(&bascule, 3, 12);
        eventually("nobody guarded was banned", || withheld(&bascule, "guarded") >= 6.0);
        assert_eq!(bans(&bascule), [] as [Json; 0], "the /24 around them neither");
        assert_eq!(from(&bascule, 7).get("/").status, 200);
        let log = bascule.log();
        assert!(log.contains("auto_ban.allow") && log.contains("trusted_proxies"), "{log}");
        attack(&bascule, 8, 4);
        assert!(is_refused_soon(&bascule, 8));
    }

    /// Without further words nobody on this host is banned.
    fn own_addresses_are_guarded(io) {
        let origin = Origin::echo();
        let mut bascule = start(io, &origin, "", "");
        let text = std::fs::read_to_string(bascule.path("bascule.yaml")).unwrap();
        bascule.reload(&text.replace("guard_own_addresses: false", "dry_run: false"));
        attack(&bascule, 7, 8);
        eventually("nobody of this host is banned", || withheld(&bascule, "guarded") == 2.0);
        assert_eq!(bans(&bascule), [] as [Json; 0]);
    }

    /// More bans than the cap are counted and not made.
    fn a_minute_has_its_cap(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, ", max_per_minute: 2", "");
        for number in [21, 22, 23, 24] {
            attack(&bascule, number, 4);
        }
        eventually("two bans were one too many each", || withheld(&bascule, "cap") == 2.0);
        assert_eq!(bans(&bascule).len(), 2);
        assert_eq!(from(&bascule, 23).get("/").status, 200);
        assert_eq!(bascule.log().matches("max_per_minute").count(), 1, "one line, not one each");
    }

    /// A reload and an upgrade keep bans, scores and repetitions.
    fn bans_outlive_reload_and_upgrade(io) {
        let origin = Origin::echo();
        let mut bascule = start(io, &origin, ", ttl: 20s", ", trusted_proxies: [127.0.0.2/32]");
        attack(&bascule, 7, 4);
        assert!(is_refused_soon(&bascule, 7));
        let bad = [("x-forwarded-for", "203.0.113.7")];
        let mut proxy = from(&bascule, 2);
        for _ in 0..4 {
            proxy.get_with(ATTACK, &bad);
        }
        eventually("both are banned", || bans(&bascule).len() == 2);
        attack(&bascule, 8, 3);
        let text = std::fs::read_to_string(bascule.path("bascule.yaml")).unwrap();
        bascule.reload(&text.replace("ttl: 20s", "ttl: 21s"));
        assert!(is_refused(&bascule, 7));
        let told = bascule.upgrade(&[]);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(is_refused(&bascule, 7));
        assert_eq!(from(&bascule, 2).get_with("/", &bad).status, 403);
        let kept = bans(&bascule);
        assert!(kept.iter().all(|ban| ban["by_score"] == true && ban["repetition"] == 1), "{kept:?}");
        assert_eq!(kept.iter().filter(|ban| ban["forwarded"] == true).count(), 1);
        attack(&bascule, 8, 1);
        assert!(is_refused_soon(&bascule, 8), "its score came along");
    }
}
