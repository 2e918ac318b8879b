//! Watches descriptors for the few events that matter where the kernel moves the bytes: the end of a stream, a break, a word
//! of a BPF program. Bytes that come and go wake nobody.

use crate::sys;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Events that are taken in one look.
const EVENTS_A_LOOK: usize = 64;

/// What a worker watches: an epoll of its own, which the worker's reactor watches in turn.
#[derive(Clone)]
pub struct Watcher {
    shared: Rc<Shared>,
}

struct Shared {
    epoll: AsyncFd<OwnedFd>,
    entries: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<usize>>,
}

#[derive(Default)]
struct Entry {
    happened: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watcher {
    /// Watches nothing yet. To be made inside the runtime; [`Watcher::run`] is to be spawned once.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self {
            shared: Rc::new(Shared {
                epoll: sys::register(epoll, Interest::READABLE)?,
                entries: RefCell::default(),
                free: RefCell::default(),
            }),
        })
    }

    /// Tells of a socket when its peer has ended its sending direction, when it broke, when either side was shut down, and when
    /// it takes bytes again after it was full.
    ///
    /// # Errors
    /// The kernel has no room for one more.
    pub fn ends<T: AsFd>(&self, socket: T) -> io::Result<Watch<T>> {
        self.watch(socket, EventFlags::RDHUP | EventFlags::OUT)
    }

    /// Tells of a descriptor when something can be read from it.
    ///
    /// # Errors
    /// The kernel has no room for one more.
    pub fn words<T: AsFd>(&self, fd: T) -> io::Result<Watch<T>> {
        self.watch(fd, EventFlags::IN)
    }

    fn watch<T: AsFd>(&self, fd: T, events: EventFlags) -> io::Result<Watch<T>> {
        let entry = Rc::new(Entry::default());
        let mut entries = self.shared.entries.borrow_mut();
        let index = self.shared.free.borrow_mut().pop().unwrap_or(entries.len());
        let added = epoll::add(
            &self.shared.epoll,
            &fd,
            EventData::new_u64(index as u64),
            events | EventFlags::ET,
        );
        if index == entries.len() {
            entries.push(None);
        }
        if let Err(error) = added {
            self.shared.free.borrow_mut().push(index);
            return Err(error.into());
        }
        if let Some(place) = entries.get_mut(index) {
            *place = Some(Rc::clone(&entry));
        }
        Ok(Watch {
            fd,
            entry,
            index,
            shared: Rc::clone(&self.shared),
        })
    }

    /// Looks for events as long as the worker lives.
    ///
    /// # Errors
    /// The reactor has ended.
    pub async fn run(self) -> io::Result<()> {
        loop {
            let mut ready = self.shared.epoll.readable().await?;
            let mut events = Vec::with_capacity(EVENTS_A_LOOK);
            let at_once = rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let spare = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.shared.epoll, spare, Some(&at_once))?;
            if events.len() < EVENTS_A_LOOK {
                ready.clear_ready();
            }
            for event in &events {
                self.shared.tell(event);
            }
        }
    }
}

impl Shared {
    fn tell(&self, event: &Event) {
        let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
        let entry = self.entries.borrow().get(index).cloned().flatten();
        if let Some(entry) = entry {
            entry.happened.set(true);
            if let Some(waker) = entry.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A descriptor that is watched until this is dropped.
pub struct Watch<T: AsFd> {
    fd: T,
    entry: Rc<Entry>,
    index: usize,
    shared: Rc<Shared>,
}

impl<T: AsFd> Watch<T> {
    /// Waits for the next event; one that has happened since the last time counts. Cancel-safe.
    pub async fn event(&self) {
        poll_fn(|cx| self.poll_event(cx)).await;
    }

    /// As [`Watch::event`].
    pub fn poll_event(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.entry.happened.replace(false) {
            return Poll::Ready(());
        }
        *self.entry.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The descriptor.
    pub fn get_ref(&self) -> &T {
        &self.fd
    }
}

impl<T: AsFd> Drop for Watch<T> {
    fn drop(&mut self) {
        // Others may have the descriptor open too, so closing ours would not end it.
        let _ = epoll::delete(&self.shared.epoll, &self.fd);
        if let Some(place) = self.shared.entries.borrow_mut().get_mut(self.index) {
            *place = None;
        }
        self.shared.free.borrow_mut().push(self.index);
    }
}
