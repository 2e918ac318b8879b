//! Listening sockets, opened by the control plane before a generation takes effect and taken over by the workers.
//!
//! So a port that is in use is an error of the reload, not of the traffic, and a listener that stays keeps its socket
//! and the connections that wait in it.

use crate::generation::ListenerPlan;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// One socket a worker for each address (SO_REUSEPORT), until the worker has taken it.
pub struct Sockets {
    workers: usize,
    waiting: Mutex<HashMap<SocketAddr, Vec<Option<TcpListener>>>>,
}

impl Sockets {
    /// For this many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            waiting: Mutex::default(),
        }
    }

    /// Binds an address for every worker. Nothing is left bound when one of them fails.
    ///
    /// # Errors
    /// What the system says: the address is in use, is not of this host, or the port needs a privilege.
    pub fn bind(&self, plan: &ListenerPlan) -> io::Result<()> {
        let options = crate::accept::options(plan);
        let sockets = (0..self.workers)
            .map(|_| net::open_listener(plan.address, &options).map(Some))
            .collect::<io::Result<Vec<_>>>()?;
        self.lock().insert(plan.address, sockets);
        Ok(())
    }

    /// Closes what was bound for a generation that did not come to be.
    pub fn forget(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    pub(crate) fn take(&self, address: SocketAddr, worker: usize) -> io::Result<TcpListener> {
        let mut waiting = self.lock();
        let socket = waiting
            .get_mut(&address)
            .and_then(|sockets| sockets.get_mut(worker))
            .and_then(Option::take);
        if waiting
            .get(&address)
            .is_some_and(|sockets| sockets.iter().all(Option::is_none))
        {
            waiting.remove(&address);
        }
        socket.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Vec<Option<TcpListener>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
