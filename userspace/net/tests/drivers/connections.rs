//! Connections: making them, losing them, what they inherit.

use crate::{any_port, connect, listener, pair, pause, run};
use net::{
    ConnectOptions, Driver, KeepAlive, ListenOptions, Listener, Parts, RecvHint, Stream,
    open_listener,
};
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

const CONNECTIONS: usize = 300;

pub(crate) fn many_connections_at_once<D: Driver>() {
    run::<D>(async {
        let (listener, address) = listener::<D>();
        tokio::task::spawn_local(async move {
            loop {
                let (server, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(async move {
                    loop {
                        let chunk = server.recv(RecvHint::Idle).await.unwrap();
                        if chunk.is_empty() {
                            return;
                        }
                        server.send(chunk.into()).await.unwrap();
                    }
                });
            }
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                tokio::task::spawn_local(async move {
                    let client = connect::<D>(address).await;
                    for round in 0..5 {
                        let words = format!("{number} {round}").into_bytes();
                        client.send(words.clone().into()).await.unwrap();
                        assert_eq!(*client.recv(RecvHint::Head).await.unwrap(), words);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
}

pub(crate) fn a_refused_connection_says_so<D: Driver>() {
    run::<D>(async {
        let (listener, address) = listener::<D>();
        drop(listener);
        let error = D::connect(address, &ConnectOptions::default())
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

pub(crate) fn a_connection_that_nobody_answers_times_out<D: Driver>() {
    run::<D>(async {
        // A backlog of zero takes one connection; further SYNs are dropped.
        let options = ListenOptions {
            backlog: 0,
            ..ListenOptions::default()
        };
        let listener = open_listener(any_port(), &options).unwrap();
        let address = listener.local_addr().unwrap();
        let _waiting = connect::<D>(address).await;
        let hurry = ConnectOptions {
            timeout: Duration::from_millis(50),
            ..ConnectOptions::default()
        };
        let error = D::connect(address, &hurry).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

fn closed(socket: &Weak<net::Socket>) -> bool {
    socket.upgrade().is_none()
}

pub(crate) fn a_dropped_connection_closes_although_a_receive_was_pending<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        let socket = Rc::downgrade(server.socket());
        let wait = Duration::from_millis(5);
        assert!(
            tokio::time::timeout(wait, server.recv(RecvHint::Idle))
                .await
                .is_err()
        );
        drop(server);
        assert!(client.recv(RecvHint::Idle).await.unwrap().is_empty());
        pause().await;
        assert!(closed(&socket), "the socket leaks");
    });
}

pub(crate) fn a_connect_given_up_leaves_nothing_behind<D: Driver>() {
    run::<D>(async {
        let (listener, address) = listener::<D>();
        let connecting =
            Box::pin(async move { D::connect(address, &ConnectOptions::default()).await });
        tokio::select! {
            biased;
            made = connecting => drop(made),
            () = std::future::ready(()) => {}
        }
        let (server, _) = listener.accept().await.unwrap();
        assert!(server.recv(RecvHint::Idle).await.unwrap().is_empty());
    });
}

pub(crate) fn a_reset_is_an_error<D: Driver>() {
    run::<D>(async {
        let (client, server) = pair::<D>().await;
        client.socket().reset_on_close();
        drop(client);
        let error = server.recv(RecvHint::Idle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

pub(crate) fn sockets_listen_on_after_their_listener_is_gone<D: Driver>() {
    run::<D>(async {
        let (old, address) = listener::<D>();
        let handed_over = old.try_clone_std().unwrap();
        // The old one waits, and is dropped while it does.
        let wait = Duration::from_millis(5);
        assert!(tokio::time::timeout(wait, old.accept()).await.is_err());
        drop(old);
        pause().await;
        let new = D::adopt(handed_over, &ListenOptions::default()).unwrap();
        let client = connect::<D>(address).await;
        let (server, _) = new.accept().await.unwrap();
        client.send(Parts::from(b"still here")).await.unwrap();
        assert_eq!(&*server.recv(RecvHint::Head).await.unwrap(), b"still here");
    });
}

pub(crate) fn two_listeners_share_an_address<D: Driver>() {
    run::<D>(async {
        let (_first, address) = listener::<D>();
        let second = D::listen(address, &ListenOptions::default());
        assert!(second.is_ok());
        let alone = ListenOptions {
            reuse_port: false,
            ..ListenOptions::default()
        };
        let third = D::listen(address, &alone).err().unwrap();
        assert_eq!(third.kind(), ErrorKind::AddrInUse);
    });
}

pub(crate) fn accepted_connections_have_the_listeners_options<D: Driver>() {
    run::<D>(async {
        let options = ListenOptions {
            defer_accept: Some(Duration::from_secs(5)),
            keep_alive: Some(KeepAlive {
                idle: Duration::from_secs(60),
                interval: Duration::from_secs(10),
                probes: 3,
            }),
            user_timeout: Some(Duration::from_secs(30)),
            ..ListenOptions::default()
        };
        let listener = D::listen(any_port(), &options).unwrap();
        let client = connect::<D>(listener.local_addr().unwrap()).await;
        client.send(Parts::from(b"x")).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&**server.socket());
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 60);
        assert_eq!(socket.tcp_user_timeout().unwrap(), options.user_timeout);
        assert!(SockRef::from(&**client.socket()).tcp_nodelay().unwrap());
    });
}

pub(crate) fn version_six_listeners_are_theirs_alone<D: Driver>() {
    run::<D>(async {
        let six: SocketAddr = "[::1]:0".parse().unwrap();
        let Ok(listener) = D::listen(six, &ListenOptions::default()) else {
            eprintln!("skipped: no IPv6 loopback");
            return;
        };
        let six = listener.local_addr().unwrap();
        let client = connect::<D>(six).await;
        let (server, peer) = listener.accept().await.unwrap();
        assert!(peer.is_ipv6());
        assert_eq!(client.socket().peer_addr().unwrap(), six);
        assert_eq!(server.socket().peer_addr().unwrap(), peer);
        assert!(
            SockRef::from(&listener.try_clone_std().unwrap())
                .only_v6()
                .unwrap()
        );
    });
}

pub(crate) fn a_local_address_can_be_chosen<D: Driver>() {
    run::<D>(async {
        let (listener, address) = listener::<D>();
        let options = ConnectOptions {
            bind: Some("127.0.0.9:0".parse().unwrap()),
            ..ConnectOptions::default()
        };
        let _client = D::connect(address, &options).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.0.9");
    });
}

pub(crate) fn a_worker_may_end_while_connections_wait<D: Driver>() {
    let (address_known, address) = std::sync::mpsc::channel();
    let peer = std::thread::spawn(move || {
        use std::io::Read;
        let mut socket = std::net::TcpStream::connect(address.recv().unwrap()).unwrap();
        socket.read(&mut [0]).unwrap()
    });
    run::<D>(async move {
        let (listener, address) = listener::<D>();
        address_known.send(address).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        tokio::task::spawn_local(async move { server.recv(RecvHint::Idle).await });
        tokio::task::spawn_local(async move { listener.accept().await.map(drop) });
        pause().await;
    });
    assert_eq!(peer.join().unwrap(), 0, "the connection is left open");
}
