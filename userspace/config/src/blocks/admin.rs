//! How many workers there are, how they do I/O, which gets a connection, and where the admin API is.

use crate::block::{optional_block, words};
use crate::diagnostic::Spanned;
use crate::document::Node;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use crate::values::FilePath;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

/// Most workers; a host with more cores leaves the rest to other work.
pub const MAX_WORKERS: u16 = 1024;

/// How many workers serve traffic, each a thread pinned to a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that the process may run on.
    Auto,
    /// So many, 1 to [`MAX_WORKERS`].
    Count(u16),
}

impl Setting for Workers {
    fn expects() -> String {
        format!("`auto`, or a whole number from 1 to {MAX_WORKERS}")
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parse(node, |text| match (text, text.parse::<u16>()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count)) if (1..=MAX_WORKERS).contains(&count) => Ok(Self::Count(count)),
            _ => Err(Bad::new(
                format!("`{}` is not a number of workers", shortened(text)),
                "write `auto` for one worker a core",
            )),
        })
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": MAX_WORKERS }] })
    }

    fn json(&self) -> Json {
        match self {
            Self::Auto => "auto".into(),
            Self::Count(count) => (*count).into(),
        }
    }
}

words! {
    /// How workers do I/O.
    pub enum Io {
        /// io_uring where the kernel admits it, else epoll; the log says which and why.
        Auto = "auto",
        /// io_uring; refused to start where the kernel does not admit it.
        Uring = "uring",
        /// epoll.
        Epoll = "epoll",
    }
}

words! {
    /// Which worker gets a new connection.
    pub enum Steering {
        /// The one with the least load, where the kernel admits the program that chooses; else by the kernel's hash.
        Auto = "auto",
        /// By the kernel's hash of addresses and ports.
        Hash = "hash",
    }
}

words! {
    /// How bytes of `tcp` and `tls_passthrough` listeners go from socket to socket, where bascule does not end TLS on either
    /// side. Connections begin with copies; once they have moved 256 KiB they go on like this.
    pub enum Splice {
        /// Like `splice`, which costs no more than `sockmap` where senders are quick, and lets TCP grow its receive window.
        Auto = "auto",
        /// In the kernel, by a BPF program: workers do not even wake up. Up to 4,096 connections of each worker; what is beyond,
        /// and all of them where the kernel does not admit the program, goes like `splice`.
        Sockmap = "sockmap",
        /// Through pipes of the kernel (splice(2)): bytes are not copied to bascule.
        Splice = "splice",
        /// Through memory of bascule.
        Copy = "copy",
    }
}

optional_block! {
    /// The admin API: for the `bascule` command through a socket, for probes and metrics over TCP.
    pub struct Admin {
        /// The Unix socket that `bascule status`, `reload`, `ban` and the others talk to. Only its owner can open it.
        /// Left out: `/run/bascule/admin.sock` for root, `bascule.sock` in the folder of this file for others.
        socket: Option<FilePath> = None;
        /// Where `/metrics`, `/healthz` and `/readyz` are served, without TLS and without a password: use a loopback
        /// or management address. Left out: not at all.
        address: Option<Spanned<SocketAddr>> = None;
    }
}
