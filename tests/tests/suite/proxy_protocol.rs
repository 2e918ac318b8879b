//! The PROXY protocol: whose headers are believed, what is refused, what endpoints are told.

use bascule_tests::conformance::{self, Case};
use bascule_tests::{Bascule, Client, Io, Origin, Setup, on_both_drivers, request};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// `id reason` on each line; the list may only shrink.
const KNOWN: &str = include_str!("../known/proxy-protocol.txt");

const HEADER: &str = "PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\r\n";

fn start(io: Io, origin: &Origin, accept: &str, upstream: &str) -> Bascule {
    Setup::new()
        .io(io)
        .with("app", origin.address())
        .start(&format!(
            "
        listeners:
          - name: web
            address: $web
            deny: [203.0.113.66/32]
            limits: {{ connections_per_client: 2 }}
            proxy_protocol: {{ accept: {accept}, from: [127.0.0.1/32] }}
        routes: [{{ name: app, path: /, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$app]{upstream} }} }}
        "
        ))
}

fn holds(bascule: &Bascule, origin: &Origin, case: &Case) -> Result<(), String> {
    let before = origin.count();
    let mut client = bascule.client();
    // What is refused with its first bytes is closed while the rest is being sent.
    let _ = client.wire().send(&case.raw);
    let answer = client.try_answer("GET").map(|answer| answer.status).ok();
    let seen = origin.seen().split_off(before);
    let found = match (answer, seen.first()) {
        (Some(200), Some(seen)) => seen.header("x-forwarded-for").map(str::to_owned),
        _ => None,
    };
    let expected = match case.source.as_deref() {
        Some("peer") => Some("127.0.0.1".to_owned()),
        source => source.map(str::to_owned),
    };
    match case.expect.as_str() {
        "any" => Ok(()),
        "reject" if found.is_none() && seen.is_empty() => Ok(()),
        "accept" if found == expected => Ok(()),
        expect => Err(format!("{expect} {expected:?}, found {answer:?} {found:?}")),
    }
}

on_both_drivers! {
    /// The reference suite, header by header, through the program.
    fn the_suite_holds(io) {
        let Some(cases) = conformance::load("proxy-protocol-dev.jsonl") else { return };
        let origin = Origin::echo();
        let bascule = start(io, &origin, "required", "");
        let mut failed = BTreeSet::new();
        for case in &cases {
            if let Err(what) = holds(&bascule, &origin, case) {
                eprintln!("{}: {what}", case.id);
                failed.insert(case.id.as_str());
            }
        }
        let known = KNOWN.lines().filter(|line| !line.starts_with('#'));
        let known: BTreeSet<&str> = known.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(failed, known, "known/proxy-protocol.txt may only shrink");
    }

    /// The client that a header names is the client for lists, limits and logs; the proxy stands beside it.
    fn the_named_client_counts(io) {
        let origin = Origin::echo();
        let bascule = start(io, &origin, "required", "");
        let mut client = bascule.client();
        client.send(HEADER);
        assert_eq!(client.get("/a").status, 200);
        assert_eq!(client.get("/b").status, 200, "one header for the connection");
        let line = bascule.access_log().find(|line| line["path"] == "/a");
        assert_eq!((&line["client"], &line["via"], &line["port"]), (&"203.0.113.7".into(), &"127.0.0.1".into(), &56324.into()));
        let mut second = bascule.client();
        second.send(HEADER);
        assert_eq!(second.get("/").status, 200);
        let mut third = bascule.client();
        third.send(HEADER);
        assert!(third.is_closed(), "two connections of one client are the limit");
        let mut other = bascule.client();
        other.send("PROXY TCP4 203.0.113.8 198.51.100.1 1 443\r\n");
        assert_eq!(other.get("/").status, 200);
        let mut denied = bascule.client();
        denied.send("PROXY TCP4 203.0.113.66 198.51.100.1 1 443\r\n");
        assert!(denied.is_closed());
        bascule.wait_for_metric("bascule_refused_total", &[("reason", "address_denied")], 1.0);
    }

    /// Only proxies that are named are believed, and a header that drips has its time.
    fn nobody_else_is_believed(io) {
        let origin = Origin::echo();
        let stranger = |bascule: &Bascule| {
            Client::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), bascule.address("web"))
        };
        let bascule = start(io, &origin, "required", "");
        assert!(stranger(&bascule).is_closed(), "everybody has to come through a proxy");
        let bascule = start(io, &origin, "optional", "");
        assert_eq!(stranger(&bascule).get("/").status, 200);
        let mut liar = stranger(&bascule);
        liar.send([HEADER.as_bytes(), &request("GET", "/", &[], b"")].concat());
        assert_eq!(liar.answer().status, 400);
        let mut plain = bascule.client();
        assert_eq!(plain.get("/").status, 200, "a proxy may come without");
        let mut slow = bascule.client();
        slow.send_in_pieces([HEADER.as_bytes(), &request("GET", "/slow", &[], b"")].concat(), 7, Duration::from_millis(3));
        assert_eq!(slow.answer().status, 200);
        let line = bascule.access_log().find(|line| line["path"] == "/slow");
        assert_eq!(line["client"], "203.0.113.7");
    }

    /// Each connection to an endpoint begins with a header, and carries one client's requests.
    fn endpoints_are_told(io) {
        let origin = Origin::talk(|conversation| {
            let header = conversation.wire.line()?;
            if let Some(seen) = conversation.request()? {
                let body = format!("{} {}", seen.target, String::from_utf8_lossy(&header));
                conversation.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))?;
            }
            if conversation.wire.has_more()? {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a second request"));
            }
            Ok(())
        });
        let bascule = start(io, &origin, "optional", ", proxy_protocol: v1");
        let mut client = bascule.client();
        client.send("PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n");
        for path in ["/a", "/b"] {
            let text = client.get(path).text();
            assert_eq!(text.trim_end(), format!("{path} PROXY TCP6 2001:db8::7 2001:db8::1 5 443"));
        }
        assert_eq!(origin.accepted(), 2);
    }
}
