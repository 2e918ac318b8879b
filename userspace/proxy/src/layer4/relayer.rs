//! The connections of a worker whose bytes the kernel moves by itself: who watches them, and whom the program calls.

use super::Splicing;
use kernel::{JoinError, Relay, Relayed};
use net::{Socket, Watch, Watcher};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use tokio::sync::Notify;

/// One a worker.
pub(crate) struct Relayer {
    relay: RefCell<Relay>,
    watcher: Watcher,
    waiting: RefCell<HashMap<u32, Rc<Notify>>>,
}

/// A connection that was handed over. Dropped, it is ours again; what was on its way in the kernel is lost.
pub(super) struct Joined {
    relayer: Rc<Relayer>,
    pub(super) relayed: Relayed,
    /// Told when the program has left something to us.
    pub(super) call: Rc<Notify>,
}

impl Relayer {
    /// Takes a program and begins to watch, where there is one.
    pub(crate) fn start(splicing: &Splicing) -> Option<Rc<Self>> {
        let relay = splicing.take_relay()?;
        match Self::new(relay) {
            Ok((relayer, calls)) => {
                tokio::task::spawn_local(relayer.watcher.clone().run());
                tokio::task::spawn_local(Rc::clone(&relayer).listen(calls));
                Some(relayer)
            }
            Err(error) => {
                tracing::warn!(%error, "a worker cannot hand connections to the kernel");
                None
            }
        }
    }

    fn new(relay: Relay) -> io::Result<(Rc<Self>, Watch<OwnedFd>)> {
        let watcher = Watcher::new()?;
        let calls = watcher.words(relay.calls().try_clone_to_owned()?)?;
        let relayer = Self {
            relay: RefCell::new(relay),
            watcher,
            waiting: RefCell::default(),
        };
        Ok((Rc::new(relayer), calls))
    }

    /// Passes calls on, as long as the worker lives.
    async fn listen(self: Rc<Self>, calls: Watch<OwnedFd>) {
        loop {
            calls.event().await;
            let waiting = self.waiting.borrow();
            self.relay.borrow_mut().called(|id| {
                if let Some(call) = waiting.get(&id) {
                    call.notify_one();
                }
            });
        }
    }

    /// Hands a connection over.
    pub(super) fn join(
        self: &Rc<Self>,
        client: &Socket,
        endpoint: &Socket,
    ) -> Result<Joined, JoinError> {
        let relayed = self
            .relay
            .borrow_mut()
            .join(client.as_fd(), endpoint.as_fd())?;
        let call = Rc::new(Notify::new());
        self.waiting
            .borrow_mut()
            .insert(relayed.id(), Rc::clone(&call));
        Ok(Joined {
            relayer: Rc::clone(self),
            relayed,
            call,
        })
    }

    /// Tells of a socket's end.
    pub(super) fn watch(&self, socket: &Rc<Socket>) -> io::Result<Watch<Rc<Socket>>> {
        self.watcher.ends(Rc::clone(socket))
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.relayer.waiting.borrow_mut().remove(&self.relayed.id());
        self.relayer.relay.borrow_mut().leave(&self.relayed);
    }
}
