//! Ports that no other test uses at the same time.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives to outgoing connections (32768 and up), so that no client takes one by chance.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on 127.0.0.1 that is ours until this is dropped. Tests run in processes of their own, so a lock on a file says
/// who has it.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _lock: File,
}

impl Port {
    /// Takes a port that nobody has and nobody listens on.
    #[must_use]
    pub fn reserve() -> Self {
        let folder = std::env::temp_dir().join("bascule-test-ports");
        fs::create_dir_all(&folder).expect("a folder for the locks of ports");
        for _ in 0..COUNT {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = FIRST + (std::process::id().wrapping_mul(31).wrapping_add(turn)) % COUNT;
            let lock = File::create(folder.join(number.to_string())).expect("the lock of a port");
            if lock.try_lock().is_err() {
                continue;
            }
            let port = u16::try_from(number).expect("a port has 16 bits");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() {
                return Self {
                    address,
                    _lock: lock,
                };
            }
        }
        panic!("no port from {FIRST} to {} is free", FIRST + COUNT);
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
