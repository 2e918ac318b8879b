//! Clients that leave while their endpoint is still at work.
//!
//! Nobody reads from a client whose request is complete, so nobody would notice: the endpoint would be held until it
//! answers. A worker therefore asks the kernel now and then about all clients that have waited for a while.

use net::{Clock, Socket, Stream};
use std::cell::RefCell;
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// How long a request waits before its client is looked at. A client that closes its sending side behind its request and
/// is answered by then is served; later it counts as gone, since a close of both sides looks the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// The requests of a worker that wait for the head of an answer.
pub(crate) struct Waiting {
    clock: Clock,
    entries: RefCell<Vec<Entry>>,
    free: RefCell<Vec<usize>>,
}

struct Entry {
    // Weak: what is not waited for any more keeps no descriptor open.
    client: Weak<Socket>,
    endpoint: Weak<Socket>,
    since: Instant,
    has_left: bool,
}

impl Waiting {
    /// Nobody waits.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            entries: RefCell::default(),
            free: RefCell::default(),
        }
    }

    /// Watches a client for as long as the guard lives. When it leaves, the endpoint's connection is shut down.
    pub(crate) fn watch(&self, client: &impl Stream, endpoint: &impl Stream) -> Watch<'_> {
        let entry = Entry {
            client: Rc::downgrade(client.socket()),
            endpoint: Rc::downgrade(endpoint.socket()),
            since: self.clock.now(),
            has_left: false,
        };
        let mut entries = self.entries.borrow_mut();
        let index = match self.free.borrow_mut().pop() {
            Some(index) => {
                entries[index] = entry;
                index
            }
            None => {
                entries.push(entry);
                entries.len() - 1
            }
        };
        Watch {
            waiting: self,
            index,
        }
    }

    /// Looks at the clients that have waited long enough. One system call, none where nobody has.
    pub(crate) fn look(&self) {
        let mut entries = self.entries.borrow_mut();
        let (indices, clients): (Vec<usize>, Vec<Rc<Socket>>) = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| self.clock.since(entry.since) >= PATIENCE)
            .filter_map(|(index, entry)| Some((index, entry.client.upgrade()?)))
            .unzip();
        if clients.is_empty() {
            return;
        }
        for (index, has_left) in indices.into_iter().zip(net::hung_up(&clients)) {
            let entry = &mut entries[index];
            if has_left && !entry.has_left {
                entry.has_left = true;
                if let Some(endpoint) = entry.endpoint.upgrade() {
                    endpoint.shutdown(Shutdown::Both);
                }
            }
        }
    }
}

/// One client that is watched.
pub(crate) struct Watch<'w> {
    waiting: &'w Waiting,
    index: usize,
}

impl Watch<'_> {
    /// Whether the client left, so that nobody waits for the answer.
    pub(crate) fn has_left(&self) -> bool {
        self.waiting.entries.borrow()[self.index].has_left
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let entry = &mut self.waiting.entries.borrow_mut()[self.index];
        entry.client = Weak::new();
        entry.endpoint = Weak::new();
        self.waiting.free.borrow_mut().push(self.index);
    }
}
