//! Listeners that serve prefixes and ranges of ports without a socket for each address: the program that finds a listening
//! socket for what nobody is bound to.
//!
//! Program and maps are this process's own. In an upgrade the next process attaches its program beside ours, with the same
//! sockets: the kernel runs both, and takes the socket of the first that names one. So there is no moment without.

mod plan;

pub use abi::lookup::{PREFIXES_MAX, SOCKETS_MAX};

use crate::gate::AttachError;
use crate::host;
use crate::object::LOOKUP_OBJECT;
use crate::privilege;
use abi::lookup::{KEY_BITS, KeyV4, KeyV6, PROGRAM, Ports, RANGES_MAX, Range, SIDES, maps};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, MapData, MapError, SockMap};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, SkLookup};
use aya::{Ebpf, EbpfLoader};
use plan::Plan;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use types::IpNet;

/// What runs over IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    const fn protocol(self) -> u8 {
        match self {
            Self::Tcp => libc::IPPROTO_TCP as u8,
            Self::Udp => libc::IPPROTO_UDP as u8,
        }
    }
}

/// Whose a prefix and its ports are. Of two rules the one with the longer prefix counts; two of the same prefix should not
/// have a port in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupRule {
    /// TCP or UDP.
    pub transport: Transport,
    /// The prefix.
    pub net: IpNet,
    /// The ports.
    pub ports: RangeInclusive<u16>,
    /// The index of the listener; none: left to bound sockets.
    pub listener: Option<usize>,
}

/// A listener: what it is bound to, and one of its sockets.
pub type LookupSocket<'a> = ((Transport, SocketAddr), BorrowedFd<'a>);

/// Why a change was not taken. What was in force is.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There are too many of something.
    #[error("{found} {what}, and {limit} are the limit; write fewer and wider ones")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: u32,
    },
    /// A rule names a listener that there is not.
    #[error("a rule names listener {listener}, which has no socket")]
    Listener {
        /// Its index.
        listener: usize,
    },
    /// The kernel refused a step.
    #[error("the kernel refused a change of prefixes: {0}")]
    Map(#[from] MapError),
}

/// The program in the network namespace of the thread that loaded it. Dropping it leaves everything to bound sockets.
pub struct Lookup {
    ebpf: Ebpf,
    link: Option<FdLink>,
    side: Array<MapData, u32>,
    prefixes_v4: LpmTrie<MapData, KeyV4, Ports>,
    prefixes_v6: LpmTrie<MapData, KeyV6, Ports>,
    ranges: Array<MapData, Range>,
    sockets: SockMap<MapData>,
    /// Which side counts.
    active: u8,
    /// The prefixes on each side.
    written: [Vec<(Transport, IpNet)>; SIDES as usize],
    places: Places,
    /// What was prepared and is not in force yet.
    staged: Option<Places>,
}

/// Which place each listener's socket has.
type Places = BTreeMap<(Transport, SocketAddr), u32>;

impl Lookup {
    /// Loads the program and attaches it to the network namespace of this thread, with no rules yet.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing and what to do.
    pub fn load() -> Result<Self, AttachError> {
        privilege::with(Self::load_here)
    }

    fn load_here() -> Result<Self, AttachError> {
        let object = LOOKUP_OBJECT.ok_or(AttachError::NotBuilt)?;
        host::check_kernel()?;
        let mut ebpf = EbpfLoader::new()
            .load(object)
            .map_err(|error| AttachError::Load(Box::new(error)))?;
        program(&mut ebpf)?.load().map_err(AttachError::Program)?;
        let mut take = |name: &str| {
            let missing = || MapError::InvalidName {
                name: name.to_owned(),
            };
            ebpf.take_map(name).ok_or_else(missing)
        };
        let maps = (|| {
            Ok((
                take(maps::SIDE)?.try_into()?,
                take(maps::PREFIXES_V4)?.try_into()?,
                take(maps::PREFIXES_V6)?.try_into()?,
                take(maps::RANGES)?.try_into()?,
                take(maps::SOCKETS)?.try_into()?,
            ))
        })();
        let (side, prefixes_v4, prefixes_v6, ranges, sockets) = maps.map_err(AttachError::Map)?;
        let mut lookup = Self {
            ebpf,
            link: None,
            side,
            prefixes_v4,
            prefixes_v6,
            ranges,
            sockets,
            active: 0,
            written: Default::default(),
            places: BTreeMap::new(),
            staged: None,
        };
        lookup.attach()?;
        Ok(lookup)
    }

    fn attach(&mut self) -> Result<(), AttachError> {
        const NAMESPACE: &str = "/proc/thread-self/ns/net";
        let namespace = File::open(NAMESPACE).map_err(|error| AttachError::Pin {
            path: NAMESPACE.into(),
            error,
        })?;
        let program = program(&mut self.ebpf)?;
        let link = program
            .attach(namespace)
            .and_then(|id| program.take_link(id))
            .map_err(AttachError::Program)?;
        self.link = Some(link.into());
        Ok(())
    }

    /// Prepares exactly these rules: everything that can fail. They are in force from [`Lookup::commit`] on; until then those
    /// are that were.
    ///
    /// # Errors
    /// [`LookupError`]; nothing has changed then.
    pub fn stage(
        &mut self,
        rules: &[LookupRule],
        listeners: &[LookupSocket<'_>],
    ) -> Result<(), LookupError> {
        self.unstage();
        let mut places = Places::new();
        let mut free = {
            let taken: HashSet<u32> = self.places.values().copied().collect();
            (0..SOCKETS_MAX).filter(move |place| !taken.contains(place))
        };
        for (key, _) in listeners {
            let known = self.places.get(key).copied();
            let place = known.or_else(|| free.next()).ok_or(LookupError::TooMany {
                what: "listeners with `addresses`",
                found: listeners.len(),
                limit: SOCKETS_MAX,
            })?;
            places.insert(*key, place);
        }
        let plan = plan::plan(rules, |listener| {
            let (key, _) = listeners.get(listener)?;
            places.get(key).copied()
        })?;
        check_limits(&plan)?;
        self.staged = Some(places.clone());
        let written = self
            .put(&places, listeners)
            .and_then(|()| self.write(&plan));
        written.inspect_err(|_| self.unstage())
    }

    fn put(&mut self, places: &Places, listeners: &[LookupSocket<'_>]) -> Result<(), LookupError> {
        for (key, socket) in listeners {
            if let Some(place) = places.get(key) {
                // A listener may have come to other sockets than it had.
                self.sockets.set(*place, socket, 0)?;
            }
        }
        Ok(())
    }

    /// Puts what was prepared in force, in one step.
    ///
    /// # Errors
    /// The kernel refuses to write one number.
    pub fn commit(&mut self) -> Result<(), LookupError> {
        let Some(staged) = self.staged.take() else {
            return Ok(());
        };
        self.active = self.other();
        self.side.set(0, u32::from(self.active), 0)?;
        let before = std::mem::replace(&mut self.places, staged);
        for (key, place) in before {
            if !self.places.contains_key(&key) {
                // A socket that was closed has left by itself.
                let _ = self.sockets.clear_index(&place);
            }
        }
        Ok(())
    }

    /// Forgets what was prepared.
    pub fn unstage(&mut self) {
        if let Some(staged) = self.staged.take() {
            for (key, place) in staged {
                if !self.places.contains_key(&key) {
                    let _ = self.sockets.clear_index(&place);
                }
            }
        }
    }

    /// How many prefixes are in force.
    #[must_use]
    pub fn prefixes(&self) -> usize {
        self.written
            .get(usize::from(self.active))
            .map_or(0, Vec::len)
    }

    fn other(&self) -> u8 {
        1 - self.active
    }

    /// Writes a plan to the side that does not count.
    fn write(&mut self, plan: &Plan) -> Result<(), LookupError> {
        let side = self.other();
        self.clear(side);
        let mut next = u32::from(side) * RANGES_MAX;
        for ((transport, net), ranges) in plan {
            let ports = Ports {
                first: next,
                count: u32::try_from(ranges.len()).unwrap_or(u32::MAX),
            };
            for range in ranges {
                self.ranges.set(next, *range, 0)?;
                next += 1;
            }
            self.insert(side, *transport, net, ports)?;
            if let Some(written) = self.written.get_mut(usize::from(side)) {
                written.push((*transport, *net));
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        side: u8,
        transport: Transport,
        net: &IpNet,
        ports: Ports,
    ) -> Result<(), MapError> {
        match net {
            IpNet::V4(_) => self
                .prefixes_v4
                .insert(&key_v4(side, transport, net), ports, 0),
            IpNet::V6(_) => self
                .prefixes_v6
                .insert(&key_v6(side, transport, net), ports, 0),
        }
    }

    fn clear(&mut self, side: u8) {
        let written = self.written.get_mut(usize::from(side));
        for (transport, net) in written.map(std::mem::take).unwrap_or_default() {
            // Not there: then it is cleared.
            let _ = match net {
                IpNet::V4(_) => self.prefixes_v4.remove(&key_v4(side, transport, &net)),
                IpNet::V6(_) => self.prefixes_v6.remove(&key_v6(side, transport, &net)),
            };
        }
    }
}

fn check_limits(plan: &Plan) -> Result<(), LookupError> {
    let of = |v4: bool| {
        plan.keys()
            .filter(|(_, net)| matches!(net, IpNet::V4(_)) == v4)
            .count()
    };
    let ranges: usize = plan.values().map(Vec::len).sum();
    for (what, found, limit) in [
        ("IPv4 prefixes", of(true), PREFIXES_MAX),
        ("IPv6 prefixes", of(false), PREFIXES_MAX),
        (
            "ranges of ports, those included that a prefix has from a wider one",
            ranges,
            RANGES_MAX,
        ),
    ] {
        if found > limit as usize {
            return Err(LookupError::TooMany { what, found, limit });
        }
    }
    Ok(())
}

fn key_v4(side: u8, transport: Transport, net: &IpNet) -> Key<KeyV4> {
    let address = match net {
        IpNet::V4(net) => net.addr().octets(),
        IpNet::V6(_) => [0; 4],
    };
    let key = KeyV4 {
        side,
        protocol: transport.protocol(),
        reserved: [0; 2],
        address,
    };
    Key::new(KEY_BITS + u32::from(net.prefix_len()), key)
}

fn key_v6(side: u8, transport: Transport, net: &IpNet) -> Key<KeyV6> {
    let address = match net {
        IpNet::V6(net) => net.addr().octets(),
        IpNet::V4(_) => [0; 16],
    };
    let key = KeyV6 {
        side,
        protocol: transport.protocol(),
        reserved: [0; 2],
        address,
    };
    Key::new(KEY_BITS + u32::from(net.prefix_len()), key)
}

fn program(ebpf: &mut Ebpf) -> Result<&mut SkLookup, AttachError> {
    let program = ebpf
        .program_mut(PROGRAM)
        .ok_or(AttachError::Program(ProgramError::NotLoaded))?;
    program.try_into().map_err(AttachError::Program)
}
