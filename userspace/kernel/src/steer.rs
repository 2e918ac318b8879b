//! Which worker gets a new connection: what workers publish of their load, and the program that chooses by it.
//!
//! [`Loads`] is there with and without the program, so workers publish alike. [`Steering`] is the program over the sockets of
//! listeners; without it the kernel's own hash chooses, which knows no load.

mod loads;

pub use loads::{Loads, WorkerLoad};

use crate::gate::AttachError;
use crate::host;
use crate::object::STEER_OBJECT;
use crate::privilege;
use abi::steer::{GROUPS_MAX, Group, Listening, PROGRAM, WORKERS_MAX, maps};
use aya::maps::{HashMap as BpfHash, Map, MapData, MapError, SockMap};
use aya::programs::{ProgramError, SkReuseport};
use aya::{Ebpf, EbpfLoader};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

/// How long a socket may be in the array of a process that has just ended: the kernel takes such an array down a moment later.
const FREE_WAIT: Duration = Duration::from_millis(10);
const FREE_WAITS: u32 = 50;

/// The program over the sockets of listeners. Dropping it leaves new connections to the kernel's hash.
pub struct Steering {
    ebpf: Ebpf,
    sockets: SockMap<MapData>,
    groups: BpfHash<MapData, Listening, Group>,
    placed: HashMap<SocketAddr, u32>,
    workers: u32,
}

impl Steering {
    /// Loads the program for so many workers, and gives what they publish their load in.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing and what to do.
    pub fn load(workers: usize) -> Result<(Self, Loads), AttachError> {
        privilege::with(|| Self::load_here(workers))
    }

    fn load_here(workers: usize) -> Result<(Self, Loads), AttachError> {
        let object = STEER_OBJECT.ok_or(AttachError::NotBuilt)?;
        host::check_kernel()?;
        let count = u32::try_from(workers).unwrap_or(u32::MAX);
        if count > WORKERS_MAX {
            return Err(AttachError::TooManyWorkers {
                found: workers,
                limit: WORKERS_MAX,
            });
        }
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(maps::SOCKETS, GROUPS_MAX * count)
            .load(object)
            .map_err(|error| AttachError::Load(Box::new(error)))?;
        program(&mut ebpf)?.load().map_err(AttachError::Program)?;
        let mut take = |name: &str| {
            let missing = || MapError::InvalidName {
                name: name.to_owned(),
            };
            ebpf.take_map(name).ok_or_else(missing)
        };
        let sockets = take(maps::SOCKETS).and_then(SockMap::try_from);
        let groups = take(maps::GROUPS).and_then(BpfHash::try_from);
        let loads = match take(maps::LOADS).map_err(AttachError::Map)? {
            Map::Array(data) => Loads::mapped(data, workers).map_err(AttachError::Loads)?,
            _ => return Err(AttachError::NotBuilt),
        };
        let steering = Self {
            sockets: sockets.map_err(AttachError::Map)?,
            groups: groups.map_err(AttachError::Map)?,
            ebpf,
            placed: HashMap::new(),
            workers: count,
        };
        Ok((steering, loads))
    }

    /// Steers connections to exactly these listeners, each with its sockets in the order of workers. Sockets beyond the number
    /// of workers get no further connections; a listener with fewer sockets than workers is left to the kernel's hash, as is
    /// one beyond the limit ([`abi::steer::GROUPS_MAX`]).
    ///
    /// # Errors
    /// The kernel refused a step; that listener is left to its hash.
    pub fn follow(
        &mut self,
        listeners: &[(SocketAddr, Vec<TcpListener>)],
    ) -> Result<(), AttachError> {
        let gone: Vec<SocketAddr> = self
            .placed
            .keys()
            .filter(|address| !listeners.iter().any(|(wanted, _)| wanted == *address))
            .copied()
            .collect();
        for address in gone {
            self.remove(address);
        }
        for (address, sockets) in listeners {
            if !self.placed.contains_key(address) && sockets.len() >= self.workers as usize {
                self.add(*address, sockets)?;
            }
        }
        Ok(())
    }

    /// The listeners that are steered.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.placed.len()
    }

    /// Lets go of all sockets, so that another process can take them.
    pub fn release(&mut self) {
        let placed: Vec<SocketAddr> = self.placed.keys().copied().collect();
        for address in placed {
            self.remove(address);
        }
    }

    fn add(&mut self, address: SocketAddr, sockets: &[TcpListener]) -> Result<(), AttachError> {
        let taken: Vec<u32> = self.placed.values().copied().collect();
        let free = (0..GROUPS_MAX)
            .map(|place| place * self.workers)
            .find(|first| !taken.contains(first));
        let Some(first) = free else {
            return Ok(());
        };
        for (index, socket) in (first..first + self.workers).zip(sockets) {
            if let Err(error) = self.place(index, socket) {
                self.clear(first);
                return Err(AttachError::Map(error));
            }
        }
        let group = Group {
            first,
            workers: self.workers,
        };
        let outcome = self
            .groups
            .insert(listening(address), group, 0)
            .map_err(AttachError::Map)
            .and_then(|()| match sockets.first() {
                Some(socket) => program(&mut self.ebpf)?
                    .attach(socket)
                    .map_err(AttachError::Program),
                None => Ok(()),
            });
        self.placed.insert(address, first);
        if outcome.is_err() {
            self.remove(address);
        }
        outcome
    }

    fn place(&mut self, index: u32, socket: &TcpListener) -> Result<(), MapError> {
        const ANY: u64 = 0;
        let mut waits = 0;
        loop {
            match self.sockets.set(index, socket, ANY) {
                Err(MapError::SyscallError(error))
                    if error.io_error.raw_os_error() == Some(libc::EBUSY) && waits < FREE_WAITS =>
                {
                    // It is in an array of an older version, whose process died while somebody else had the socket open. The
                    // group has its program still, which keeps the array.
                    let _ = SkReuseport::detach(socket);
                    std::thread::sleep(FREE_WAIT);
                    waits += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn remove(&mut self, address: SocketAddr) {
        if let Some(first) = self.placed.remove(&address) {
            // Not there any more: then it is removed.
            let _ = self.groups.remove(&listening(address));
            self.clear(first);
        }
    }

    fn clear(&mut self, first: u32) {
        for index in first..first + self.workers {
            // A socket that was closed has left by itself.
            let _ = self.sockets.clear_index(&index);
        }
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut SkReuseport, AttachError> {
    let program = ebpf
        .program_mut(PROGRAM)
        .ok_or(AttachError::Program(ProgramError::NotLoaded))?;
    program.try_into().map_err(AttachError::Program)
}

/// The key of an address, as the program makes it of a socket.
fn listening(address: SocketAddr) -> Listening {
    let mut words = [0; 4];
    let version = match address.ip() {
        IpAddr::V4(address) => {
            words[0] = u32::from_ne_bytes(address.octets());
            4
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            for (word, four) in words.iter_mut().zip(octets.as_chunks().0) {
                *word = u32::from_ne_bytes(*four);
            }
            6
        }
    };
    Listening {
        address: words,
        port: u32::from(address.port()),
        version,
    }
}
