//! Connections that are not HTTP: through to an endpoint byte for byte, with an end, a time and a count.

use crate::outdented;
use bascule_tests::{
    Authority, Bascule, Client, Io, KeyKind, Origin, Reply, Setup, TlsClient, eventually,
    on_both_drivers, tls_server,
};
use rustix::process::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Says its name, sends back what it gets, and says goodbye when the other side has ended.
fn echo(name: &'static str) -> Origin {
    Origin::talk(move |conversation| {
        conversation.send(name)?;
        loop {
            let piece = conversation.wire.some()?;
            if piece.is_empty() {
                return conversation.send("bye");
            }
            conversation.send(piece)?;
        }
    })
}

fn start(io: Io, origin: &Origin, listener: &str, more: &str) -> Bascule {
    let yaml = format!(
        "
        listeners: [{{ name: web, address: $web, protocol: tcp, upstream: app{listener} }}]
        upstreams: {{ app: {{ endpoints: [$app] }} }}
        "
    );
    Setup::new()
        .io(io)
        .with("app", origin.address())
        .start(&format!("{}\n{more}", outdented(&yaml)))
}

fn connect(bascule: &Bascule) -> TcpStream {
    let socket = TcpStream::connect(bascule.address("web")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    socket.read_to_end(&mut all).unwrap();
    String::from_utf8(all).unwrap()
}

on_both_drivers! {
    /// The endpoint may speak first, each side may end first, and the line says what has gone by.
    fn bytes_and_ends_go_through(io) {
        let origin = echo("hello ");
        let bascule = start(io, &origin, "", "");
        let mut socket = connect(&bascule);
        let mut greeting = [0; 6];
        socket.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"hello ");
        socket.write_all(b"world ").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(socket), "world bye");
        let line = bascule.access_log().find(|line| line["listener"] == "web");
        let said = ["protocol", "upstream", "verdict", "reason"].map(|key| line[key].as_str().unwrap_or("-"));
        assert_eq!(said, ["tcp", "app", "pass", "served"], "{line}");
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&6.into(), &15.into()));
        assert_eq!((&line["tries"], line["status"].is_null()), (&1.into(), true));
        bascule.wait_for_metric("bascule_layer4_bytes_total", &[("direction", "out")], 15.0);
        bascule.wait_for_metric("bascule_layer4_connections_total", &[("reason", "served"), ("upstream", "app")], 1.0);
        bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
    }

    /// Many bytes in both directions at once, past every buffer, in their order.
    fn many_bytes_keep_their_order(io) {
        const BYTES: usize = 16 << 20;
        let origin = echo("");
        let bascule = start(io, &origin, "", "");
        let mut socket = connect(&bascule);
        let mut sender = socket.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let pattern: Vec<u8> = (0..BYTES).map(|at| (at * 31 % 251) as u8).collect();
            sender.write_all(&pattern).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        socket.read_to_end(&mut all).unwrap();
        sending.join().unwrap();
        assert_eq!(all.len(), BYTES + 3);
        assert!(all[..BYTES].iter().enumerate().all(|(at, byte)| *byte == (at * 31 % 251) as u8));
        let line = bascule.access_log().find(|line| line["listener"] == "web");
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&BYTES.into(), &(BYTES + 3).into()));
    }

    /// A reader that stops holds the sender back: little is kept here.
    fn a_slow_reader_holds_the_sender_back(io) {
        let origin = Origin::talk(|_| {
            std::thread::sleep(Duration::from_secs(2));
            Ok(())
        });
        let bascule = start(io, &origin, "", "");
        let before = bascule.memory();
        let mut socket = connect(&bascule);
        socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let block = vec![7; 1 << 20];
        let mut sent = 0;
        while sent < 256 << 20 {
            match socket.write(&block) {
                Ok(bytes) => sent += bytes,
                Err(_) => break,
            }
        }
        assert!(sent < 256 << 20, "nobody held it back");
        let grown = bascule.memory().saturating_sub(before);
        assert!(grown < 16 << 20, "{grown} bytes more");
    }

    /// A reset on one side is a reset on the other.
    fn a_reset_goes_through(io) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bascule = Setup::new().io(io).with("app", listener.local_addr().unwrap()).start("
            listeners: [{ name: web, address: $web, protocol: tcp, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
        ");
        let client = Client::connect(bascule.address("web"));
        let (mut endpoint, _) = listener.accept().unwrap();
        endpoint.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.reset();
        let error = endpoint.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let line = bascule.access_log().with_reason("client_closed");
        assert_eq!(line["upstream"], "app");
    }

    /// Nothing may move for so long, and no connection lasts for longer than it may.
    fn idleness_and_life_have_an_end(io) {
        let origin = echo("");
        let bascule = start(io, &origin, ", timeouts: { idle: 400ms, lifetime: 1500ms }", "");
        let began = Instant::now();
        assert_eq!(rest(connect(&bascule)), "");
        assert!((300..1400).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let _ = bascule.access_log().with_reason("idle_timeout");
        let mut busy = connect(&bascule);
        let began = Instant::now();
        let mut byte = [0; 1];
        while busy.write_all(b"x").is_ok() && matches!(busy.read(&mut byte), Ok(1)) {
            assert!(began.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(began.elapsed() >= Duration::from_millis(1300), "{:?}", began.elapsed());
        let _ = bascule.access_log().with_reason("lifetime_over");
        eventually("the endpoint's side is closed", || origin.open() == 0);
    }

    /// An endpoint that refuses is no end: another one is tried, and one that goes on refusing is ejected.
    fn another_endpoint_is_tried(io) {
        let origin = echo("here");
        let bascule = Setup::new().io(io).with("app", origin.address()).start("
            listeners: [{ name: web, address: $web, protocol: tcp, upstream: app }]
            upstreams: { app: { endpoints: [$dead, $app], ejection: { consecutive_failures: 2 } } }
        ");
        for _ in 0..8 {
            let socket = connect(&bascule);
            socket.shutdown(Shutdown::Write).unwrap();
            assert_eq!(rest(socket), "herebye");
        }
        let lines = bascule.access_log().wait_for(8);
        let tries: u64 = lines.iter().filter_map(|line| line["tries"].as_u64()).sum();
        assert_eq!(tries, 10, "two tries found out: {lines:?}");
        let dead = Setup::new().io(io).start("
            listeners: [{ name: web, address: $web, protocol: tcp, upstream: app }]
            upstreams: { app: { endpoints: [$dead] } }
        ");
        assert_eq!(rest(connect(&dead)), "");
        let line = dead.access_log().with_reason("connect_failed");
        assert_eq!(line["verdict"], "fail");
    }

    /// SIGTERM: new connections are refused, those that stand may end, and are cut when the time is up.
    fn a_drain_waits_and_then_cuts(io) {
        let origin = echo("");
        let mut bascule = start(io, &origin, "", "timeouts: { drain: 3s }\n");
        let mut ends = connect(&bascule);
        let mut stays = connect(&bascule);
        for socket in [&mut ends, &mut stays] {
            socket.write_all(b"x").unwrap();
            socket.read_exact(&mut [0; 1]).unwrap();
        }
        bascule.signal(Signal::TERM);
        eventually("nobody listens", || TcpStream::connect(bascule.address("web")).is_err());
        ends.write_all(b"still ").unwrap();
        ends.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(ends), "still bye");
        assert_eq!(stays.read(&mut [0; 1]).unwrap_or_default(), 0);
        assert_eq!(bascule.wait_for_end(Duration::from_secs(10)).code(), Some(0));
        let lines = bascule.access_log().lines();
        let count = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
        // Whoever asked whether somebody listens was served as well.
        assert_eq!((count("draining"), count("served")), (1, lines.len() - 1), "{lines:?}");
    }

    /// TLS is ended here, and the endpoint gets the plain bytes and whose they are.
    fn tls_is_ended(io) {
        let authority = Authority::new("Test CA");
        let db = authority.issue(&["db.test"], KeyKind::Ecdsa);
        let origin = Origin::talk(|conversation| {
            let header = conversation.wire.some()?;
            let told = |needle: &[u8]| header.windows(needle.len()).any(|window| window == needle);
            let good = header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11") && told(b"db.test") && told(b"TLSv1.3");
            conversation.send(if good { "told" } else { "not told" })
        });
        let bascule = Setup::new().io(io).with("app", origin.address())
            .file("db.pem", &db.certificate).file("db.key", &db.key)
            .start("
            listeners:
              - name: web
                address: $web
                protocol: tcp
                tls: { certificates: [{ cert: db.pem, key: db.key }] }
                upstream: app
            upstreams: { app: { endpoints: [$app], proxy_protocol: { version: v2, tlvs: [authority, ssl, crc32c, unique_id] } } }
        ");
        // A protocol of its own by ALPN is none of our business.
        let client = TlsClient::speaking(&authority, &["postgresql"]);
        let (mut client, session) = client.connect(bascule.address("web"), "db.test").unwrap();
        assert!(session.is_with(&db));
        let mut text = Vec::new();
        client.wire().to_end(&mut |piece| text.extend_from_slice(piece)).unwrap();
        assert_eq!(text, b"told");
        drop(client);
        let line = bascule.access_log().with_reason("served");
        assert_eq!((line["tls"].as_str(), line["sni"].as_str()), (Some("TLSv1.3"), Some("db.test")));
    }

    /// TLS goes on as it is, by the name in the ClientHello.
    fn tls_goes_by_name(io) {
        let authority = Authority::new("Test CA");
        let identity = authority.issue(&["a.test", "x.b.test", "c.test"], KeyKind::Ecdsa);
        let secure = |name: &'static str| Origin::secure(tls_server(&identity), move |_| Reply::ok(name));
        let (a, b, other) = (secure("a"), secure("b"), secure("other"));
        let bascule = Setup::new().io(io)
            .with("a", a.address()).with("b", b.address()).with("other", other.address())
            .start("
            listeners:
              - name: web
                address: $web
                protocol: tls_passthrough
                sni: [{ host: a.test, upstream: a }, { host: '*.b.test', upstream: b }]
                upstream: other
              - name: strict
                address: $strict
                protocol: tls_passthrough
                sni: [{ host: a.test, upstream: a }]
            upstreams: { a: { endpoints: [$a] }, b: { endpoints: [$b] }, other: { endpoints: [$other] } }
        ");
        let client = TlsClient::new(&authority);
        for (name, expected) in [("a.test", "a"), ("x.b.test", "b"), ("c.test", "other")] {
            let (mut client, session) = client.connect(bascule.address("web"), name).unwrap();
            assert!(session.is_with(&identity), "the endpoint's own certificate");
            assert_eq!(client.get("/").text(), expected);
        }
        assert!(client.connect(bascule.address("strict"), "c.test").is_err());
        let line = bascule.access_log().with_reason("no_route");
        assert_eq!((line["sni"].as_str(), line["verdict"].as_str()), (Some("c.test"), Some("block")));
        let mut plain = Client::connect(bascule.address("strict"));
        plain.send("GET / HTTP/1.1\r\n\r\n");
        assert!(plain.is_closed());
        let line = bascule.access_log().with_reason("tls_handshake");
        assert_eq!(line["detail"], "the first bytes are no TLS handshake");
    }

    /// Another generation leaves connections alone, whatever becomes of their listener.
    fn a_reload_cuts_nothing(io) {
        let origin = echo("");
        let mut bascule = start(io, &origin, "", "");
        let mut socket = connect(&bascule);
        socket.write_all(b"x").unwrap();
        socket.read_exact(&mut [0; 1]).unwrap();
        bascule.reload("
            listeners: [{ name: web, address: $other, protocol: tcp, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
        ");
        socket.write_all(b"still ").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(socket), "still bye");
    }
}

#[test]
fn limits_hold_for_every_connection() {
    let origin = echo("");
    let bascule = start(
        Io::Epoll,
        &origin,
        ", limits: { connections_per_client: 2 }, deny: [127.0.0.66/32]",
        "",
    );
    let kept = [connect(&bascule), connect(&bascule)];
    eventually("both are through", || origin.open() == 2);
    assert_eq!(rest(connect(&bascule)), "");
    drop(kept);
    let from = std::net::Ipv4Addr::new(127, 0, 0, 66).into();
    assert!(Client::connect_from(from, bascule.address("web")).is_closed());
    for reason in ["connection_limit", "address_denied"] {
        bascule.wait_for_metric("bascule_refused_total", &[("reason", reason)], 1.0);
    }
}

#[test]
fn what_does_not_fit_the_protocol_is_refused() {
    for (listener, expected) in [
        ("protocol: tcp", "`protocol: tcp` leads nowhere"),
        (
            "upstream: app",
            "`upstream` means nothing with `protocol: http`",
        ),
        (
            "protocol: tcp, sni: [{ host: a.b, upstream: app }]",
            "without TLS there is no name to go by",
        ),
        (
            "protocol: tcp, upstream: ap",
            "`ap` is not defined under `upstreams`",
        ),
        (
            "protocol: tls_passthrough, sni: [{ host: [a.b, a.b], upstream: app }]",
            "`a.b` stands in `sni` twice",
        ),
        (
            "protocol: tcp, upstream: app, proxy_protocol: { accept: required, from: [] }",
            "no proxy is named",
        ),
    ] {
        let refused = Setup::new().refused(&format!(
            "
            listeners: [{{ address: $web, {listener} }}]
            routes: [{{ path: /, upstream: app }}]
            upstreams: {{ app: {{ endpoints: [127.0.0.1:9] }} }}
            "
        ));
        assert!(
            refused.stderr.contains(expected),
            "{listener}\n{}",
            refused.stderr
        );
    }
}
