//! Deadlines on real sockets.

use crate::{pair, pause, run};
use net::{Clock, Deadlines, Driver, Parts, RecvHint, Stream, TICK};
use std::net::Shutdown;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Head,
    Peer,
}

/// A worker's deadlines, swept as a worker does.
fn deadlines() -> Deadlines<Wait> {
    let deadlines = Deadlines::new(Clock::new(Instant::now()));
    tokio::task::spawn_local(deadlines.clone().run());
    deadlines
}

pub(crate) fn a_deadline_ends_a_receive_and_an_answer_can_still_be_sent<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let slot = deadlines().slot(&server);
        slot.arm(Wait::Head, Duration::from_millis(60));
        assert_eq!(slot.fired(), None);
        assert!(server.recv(RecvHint::Idle).await.unwrap().is_empty());
        assert_eq!(slot.fired(), Some(Wait::Head));
        server.send(Parts::from(b"408")).await.unwrap();
        assert_eq!(&*client.recv(RecvHint::Head).await.unwrap(), b"408");
    });
}

pub(crate) fn a_deadline_ends_a_send<D: Driver>() {
    run::<D>(async {
        let (_client, server) = pair::<D>().await;
        let slot = deadlines().slot(&server);
        slot.arm_with(Wait::Peer, Duration::from_millis(60), Shutdown::Both);
        // More than the socket buffers hold.
        let error = server.send(vec![0; 64 << 20].into()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(slot.fired(), Some(Wait::Peer));
    });
}

pub(crate) fn a_deadline_never_fires_early<D: Driver>() {
    run::<D>(async {
        let deadlines = deadlines();
        for after in [1, 49, 50, 51, 120].map(Duration::from_millis) {
            let (_client, server) = pair::<D>().await;
            let slot = deadlines.slot(&server);
            let start = Instant::now();
            slot.arm(Wait::Head, after);
            assert!(server.recv(RecvHint::Idle).await.unwrap().is_empty());
            assert!(start.elapsed() >= after, "{:?} early", start.elapsed());
        }
    });
}

pub(crate) fn a_disarmed_deadline_does_not_fire<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let slot = deadlines().slot(&server);
        slot.arm(Wait::Head, Duration::ZERO);
        slot.disarm();
        tokio::time::sleep(TICK * 5).await;
        client.send(Parts::from(b"late")).await.unwrap();
        assert_eq!(&*server.recv(RecvHint::Idle).await.unwrap(), b"late");
        assert_eq!(slot.fired(), None);
    });
}

pub(crate) fn a_new_connection_does_not_inherit_a_deadline<D: Driver>() {
    run::<D>(async {
        let deadlines = deadlines();
        let (client, server) = pair::<D>().await;
        let slot = deadlines.slot(&server);
        slot.arm_with(Wait::Head, Duration::ZERO, Shutdown::Both);
        // The slot outlives its connection, whose descriptors the next one gets.
        drop((client, server));
        pause().await;
        let (client, server) = pair::<D>().await;
        tokio::time::sleep(TICK * 5).await;
        assert_eq!(slot.fired(), Some(Wait::Head));
        client.send(Parts::from(b"alive")).await.unwrap();
        assert_eq!(&*server.recv(RecvHint::Idle).await.unwrap(), b"alive");
    });
}

pub(crate) fn slots_are_used_again<D: Driver>() {
    run::<D>(async {
        let deadlines = deadlines();
        let (client, server) = pair::<D>().await;
        let first = deadlines.slot(&client);
        first.arm(Wait::Head, Duration::ZERO);
        drop(first);
        let second = deadlines.slot(&server);
        tokio::time::sleep(TICK * 5).await;
        assert_eq!(second.fired(), None);
        second.arm(Wait::Peer, Duration::ZERO);
        assert!(server.recv(RecvHint::Idle).await.unwrap().is_empty());
        assert_eq!(second.fired(), Some(Wait::Peer));
    });
}
