//! Bytes of connections that move from socket to socket in the kernel (sockmap), without the worker.
//!
//! [`Relay`] belongs to one worker. [`Relay::join`] hands a connection over: from then on the program gives what either socket
//! receives to the other one, counts it ([`Relayed::handed`]), and leaves to the worker what it cannot give on, above all
//! where a reader is slower than its sender: nothing waits in the kernel without a bound. `abi::relay` says how both take turns.

mod btf;
mod sides;

pub use sides::{Direction, Relayed};

use crate::gate::AttachError;
use crate::host;
use crate::object::RELAY_OBJECT;
use abi::relay::{PROGRAM, WRITE_SEQ, maps};
use aya::maps::{HashMap as BpfHash, Map, MapData, MapError, RingBuf, SockMap};
use aya::programs::{ProgramError, SkSkb};
use aya::{Ebpf, EbpfLoader};
use sides::Sides;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Connections that one worker can hand over at one time. Of further ones it moves the bytes itself.
pub const RELAYED_MAX: usize = 4096;

/// Bytes that may wait in the kernel for one side, beside its send buffer.
pub const RELAY_QUEUE_BYTES: u32 = abi::relay::QUEUE_BYTES;

/// The program, and the connections of one worker that it serves. Dropping it leaves all sockets to their owners.
pub struct Relay {
    places: BpfHash<MapData, u64, u32>,
    sockets: SockMap<MapData>,
    calls: RingBuf<MapData>,
    sides: Sides,
    /// The even places of connections that there is room for.
    free: Vec<u32>,
    _ebpf: Ebpf,
}

/// Why a connection cannot be handed over. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no place for one more.
    #[error("as many connections as the map has room for")]
    Full,
    /// The kernel does not take it: it has ended meanwhile, or is not TCP.
    #[error("the kernel does not take the connection: {0}")]
    Refused(#[source] MapError),
    /// The socket cannot be told from others.
    #[error("no cookie of the socket: {0}")]
    Cookie(#[source] io::Error),
}

impl Relay {
    /// Loads the program, with room for so many connections.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing and what to do.
    pub fn load(connections: usize) -> Result<Self, AttachError> {
        let object = RELAY_OBJECT.ok_or(AttachError::NotBuilt)?;
        host::check_kernel()?;
        let offset = btf::offset_of("tcp_sock", "write_seq").map_err(AttachError::NoBtf)?;
        let count = u32::try_from(connections.clamp(1, 1 << 20) * 2).unwrap_or(u32::MAX);
        let mut ebpf = EbpfLoader::new()
            .override_global(WRITE_SEQ, &offset, true)
            .map_max_entries(maps::PLACES, count)
            .map_max_entries(maps::SOCKETS, count)
            .map_max_entries(maps::SIDES, count)
            .load(object)
            .map_err(|error| AttachError::Load(Box::new(error)))?;
        let mut take = |name: &str| {
            let missing = || {
                AttachError::Map(MapError::InvalidName {
                    name: name.to_owned(),
                })
            };
            ebpf.take_map(name).ok_or_else(missing)
        };
        let places = BpfHash::try_from(take(maps::PLACES)?).map_err(AttachError::Map)?;
        let sockets = SockMap::try_from(take(maps::SOCKETS)?).map_err(AttachError::Map)?;
        let calls = RingBuf::try_from(take(maps::CALLS)?).map_err(AttachError::Map)?;
        let sides = match take(maps::SIDES)? {
            Map::Array(data) => Sides::mapped(data, count as usize).map_err(AttachError::Sides)?,
            _ => return Err(AttachError::NotBuilt),
        };
        let program: &mut SkSkb = ebpf
            .program_mut(PROGRAM)
            .ok_or(AttachError::Program(ProgramError::NotLoaded))?
            .try_into()
            .map_err(AttachError::Program)?;
        program.load().map_err(AttachError::Program)?;
        program.attach(sockets.fd()).map_err(AttachError::Program)?;
        Ok(Self {
            places,
            sockets,
            calls,
            sides,
            free: (0..count / 2).rev().map(|pair| pair * 2).collect(),
            _ebpf: ebpf,
        })
    }

    /// Hands a connection over. Everything that the sockets receive is left to the worker until [`Direction::open`]; they have
    /// to be asked to look again at what they have received by then.
    ///
    /// # Errors
    /// [`JoinError`]; nothing has changed.
    pub fn join(
        &mut self,
        client: BorrowedFd<'_>,
        endpoint: BorrowedFd<'_>,
    ) -> Result<Relayed, JoinError> {
        let cookies = [
            cookie(client).map_err(JoinError::Cookie)?,
            cookie(endpoint).map_err(JoinError::Cookie)?,
        ];
        let first = self.free.pop().ok_or(JoinError::Full)?;
        let places = [first, first + 1];
        for place in places {
            self.sides.hold(place);
        }
        let joined = self.enter(places, cookies, [client, endpoint]);
        match joined {
            Ok(is_complete) => Ok(Relayed::new(&self.sides, first, cookies, is_complete)),
            Err(error) => {
                self.clear(places, cookies);
                Err(JoinError::Refused(error))
            }
        }
    }

    /// Tells whether both sockets are in the map. An error where none is.
    fn enter(
        &mut self,
        places: [u32; 2],
        cookies: [u64; 2],
        sockets: [BorrowedFd<'_>; 2],
    ) -> Result<bool, MapError> {
        for (cookie, place) in cookies.iter().zip(places) {
            self.places.insert(cookie, place, 0)?;
        }
        let [client, endpoint] = sockets;
        let [first, second] = places;
        self.sockets.set(first, &client, 0)?;
        // What the first one has received by now is with the program, and would be lost if it were taken out again.
        Ok(self.sockets.set(second, &endpoint, 0).is_ok())
    }

    /// Lets go of a connection. Only when both directions have ended or nobody wants their bytes any more: what the program was
    /// about to hand on is lost.
    pub fn leave(&mut self, relayed: &Relayed) {
        self.clear(relayed.places(), relayed.cookies());
    }

    fn clear(&mut self, places: [u32; 2], cookies: [u64; 2]) {
        for (cookie, place) in cookies.iter().zip(places) {
            // A socket that was closed has left by itself.
            let _ = self.sockets.clear_index(&place);
            let _ = self.places.remove(cookie);
            self.sides.hold(place);
        }
        let [first, _] = places;
        self.free.push(first);
    }

    /// How many further connections there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Becomes readable when the program calls.
    #[must_use]
    pub fn calls(&self) -> BorrowedFd<'_> {
        self.calls.as_fd()
    }

    /// Takes the calls: for each, the connection that something was left of ([`Relayed::id`]).
    pub fn called(&mut self, mut tell: impl FnMut(u32)) {
        while let Some(item) = self.calls.next() {
            if let Some(place) = item.first_chunk() {
                tell(u32::from_ne_bytes(*place) & !1);
            }
        }
    }
}

/// What the kernel calls a socket by, for as long as it lives.
#[allow(unsafe_code)]
fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut bytes = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `bytes` to an integer of that size; the descriptor is borrowed through the call.
    let told = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut bytes,
        )
    };
    match told {
        0 => Ok(cookie),
        _ => Err(io::Error::last_os_error()),
    }
}
