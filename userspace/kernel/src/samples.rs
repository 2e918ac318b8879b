//! Samples of packets that the gate dropped: read from its ring and kept by the ban, or the source, that they belong to.

mod decode;

pub use decode::{Carried, Headers};

use crate::clock;
use abi::{Reason, Sample};
use aya::maps::{Map, MapData, MapError, PerCpuArray, RingBuf};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::IpNet;

/// Samples that are kept of each ban, and of each source that no ban dropped; older ones are forgotten.
const KEPT: usize = 8;
/// Bans that have samples, and as many sources beside them: two megabytes at most. A further one takes the place of the one
/// that was sampled longest ago.
const TARGETS: usize = 1024;
/// Samples that are read at once; the rest of the ring waits for the next time.
const READ_MAX: usize = 4096;

/// The samples of a gate. Cheap to clone; lives on when the gate is gone.
#[derive(Clone)]
pub struct Samples {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    ring: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    kept: Kept,
    taken: u64,
}

/// A packet that the gate dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketSample {
    /// How long ago.
    pub age: Duration,
    /// Where it came from; unspecified where that could not be read.
    pub source: IpAddr,
    /// Why it was dropped.
    pub reason: Reason,
    /// The ban that dropped it, if one did.
    pub ban: Option<IpNet>,
    /// The number of the interface that it came in by.
    pub interface: u32,
    /// Bytes of the frame.
    pub bytes: u32,
    /// Its headers, no payload.
    pub head: Vec<u8>,
}

impl PacketSample {
    /// What its headers say.
    #[must_use]
    pub fn headers(&self) -> Headers {
        decode::headers(&self.head)
    }
}

/// How many samples there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Read from the ring.
    pub taken: u64,
    /// Lost because the ring was full.
    pub lost: u64,
}

impl Samples {
    pub(crate) fn new(
        mut map: impl FnMut(&str) -> Result<Map, MapError>,
    ) -> Result<Self, MapError> {
        let shared = Shared {
            ring: map(abi::maps::SAMPLES)?.try_into()?,
            lost: map(abi::maps::SAMPLES_LOST)?.try_into()?,
            kept: Kept::default(),
            taken: 0,
        };
        Ok(Self {
            shared: Arc::new(Mutex::new(shared)),
        })
    }

    /// Empties the ring. To be called a few times a second: a full one loses what comes.
    pub fn read(&self) {
        let shared = &mut *self.lock();
        for _ in 0..READ_MAX {
            let Some(record) = shared.ring.next() else {
                break;
            };
            if let Some(sample) = decode::sample(&record) {
                shared.kept.take(sample);
                shared.taken = shared.taken.saturating_add(1);
            }
        }
    }

    /// The last packets that a ban dropped, the newest first.
    #[must_use]
    pub fn of_ban(&self, ban: &IpNet) -> Vec<PacketSample> {
        self.read();
        self.lock().kept.bans.of(ban)
    }

    /// The last packets of an address that were dropped for other reasons than a ban, the newest first.
    #[must_use]
    pub fn of_source(&self, source: IpAddr) -> Vec<PacketSample> {
        self.read();
        self.lock().kept.sources.of(&source.to_canonical().into())
    }

    /// How many there were, of this gate and this process.
    #[must_use]
    pub fn counts(&self) -> SampleCounts {
        let shared = self.lock();
        let lost = shared.lost.get(&0, 0);
        SampleCounts {
            taken: shared.taken,
            lost: lost.map_or(0, |cpus| cpus.iter().sum()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every sample is kept as a whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Kept {
    bans: Pool,
    sources: Pool,
}

impl Kept {
    fn take(&mut self, sample: Sample) {
        let address = Ipv6Addr::from(sample.source).to_canonical();
        match ban(&sample) {
            Some(ban) => self.bans.take(ban, sample),
            None => self.sources.take(address.into(), sample),
        }
    }
}

/// The ban that dropped a packet.
fn ban(sample: &Sample) -> Option<IpNet> {
    let address = Ipv6Addr::from(sample.source).to_canonical();
    let prefix = IpNet::new(address, sample.prefix_len).ok()?;
    (sample.prefix_len != 0).then(|| prefix.trunc())
}

/// The last samples of the targets that were sampled last.
#[derive(Default)]
struct Pool {
    targets: HashMap<IpNet, VecDeque<Sample>>,
}

impl Pool {
    fn take(&mut self, target: IpNet, sample: Sample) {
        if self.targets.len() >= TARGETS && !self.targets.contains_key(&target) {
            let newest = |samples: &VecDeque<Sample>| samples.back().map(|last| last.time_ns);
            let oldest = self.targets.iter().min_by_key(|(_, kept)| newest(kept));
            if let Some(oldest) = oldest.map(|(target, _)| *target) {
                self.targets.remove(&oldest);
            }
        }
        let samples = self.targets.entry(target).or_default();
        if samples.len() >= KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    fn of(&self, target: &IpNet) -> Vec<PacketSample> {
        let now_ns = clock::boot_ns();
        let samples = self.targets.get(target).into_iter().flatten().rev();
        samples.filter_map(|sample| shown(sample, now_ns)).collect()
    }
}

fn shown(sample: &Sample, now_ns: u64) -> Option<PacketSample> {
    let head = sample.head.get(..usize::from(sample.head_bytes))?;
    Some(PacketSample {
        age: Duration::from_nanos(now_ns.saturating_sub(sample.time_ns)),
        source: Ipv6Addr::from(sample.source).to_canonical(),
        reason: *Reason::ALL.get(sample.reason as usize)?,
        ban: ban(sample),
        interface: sample.interface,
        bytes: sample.bytes,
        head: head.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(last: u16, prefix_len: u8, time_ns: u64) -> Sample {
        let [high, low] = last.to_be_bytes();
        Sample {
            time_ns,
            source: std::net::Ipv4Addr::new(10, 0, high, low)
                .to_ipv6_mapped()
                .octets(),
            reason: Reason::DropExactV4 as u32,
            interface: 2,
            bytes: 60,
            head_bytes: 2,
            prefix_len,
            reserved: 0,
            head: [7; abi::SAMPLE_HEAD_BYTES],
        }
    }

    #[test]
    fn the_last_samples_of_each_ban_are_kept() {
        let mut kept = Kept::default();
        for time in 0..20 {
            kept.take(sample(1, 32, time));
            kept.take(sample(time as u16, 24, time));
        }
        kept.take(sample(1, 0, 21));
        let address: IpNet = "10.0.0.1/32".parse().expect("an address");
        let own = kept.bans.of(&address);
        assert_eq!(
            (own.len(), own[0].ban, own[0].head.len()),
            (KEPT, Some(address), 2)
        );
        assert!(own[0].age < own[1].age, "the newest first");
        let prefix: IpNet = "10.0.0.0/24".parse().expect("a prefix");
        assert_eq!(kept.bans.of(&prefix).len(), KEPT);
        assert_eq!(kept.sources.of(&address).len(), 1);
    }

    #[test]
    fn a_flood_of_sources_pushes_out_the_ones_that_are_silent() {
        let mut kept = Kept::default();
        kept.take(sample(1, 32, 1));
        for number in 0..3000 {
            kept.take(sample(number, 0, u64::from(number) + 2));
        }
        assert_eq!(kept.sources.targets.len(), TARGETS);
        assert!(
            kept.sources
                .of(&"10.0.0.1/32".parse().expect("an address"))
                .is_empty()
        );
        assert_eq!(
            kept.bans
                .of(&"10.0.0.1/32".parse().expect("an address"))
                .len(),
            1
        );
    }
}
