//! Polls on the ring.

use crate::Socket;
use io_uring::{cqueue, opcode, types};
use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

/// A poll that is under way. It owns the socket until it completes, even when it is dropped, so that the number of the
/// descriptor is not used again while the kernel may still look it up.
pub(super) type Poll = InFlightOneshot<Rc<Socket>, Outcome>;

/// Turns a completion into a result.
pub(super) struct Outcome;

impl OneshotOutputTransform for Outcome {
    type Output = io::Result<()>;
    type StoredData = Rc<Socket>;

    fn transform_oneshot_output(self, _: Rc<Socket>, entry: cqueue::Entry) -> io::Result<()> {
        if entry.result() < 0 {
            return Err(io::Error::from_raw_os_error(-entry.result()));
        }
        Ok(())
    }
}

/// Starts to wait for events (poll(2)) on a socket. The polls of a round enter the kernel together when the worker runs
/// out of work.
pub(super) fn poll(socket: &Rc<Socket>, events: libc::c_short) -> Poll {
    let events = u32::from(events.cast_unsigned());
    let entry = opcode::PollAdd::new(types::Fd(socket.as_raw_fd()), events).build();
    UnsubmittedOneshot::new(socket.clone(), Outcome, entry).submit()
}
