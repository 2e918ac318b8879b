//! Datagrams: sessions by client, limits, ends, and what endpoints are told.

use bascule_tests::{Bascule, Setup, on_both_drivers};
use rustix::process::Signal;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// An endpoint for datagrams: says what it got, and who it is.
fn datagram_endpoint(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let answer = [name.as_bytes(), b" ", &buffer[..count]].concat();
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

fn datagram_client(bascule: &Bascule) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(bascule.address("dns")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket
}

fn ask(socket: &UdpSocket, question: &[u8]) -> String {
    let mut buffer = vec![0; 65_536];
    socket.send(question).unwrap();
    let count = socket.recv(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

on_both_drivers! {
    /// A client stays with its endpoint, another one goes elsewhere, and a session ends when nothing comes.
    fn datagrams_have_sessions(io) {
        let (a, b) = (datagram_endpoint("a"), datagram_endpoint("b"));
        let yaml = "
            listeners: [{ name: dns, address: $dns, protocol: udp, upstream: dns, limits: { udp_sessions: 2 }, timeouts: { idle: 1s } }]
            upstreams: { dns: { endpoints: [$a, $b] } }
        ";
        let mut bascule = Setup::new().io(io).workers(1).with("a", a).with("b", b).start(yaml);
        let (first, second) = (datagram_client(&bascule), datagram_client(&bascule));
        let mut answers = [ask(&first, b"x"), ask(&second, b"x")];
        assert_eq!(ask(&first, b"x"), answers[0]);
        assert_eq!(ask(&second, b"x"), answers[1]);
        answers.sort();
        assert_eq!(answers, ["a x", "b x"]);
        let large = vec![b'l'; 9000];
        assert_eq!(ask(&first, &large).len(), 9002);
        let third = datagram_client(&bascule);
        third.send(b"too many").unwrap();
        bascule.wait_for_metric("bascule_refused_total", &[("reason", "session_limit")], 1.0);
        bascule.reload(yaml);
        assert!(ask(&first, b"still").ends_with("still"));
        let lines = bascule.access_log().wait_for(2);
        for line in &lines {
            assert_eq!((line["protocol"].as_str(), line["reason"].as_str()), (Some("udp"), Some("served")), "{line}");
        }
        let total = |key: &str| lines.iter().filter_map(|line| line[key].as_u64()).sum::<u64>();
        assert_eq!((total("bytes_in"), total("bytes_out")), (9009, 9021));
        assert!(ask(&third, b"x").ends_with(" x"), "there is room again");
        bascule.signal(Signal::TERM);
        assert_eq!(bascule.wait_for_end(Duration::from_secs(10)).code(), Some(0));
        let _ = bascule.access_log().with_reason("draining");
    }

    /// Each datagram begins with whose it is, where the endpoint wants to know.
    fn datagrams_are_announced(io) {
        let endpoint = datagram_endpoint("a");
        let bascule = Setup::new().io(io).with("a", endpoint).start("
            listeners: [{ name: dns, address: $dns, protocol: udp, upstream: dns }]
            upstreams: { dns: { endpoints: [$a], proxy_protocol: v2 } }
        ");
        let client = datagram_client(&bascule);
        let answer = ask(&client, b"x");
        assert!(answer.starts_with("a \r\n\r\n\0\r\nQUIT\n!\u{12}") && answer.ends_with('x'), "{answer:?}");
    }

    /// An endpoint that is not there: the line says why.
    fn a_dead_endpoint_is_told(io) {
        let bascule = Setup::new().io(io).start("
            listeners: [{ name: dns, address: $dns, protocol: udp, upstream: dns }]
            upstreams: { dns: { endpoints: [$dead] } }
        ");
        let client = datagram_client(&bascule);
        client.send(b"x").unwrap();
        let line = bascule.access_log().with_reason("connect_failed");
        assert_eq!(line["verdict"], "fail");
    }
}
