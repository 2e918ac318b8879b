//! Bytes that go from socket to socket through a pipe of the kernel, without being copied to us (splice(2)).

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// What a pipe may hold, where the kernel admits it (`fs.pipe-max-size`, 1 MiB unless changed); else what it admits.
pub const PIPE_BYTES: usize = 1024 * 1024;

/// Empty pipes that a thread keeps. One more is closed at once.
pub const PIPES_KEPT: usize = 32;

/// Bytes that were received into a pipe, for one send. Dropped before that, they are lost.
#[derive(Default)]
pub struct Piped {
    // `None` at the end of the stream.
    pipe: Option<Pipe>,
    bytes: usize,
}

/// Both ends of a pipe that does not wait.
pub(crate) struct Pipe {
    pub(crate) out: OwnedFd,
    pub(crate) into: OwnedFd,
}

thread_local! {
    static POOL: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Pipe {
    /// An empty one: that used last, or a new one.
    pub(crate) fn take() -> io::Result<Self> {
        let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        kept.map_or_else(Self::open, Ok)
    }

    fn open() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // Users who are not root have a limit on what all their pipes hold: then this one stays as it is.
        let _ = fcntl_setpipe_size(&into, PIPE_BYTES);
        Ok(Self { out, into })
    }

    /// Keeps an empty one for the next taker.
    pub(crate) fn give(self) {
        // While the thread ends its pool is gone: then it is closed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < PIPES_KEPT {
                pool.push(self);
            }
        });
    }
}

impl Piped {
    pub(crate) fn new(pipe: Pipe, bytes: usize) -> Self {
        Self {
            pipe: Some(pipe),
            bytes,
        }
    }

    /// How many bytes there are. None: the stream has ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether the stream has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The pipe, as long as something is in it.
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        self.pipe.as_ref().filter(|_| self.bytes > 0)
    }

    /// So many bytes have left. The last of them give the pipe back.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.bytes == 0
            && let Some(pipe) = self.pipe.take()
        {
            pipe.give();
        }
    }
}

impl fmt::Debug for Piped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piped({} bytes)", self.bytes)
    }
}
