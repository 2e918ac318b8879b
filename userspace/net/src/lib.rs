//! Sockets, timers and buffers: io_uring with an epoll fallback behind one trait.
//!
//! A worker is a thread with a runtime of its own ([`Driver::block_on`]). Nothing here crosses threads: streams, chunks,
//! slots and the buffer pool belong to the worker that made them, and references are counted without atomics.
//!
//! # How bytes move
//!
//! * A driver only waits. `recv` and `send` are direct system calls that never block: one of each moves a head and its
//!   body, whatever its size up to [`LARGE_BYTES`].
//! * A receive reads into the thread's large buffer, the one used last and so still in the cache, and hands out what it
//!   found in a buffer that fits: up to [`MEDIUM_BYTES`] are copied to a smaller one, more leave in the large one and the
//!   next receive takes another. A connection that waits holds no buffer.
//! * Dropping a receive loses nothing, because nothing is read before somebody takes it.
//! * After sixteen receives that found bytes at once a connection gives way to the others.
//!
//! # Why so
//!
//! `examples/bare_proxy.rs` beside nginx 1.22, CPU time a request, nginx's divided by the contestant's (more is better).
//! One core for the contestant, client and backend on another, loopback, 64 connections, cubic, rounds interleaved, on a
//! machine that was busy otherwise: give or take 0.05.
//!
//! | what | 1 KB | 64 KB |
//! | --- | --- | --- |
//! | [`Epoll`] | 1.25 | 1.36 |
//! | [`Uring`] (tokio-uring, polls) | 1.17 | 1.32 |
//! | tokio-uring, receives of 4 KB on the ring | 1.13 | 1.22 |
//! | floor: epoll by hand, HTTP not parsed, one buffer of 128 KB | 1.28 | 1.45 |
//! | the same with 32 KB | - | 1.17 |
//! | the same with 16 KB | - | 0.91 |
//! | floor: ring by hand, multishot receives of 16 KB, sends on the ring | 1.37 | 0.93 |
//!
//! So the size of the read decides at 64 KB, and at 1 KB all that is left is the kernel's TCP: seven tenths of a request
//! are its two sends, of which half is the peer's side of the loopback. Through tokio-uring the ring is dearer than epoll:
//! every receive arms a poll anew, and the kernel runs completions on the way out of other system calls, because
//! DEFER_TASKRUN does not work with it. A ring of our own that receives and sends may gain a twentieth on epoll at 1 KB,
//! if it reads large bodies as largely as this does.

mod accept;
mod buffer;
mod clock;
mod cpu;
mod datagram;
mod deadlines;
mod driver;
mod epoll;
mod fair;
mod handover;
mod hangup;
mod listen;
mod parts;
mod pipe;
mod pool;
mod probe;
mod raised;
mod returned;
mod socket;
mod sys;
mod transparent;
mod uring;
mod watch;

pub use accept::Acceptor;
pub use buffer::{Buffer, Chunk};
pub use clock::Clock;
pub use cpu::{cores, hurry, pin_to_core, thread_time};
pub use datagram::{Datagram, Datagrams, open_datagrams};
pub use deadlines::{Deadlines, Slot, TICK};
pub use driver::{
    ConnectOptions, Driver, KeepAlive, ListenOptions, Listener, RecvHint, RuntimeOptions, Stream,
    Wire,
};
pub use epoll::{Epoll, EpollListener, EpollStream};
pub use handover::{Channel, MESSAGE_LIMIT_BYTES, MESSAGE_LIMIT_FDS, Message, listen_fds};
pub use hangup::hung_up;
pub use listen::{AcceptError, accept_error, open as open_listener, shares_port};
pub use parts::{Parts, Piece};
pub use pipe::{PIPE_BYTES, PIPES_KEPT, Piped};
pub use pool::{
    Class, LARGE_BYTES, LARGE_KEPT, MEDIUM_BYTES, MEDIUM_KEPT, PoolUse, SMALL_BYTES, SMALL_KEPT,
    pool_use, trim_pool,
};
pub use probe::ProbeError;
pub use socket::{Progress, Socket};
pub use transparent::may_keep_source;
pub use uring::{Uring, UringListener, UringStream};
pub use watch::{Watch, Watcher};
