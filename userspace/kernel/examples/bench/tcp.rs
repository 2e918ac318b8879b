//! TCP with real clients and servers: through the services, and through `HAProxy`.

use crate::cpu;
use crate::figures::{Bound, Figure, Figures};
use crate::forwards;
use crate::options::Options;
use crate::support::{self, PinDir};
use crate::wire::{At, BOX_TO_SENDER, End, SEGMENTATION, SERVER, TX_CHECKSUM, Wire};
use kernel::{Forwarding, Gate, Mode, Protocol, ServiceEndpoint, ServiceSpec};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BYTES: &str = "TCP downloads, MB a CPU second of the box";
const CONNECTIONS: &str = "TCP connections a CPU second of the box";
/// Where the server listens, and the port of the service.
const SERVICE: u16 = 8000;
/// Ports of `HAProxy`, with copies and with splice(2).
const HAPROXY: u16 = 8001;
const HAPROXY_SPLICE: u16 = 8002;
/// Clients that download, and that connect anew again and again.
const DOWNLOADS: usize = 8;
const CONNECTING: usize = 24;
/// Threads that accept; each serves one connection at a time.
const ACCEPTING: usize = 40;
const CHUNK_BYTES: usize = 128 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
/// What a client asks for: bytes until it has enough, or one.
const ALL: u8 = b'a';
const ONE: u8 = b'1';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Services,
    Haproxy,
    HaproxySplice,
}

impl Contestant {
    const fn name(self) -> &'static str {
        match self {
            Self::Services => "bascule, NAT",
            Self::Haproxy => "HAProxy",
            Self::HaproxySplice => "HAProxy, splice",
        }
    }

    fn address(self) -> SocketAddr {
        let port = match self {
            Self::Services => SERVICE,
            Self::Haproxy => HAPROXY,
            Self::HaproxySplice => HAPROXY_SPLICE,
        };
        SocketAddr::new(BOX_TO_SENDER.parse().expect("an address"), port)
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Download,
    Connect,
}

pub(crate) fn measure(options: &Options, figures: &mut Figures) {
    let wire = match Wire::new().and_then(|wire| wire.moderate().map(|()| wire)) {
        Ok(wire) => wire,
        Err(why) => return figures.note(format!("TCP was not measured: {why}")),
    };
    // A client's end hands over single packets, as a network does.
    for command in SEGMENTATION {
        wire.set_offload(command, 0);
    }
    wire.inside(At::Sender, || {
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535").expect("ports");
    });
    serve(&wire);
    let pins = PinDir::new();
    let bans = support::bans();
    let mut gate = wire.inside(At::Box, || pins.gate(&bans));
    gate.services().apply(&[service()]).expect("applied");
    let mut stage = Stage {
        wire: &wire,
        gate: &mut gate,
        haproxy: Haproxy::start(&wire),
        time: Duration::from_millis(options.size(2000, 500)),
    };
    if stage.haproxy.is_none() {
        figures.note("HAProxy takes no part: it is not installed (cargo xtask setup bench)");
    }
    let all = [
        Contestant::Services,
        Contestant::Haproxy,
        Contestant::HaproxySplice,
    ];
    for (load, group, unit, field) in [
        (Load::Download, BYTES, "MB", &all[..]),
        (Load::Connect, CONNECTIONS, "connections", &all[..2]),
    ] {
        let field = if stage.haproxy.is_some() {
            field
        } else {
            &field[..1]
        };
        let mut rounds = vec![Vec::new(); field.len()];
        for round in 0..options.rounds {
            for turn in 0..field.len() {
                let index = (turn + round) % field.len();
                rounds[index].push(stage.sample(field[index], load));
            }
        }
        for (contestant, rounds) in field.iter().zip(rounds) {
            figures.add(Figure::new(group, contestant.name(), unit, rounds));
        }
    }
    figures.note(
        "TCP downloads: an end of a veth hands segments over that XDP cannot have; the kernel copies each of them first, \
         which is most of what bascule is charged with there. What comes from a driver is the group of frames.",
    );
    let ours = Contestant::Services.name();
    for peer in [Contestant::Haproxy, Contestant::HaproxySplice] {
        let frames = (forwards::DOWNLOAD, "bascule");
        figures.aim_across([frames, (BYTES, peer.name())], Bound::AtLeast(5.0));
    }
    for (group, peer) in [
        (BYTES, Contestant::Haproxy),
        (BYTES, Contestant::HaproxySplice),
        (CONNECTIONS, Contestant::Haproxy),
    ] {
        figures.aim_at_ratio(group, [ours, peer.name()], Bound::AtLeast(5.0));
    }
}

struct Stage<'a> {
    wire: &'a Wire,
    gate: &'a mut Gate,
    haproxy: Option<Haproxy>,
    time: Duration,
}

impl Stage<'_> {
    /// What came through in a second of the box's CPU time: of the threads that take packets in, and of the program.
    fn sample(&mut self, contestant: Contestant, load: Load) -> f64 {
        let wire = self.wire;
        let is_ours = contestant == Contestant::Services;
        // XDP passes frames on as they are, so they have to be complete.
        wire.set_offload(TX_CHECKSUM, u32::from(!is_ours));
        if !is_ours {
            // Which comes back with the checksums.
            for command in SEGMENTATION {
                wire.set_offload(command, 0);
            }
        }
        if is_ours {
            let interfaces = [End::BoxIn, End::BoxOut].map(|end| wire.interface(end));
            let gate = &mut *self.gate;
            wire.inside(At::Box, || gate.set_interfaces(&interfaces, Mode::Driver))
                .expect("attached");
        }
        let napi = [End::BoxIn, End::BoxOut].map(|end| wire.napi(end));
        let haproxy = self.haproxy.as_ref().map(|haproxy| haproxy.process.id());
        let seconds = || {
            let kernel: f64 = napi.iter().map(cpu::Napi::seconds).sum();
            kernel + haproxy.map_or(0.0, cpu::process_seconds)
        };
        let time = self.time;
        let to = contestant.address();
        clients(wire, load, to, time / 5);
        let before = seconds();
        let amount = clients(wire, load, to, time);
        let used = seconds() - before;
        if is_ours {
            self.gate
                .set_interfaces(&[], Mode::Driver)
                .expect("detached");
        }
        amount / used
    }
}

/// Runs the clients for so long and gives what they got together: megabytes, or connections.
fn clients(wire: &Wire, load: Load, to: SocketAddr, time: Duration) -> f64 {
    let count = match load {
        Load::Download => DOWNLOADS,
        Load::Connect => CONNECTING,
    };
    wire.inside(At::Sender, || {
        cpu::pin_this_thread(cpu::ENDS);
        std::thread::scope(|scope| {
            let one = || {
                let end = Instant::now() + time;
                match load {
                    Load::Download => download(to, end),
                    Load::Connect => connect(to, end),
                }
            };
            let clients: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
            let results = clients
                .into_iter()
                .map(|client| client.join().expect("no panic"));
            results.map(|result| result.expect("an answer")).sum()
        })
    })
}

fn ask(to: SocketAddr, what: u8) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    stream.write_all(&[what])?;
    Ok(stream)
}

/// Megabytes until the end.
fn download(to: SocketAddr, end: Instant) -> io::Result<f64> {
    let mut stream = ask(to, ALL)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    while Instant::now() < end {
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => bytes += more,
        }
    }
    Ok(bytes as f64 / 1e6)
}

/// Connections, each of which got its byte, until the end.
fn connect(to: SocketAddr, end: Instant) -> io::Result<f64> {
    let mut connections = 0;
    while Instant::now() < end {
        let mut answer = Vec::new();
        ask(to, ONE)?.read_to_end(&mut answer)?;
        if answer != [ONE] {
            return Err(io::ErrorKind::InvalidData.into());
        }
        connections += 1;
    }
    Ok(f64::from(connections))
}

/// Starts the server, which ends with this process.
fn serve(wire: &Wire) {
    wire.inside(At::Server, || {
        cpu::pin_this_thread(cpu::ENDS);
        let listener = TcpListener::bind(("0.0.0.0", SERVICE)).expect("a listener");
        let listener = Arc::new(listener);
        for _ in 0..ACCEPTING {
            let listener = Arc::clone(&listener);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client that has enough goes away.
                    let _ = answer(stream);
                }
            });
        }
    });
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut what = [0];
    stream.read_exact(&mut what)?;
    if what == [ONE] {
        return stream.write_all(&what);
    }
    let chunk = vec![0; CHUNK_BYTES];
    loop {
        stream.write_all(&chunk)?;
    }
}

fn service() -> ServiceSpec {
    let server = format!("{SERVER}:{SERVICE}").parse().expect("an address");
    ServiceSpec {
        name: "tcp".to_owned(),
        address: Contestant::Services.address(),
        protocol: Protocol::Tcp,
        forwarding: Forwarding::Nat,
        affinity: balance::Affinity::Flow,
        idle: Duration::from_secs(60),
        endpoints: vec![ServiceEndpoint::new(server)],
    }
}

/// One thread of it in the box, ended with this.
struct Haproxy {
    process: Child,
}

impl Haproxy {
    fn start(wire: &Wire) -> Option<Self> {
        let section = |port, option| {
            format!(
                "listen l{port}\n  bind {BOX_TO_SENDER}:{port}\n  {option}\n  server s {SERVER}:{SERVICE}\n"
            )
        };
        let text = format!(
            "global\n  maxconn 4000\n  nbthread 1\n\
             defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n{}{}",
            section(HAPROXY, ""),
            section(HAPROXY_SPLICE, "option splice-auto")
        );
        let file = std::env::temp_dir().join(format!("{}.cfg", wire.interface(End::BoxIn)));
        std::fs::write(&file, text).ok()?;
        let mut command = wire.command(At::Box, "haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let haproxy = Self {
            process: process.ok()?,
        };
        let to = Contestant::Haproxy.address();
        let begun = Instant::now();
        let answers = wire.inside(At::Sender, || {
            loop {
                if TcpStream::connect_timeout(&to, PATIENCE).is_ok() {
                    return true;
                }
                if begun.elapsed() > PATIENCE {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let _ = std::fs::remove_file(&file);
        cpu::pin_process(haproxy.process.id(), cpu::BOX);
        answers.then_some(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
