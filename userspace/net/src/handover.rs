//! Descriptors from another process: over a channel between two processes of ours, and from a service manager.
#![allow(unsafe_code)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::sockopt::Timeout;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Most bytes of a message; a longer one is refused by [`Channel::send`]. Far below the smallest buffer that Linux gives a
/// Unix socket, so that a message always goes as a whole.
pub const MESSAGE_LIMIT_BYTES: usize = 64 * 1024;

/// Most descriptors of a message. The kernel's own bound is 253 (SCM_MAX_FD).
pub const MESSAGE_LIMIT_FDS: usize = 64;

/// How long [`Channel::send`] waits for the other side to make room, before it fails.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// One end of a channel between two processes (a Unix socket that keeps the bounds of messages). What is sent arrives whole
/// and in order, or not at all.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

/// What arrived.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its descriptors, which are ours now.
    pub fds: Vec<OwnedFd>,
}

impl Channel {
    /// Two ends: ours, and the one that a child gets as its standard input.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        for end in [&ours, &theirs] {
            rustix::net::sockopt::set_socket_timeout(end, Timeout::Send, Some(SEND_PATIENCE))?;
        }
        Ok((Self { fd: ours }, theirs))
    }

    /// The end that this process was started with as its standard input, which becomes empty.
    ///
    /// # Errors
    /// The standard input is no such channel.
    pub fn from_stdin() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        let kind = rustix::net::sockopt::socket_type(&fd)?;
        if kind != SocketType::SEQPACKET {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self { fd })
    }

    /// Sends a message. Waits a while where the other side does not keep up.
    ///
    /// # Errors
    /// The other side is gone or does not read, or the message exceeds a limit.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if bytes.len() > MESSAGE_LIMIT_BYTES || fds.len() > MESSAGE_LIMIT_FDS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            let parts = [IoSlice::new(bytes)];
            match rustix::net::sendmsg(&self.fd, &parts, &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for a message; none when the other side has closed its end.
    ///
    /// # Errors
    /// `TimedOut` when nothing came in time, `InvalidData` when a message is larger than any that we send.
    pub fn recv(&self, until: Instant) -> io::Result<Option<Message>> {
        self.wait(until)?;
        let mut bytes = vec![0; MESSAGE_LIMIT_BYTES];
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.fd, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            {
                Ok(received) => break received,
                // A reset says once that the other side ended without reading all that we had sent. Behind it is what it
                // said before, and the end.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if received.bytes == 0 && fds.is_empty() {
            return Ok(None);
        }
        bytes.truncate(received.bytes);
        Ok(Some(Message { bytes, fds }))
    }

    fn wait(&self, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(A_LONG_TIME);
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MESSAGE_LIMIT_FDS));

/// For a moment too far away to be written as a timeout.
const A_LONG_TIME: Timespec = Timespec {
    tv_sec: Duration::from_secs(3600).as_secs() as i64,
    tv_nsec: 0,
};

/// The first descriptor that a service manager passes on (sd_listen_fds(3)).
const FIRST_LISTEN_FD: RawFd = 3;

/// Takes the sockets that a service manager opened for this process (LISTEN_PID and LISTEN_FDS, as systemd's socket units and
/// `systemd-socket-activate` set them). A second call finds none.
///
/// # Errors
/// LISTEN_FDS names descriptors that are not open.
pub fn listen_fds() -> io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or_default();
    if count == 0 || TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let count = RawFd::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut fds = Vec::new();
    for raw in FIRST_LISTEN_FD..FIRST_LISTEN_FD.saturating_add(count) {
        // SAFETY: only borrowed for the call; a descriptor that is not open is an error of it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
        fcntl_setfd(borrowed, fcntl_getfd(borrowed)? | FdFlags::CLOEXEC)?;
        // SAFETY: it is open, the service manager meant it for this process (LISTEN_PID), and `TAKEN` lets nobody else make an
        // owner of it.
        fds.push(unsafe { OwnedFd::from_raw_fd(raw) });
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn pair() -> (Channel, Channel) {
        let (ours, theirs) = Channel::pair().unwrap();
        (ours, Channel { fd: theirs })
    }

    #[test]
    fn messages_keep_their_bounds_and_descriptors() {
        let (here, there) = pair();
        let mut files: Vec<File> = (0..MESSAGE_LIMIT_FDS)
            .map(|_| tempfile::tempfile().unwrap())
            .collect();
        write!(files[7], "seven").unwrap();
        let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        here.send(b"many", &fds).unwrap();
        here.send(&vec![b'x'; MESSAGE_LIMIT_BYTES], &[]).unwrap();
        let many = there.recv(soon()).unwrap().unwrap();
        assert_eq!(
            (many.bytes.as_slice(), many.fds.len()),
            (b"many".as_slice(), MESSAGE_LIMIT_FDS)
        );
        let mut seventh = File::from(many.fds.into_iter().nth(7).unwrap());
        let mut text = String::new();
        seventh.rewind().unwrap();
        seventh.read_to_string(&mut text).unwrap();
        assert_eq!(text, "seven");
        let large = there.recv(soon()).unwrap().unwrap();
        assert_eq!(
            (large.bytes.len(), large.fds.len()),
            (MESSAGE_LIMIT_BYTES, 0)
        );
    }

    #[test]
    fn what_exceeds_a_limit_is_not_sent() {
        let (here, there) = pair();
        let error = here
            .send(&vec![0; MESSAGE_LIMIT_BYTES + 1], &[])
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let file = tempfile::tempfile().unwrap();
        let fds = vec![file.as_fd(); MESSAGE_LIMIT_FDS + 1];
        assert_eq!(
            here.send(b"", &fds).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        let error = there.recv(Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_end_of_the_other_side_is_told_after_what_it_sent() {
        let (here, there) = pair();
        here.send(b"last words", &[]).unwrap();
        drop(here);
        assert_eq!(there.recv(soon()).unwrap().unwrap().bytes, b"last words");
        assert!(there.recv(soon()).unwrap().is_none());
        assert!(there.send(b"?", &[]).is_err());
    }

    #[test]
    fn last_words_are_heard_where_the_other_side_has_not_read_ours() {
        let (here, there) = pair();
        there.send(b"unread", &[]).unwrap();
        here.send(b"last words", &[]).unwrap();
        drop(here);
        assert_eq!(there.recv(soon()).unwrap().unwrap().bytes, b"last words");
        assert!(there.recv(soon()).unwrap().is_none());
    }
}
