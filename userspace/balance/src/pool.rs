//! Idle connections to endpoints, kept by one worker.

use crate::EndpointId;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Limits of a pool. They hold for each endpoint and each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Idle connections that are kept. When one more comes, the one that has been idle longest is closed.
    pub idle: usize,
    /// How long a connection may be idle before it is closed. It should be below what the endpoints allow.
    pub idle_timeout: Duration,
    /// How old a connection may get before it is closed instead of being kept; nothing for any age.
    pub max_age: Option<Duration>,
    /// Connections that may be open, idle ones included; nothing for any number. Beyond it [`Pool::open`] refuses.
    pub connections: Option<u32>,
}

impl Default for PoolLimits {
    /// 64 idle ones for a minute, of any age and number.
    fn default() -> Self {
        Self {
            idle: 64,
            idle_timeout: Duration::from_secs(60),
            max_age: None,
            connections: None,
        }
    }
}

/// The endpoint has as many connections from this worker as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} connections to the endpoint are open, and it may have no more")]
pub struct ConnectionsFull(pub u32);

/// The right to one open connection. It is given back when this is dropped, with the connection or without.
#[derive(Debug)]
pub struct Lease {
    endpoint: EndpointId,
    opened: Instant,
    open: Rc<Cell<u32>>,
}

impl Lease {
    /// Joins the right with the connection that was made.
    pub fn connected<C>(self, connection: C) -> Pooled<C> {
        Pooled {
            connection,
            lease: self,
            reused: false,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.open.set(self.open.get().saturating_sub(1));
    }
}

/// An open connection. Dropping it closes it.
#[derive(Debug)]
pub struct Pooled<C> {
    connection: C,
    lease: Lease,
    reused: bool,
}

impl<C> Pooled<C> {
    /// Whether it was idle in the pool before: then the endpoint may have closed it meanwhile.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The endpoint that it leads to.
    pub fn endpoint(&self) -> EndpointId {
        self.lease.endpoint
    }
}

impl<C> Deref for Pooled<C> {
    type Target = C;
    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C> DerefMut for Pooled<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}

/// The idle connections of one worker.
#[derive(Debug)]
pub struct Pool<C> {
    endpoints: HashMap<EndpointId, Slot<C>, BuildHasherDefault<IdHasher>>,
}

#[derive(Debug)]
struct Slot<C> {
    /// Longest idle first.
    idle: VecDeque<Idle<C>>,
    /// Connections that are open, idle or not.
    open: Rc<Cell<u32>>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: Pooled<C>,
    /// From then on it is not used any more.
    until: Instant,
}

impl<C> Default for Slot<C> {
    fn default() -> Self {
        Self {
            idle: VecDeque::new(),
            open: Rc::default(),
        }
    }
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Pool<C> {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self {
            endpoints: HashMap::default(),
        }
    }

    /// Takes the connection that was used last: it is the most likely to be still open. Those that have been idle too
    /// long are closed on the way.
    pub fn take(&mut self, endpoint: EndpointId, now: Instant) -> Option<Pooled<C>> {
        let idle = &mut self.endpoints.get_mut(&endpoint)?.idle;
        while let Some(Idle {
            mut connection,
            until,
        }) = idle.pop_back()
        {
            if now < until {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Asks for the right to open a connection.
    ///
    /// # Errors
    ///
    /// [`ConnectionsFull`] when the endpoint has as many as it may.
    pub fn open(
        &mut self,
        endpoint: EndpointId,
        limits: &PoolLimits,
        now: Instant,
    ) -> Result<Lease, ConnectionsFull> {
        let slot = self.endpoints.entry(endpoint).or_default();
        let count = slot.open.get();
        if limits.connections.is_some_and(|most| count >= most) {
            return Err(ConnectionsFull(count));
        }
        slot.open.set(count + 1);
        Ok(Lease {
            endpoint,
            opened: now,
            open: Rc::clone(&slot.open),
        })
    }

    /// Keeps a connection for later, or closes it where the limits say so. Only a connection on which nothing is left
    /// to read or to write may be given back.
    pub fn put(&mut self, connection: Pooled<C>, limits: &PoolLimits, now: Instant) {
        let Some(slot) = self.endpoints.get_mut(&connection.endpoint()) else {
            return; // the endpoint was removed
        };
        let mut until = now + limits.idle_timeout;
        if let Some(age) = limits.max_age {
            until = until.min(connection.lease.opened + age);
        }
        if limits.idle == 0 || until <= now {
            return;
        }
        while slot.idle.len() >= limits.idle {
            slot.idle.pop_front();
        }
        slot.idle.push_back(Idle { connection, until });
    }

    /// Closes what has been idle too long and says how many. To be called about once a second.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut closed = 0;
        for slot in self.endpoints.values_mut() {
            let before = slot.idle.len();
            slot.idle.retain(|idle| now < idle.until);
            closed += before - slot.idle.len();
        }
        closed
    }

    /// Closes the idle connections of endpoints that are no more, and forgets these. Connections in use end when they
    /// are given back.
    pub fn retain(&mut self, mut keep: impl FnMut(EndpointId) -> bool) {
        self.endpoints.retain(|endpoint, _| keep(*endpoint));
    }

    /// Closes the idle connections of one endpoint and says how many.
    pub fn clear(&mut self, endpoint: EndpointId) -> usize {
        self.endpoints
            .get_mut(&endpoint)
            .map_or(0, |slot| std::mem::take(&mut slot.idle).len())
    }

    /// All idle connections, in the order in which [`Pool::retain_idle`] asks about them.
    pub fn idle_connections(&self) -> impl Iterator<Item = &C> {
        let slots = self.endpoints.values();
        slots.flat_map(|slot| slot.idle.iter().map(|idle| &idle.connection.connection))
    }

    /// Closes the idle connections that `keep` does not want.
    pub fn retain_idle(&mut self, mut keep: impl FnMut(&C) -> bool) {
        for slot in self.endpoints.values_mut() {
            slot.idle.retain(|idle| keep(&idle.connection.connection));
        }
    }

    /// Connections to an endpoint that are idle.
    #[must_use]
    pub fn idle(&self, endpoint: EndpointId) -> usize {
        self.endpoints
            .get(&endpoint)
            .map_or(0, |slot| slot.idle.len())
    }

    /// Connections to an endpoint that are open, idle or in use.
    #[must_use]
    pub fn connections(&self, endpoint: EndpointId) -> u32 {
        self.endpoints
            .get(&endpoint)
            .map_or(0, |slot| slot.open.get())
    }
}

/// Ids are numbers of our own that count up, so nobody can choose ones that collide: one multiplication spreads them.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0 ^ id)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}
