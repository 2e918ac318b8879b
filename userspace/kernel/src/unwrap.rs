//! At an endpoint: packets that an L4 service sends through a tunnel are taken out, without a device for the tunnel.

use crate::gate::{self, AttachError, Mode, RunResult};
use crate::host;
use crate::object::UNWRAP_OBJECT;
use crate::services::address;
use abi::service::Address;
use abi::unwrap::{PROGRAM, SOURCES_MAX, counts, maps};
use aya::maps::{HashMap, MapData, MapError, PerCpuArray};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, Xdp};
use aya::{Ebpf, EbpfLoader};
use std::net::IpAddr;

/// The program on its interfaces, for as long as this lives.
pub struct Unwrap {
    counts: PerCpuArray<MapData, u64>,
    _links: Vec<FdLink>,
    ebpf: Ebpf,
}

/// What the program did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnwrapCounts {
    /// Packets that were taken out.
    pub unwrapped: u64,
    /// Passed to the kernel as they are: tunnels from other addresses, fragments, options.
    pub others: u64,
    /// Dropped: nothing inside that can be meant, or congestion that its sender could not be told of otherwise.
    pub dropped: u64,
}

impl Unwrap {
    /// Attaches to the interfaces; tunnels from these addresses end here.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing and what to do.
    pub fn attach(interfaces: &[String], mode: Mode, from: &[IpAddr]) -> Result<Self, AttachError> {
        let object = UNWRAP_OBJECT.ok_or(AttachError::NotBuilt)?;
        host::check_kernel()?;
        host::interfaces::check_present(interfaces)?;
        let mut ebpf = EbpfLoader::new()
            .load(object)
            .map_err(|error| AttachError::Load(Box::new(error)))?;
        let mut sources: HashMap<MapData, Address, u32> = take(&mut ebpf, maps::SOURCES)
            .and_then(HashMap::try_from)
            .map_err(AttachError::Map)?;
        for one in from {
            sources
                .insert(address(*one), 1, 0)
                .map_err(AttachError::Map)?;
        }
        let counts = take(&mut ebpf, maps::COUNTS)
            .and_then(PerCpuArray::try_from)
            .map_err(AttachError::Map)?;
        let program = ebpf
            .program_mut(PROGRAM)
            .ok_or(AttachError::Program(ProgramError::NotLoaded))?;
        let program: &mut Xdp = program.try_into().map_err(AttachError::Program)?;
        program.load().map_err(AttachError::Program)?;
        let links: Result<_, AttachError> = interfaces
            .iter()
            .map(|interface| Ok(gate::attach(program, interface, mode)?.0))
            .collect();
        Ok(Self {
            counts,
            _links: links?,
            ebpf,
        })
    }

    /// How many addresses tunnels may come from at most.
    pub const SOURCES_MAX: usize = SOURCES_MAX as usize;

    /// Runs the program on a packet that was on no wire. It is counted like any other.
    ///
    /// # Errors
    /// Where the kernel refuses the packet: it must be 14 bytes at least and fit a page.
    pub fn run(&self, packet: &[u8]) -> Result<RunResult, AttachError> {
        gate::run(&self.ebpf, PROGRAM, packet, 1)
    }

    /// What it did so far.
    ///
    /// # Errors
    /// [`AttachError::Map`] where the kernel does not tell.
    pub fn counts(&self) -> Result<UnwrapCounts, AttachError> {
        let sum = |number| -> Result<u64, AttachError> {
            let cpus = self.counts.get(&number, 0).map_err(AttachError::Map)?;
            Ok(cpus.iter().sum())
        };
        Ok(UnwrapCounts {
            unwrapped: sum(counts::UNWRAPPED)?,
            others: sum(counts::OTHERS)?,
            dropped: sum(counts::DROPPED)?,
        })
    }
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map, MapError> {
    ebpf.take_map(name).ok_or_else(|| MapError::InvalidName {
        name: name.to_owned(),
    })
}
