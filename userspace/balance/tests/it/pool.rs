//! Idle connections.

use balance::{ConnectionsFull, Endpoint, EndpointId, Pool, PoolLimits, Upstream};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A connection with a number; it counts when it is closed.
struct Connection(u32, Rc<Cell<u32>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
    }
}

struct Bench {
    pool: Pool<Connection>,
    limits: PoolLimits,
    now: Instant,
    endpoints: Vec<EndpointId>,
    closed: Rc<Cell<u32>>,
}

impl Bench {
    fn new(limits: PoolLimits) -> Self {
        let now = Instant::now();
        let spec = crate::world::spec(balance::Algorithm::RoundRobin, &[1, 1]);
        let upstream = Upstream::new(spec, now).expect("the spec is good");
        let endpoints = upstream.endpoints().iter().map(Endpoint::id).collect();
        Self {
            pool: Pool::new(),
            limits,
            now,
            endpoints,
            closed: Rc::default(),
        }
    }

    fn connect(&mut self, number: u32) -> Result<balance::Pooled<Connection>, ConnectionsFull> {
        let lease = self.pool.open(self.endpoints[0], &self.limits, self.now)?;
        Ok(lease.connected(Connection(number, Rc::clone(&self.closed))))
    }

    fn park(&mut self, numbers: std::ops::Range<u32>) {
        let connections: Vec<_> = numbers
            .map(|n| self.connect(n).expect("there is room"))
            .collect();
        for connection in connections {
            self.pool.put(connection, &self.limits, self.now);
        }
    }

    /// The number of the connection that is taken; it is closed afterwards.
    fn take(&mut self) -> Option<u32> {
        let connection = self.pool.take(self.endpoints[0], self.now)?;
        assert!(connection.is_reused());
        Some(connection.0)
    }
}

#[test]
fn the_last_one_used_is_taken_first() {
    let mut bench = Bench::new(PoolLimits::default());
    bench.park(0..3);
    assert_eq!(
        bench.pool.take(bench.endpoints[1], bench.now).map(|c| c.0),
        None,
        "endpoints do not share"
    );
    assert_eq!(
        [bench.take(), bench.take(), bench.take(), bench.take()],
        [Some(2), Some(1), Some(0), None]
    );
}

#[test]
fn beyond_the_bound_the_longest_idle_is_closed() {
    let mut bench = Bench::new(PoolLimits {
        idle: 2,
        ..PoolLimits::default()
    });
    bench.park(0..3);
    assert_eq!(
        (bench.closed.get(), bench.pool.idle(bench.endpoints[0])),
        (1, 2)
    );
    assert_eq!(
        [bench.take(), bench.take(), bench.take()],
        [Some(2), Some(1), None]
    );
    let mut none = Bench::new(PoolLimits {
        idle: 0,
        ..PoolLimits::default()
    });
    none.park(0..1);
    assert_eq!(none.closed.get(), 1);
}

#[test]
fn idle_ones_expire() {
    let mut bench = Bench::new(PoolLimits {
        idle_timeout: 10 * SECOND,
        ..PoolLimits::default()
    });
    bench.park(0..1);
    bench.now += 5 * SECOND;
    bench.park(1..2);
    bench.now += 5 * SECOND;
    assert_eq!(bench.pool.expire(bench.now), 1);
    assert_eq!(bench.closed.get(), 1);
    bench.now += 5 * SECOND;
    assert_eq!(bench.take(), None, "taking looks at the time as well");
    assert_eq!(
        (
            bench.closed.get(),
            bench.pool.connections(bench.endpoints[0])
        ),
        (2, 0)
    );
}

#[test]
fn old_ones_are_not_kept() {
    let limits = PoolLimits {
        idle_timeout: 10 * SECOND,
        max_age: Some(15 * SECOND),
        ..PoolLimits::default()
    };
    let mut bench = Bench::new(limits);
    let connection = bench.connect(0).expect("there is room");
    bench.now += 12 * SECOND;
    bench.pool.put(connection, &limits, bench.now);
    bench.now += 3 * SECOND;
    assert_eq!(bench.take(), None, "three seconds idle, but fifteen old");
    let connection = bench.connect(1).expect("there is room");
    bench.now += 15 * SECOND;
    bench.pool.put(connection, &limits, bench.now);
    assert_eq!(bench.closed.get(), 2);
}

#[test]
fn open_connections_are_bounded() {
    let mut bench = Bench::new(PoolLimits {
        connections: Some(2),
        ..PoolLimits::default()
    });
    let first = bench.connect(0).expect("there is room");
    let second = bench.connect(1).expect("there is room");
    assert_eq!(bench.connect(2).err(), Some(ConnectionsFull(2)));
    bench.pool.put(first, &bench.limits, bench.now);
    assert_eq!(
        bench.connect(2).err(),
        Some(ConnectionsFull(2)),
        "idle ones count"
    );
    drop(second);
    assert_eq!(bench.pool.connections(bench.endpoints[0]), 1);
    let lease = bench
        .pool
        .open(bench.endpoints[0], &bench.limits, bench.now)
        .expect("one was closed");
    drop(lease);
    assert_eq!(
        bench.pool.connections(bench.endpoints[0]),
        1,
        "a connection that was not made gives its right back"
    );
}

#[test]
fn removed_endpoints_keep_nothing() {
    let mut bench = Bench::new(PoolLimits::default());
    bench.park(0..2);
    let busy = bench
        .pool
        .take(bench.endpoints[0], bench.now)
        .expect("one is idle");
    let gone = bench.endpoints[0];
    bench.pool.retain(|endpoint| endpoint != gone);
    assert_eq!(bench.closed.get(), 1);
    bench.pool.put(busy, &bench.limits, bench.now);
    assert_eq!(bench.closed.get(), 2);
    bench.park(5..6);
    assert_eq!(bench.pool.clear(gone), 1);
    assert_eq!(bench.take(), None);
}
