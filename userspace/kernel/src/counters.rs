//! What the gate counted.

use crate::gate::AttachError;
use abi::{Counter, Reason};
use aya::maps::{Map, MapData, MapError, PerCpuArray};
use std::sync::Arc;

/// Reads the gate's counters. Cheap to clone; lives on when the gate is gone.
#[derive(Clone)]
pub struct Counters {
    map: Arc<PerCpuArray<MapData, Counter>>,
}

/// The counters cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the counters of the XDP gate: {0}")]
pub struct CounterError(#[from] MapError);

/// One reason's counter, summed over all CPUs. It starts at 0 when the maps are made, not when the process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSample {
    /// Why the packets passed or were dropped.
    pub reason: Reason,
    /// How many.
    pub packets: u64,
    /// Their bytes from the Ethernet header on.
    pub bytes: u64,
}

impl Counters {
    pub(crate) fn new(map: Map) -> Result<Self, AttachError> {
        Ok(Self {
            map: Arc::new(PerCpuArray::try_from(map).map_err(AttachError::Map)?),
        })
    }

    /// Every reason's counter, in the order of [`Reason::ALL`].
    ///
    /// # Errors
    /// Where the kernel refuses to read the map, which it does not while we may attach programs.
    pub fn read(&self) -> Result<Vec<CounterSample>, CounterError> {
        Reason::ALL.iter().map(|reason| self.sum(*reason)).collect()
    }

    /// One reason's counter.
    ///
    /// # Errors
    /// As [`Counters::read`].
    pub fn sum(&self, reason: Reason) -> Result<CounterSample, CounterError> {
        let cpus = self.map.get(&(reason as u32), 0)?;
        let zero = CounterSample {
            reason,
            packets: 0,
            bytes: 0,
        };
        Ok(cpus.iter().fold(zero, |sum, cpu| CounterSample {
            reason,
            packets: sum.packets.wrapping_add(cpu.packets),
            bytes: sum.bytes.wrapping_add(cpu.bytes),
        }))
    }
}
