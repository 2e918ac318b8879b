//! Bytes go from socket to socket without us: real connections on the loopback.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use kernel::{Direction, JoinError, RELAY_QUEUE_BYTES, Relay, Relayed};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn relay(connections: usize) -> Option<Relay> {
    support::kernel_path_is_there().then(|| Relay::load(connections).expect("the program loads"))
}

/// Far and near end of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    near.set_nonblocking(true).unwrap();
    (far, near)
}

/// Client, our side towards it, our side towards the endpoint, endpoint.
struct Way {
    client: TcpStream,
    front: TcpStream,
    back: TcpStream,
    endpoint: TcpStream,
}

impl Way {
    fn new() -> Self {
        let ((client, front), (endpoint, back)) = (pair(), pair());
        Self {
            client,
            front,
            back,
            endpoint,
        }
    }

    fn join(&self, relay: &mut Relay) -> Result<Relayed, JoinError> {
        relay.join(self.front.as_fd(), self.back.as_fd())
    }
}

/// Opens a direction of which nothing is left.
fn open(direction: &Direction) {
    assert!(direction.is_held());
    assert!(direction.open(direction.passed()));
    assert!(!direction.is_held());
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(5), "never {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn calls(relay: &mut Relay) -> Vec<u32> {
    let mut ids = Vec::new();
    relay.called(|id| ids.push(id));
    ids
}

#[test]
fn what_an_open_side_receives_goes_to_the_other() {
    let Some(mut relay) = relay(4) else { return };
    let mut way = Way::new();
    let relayed = way.join(&mut relay).unwrap();
    assert!(relayed.is_complete());
    assert_eq!(relay.room(), 3);
    open(&relayed.there);
    open(&relayed.back);
    for round in 1..=100 {
        way.client.write_all(b"ping").unwrap();
        let mut four = [0; 4];
        way.endpoint.read_exact(&mut four).unwrap();
        assert_eq!(&four, b"ping");
        way.endpoint.write_all(b"pong!").unwrap();
        let mut five = [0; 5];
        way.client.read_exact(&mut five).unwrap();
        assert_eq!(&five, b"pong!");
        assert_eq!(relayed.there.handed(), round * 4);
        assert_eq!(relayed.back.handed(), round * 5);
    }
    // The end of a stream is ours to tell on.
    way.client.shutdown(Shutdown::Write).unwrap();
    wait_for("ended", || matches!(way.front.read(&mut [0; 9]), Ok(0)));
    way.back.shutdown(Shutdown::Write).unwrap();
    assert_eq!(way.endpoint.read(&mut [0; 9]).unwrap(), 0);
    way.endpoint.write_all(b"bye").unwrap();
    drop(way.endpoint);
    let mut rest = [0; 3];
    way.client.read_exact(&mut rest).unwrap();
    assert_eq!((&rest, relayed.back.handed()), (b"bye", 503));
    relay.leave(&relayed);
    assert_eq!(relay.room(), 4);
    assert_eq!(calls(&mut relay), []);
}

#[test]
fn what_a_held_side_receives_is_left_to_us() {
    let Some(mut relay) = relay(1) else { return };
    let mut way = Way::new();
    let relayed = way.join(&mut relay).unwrap();
    way.client.write_all(b"by hand").unwrap();
    let mut seven = [0; 7];
    wait_for("passed", || way.front.read_exact(&mut seven).is_ok());
    assert_eq!((&seven, relayed.there.handed()), (b"by hand", 0));
    assert!(calls(&mut relay).is_empty(), "we know of it");
    // What came since nobody has looked keeps it shut.
    let before = relayed.there.passed();
    way.client.write_all(b"more").unwrap();
    wait_for("left", || relayed.there.passed() > before);
    assert!(!relayed.there.open(before));
    assert!(relayed.there.is_held());
}

#[test]
fn a_reader_that_stops_leaves_what_is_too_much_to_us() {
    let Some(mut relay) = relay(1) else { return };
    let mut way = Way::new();
    let relayed = way.join(&mut relay).unwrap();
    open(&relayed.there);
    way.client.set_nonblocking(true).unwrap();
    let block = vec![7; 1 << 16];
    let mut sent = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        match way.client.write(&block) {
            Ok(bytes) => sent += bytes,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(relayed.there.is_held());
    assert_eq!(calls(&mut relay), [relayed.id()]);
    // Its own buffers, ours, the endpoint's, and what may wait between them.
    let most = 24 << 20;
    assert!(sent < most + RELAY_QUEUE_BYTES as usize, "{sent} bytes");
    assert!(relayed.there.handed() < most as u64);
}

#[test]
fn a_map_that_is_full_says_so() {
    let Some(mut relay) = relay(1) else { return };
    let (one, other) = (Way::new(), Way::new());
    let relayed = one.join(&mut relay).unwrap();
    assert!(matches!(other.join(&mut relay), Err(JoinError::Full)));
    relay.leave(&relayed);
    let relayed = other.join(&mut relay).unwrap();
    drop(other);
    relay.leave(&relayed);
    assert_eq!(relay.room(), 1);
}

#[test]
fn a_connection_that_has_ended_is_refused() {
    let Some(mut relay) = relay(1) else { return };
    let mut way = Way::new();
    way.client.shutdown(Shutdown::Write).unwrap();
    wait_for("ended", || matches!(way.front.read(&mut [0; 9]), Ok(0)));
    assert!(matches!(way.join(&mut relay), Err(JoinError::Refused(_))));
    assert_eq!(relay.room(), 1);
    let mut way = Way::new();
    way.endpoint.shutdown(Shutdown::Write).unwrap();
    wait_for("ended", || matches!(way.back.read(&mut [0; 9]), Ok(0)));
    let relayed = way.join(&mut relay).unwrap();
    assert!(
        !relayed.is_complete(),
        "nothing may be lost of the client's"
    );
}
