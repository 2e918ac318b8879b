//! Who is connected to a worker, so that the banned can be sent away.

use net::{Socket, Stream};
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::{Rc, Weak};

/// The open connections of a worker.
#[derive(Default)]
pub(crate) struct Presence {
    places: RefCell<Vec<Option<Rc<Present>>>>,
    free: RefCell<Vec<usize>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Present {
    // Weak: whoever is on the list keeps no descriptor open.
    socket: Weak<Socket>,
    /// The address on the wire.
    wire: IpAddr,
    /// The client, where a proxy named it.
    client: Cell<IpAddr>,
    was_cut: Cell<bool>,
}

impl Present {
    fn is_cut_by(&self, is_banned: &impl Fn(IpAddr) -> bool) -> bool {
        let client = self.client.get();
        if self.was_cut.get() || !(is_banned(self.wire) || client != self.wire && is_banned(client))
        {
            return false;
        }
        let Some(socket) = self.socket.upgrade() else {
            return false;
        };
        self.was_cut.set(true);
        // A reset: nothing that is still to be sent is worth waiting for.
        socket.abort();
        true
    }

    /// A proxy has named the client.
    pub(crate) fn is_for(&self, client: IpAddr) {
        self.client.set(client);
    }

    /// Whether it was closed because of a ban.
    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut.get()
    }
}

impl Presence {
    /// Enters a connection. It leaves the list with the guard.
    pub(crate) fn enter(&self, stream: &impl Stream, wire: IpAddr) -> (Rc<Present>, usize) {
        let present = Rc::new(Present {
            socket: Rc::downgrade(stream.socket()),
            wire,
            client: Cell::new(wire),
            was_cut: Cell::new(false),
        });
        let mut places = self.places.borrow_mut();
        let entry = Some(Rc::clone(&present));
        let place = match self.free.borrow_mut().pop() {
            Some(place) => {
                places[place] = entry;
                place
            }
            None => {
                places.push(entry);
                places.len() - 1
            }
        };
        (present, place)
    }

    /// Takes a connection off the list.
    pub(crate) fn leave(&self, place: usize) {
        self.places.borrow_mut()[place] = None;
        self.free.borrow_mut().push(place);
    }

    /// Closes the connections of the banned, and gives their number.
    pub(crate) fn cut(&self, is_banned: impl Fn(IpAddr) -> bool) -> usize {
        let places = self.places.borrow();
        let present = places.iter().flatten();
        present.filter(|one| one.is_cut_by(&is_banned)).count()
    }
}
