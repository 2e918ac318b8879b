//! The program that makes the traffic (`ebpf/programs/src/traffic.rs`), from user space.

use crate::support::packet::{CLIENT_PORT, SERVER_PORT};
use abi::traffic::{PROGRAM, Plan, SINK, maps};
use aya::Ebpf;
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{ProgramFd, TestRun, TestRunAttrs, TestRunOptions, Xdp, loaded_programs};
use kernel::Gate;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Hops of each packet: more than a test takes.
const HOPS: u8 = 255;
/// Frames that are sent together; the kernel's page pool and its limit are of this size.
const BATCH: u32 = 256;

/// Loaded for one thread's measurements.
pub(crate) struct Traffic {
    ebpf: Ebpf,
    plan: Array<MapData, Plan>,
    target: ProgramArray<MapData>,
}

/// A kind of packets: a frame, and what differs from one to the next.
#[derive(Clone)]
pub(crate) struct Packets {
    pub(crate) frame: Vec<u8>,
    pub(crate) plan: Plan,
}

impl Packets {
    /// A frame of one flow, without tags, options or extension headers.
    pub(crate) fn new(frame: Vec<u8>, source: &str, destination: &str) -> Self {
        let source: IpAddr = source.parse().expect("an address");
        let plan = Plan {
            source: words(source),
            destination: words(destination.parse().expect("an address")),
            flows: 1,
            port_bits: 0,
            source_step: 1,
            source_word: 3,
            destinations: 1,
            interface: 0,
            bytes: u32::try_from(frame.len()).expect("a frame"),
            source_port: CLIENT_PORT,
            destination_port: SERVER_PORT,
            hops: HOPS,
            is_v6: u8::from(source.is_ipv6()),
            tcp: 0,
            ether_type: u16::from_ne_bytes([frame[12], frame[13]]),
            receiver: [0, 2, 4].map(|at| u16::from_ne_bytes([frame[at], frame[at + 1]])),
        };
        Self { frame, plan }
    }

    /// So many flows, each with an address of its own.
    pub(crate) fn flows(mut self, flows: u32) -> Self {
        self.plan.flows = flows;
        self
    }

    /// The addresses' distance to each other, in a word of the address.
    pub(crate) fn step(mut self, step: u32, word: u32) -> Self {
        (self.plan.source_step, self.plan.source_word) = (step, word);
        self
    }

    /// So many flows share an address, as a power of two.
    pub(crate) fn port_bits(mut self, bits: u32) -> Self {
        self.plan.port_bits = bits;
        self
    }

    /// So many destinations, one behind the other.
    pub(crate) fn destinations(mut self, destinations: u32) -> Self {
        self.plan.destinations = destinations;
        self
    }

    /// Every packet gets these flags of TCP, which stand in its frame now.
    pub(crate) fn keep_flags(mut self) -> Self {
        let at = if self.plan.is_v6 == 0 { 46 } else { 66 };
        self.plan.tcp = u16::from_ne_bytes([self.frame[at], self.frame[at + 1]]);
        self
    }
}

impl Traffic {
    pub(crate) fn load(object: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", object.display());
        let bytes = std::fs::read(object).map_err(|error| failed(&error))?;
        let mut ebpf = Ebpf::load(&bytes).map_err(|error| failed(&error))?;
        for name in [PROGRAM, SINK] {
            let program = ebpf.program_mut(name).ok_or_else(|| failed(&name))?;
            let program: &mut Xdp = program.try_into().map_err(|error| failed(&error))?;
            program.load().map_err(|error| failed(&error))?;
        }
        let mut map = |name: &str| ebpf.take_map(name).ok_or_else(|| failed(&name));
        let plan = Array::try_from(map(maps::PLAN)?).map_err(|error| failed(&error))?;
        let target = ProgramArray::try_from(map(maps::TARGET)?).map_err(|error| failed(&error))?;
        Ok(Self { ebpf, plan, target })
    }

    /// Nanoseconds that the gate takes for one of these packets, `repeat` of them in turn: the time of both less that of the
    /// traffic.
    pub(crate) fn cost(&mut self, gate: &Gate, packets: &Packets, repeat: u32) -> f64 {
        self.aim(&descriptor(gate));
        let both = self.run(packets, repeat);
        self.aim_at_sink();
        both - self.run(packets, repeat)
    }

    /// Lets the gate see packets without taking the time.
    pub(crate) fn warm(&mut self, gate: &Gate, packets: &Packets, repeat: u32) {
        self.aim(&descriptor(gate));
        self.run(packets, repeat);
    }

    /// Sends so many of them by an interface of this thread's namespace.
    pub(crate) fn send(&mut self, packets: &Packets, interface: u32, count: u32) {
        let mut packets = packets.clone();
        packets.plan.interface = interface;
        self.plan.set(0, packets.plan, 0).expect("a plan");
        let mut options = TestRunOptions::new();
        options.data_in = Some(&packets.frame);
        options.repeat = count;
        options.attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
        self.program(PROGRAM).test_run(options).expect("frames");
    }

    /// The program that drops everything, to be attached to the end of a cable.
    pub(crate) fn sink(&self) -> ProgramFd {
        let descriptor = self.program(SINK).fd().expect("loaded");
        descriptor.try_clone().expect("a descriptor")
    }

    fn run(&mut self, packets: &Packets, repeat: u32) -> f64 {
        self.plan.set(0, packets.plan, 0).expect("a plan");
        let mut options = TestRunOptions::new();
        options.data_in = Some(&packets.frame);
        options.repeat = repeat;
        let result = self.program(PROGRAM).test_run(options).expect("it runs");
        assert_ne!(result.return_value, 0, "the traffic reaches its target");
        result.duration.as_nanos() as f64
    }

    fn aim(&mut self, target: &ProgramFd) {
        self.target.set(0, target, 0).expect("a program");
    }

    fn aim_at_sink(&mut self) {
        let sink = self.sink();
        self.aim(&sink);
    }

    fn program(&self, name: &str) -> &Xdp {
        let program = self.ebpf.program(name).expect("a program");
        program.try_into().expect("an XDP program")
    }
}

fn descriptor(gate: &Gate) -> ProgramFd {
    let wanted = gate.program_id().expect("a gate");
    let mut all = loaded_programs().filter_map(Result::ok);
    let program = all.find(|program| program.id() == wanted);
    program
        .expect("the gate is loaded")
        .fd()
        .expect("a descriptor")
}

/// An address in the words of a packet; IPv4 in the last one.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [0, 0, 0, u32::from_ne_bytes(address.octets())],
        IpAddr::V6(address) => {
            let octets = address.octets();
            let word = |at: usize| {
                u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
            };
            [word(0), word(4), word(8), word(12)]
        }
    }
}

/// Attaches a program to an interface of this thread's namespace, for as long as the result lives.
pub(crate) fn attach(program: &ProgramFd, interface: &str) -> OwnedFd {
    crate::support::pass::attach_program(program.as_fd(), interface)
}
