//! What both drivers promise, over loopback.
#![allow(clippy::unwrap_used)] // a test that unwraps nothing has failed

use net::{ConnectOptions, Driver, Epoll, ListenOptions, Listener, RuntimeOptions, Stream, Uring};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

mod connections;
mod deadlines;
mod transfer;

/// Longer than anything here takes; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

fn run<D: Driver>(main: impl Future<Output = ()>) {
    D::block_on(&RuntimeOptions::default(), async {
        tokio::time::timeout(PATIENCE, main)
            .await
            .expect("the test hangs");
    })
    .unwrap();
}

fn listener<D: Driver>() -> (D::Listener, SocketAddr) {
    let listener = D::listen(any_port(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn connect<D: Driver>(address: SocketAddr) -> D::Stream {
    D::connect(address, &ConnectOptions::default())
        .await
        .unwrap()
}

/// Both ends of a connection: the one that connected, the one that accepted.
async fn pair<D: Driver>() -> (D::Stream, D::Stream) {
    let (listener, address) = listener::<D>();
    let client = connect::<D>(address).await;
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.socket().local_addr().unwrap());
    (client, server)
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

macro_rules! both_drivers {
    ($($module:ident: $($name:ident)*;)*) => {
        mod epoll { $($(#[test] fn $name() { super::$module::$name::<super::Epoll>(); })*)* }
        mod uring {
            use super::*;
            $($(#[test] fn $name() {
                match Uring::probe() {
                    Ok(()) => super::$module::$name::<Uring>(),
                    Err(reason) => eprintln!("skipped: {reason}"),
                }
            })*)*
        }
    };
}

both_drivers! {
    transfer:
        what_is_sent_is_received
        a_long_list_of_parts_keeps_its_order
        a_slow_reader_holds_the_sender_back
        a_cancelled_receive_loses_nothing
        either_side_may_close_first
        an_idle_connection_holds_no_buffer
        unused_buffers_are_bounded
        small_pieces_do_not_keep_large_buffers
        one_busy_connection_lets_the_others_work
        bytes_go_through_a_pipe
        pipes_are_used_again;
    deadlines:
        a_deadline_ends_a_receive_and_an_answer_can_still_be_sent
        a_deadline_ends_a_send
        a_deadline_never_fires_early
        a_disarmed_deadline_does_not_fire
        a_new_connection_does_not_inherit_a_deadline
        slots_are_used_again;
    connections:
        many_connections_at_once
        a_refused_connection_says_so
        a_connection_that_nobody_answers_times_out
        a_dropped_connection_closes_although_a_receive_was_pending
        a_connect_given_up_leaves_nothing_behind
        a_reset_is_an_error
        sockets_listen_on_after_their_listener_is_gone
        two_listeners_share_an_address
        accepted_connections_have_the_listeners_options
        version_six_listeners_are_theirs_alone
        a_local_address_can_be_chosen
        a_worker_may_end_while_connections_wait;
}
