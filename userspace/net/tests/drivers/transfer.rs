//! Bytes: order, back-pressure, cancellation, buffers.

use crate::{connect, listener, pair, pause, run};
use net::{
    Buffer, Chunk, Driver, LARGE_BYTES, LARGE_KEPT, Listener, MEDIUM_BYTES, MEDIUM_KEPT, Parts,
    RecvHint, SMALL_BYTES, SMALL_KEPT, Stream, Wire, pool_use, trim_pool,
};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Receives until so many bytes are there.
async fn receive<S: Stream>(stream: &S, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        let chunk = stream.recv(RecvHint::Body).await.unwrap();
        assert!(!chunk.is_empty(), "the stream ended after {}", all.len());
        all.extend_from_slice(&chunk);
    }
    all
}

/// Bytes that tell where they belong.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

pub(crate) fn what_is_sent_is_received<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let hello = Parts::new().with(b"hello ").with(b"world");
        client.send(hello).await.unwrap();
        let chunk = server.recv(RecvHint::Head).await.unwrap();
        assert_eq!(&*chunk, b"hello world");
        server.send(chunk.into()).await.unwrap();
        assert_eq!(&*client.recv(RecvHint::Body).await.unwrap(), b"hello world");
        drop(server);
        assert!(client.recv(RecvHint::Idle).await.unwrap().is_empty());
        assert!(client.recv(RecvHint::Idle).await.unwrap().is_empty());
    });
}

pub(crate) fn a_long_list_of_parts_keeps_its_order<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let bytes = pattern(100 * 1000);
        let mut parts = Parts::new();
        for piece in bytes.chunks(1000) {
            parts.push(Chunk::copy_of(piece));
        }
        client.send(parts).await.unwrap();
        assert!(receive(&server, bytes.len()).await == bytes);
    });
}

pub(crate) fn a_slow_reader_holds_the_sender_back<D: Driver>() {
    const TOTAL: usize = 24 * 1024 * 1024;
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let bytes = pattern(TOTAL);
        let sending = tokio::task::spawn_local(async move {
            for piece in pattern(TOTAL).chunks(300_000) {
                server.send(Chunk::copy_of(piece).into()).await.unwrap();
            }
        });
        pause().await;
        assert!(!sending.is_finished(), "nobody holds the sender back");
        let mut received = 0;
        while received < TOTAL {
            let chunk = client.recv(RecvHint::Body).await.unwrap();
            assert!(bytes[received..received + chunk.len()] == *chunk);
            received += chunk.len();
            if received % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        sending.await.unwrap();
        assert!(client.recv(RecvHint::Body).await.unwrap().is_empty());
    });
}

pub(crate) fn a_cancelled_receive_loses_nothing<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let bytes = pattern(20_000);
        let sent = bytes.clone();
        let sending = tokio::task::spawn_local(async move {
            for piece in sent.chunks(100) {
                client.send(Chunk::copy_of(piece).into()).await.unwrap();
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
            client
        });
        let mut received = Vec::new();
        let mut cancelled = 0;
        while received.len() < bytes.len() {
            tokio::select! {
                biased;
                () = tokio::time::sleep(Duration::from_micros(100)) => cancelled += 1,
                chunk = server.recv(RecvHint::Idle) => received.extend_from_slice(&chunk.unwrap()),
            }
        }
        assert!(received == bytes);
        assert!(cancelled > 0, "no receive was cancelled");
        drop(sending.await.unwrap());
        assert!(server.recv(RecvHint::Idle).await.unwrap().is_empty());
    });
}

pub(crate) fn either_side_may_close_first<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        client.send(Parts::from(b"request")).await.unwrap();
        client.shutdown(Shutdown::Write);
        assert_eq!(&*server.recv(RecvHint::Head).await.unwrap(), b"request");
        assert!(server.recv(RecvHint::Body).await.unwrap().is_empty());
        server.send(Parts::from(b"response")).await.unwrap();
        assert_eq!(&*client.recv(RecvHint::Head).await.unwrap(), b"response");
        let error = client.send(Parts::from(b"more")).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

pub(crate) fn an_idle_connection_holds_no_buffer<D: Driver>() {
    run::<D>(async {
        trim_pool();
        let (client, server) = pair::<D>().await;
        for hint in [RecvHint::Idle, RecvHint::Head, RecvHint::Body] {
            let waiting = tokio::time::timeout(Duration::from_millis(5), server.recv(hint));
            assert!(waiting.await.is_err());
        }
        let before = pool_use();
        client.send(Parts::from(b"x")).await.unwrap();
        drop(server.recv(RecvHint::Idle).await.unwrap());
        let after = pool_use();
        assert!(before.buffers <= 2, "{before:?}");
        assert!(after.buffers <= 2, "{after:?}");
    });
}

pub(crate) fn unused_buffers_are_bounded<D: Driver>() {
    run::<D>(async {
        for (bytes, kept) in [
            (SMALL_BYTES, SMALL_KEPT),
            (MEDIUM_BYTES, MEDIUM_KEPT),
            (LARGE_BYTES, LARGE_KEPT),
        ] {
            trim_pool();
            let many: Vec<Buffer> = (0..kept + 10)
                .map(|_| Buffer::with_capacity(bytes))
                .collect();
            drop(many);
            assert_eq!(pool_use().buffers, kept);
            assert_eq!(pool_use().bytes, kept * bytes);
        }
        trim_pool();
        drop(Buffer::with_capacity(LARGE_BYTES + 1));
        assert_eq!(pool_use().buffers, 0);
    });
}

pub(crate) fn small_pieces_do_not_keep_large_buffers<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let mut kept = Vec::new();
        for _ in 0..50 {
            client
                .send(Chunk::copy_of(&[7; 1000]).into())
                .await
                .unwrap();
            kept.push(server.recv(RecvHint::Body).await.unwrap());
        }
        let held: usize = kept.iter().map(Chunk::capacity).sum();
        assert!(held <= 50 * SMALL_BYTES, "{held} bytes");
    });
}

pub(crate) fn one_busy_connection_lets_the_others_work<D: Driver>() {
    run::<D>(async {
        let (listener, address) = listener::<D>();
        // A peer in another thread, which sends as fast as it can.
        let flood = std::thread::spawn(move || {
            use std::io::Write;
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            let block = vec![1; LARGE_BYTES];
            let mut sent = 0;
            while let Ok(bytes) = socket.write(&block) {
                sent += bytes;
            }
            sent
        });
        let (busy, _) = listener.accept().await.unwrap();
        let reading = tokio::task::spawn_local(async move {
            // Slower than the peer: this task never has to wait.
            while !busy.recv(RecvHint::Body).await.unwrap().is_empty() {
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let client = connect::<D>(address).await;
        let (server, _) = listener.accept().await.unwrap();
        let start = Instant::now();
        for _ in 0..20 {
            client.send(Parts::from(b"ping")).await.unwrap();
            assert_eq!(&*server.recv(RecvHint::Idle).await.unwrap(), b"ping");
        }
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "20 pings took {took:?}");
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        // On a ring the connection closes once its poll has completed: the worker has to go on for that.
        let closed = async {
            while !flood.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), closed).await;
        assert!(
            in_time.is_ok(),
            "the peer of a dropped connection can still send"
        );
        assert!(flood.join().unwrap() > 0);
    });
}

/// From one connection to another, as many as there are, while the reader takes its time.
pub(crate) fn bytes_go_through_a_pipe<D: Driver>() {
    const TOTAL: usize = 24 * 1024 * 1024;
    run::<D>(async {
        let (sender, near) = pair::<D>().await;
        let (far, reader) = pair::<D>().await;
        let bytes = pattern(TOTAL);
        let sending = tokio::task::spawn_local(async move {
            sender.send(bytes.into()).await.unwrap();
        });
        let moving = tokio::task::spawn_local(async move {
            let mut moved = 0;
            loop {
                let piped = near.recv_piped().await.unwrap();
                if piped.is_empty() {
                    far.shutdown(Shutdown::Write);
                    assert_eq!(near.socket().taken(), moved as u64);
                    return moved;
                }
                moved += piped.len();
                far.send_piped(piped).await.unwrap();
            }
        });
        pause().await;
        assert!(receive(&reader, TOTAL).await == pattern(TOTAL));
        assert!(reader.recv(RecvHint::Idle).await.unwrap().is_empty());
        sending.await.unwrap();
        assert_eq!(moving.await.unwrap(), TOTAL);
    });
}

/// A pipe with something left in it is not for the next one.
pub(crate) fn pipes_are_used_again<D: Driver>() {
    run::<D>(async {
        let (sender, near) = pair::<D>().await;
        let (far, reader) = pair::<D>().await;
        sender.send(b"lost".into()).await.unwrap();
        drop(near.recv_piped().await.unwrap());
        for _ in 0..100 {
            sender.send(b"word".into()).await.unwrap();
            let piped = near.recv_piped().await.unwrap();
            assert_eq!(piped.len(), 4);
            far.send_piped(piped).await.unwrap();
            assert_eq!(receive(&reader, 4).await, b"word");
        }
        reader.socket().reset_on_close();
        drop(reader);
        pause().await;
        sender.send(b"none".into()).await.unwrap();
        let piped = near.recv_piped().await.unwrap();
        assert!(far.send_piped(piped).await.is_err());
    });
}
