//! Why the process does not start.

use crate::admin::AdminError;
use config::Diagnostics;
use std::io;

/// What kept the process from starting.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration, or something that it names, is wrong.
    #[error("{0}")]
    Config(Diagnostics),
    /// The control plane's own runtime.
    #[error("the runtime of the control plane does not start: {0}")]
    Runtime(#[source] io::Error),
    /// A worker thread.
    #[error("a worker does not start: {0}")]
    Workers(#[source] io::Error),
    /// io_uring was asked for and is not to be had.
    #[error("io_uring was asked for: {0}; use `io: auto` to fall back to epoll")]
    Uring(#[source] net::ProbeError),
    /// The admin socket or address.
    #[error(transparent)]
    Admin(AdminError),
    /// A ban file, or the kernel path of the process that this one was to take over from.
    #[error("{0}")]
    Kernel(String),
    /// The process that this one was to take over from.
    #[error("{0}")]
    Handover(String),
    /// What a service manager passed on.
    #[error("LISTEN_FDS names a descriptor that is not open: {0}")]
    ListenFds(#[source] io::Error),
    /// Two metric families of one name: a defect of ours.
    #[error("metrics: {0}")]
    Metrics(#[source] prometheus::Error),
}
