//! Connections whose bytes the kernel moves: not one is lost, doubled or out of place, and ends, times and counts stay right.

use crate::outdented;
use bascule_tests::{Bascule, Io, Setup, eventually, on_both_drivers};
use rustix::process::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

const WAYS: [&str; 3] = ["sockmap", "splice", "copy"];

/// More than a connection is copied for before it goes its way.
const WARM: usize = 512 << 10;

/// A connection through the program, with both of its ends.
struct Through {
    bascule: Bascule,
    client: TcpStream,
    endpoint: TcpStream,
    way: &'static str,
    /// What has gone through, from the client and to it.
    gone: [usize; 2],
}

impl Through {
    /// `None` where the host does not admit the way.
    fn open(io: Io, way: &'static str, listener: &str, upstream: &str) -> Option<Self> {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        let yaml = format!(
            "
            splice: {way}
            timeouts: {{ drain: 2s }}
            listeners: [{{ name: web, address: $web, protocol: tcp, upstream: app{listener} }}]
            upstreams: {{ app: {{ endpoints: [$app]{upstream} }} }}
            "
        );
        let bascule = Setup::new()
            .io(io)
            .workers(1)
            .with("app", origin.local_addr().unwrap())
            .start(&outdented(&yaml));
        let status = bascule.command(&["status", "--json", "--socket", "admin.sock"]);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        let splice = status["splice"].as_str().unwrap();
        if !splice.starts_with(way) {
            eprintln!("skipped: {splice}");
            return None;
        }
        let (client, endpoint) = connect(&bascule, &origin);
        Some(Self {
            bascule,
            client,
            endpoint,
            way,
            gone: [0; 2],
        })
    }

    /// Lets so much through that the connection goes its way from here on.
    fn warmed(mut self) -> Self {
        give_and_take(&mut self.client, &mut self.endpoint, WARM);
        give_and_take(&mut self.endpoint, &mut self.client, WARM);
        self.gone = [WARM, WARM];
        let way = self.way;
        // What the kernel moves is counted about once a second.
        for _ in 0..150 {
            thread::sleep(Duration::from_millis(20));
            give_and_take(&mut self.client, &mut self.endpoint, 30_000);
            self.gone[0] += 30_000;
            if self.bascule.metrics().sum(MOVED, &[("way", way)]) > 0.0 {
                return self;
            }
        }
        panic!("nothing went by {way}");
    }

    /// Bytes that went each way, as the line of the connection says.
    fn counted(&self, reason: &str) -> [u64; 2] {
        let line = self.bascule.access_log().with_reason(reason);
        ["bytes_in", "bytes_out"].map(|key| line[key].as_u64().unwrap())
    }
}

const MOVED: &str = "bascule_layer4_moved_bytes_total";

fn connect(bascule: &Bascule, origin: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(bascule.address("web")).unwrap();
    let (endpoint, _) = origin.accept().unwrap();
    for socket in [&client, &endpoint] {
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).unwrap();
        socket.set_write_timeout(patience).unwrap();
    }
    (client, endpoint)
}

/// Bytes that tell where they belong: over and over the same, but for a length that no buffer has.
fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..1_000_003).map(next).collect()
    })
}

/// At most so many of the bytes from `at` on. Connections differ by their salt.
fn bytes_at(at: usize, salt: usize, most: usize) -> &'static [u8] {
    let from = (at + salt * 77_777) % pattern().len();
    let rest = &pattern()[from..];
    &rest[..most.min(rest.len())]
}

fn give_and_take(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) {
    let mut from = from.try_clone().unwrap();
    let giving = thread::spawn(move || give(&mut from, bytes, 0));
    take(to, bytes, 0, |_| ());
    giving.join().unwrap();
}

/// Writes so many bytes in pieces of all sizes.
fn give(to: &mut TcpStream, bytes: usize, salt: usize) {
    let (mut at, mut size) = (0, 1);
    while at < bytes {
        size = (size * 7 + 13) % 300_000 + 1;
        let piece = bytes_at(at, salt, size.min(bytes - at));
        to.write_all(piece).unwrap();
        at += piece.len();
    }
}

/// Reads so many bytes in pieces of all sizes, and looks at each.
fn take(from: &mut TcpStream, bytes: usize, salt: usize, pause: impl Fn(usize)) {
    let mut piece = vec![0; 200_000];
    let (mut at, mut size) = (0, 1);
    while at < bytes {
        size = (size * 11 + 7) % 200_000 + 1;
        let room = size.min(bytes - at);
        let read = from.read(&mut piece[..room]).unwrap();
        assert!(read > 0, "ended after {at} of {bytes}");
        let mut left = &piece[..read];
        while !left.is_empty() {
            let expected = bytes_at(at, salt, left.len());
            assert!(left.starts_with(expected), "something else after {at}");
            left = &left[expected.len()..];
            at += expected.len();
        }
        pause(at);
    }
}

fn ends(socket: &mut TcpStream) {
    assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0);
}

on_both_drivers! {
    /// Many bytes both ways at one time, by quick readers and by such that stop now and then.
    fn every_byte_arrives_in_its_place(io) {
        const THERE: usize = 96 << 20;
        const BACK: usize = 64 << 20;
        for (way, is_slow) in WAYS.iter().flat_map(|way| [(*way, false), (*way, true)]) {
            let Some(through) = Through::open(io, way, "", "") else { continue };
            let mut through = through.warmed();
            let pause = move |at: usize| {
                if is_slow && at.is_multiple_of(61) {
                    thread::sleep(Duration::from_millis(20));
                }
            };
            let (mut client, mut endpoint) = (through.client.try_clone().unwrap(), through.endpoint.try_clone().unwrap());
            let giving = [
                thread::spawn(move || give(&mut client, THERE, 1)),
                thread::spawn(move || give(&mut endpoint, BACK, 2)),
            ];
            let mut client = through.client.try_clone().unwrap();
            let taking = thread::spawn(move || take(&mut client, BACK, 2, pause));
            take(&mut through.endpoint, THERE, 1, pause);
            taking.join().unwrap();
            giving.into_iter().for_each(|given| given.join().unwrap());
            through.client.shutdown(Shutdown::Write).unwrap();
            ends(&mut through.endpoint);
            through.endpoint.shutdown(Shutdown::Write).unwrap();
            ends(&mut through.client);
            let went = [through.gone[0] + THERE, through.gone[1] + BACK].map(|bytes| bytes as u64);
            assert_eq!(through.counted("served"), went, "{way}");
            through.bascule.wait_for_metric(MOVED, &[], went.iter().sum::<u64>() as f64);
        }
    }

    /// A FIN behind many bytes that nobody has read yet comes after the last of them; the other side goes on.
    fn either_side_may_end_first(io) {
        const LAST: usize = 12 << 20;
        for (way, client_first) in WAYS.iter().flat_map(|way| [(*way, false), (*way, true)]) {
            let Some(through) = Through::open(io, way, "", "") else { continue };
            let through = through.warmed();
            let (mut first, mut second) = match client_first {
                true => (&through.client, &through.endpoint),
                false => (&through.endpoint, &through.client),
            };
            let mut giver = first.try_clone().unwrap();
            let giving = thread::spawn(move || {
                give(&mut giver, LAST, 3);
                giver.shutdown(Shutdown::Write).unwrap();
            });
            thread::sleep(Duration::from_millis(300));
            let mut taker = second.try_clone().unwrap();
            take(&mut taker, LAST, 3, |_| ());
            ends(&mut taker);
            giving.join().unwrap();
            thread::sleep(Duration::from_millis(100));
            for answer in [&b"still "[..], b"here"] {
                second.write_all(answer).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            second.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            first.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"still here", "{way}");
            let [there, back] = through.gone;
            let went = if client_first { [there + LAST, back + 10] } else { [there + 10, back + LAST] };
            assert_eq!(through.counted("served"), went.map(|bytes| bytes as u64), "{way}");
        }
    }

    /// A reset on one side is a reset on the other, also while bytes wait.
    fn a_reset_goes_through(io) {
        for (way, by_client) in WAYS.iter().flat_map(|way| [(*way, false), (*way, true)]) {
            let Some(through) = Through::open(io, way, "", "") else { continue };
            let through = through.warmed();
            let (resets, mut stays, reason) = match by_client {
                true => (through.client.try_clone().unwrap(), &through.endpoint, "client_closed"),
                false => (through.endpoint.try_clone().unwrap(), &through.client, "upstream_closed"),
            };
            let mut giver = stays.try_clone().unwrap();
            giver.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
            let _ = giver.write_all(&vec![1; 64 << 20]);
            socket2::SockRef::from(&resets).set_linger(Some(Duration::ZERO)).unwrap();
            let Through { bascule, client, endpoint, .. } = &through;
            // The last descriptor of the side that resets.
            let reset = if by_client { client } else { endpoint };
            rustix::net::connect_unspec(reset).unwrap();
            drop(resets);
            let error = stays.read(&mut [0; 9]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{way}");
            let _ = bascule.access_log().with_reason(reason);
            bascule.wait_for_metric("bascule_connections", &[("listener", "web")], 0.0);
        }
    }

    /// Nothing may move for so long; what moves in the kernel counts, and what a stopped reader does not take does not.
    fn idleness_has_an_end(io) {
        for way in WAYS {
            let Some(through) = Through::open(io, way, ", timeouts: { idle: 800ms }", "") else { continue };
            let mut through = through.warmed();
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(2) {
                give_and_take(&mut through.endpoint, &mut through.client, 10);
                thread::sleep(Duration::from_millis(50));
            }
            let began = Instant::now();
            ends(&mut through.client);
            let took = began.elapsed().as_millis();
            assert!((500..2500).contains(&took), "{way}: {took} ms");
            let _ = through.bascule.access_log().with_reason("idle_timeout");
            // A reader that stops is idle too, once everything is full.
            let Some(through) = Through::open(io, way, ", timeouts: { idle: 800ms }", "") else { continue };
            let mut through = through.warmed();
            through.client.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
            while through.client.write(&[1; 1 << 16]).is_ok() {}
            let _ = through.bascule.access_log().with_reason("idle_timeout");
        }
    }

    /// No connection lasts for longer than it may, however much goes through it.
    fn life_has_an_end(io) {
        for way in WAYS {
            let Some(through) = Through::open(io, way, ", timeouts: { lifetime: 4s }", "") else { continue };
            let began = Instant::now();
            let mut through = through.warmed();
            let mut endpoint = through.endpoint.try_clone().unwrap();
            let reading = thread::spawn(move || while matches!(endpoint.read(&mut [0; 1 << 16]), Ok(1..)) {});
            while through.client.write_all(&[1; 1000]).is_ok() {
                assert!(began.elapsed() < Duration::from_secs(8), "{way}");
                thread::sleep(Duration::from_millis(5));
            }
            reading.join().unwrap();
            let _ = through.bascule.access_log().with_reason("lifetime_over");
        }
    }

    /// A drain lets them end, and cuts those that do not.
    fn a_drain_waits_and_then_cuts(io) {
        for way in WAYS {
            let Some(through) = Through::open(io, way, "", "") else { continue };
            let mut through = through.warmed();
            through.bascule.signal(Signal::TERM);
            thread::sleep(Duration::from_millis(500));
            give_and_take(&mut through.client, &mut through.endpoint, 100_000);
            give_and_take(&mut through.endpoint, &mut through.client, 100_000);
            assert_eq!(through.client.read(&mut [0; 1]).unwrap_or_default(), 0);
            let code = through.bascule.wait_for_end(Duration::from_secs(10)).code();
            assert_eq!(code, Some(0), "{way}");
            let _ = through.bascule.access_log().with_reason("draining");
        }
    }

    /// Connections that the kernel has go on in the process that they began in, while the next one serves.
    fn an_upgrade_cuts_nothing(io) {
        let Some(through) = Through::open(io, "sockmap", "", "") else { return };
        let mut through = through.warmed();
        assert_eq!(through.bascule.upgrade(&[]).code, Some(0));
        for _ in 0..5 {
            give_and_take(&mut through.client, &mut through.endpoint, 1 << 20);
            give_and_take(&mut through.endpoint, &mut through.client, 1 << 20);
        }
        through.client.shutdown(Shutdown::Write).unwrap();
        ends(&mut through.endpoint);
        through.endpoint.shutdown(Shutdown::Write).unwrap();
        ends(&mut through.client);
    }

    /// Nothing waits in the kernel without a bound: the sender is held back, and gets on when the reader does.
    fn a_reader_that_stops_holds_the_sender_back(io) {
        for way in WAYS {
            let Some(through) = Through::open(io, way, "", "") else { continue };
            let mut through = through.warmed();
            through.client.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
            let mut sent = 0;
            let block: Vec<u8> = vec![5; 1 << 20];
            while let Ok(bytes) = through.client.write(&block) {
                sent += bytes;
                assert!(sent < 128 << 20, "{way}: nobody held it back");
            }
            let mut endpoint = through.endpoint.try_clone().unwrap();
            let reading = thread::spawn(move || {
                let (mut read, mut piece) = (0, vec![0; 1 << 20]);
                loop {
                    match endpoint.read(&mut piece).unwrap() {
                        0 => return read,
                        bytes => read += bytes,
                    }
                }
            });
            through.client.write_all(&block).unwrap();
            through.client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(reading.join().unwrap(), sent + block.len(), "{way}");
        }
    }

    /// What stands before the bytes goes before them.
    fn a_proxy_header_comes_first(io) {
        let Some(mut through) = Through::open(io, "sockmap", "", ", proxy_protocol: v1") else { return };
        give(&mut through.client, 4 << 20, 0);
        let mut header = Vec::new();
        let mut byte = [0; 1];
        while byte != *b"\n" {
            through.endpoint.read_exact(&mut byte).unwrap();
            header.push(byte[0]);
        }
        assert!(header.starts_with(b"PROXY TCP4 127.0.0.1 "), "{header:?}");
        take(&mut through.endpoint, 4 << 20, 0, |_| ());
    }
}

/// Many at one time, each with its own bytes, opened and closed over and over.
#[test]
fn connections_do_not_get_into_each_others_way() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let bascule = Setup::new()
        .with("app", origin.local_addr().unwrap())
        .start(
            "
            listeners: [{ name: web, address: $web, protocol: tcp, upstream: app }]
            upstreams: { app: { endpoints: [$app] } }
            ",
        );
    let answering = thread::spawn(move || {
        for _ in 0..60 {
            let (mut endpoint, _) = origin.accept().unwrap();
            thread::spawn(move || {
                let mut piece = vec![0; 70_000];
                while let Ok(bytes @ 1..) = endpoint.read(&mut piece) {
                    endpoint.write_all(&piece[..bytes]).unwrap();
                }
            });
        }
    });
    for _ in 0..3 {
        let clients: Vec<_> = (0..20)
            .map(|salt| {
                let mut client = TcpStream::connect(bascule.address("web")).unwrap();
                client
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                thread::spawn(move || {
                    let mut giver = client.try_clone().unwrap();
                    let giving = thread::spawn(move || {
                        give(&mut giver, 3 << 20, salt);
                        giver.shutdown(Shutdown::Write).unwrap();
                    });
                    take(&mut client, 3 << 20, salt, |_| ());
                    ends(&mut client);
                    giving.join().unwrap();
                })
            })
            .collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    }
    answering.join().unwrap();
    eventually("all have ended", || {
        bascule
            .metrics()
            .sum("bascule_connections", &[("listener", "web")])
            == 0.0
    });
    assert_eq!(bascule.access_log().wait_for(60).len(), 60);
}
