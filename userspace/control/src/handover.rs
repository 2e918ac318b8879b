//! The upgrade of the running program: the process that serves starts the next one and passes on what clients and operators
//! are connected to. Nothing is bound anew, so nothing that waits in a queue is lost.
//!
//! ```text
//! running process (`successor`)             next process (`predecessor`)
//! starts the program, with a channel as its standard input
//! Begin, Listener…, Admin…, Pins, End  ──►  reads its configuration, compiles rules, adopts the sockets,
//!                                           binds what is new, starts its workers, which hold
//!                                      ◄──  Prepared
//! Bans…, Go                            ──►  takes over the kernel path, its workers take connections
//!                                      ◄──  Ready
//! takes no more connections; tells the
//! service manager the new main process
//! Serve                                ──►  answers on the admin socket
//! finishes what is under way, ends
//! ```
//!
//! Until `Ready` the running process serves as ever. Whatever goes wrong before (the other says `Failed`, ends, or takes too
//! long), it ends the other process, takes the kernel path back, and says why. From `Go` to `Serve` both take connections from
//! the same sockets.

mod predecessor;
pub(crate) mod successor;

pub use predecessor::Predecessor;
pub(crate) use predecessor::{Handed, service_sockets};
pub use successor::UpgradeError;

use net::Channel;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use types::IpNet;

/// The version of the messages. A process of another version is refused before anything is handed over.
const PROTOCOL: u32 = 1;

/// Says to a process that it is the next one: the id of the process that started it.
const VARIABLE: &str = "BASCULE_HANDOVER";

/// How long a step may take that asks for no work of the other side.
const STEP: Duration = Duration::from_secs(10);

/// Bans in a message: each takes less than 200 bytes, far from [`net::MESSAGE_LIMIT_BYTES`] together.
const BANS_A_MESSAGE: usize = 200;

/// What the running process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Offer {
    /// The first message.
    Begin {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The version of the program.
        version: String,
    },
    /// Sockets of a listener; a listener with many of them has several messages.
    Listener {
        /// Its address.
        address: SocketAddr,
    },
    /// The admin socket.
    AdminSocket {
        /// Its path.
        path: PathBuf,
        /// A service manager has made its file, and removes it.
        is_lent: bool,
    },
    /// The admin address.
    AdminAddress {
        /// The address.
        address: SocketAddr,
    },
    /// The lock on the pin folder of the kernel path.
    Pins {
        /// The folder.
        path: PathBuf,
    },
    /// There is no more.
    End,
    /// Bans that were made at run time.
    Bans {
        /// Some of them.
        bans: Vec<HandedBan>,
        /// Some of those who have scores. A process that does not know of scores does without.
        #[serde(default)]
        scores: Vec<HandedScore>,
    },
    /// Take over.
    Go,
    /// We have let go.
    Serve,
}

/// What the next process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    /// Nothing is missing but the word to go.
    Prepared {
        /// The version of the program.
        version: String,
        /// It has adopted the admin socket: its file is the next process's now.
        has_admin_socket: bool,
    },
    /// It takes connections.
    Ready,
    /// It gives up.
    Failed {
        /// Why, in words.
        reason: String,
        /// The configuration is wrong.
        is_config: bool,
    },
}

/// A ban on its way.
#[derive(Debug, Serialize, Deserialize)]
struct HandedBan {
    target: String,
    ttl_ms: Option<u64>,
    reason: String,
    /// Which ban by score it is, where it is one.
    #[serde(default)]
    repetition: Option<u8>,
    /// The proxy alone carries it out.
    #[serde(default)]
    forwarded: bool,
}

/// What somebody did, on its way.
#[derive(Debug, Serialize, Deserialize)]
struct HandedScore {
    target: IpNet,
    score: f64,
    bans: u16,
    banned_ms: u64,
}

fn send(channel: &Channel, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    channel.send(&serde_json::to_vec(message)?, fds)
}

/// The next message; none when the other process is gone.
fn receive<T: DeserializeOwned>(
    channel: &Channel,
    until: Instant,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let Some(message) = channel.recv(until)? else {
        return Ok(None);
    };
    let said = serde_json::from_slice(&message.bytes)?;
    Ok(Some((said, message.fds)))
}
