//! Who may connect: the limits on connections of a listener and of one client.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Locks that the table of clients is spread over; they are taken once when a connection opens and once when it closes.
const SHARDS: usize = 64;

/// Counts the open connections of one listener, over all workers and over reloads.
pub struct Admission {
    open: AtomicUsize,
    clients: Box<[Mutex<HashMap<IpAddr, u32>>]>,
    hasher: RandomState,
}

/// How many connections are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Open connections on the listener. One more is closed at once and counted as `connection_limit`.
    pub connections: usize,
    /// Open connections from one address (IPv6: from one /64, which is what one client has). One more is closed likewise.
    pub connections_per_client: u32,
}

/// The right to be connected; the place is free again when it is dropped.
pub struct Admitted {
    admission: Arc<Admission>,
    /// Who it is counted under, once that is known.
    client: Option<IpAddr>,
}

/// Which limit said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The listener is full.
    Listener,
    /// The client has enough connections.
    Client,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            open: AtomicUsize::new(0),
            clients: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Admission {
    /// Takes a place for a client.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        limits: &AdmissionLimits,
    ) -> Result<Admitted, Refused> {
        let mut admitted = self.enter(limits)?;
        admitted.claim(client, limits)?;
        Ok(admitted)
    }

    /// Takes a place for somebody who is still to be told: a client behind a proxy.
    ///
    /// # Errors
    /// The listener is full.
    pub fn enter(self: &Arc<Self>, limits: &AdmissionLimits) -> Result<Admitted, Refused> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Listener);
        }
        Ok(Admitted {
            admission: Arc::clone(self),
            client: None,
        })
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn shard(&self, client: IpAddr) -> &Mutex<HashMap<IpAddr, u32>> {
        let hash = self.hasher.hash_one(client) as usize;
        &self.clients[hash % self.clients.len()]
    }

    fn leave(&self, client: IpAddr) {
        let mut shard = self
            .shard(client)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shard.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&client);
            }
        }
    }
}

impl Admitted {
    /// Counts the place under a client, once.
    ///
    /// # Errors
    /// The client has as many as it may.
    pub fn claim(&mut self, client: IpAddr, limits: &AdmissionLimits) -> Result<(), Refused> {
        let client = owner(client);
        let mut shard = self
            .admission
            .shard(client)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = shard.entry(client).or_default();
        if *count >= limits.connections_per_client {
            return Err(Refused::Client);
        }
        *count += 1;
        drop(shard);
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            self.admission.leave(client);
        }
    }
}

/// The address that connections are counted under: a host on IPv6 has a /64 to itself.
fn owner(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        connections: 3,
        connections_per_client: 2,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_and_a_listener_have_their_limits() {
        let admission = Arc::new(Admission::default());
        let a1 = admission.admit(ip("192.0.2.1"), &LIMITS).unwrap();
        let _a2 = admission.admit(ip("192.0.2.1"), &LIMITS).unwrap();
        assert_eq!(
            admission.admit(ip("192.0.2.1"), &LIMITS).err(),
            Some(Refused::Client)
        );
        let _b = admission.admit(ip("192.0.2.2"), &LIMITS).unwrap();
        assert_eq!(
            admission.admit(ip("192.0.2.3"), &LIMITS).err(),
            Some(Refused::Listener)
        );
        drop(a1);
        assert_eq!(admission.open(), 2);
        assert!(admission.admit(ip("192.0.2.1"), &LIMITS).is_ok());
    }

    #[test]
    fn one_client_cannot_spread_over_its_own_prefix() {
        let admission = Arc::new(Admission::default());
        let _a = admission.admit(ip("2001:db8::1"), &LIMITS).unwrap();
        let _b = admission.admit(ip("2001:db8::ffff:2"), &LIMITS).unwrap();
        assert_eq!(
            admission.admit(ip("2001:db8::3"), &LIMITS).err(),
            Some(Refused::Client)
        );
        assert!(admission.admit(ip("2001:db8:0:1::1"), &LIMITS).is_ok());
    }

    #[test]
    fn nothing_is_left_of_clients_that_left() {
        let admission = Arc::new(Admission::default());
        drop(admission.admit(ip("192.0.2.1"), &LIMITS).unwrap());
        assert!(
            admission
                .clients
                .iter()
                .all(|shard| shard.lock().unwrap().is_empty())
        );
        assert_eq!(admission.open(), 0);
    }
}
