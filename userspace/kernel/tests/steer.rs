//! Connections go where the least load is: real sockets on the loopback.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use kernel::{Loads, Steering};
use std::net::{SocketAddr, TcpListener, TcpStream};

const WORKERS: usize = 4;

/// So many sockets on one address (SO_REUSEPORT).
fn group(address: &str, sockets: usize) -> (SocketAddr, Vec<TcpListener>) {
    let mut address: SocketAddr = address.parse().unwrap();
    let mut group = Vec::new();
    for _ in 0..sockets {
        let listener = net_listener(address);
        address = listener.local_addr().unwrap();
        group.push(listener);
    }
    (address, group)
}

fn net_listener(address: SocketAddr) -> TcpListener {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )
    .unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(1024).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.into()
}

/// Connects so often, and tells how many connections wait at each socket. They stay open.
fn spread(address: SocketAddr, group: &[TcpListener], connections: usize) -> Vec<usize> {
    let clients: Vec<_> = (0..connections)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let waiting = |listener: &TcpListener| std::iter::from_fn(|| listener.accept().ok()).count();
    let counts = group.iter().map(waiting).collect();
    drop(clients);
    counts
}

fn steering(workers: usize) -> Option<(Steering, Loads)> {
    support::kernel_path_is_there().then(|| Steering::load(workers).expect("the program loads"))
}

#[test]
fn connections_are_spread_evenly_while_nobody_says_anything() {
    let Some((mut steering, _loads)) = steering(WORKERS) else {
        return;
    };
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let (bound, sockets) = group(address, WORKERS);
        let listeners = [(bound, sockets)];
        steering.follow(&listeners).unwrap();
        assert_eq!(steering.listeners(), 1, "{address}");
        let mut to = bound;
        if to.ip().is_unspecified() {
            let local = if to.is_ipv4() { "127.0.0.1" } else { "::1" };
            to.set_ip(local.parse().unwrap());
        }
        // Each connection that was sent somewhere counts until the worker looks: so they go round.
        assert_eq!(spread(to, &listeners[0].1, 40), [10; WORKERS], "{address}");
    }
}

#[test]
fn the_least_loaded_worker_gets_the_connection() {
    let Some((mut steering, loads)) = steering(WORKERS) else {
        return;
    };
    let listeners = [group("127.0.0.1:0", WORKERS)];
    steering.follow(&listeners).unwrap();
    let (address, sockets) = &listeners[0];
    let looked = || (0..WORKERS).for_each(|worker| loads.of(worker).busy(0));
    for (worker, open) in [30, 30, 10, 30].into_iter().enumerate() {
        loads.of(worker).connections(open);
    }
    assert_eq!(spread(*address, sockets, 20), [0, 0, 20, 0]);
    assert_eq!(loads.of(2).published().pending, 20);
    // Now it has as many as the others.
    looked();
    loads.of(2).connections(30);
    assert_eq!(spread(*address, sockets, 40), [10; WORKERS]);
    // One that is busy all the time gets few: five times as many connections speak against an idle one.
    looked();
    loads.of(1).busy(1000);
    assert_eq!(spread(*address, sockets, 30), [10, 0, 10, 10]);
}

#[test]
fn a_worker_that_drains_gets_nothing_and_all_of_them_leave_it_to_the_hash() {
    let Some((mut steering, loads)) = steering(WORKERS) else {
        return;
    };
    let listeners = [group("127.0.0.1:0", WORKERS)];
    steering.follow(&listeners).unwrap();
    let (address, sockets) = &listeners[0];
    for worker in 0..WORKERS {
        loads.of(worker).connections(1000);
    }
    loads.of(3).connections(0);
    loads.of(3).draining(true);
    assert_eq!(spread(*address, sockets, 30), [10, 10, 10, 0]);
    (0..WORKERS).for_each(|worker| loads.of(worker).draining(true));
    let counts = spread(*address, sockets, 200);
    assert_eq!(counts.iter().sum::<usize>(), 200, "nobody is refused");
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
}

#[test]
fn sockets_beyond_the_workers_get_no_more_connections() {
    let Some((mut steering, _loads)) = steering(2) else {
        return;
    };
    let listeners = [group("127.0.0.1:0", WORKERS)];
    steering.follow(&listeners).unwrap();
    let (address, sockets) = &listeners[0];
    assert_eq!(spread(*address, sockets, 20), [10, 10, 0, 0]);
    // With fewer sockets than workers, workers share them: that is the kernel's to spread.
    let few = [group("127.0.0.1:0", 1)];
    steering.follow(&few).unwrap();
    assert_eq!(steering.listeners(), 0);
    assert_eq!(spread(few[0].0, &few[0].1, 5), [5]);
}

/// What an upgrade does: the next process takes the sockets as soon as the last one has let go.
#[test]
fn another_takes_over_what_is_released() {
    let (Some((mut old, old_loads)), Some((mut new, new_loads))) = (steering(2), steering(2))
    else {
        return;
    };
    let listeners = [group("127.0.0.1:0", 2)];
    let (address, sockets) = &listeners[0];
    old.follow(&listeners).unwrap();
    old_loads.of(0).connections(1000);
    assert_eq!(spread(*address, sockets, 10), [0, 10]);
    old.release();
    assert_eq!(old.listeners(), 0);
    let hashed = spread(*address, sockets, 100);
    assert!(
        hashed.iter().all(|&count| count > 10),
        "without sockets the hash chooses: {hashed:?}"
    );
    new_loads.of(1).connections(1000);
    new.follow(&listeners).unwrap();
    assert_eq!(spread(*address, sockets, 10), [10, 0]);
    // A process that dies lets go a moment later.
    drop(new);
    let (mut last, _) = Steering::load(2).unwrap();
    last.follow(&listeners).unwrap();
    assert_eq!(spread(*address, sockets, 10), [5, 5]);
}

#[test]
fn without_the_program_loads_are_published_all_the_same() {
    let loads = Loads::new(2);
    let worker = loads.of(1);
    worker.connections(7);
    worker.busy(5000);
    worker.draining(true);
    let published = loads.of(1).published();
    assert_eq!(
        (published.connections, published.busy, published.draining),
        (7, 1000, 1)
    );
    assert_eq!(loads.of(0).published(), kernel::Load::default());
    loads.of(2).connections(1);
}

/// Where a process may not load programs, it is told what it lacks.
#[test]
fn many_workers_are_refused_with_the_limit() {
    if support::kernel_path_is_there() {
        let error = Steering::load(5000).err().unwrap().to_string();
        assert!(
            error.contains("5000 workers") && error.contains("1024"),
            "{error}"
        );
    }
}
