//! Listening sockets, opened by the control plane before a generation takes effect and taken over by the workers.
//!
//! So a port that is in use is an error of the reload, not of the traffic, and a listener that stays keeps its socket
//! and the connections that wait in it. A second descriptor of each stays here: to hand it to the next process on an
//! upgrade, in which connections that wait must not be lost either. A socket of a group (SO_REUSEPORT) that closes takes
//! its queue with it, so sockets are passed on and never bound anew.

use crate::generation::ListenerPlan;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sockets of every listener: one a worker (SO_REUSEPORT), or those that another process has given.
pub struct Sockets {
    workers: usize,
    held: Mutex<HashMap<SocketAddr, Vec<TcpListener>>>,
}

impl Sockets {
    /// For this many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            held: Mutex::default(),
        }
    }

    /// Binds an address for every worker. Nothing is left bound when one of them fails.
    ///
    /// # Errors
    /// What the system says: the address is in use, is not of this host, or the port needs a privilege.
    pub fn bind(&self, plan: &ListenerPlan) -> io::Result<()> {
        let options = crate::accept::options(plan);
        let sockets = (0..self.workers)
            .map(|_| net::open_listener(plan.address, &options))
            .collect::<io::Result<Vec<_>>>()?;
        self.lock().insert(plan.address, sockets);
        Ok(())
    }

    /// Takes over sockets that listen on the address already. Workers for whom there is none get one bound beside them where
    /// the system admits that, and else share.
    pub fn adopt(&self, plan: &ListenerPlan, mut given: Vec<TcpListener>) {
        if given.iter().all(net::shares_port) {
            let options = crate::accept::options(plan);
            while given.len() < self.workers {
                match net::open_listener(plan.address, &options) {
                    Ok(socket) => given.push(socket),
                    Err(error) => {
                        tracing::info!(listener = %plan.name, %error, "workers share a socket");
                        break;
                    }
                }
            }
        }
        self.lock().insert(plan.address, given);
    }

    /// Closes what was bound for a generation that did not come to be.
    pub fn forget(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// Closes the sockets of all addresses but these, as far as they are here: workers close theirs as they follow the
    /// generation.
    pub fn keep(&self, addresses: &[SocketAddr]) {
        self.lock().retain(|address, _| addresses.contains(address));
    }

    /// Further descriptors of all sockets, for the next process.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn duplicates(&self) -> io::Result<Vec<(SocketAddr, Vec<TcpListener>)>> {
        let held = self.lock();
        let duplicates = held.iter().map(|(address, sockets)| {
            let sockets: io::Result<_> = sockets.iter().map(TcpListener::try_clone).collect();
            Ok((*address, sockets?))
        });
        duplicates.collect()
    }

    /// The sockets that a worker accepts from: its own, or its share where there are more of them or fewer than workers.
    pub(crate) fn of_worker(
        &self,
        address: SocketAddr,
        worker: usize,
    ) -> io::Result<Vec<TcpListener>> {
        let held = self.lock();
        let sockets = held.get(&address).map_or(&[][..], Vec::as_slice);
        share(sockets.len(), self.workers, worker)
            .filter_map(|index| sockets.get(index))
            .map(TcpListener::try_clone)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<TcpListener>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of so many sockets a worker accepts from: each socket has a worker, each worker a socket.
fn share(sockets: usize, workers: usize, worker: usize) -> impl Iterator<Item = usize> {
    let first = if sockets == 0 { 0 } else { worker % sockets };
    (first..sockets).step_by(workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(sockets: usize, workers: usize) -> Vec<Vec<usize>> {
        (0..workers)
            .map(|worker| share(sockets, workers, worker).collect())
            .collect()
    }

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        assert_eq!(shares(2, 2), [[0], [1]]);
        assert_eq!(shares(4, 2), [[0, 2], [1, 3]]);
        assert_eq!(shares(3, 2), [vec![0, 2], vec![1]]);
        assert_eq!(shares(1, 3), [[0], [0], [0]]);
        assert_eq!(shares(2, 3), [[0], [1], [0]]);
        assert_eq!(shares(0, 2), [[], [] as [usize; 0]]);
    }
}
