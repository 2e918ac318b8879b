//! Which of many sockets their peers have left.

use crate::Socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::rc::Rc;

/// Tells of each socket whether its peer has closed its side or reset the connection: one system call for all of them,
/// which takes nothing from them and never waits. `false` for all where the kernel has no memory for the call.
#[must_use]
pub fn hung_up(sockets: &[Rc<Socket>]) -> Vec<bool> {
    const AT_ONCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Errors and hang-ups of both sides are told unasked (poll(2)).
    let mut asked: Vec<PollFd<'_>> = sockets
        .iter()
        .map(|socket| PollFd::new(socket, PollFlags::RDHUP))
        .collect();
    if poll(&mut asked, Some(&AT_ONCE)).is_err() {
        return vec![false; sockets.len()];
    }
    asked.iter().map(|fd| !fd.revents().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair() -> (TcpStream, Rc<Socket>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, peer) = listener.accept().unwrap();
        (far, Rc::new(Socket::new(near.into(), Some(peer))))
    }

    #[test]
    fn a_close_and_a_reset_are_told_and_bytes_are_not() {
        let (mut talks, open) = pair();
        let (half, half_closed) = pair();
        let (gone, closed) = pair();
        let (cut, reset) = pair();
        talks.write_all(b"GET /").unwrap();
        half.shutdown(Shutdown::Write).unwrap();
        drop(gone);
        socket2::SockRef::from(&cut)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(cut);
        let sockets = [open, half_closed, closed, reset];
        assert_eq!(hung_up(&sockets), [false, true, true, true]);
        assert!(hung_up(&[]).is_empty());
    }
}
