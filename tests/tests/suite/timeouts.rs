//! Nobody may take for ever: each wait has its own time, and its own reason when that is over.

use crate::given;
use bascule_tests::{Origin, Reply, Setup, on_both_drivers, request};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

on_both_drivers! {
    /// A head that does not come to its end is answered with 408.
    fn a_head_has_its_time(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "timeouts: { header: 300ms }");
        let mut client = bascule.client();
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow");
        let answer = client.answer();
        assert_eq!((answer.status, answer.reason().as_str()), (408, "header_timeout"));
        assert!(client.is_closed());
        assert!((200..3000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        // A byte now and then buys no time.
        let mut client = bascule.client();
        let began = Instant::now();
        for byte in b"GET / HTTP/1.1\r\nX-A: bcdefghijklmnopqrstuvwxyz".chunks(1) {
            if client.wire().send(byte).is_err() || began.elapsed() > Duration::from_secs(2) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(client.answer().status, 408);
        bascule.wait_for_metric("bascule_refused_total", &[("reason", "header_timeout")], 2.0);
    }

    /// A connection without a request is closed without a word.
    fn an_idle_connection_is_closed(io) {
        let origin = Origin::echo();
        let bascule = given(io, &origin, "timeouts: { idle: 300ms }");
        let mut new = bascule.client();
        let mut used = bascule.client();
        assert_eq!(used.get("/").status, 200);
        assert!(used.stays_silent(Duration::from_millis(100)));
        assert!(used.is_closed() && new.is_closed());
        assert_eq!(origin.count(), 1);
    }

    /// A body that stops is answered with 408, and so is one that only drips.
    fn a_body_has_its_time(io) {
        let origin = Origin::talk(|conversation| {
            if let Some(mut seen) = conversation.head()? {
                let _ = seen.read_body(conversation.wire);
            }
            Ok(())
        });
        let bascule = given(io, &origin, "timeouts: { body_idle: 400ms, body_min_rate: 1KiB/s }");
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nstops");
        let answer = client.answer();
        assert_eq!((answer.status, answer.reason().as_str()), (408, "body_timeout"));
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) && client.wire().send(b"drip").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
            if began.elapsed() > Duration::from_secs(1) {
                break;
            }
        }
        let answer = client.answer();
        assert_eq!((answer.status, answer.reason().as_str()), (408, "body_timeout"));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    /// An endpoint that stays silent is answered for with 504, and its connection is closed.
    fn an_answer_has_its_time(io) {
        let origin = Origin::talk(|conversation| {
            conversation.request()?;
            let _ = conversation.wire.has_more();
            Ok(())
        });
        let bascule = given(io, &origin, "timeouts: { response: 300ms }");
        let mut client = bascule.client();
        let answer = client.post("/", b"body");
        assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream_timeout"));
        assert_eq!(client.post("/", b"body").status, 504);
        bascule_tests::eventually("the endpoint is let go", || origin.open() == 0);
        let labels = [("upstream", "app"), ("reason", "upstream_timeout")];
        bascule.wait_for_metric("bascule_upstream_failures_total", &labels, 2.0);
    }

    /// So is one that stops within its answer: the client's connection is cut, because there is no other way to say it.
    fn an_answer_that_stops_is_cut(io) {
        let origin = Origin::talk(|conversation| {
            conversation.request()?;
            conversation.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegins")?;
            let _ = conversation.wire.has_more();
            Ok(())
        });
        let bascule = given(io, &origin, "timeouts: { response: 300ms }");
        let mut client = bascule.client();
        client.send(request("GET", "/", &[], b""));
        assert!(client.try_answer("GET").is_err());
        assert_eq!(bascule.access_log().wait_for(1)[0]["reason"], "upstream_timeout");
    }

    /// The request as a whole has a time, whatever moves within it: an answer that drips, fast or slowly.
    fn an_answer_that_drips_has_its_time(io) {
        for pause in [2, 50] {
            let origin = Origin::talk(move |conversation| {
                conversation.request()?;
                conversation.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    conversation.send("4\r\ntick\r\n")?;
                    std::thread::sleep(Duration::from_millis(pause));
                }
            });
            let bascule = given(io, &origin, "timeouts: { connect: 500ms, response: 500ms, total: 700ms }");
            let began = Instant::now();
            let mut client = bascule.client();
            client.send(request("GET", "/", &[], b""));
            assert!(client.try_answer("GET").is_err());
            assert!((500..4000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
            assert_eq!(bascule.access_log().wait_for(1)[0]["reason"], "total_timeout");
        }
    }

    /// So has a request whose body drips.
    fn a_request_that_drips_has_its_time(io) {
        let origin = Origin::talk(|conversation| {
            if let Some(mut seen) = conversation.head()? {
                let _ = seen.read_body(conversation.wire);
            }
            Ok(())
        });
        let bascule = given(io, &origin, "timeouts: { connect: 500ms, response: 500ms, total: 700ms }");
        let began = Instant::now();
        let mut client = bascule.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        while began.elapsed() < Duration::from_secs(4) && client.wire().send(b"drip").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let line = bascule.access_log().wait_for(1).remove(0);
        assert_eq!(line["reason"], "total_timeout", "{line}");
        assert!(line["total_us"].as_u64().unwrap() < 3_000_000, "{line}");
    }

    /// A client that does not take its answer is cut.
    fn a_client_has_its_time_to_read(io) {
        let origin = Origin::serve(|_| Reply::ok(vec![b'x'; 32 << 20]));
        let bascule = given(io, &origin, "timeouts: { send: 400ms }");
        let mut client = bascule_tests::Client::connect_narrow(bascule.address("web"), 16 * 1024);
        client.send(request("GET", "/", &[], b""));
        let line = bascule.access_log().with_reason("client_stalled");
        assert_eq!((&line["verdict"], &line["status"]), (&"refuse".into(), &0.into()), "{line}");
        bascule_tests::eventually("the endpoint is let go", || origin.open() == 0);
    }

    /// An endpoint that does not take the connection is answered for with 504.
    fn a_connection_has_its_time(io) {
        let full = Full::new();
        let bascule = Setup::new().io(io).with("app", full.address).start(
            "
            timeouts: { connect: 300ms }
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
        let began = Instant::now();
        let answer = bascule.client().get("/");
        assert_eq!((answer.status, answer.reason().as_str()), (504, "connect_timeout"));
        assert!((200..3000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}

/// A listener that nobody accepts from and whose queue is full: the kernel drops further attempts to connect.
struct Full {
    address: SocketAddr,
    _socket: Socket,
    _waiting: Vec<TcpStream>,
}

impl Full {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let waiting = std::iter::from_fn(connect).take(16).collect();
        Self {
            address,
            _socket: socket,
            _waiting: waiting,
        }
    }
}

#[test]
fn a_route_has_its_own_times() {
    let origin = Origin::serve(|_| {
        std::thread::sleep(Duration::from_millis(500));
        Reply::ok("slow")
    });
    let bascule = Setup::new().with("app", origin.address()).start(
        "
        routes:
          - { path: /, upstream: app }
          - { path: /fast/, upstream: app, timeouts: { response: 100ms } }
        upstreams: { app: { endpoints: [$app], retries: { attempts: 0 } } }
        ",
    );
    assert_eq!(bascule.client().get("/").text(), "slow");
    assert_eq!(bascule.client().get("/fast/a").status, 504);
}
