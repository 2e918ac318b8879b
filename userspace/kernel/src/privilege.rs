//! Capabilities: one thread keeps those that the kernel asks for, and has them in effect while it does what needs them.
//!
//! [`shed`] is called before there is a second thread. It starts the keeper, and takes from its caller, and so from every thread
//! that begins later, all but what reading and writing files as root takes. What loads programs, makes maps, attaches, binds low
//! ports, or starts the next process of an upgrade (which inherits the keeper's capabilities) is done by [`with`]. Writing to maps
//! that are open takes none.
//!
//! It keeps what parses bytes of the network from using a capability by mistake. It is no wall around code of an attacker: threads
//! share their memory.

#![allow(unsafe_code)]

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread::ThreadId;

type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

struct Keeper {
    jobs: Mutex<mpsc::Sender<Job<'static>>>,
    thread: ThreadId,
}

static KEEPER: OnceLock<Keeper> = OnceLock::new();

/// What a process of root needs for files of other users. It means nothing to the network.
const FILES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID);

/// What a worker may put in effect for one call: connections that keep the client's address, and answers from low ports.
const OF_WORKERS: CapabilitySet = CapabilitySet::NET_RAW.union(CapabilitySet::NET_BIND_SERVICE);

/// Leaves the capabilities of this process to a thread of their own. To be called once, by the only thread.
///
/// # Errors
/// The kernel refuses it, or no thread can be started; the capabilities are as they were.
pub fn shed() -> io::Result<()> {
    let held = capabilities(None)?;
    if KEEPER.get().is_some() || held.permitted.is_empty() {
        return Ok(());
    }
    let (sender, jobs) = mpsc::channel::<Job<'static>>();
    let thread = std::thread::Builder::new()
        .name("privileges".to_owned())
        .spawn(move || keep(held, &jobs))?;
    let keeper = Keeper {
        jobs: Mutex::new(sender),
        thread: thread.thread().id(),
    };
    if KEEPER.set(keeper).is_err() {
        return Ok(());
    }
    reduce(held, held.permitted & FILES, held.effective & FILES)
}

/// The keeper's life: what it is asked for, with everything in effect, and nothing between.
fn keep(held: CapabilitySets, jobs: &mpsc::Receiver<Job<'static>>) {
    let set = |effective| {
        let sets = CapabilitySets { effective, ..held };
        if let Err(error) = set_capabilities(None, sets) {
            // It is a subset of what is permitted; if the kernel says no all the same, the job itself will tell.
            debug_assert!(false, "{error}");
        }
    };
    set(CapabilitySet::empty());
    while let Ok(job) = jobs.recv() {
        set(held.permitted);
        job();
        set(CapabilitySet::empty());
    }
}

/// Makes what this thread has no more than this, for good.
fn reduce(
    held: CapabilitySets,
    permitted: CapabilitySet,
    effective: CapabilitySet,
) -> io::Result<()> {
    // Ambient ones come back with the next program otherwise.
    clear_ambient_capability_set()?;
    let sets = CapabilitySets {
        permitted: permitted & held.permitted,
        effective: effective & held.permitted,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    Ok(set_no_new_privs(true)?)
}

/// Takes from a worker what it has of the thread that started it: nothing is in effect, and little can be. Without
/// [`shed`] before it does nothing.
///
/// # Errors
/// The kernel refuses it.
pub fn shed_worker() -> io::Result<()> {
    if KEEPER.get().is_none() {
        return Ok(());
    }
    let held = capabilities(None)?;
    let mut kept = OF_WORKERS;
    if !held.permitted.contains(CapabilitySet::NET_RAW) {
        // Stands in for it.
        kept |= CapabilitySet::NET_ADMIN;
    }
    reduce(held, kept, CapabilitySet::empty())
}

/// Does something with the capabilities that the process began with. Without [`shed`] before, and on the keeper itself, that is
/// what the thread has.
///
/// # Panics
/// Where the work does.
pub fn with<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let here = std::thread::current().id();
    let Some(keeper) = KEEPER.get().filter(|keeper| keeper.thread != here) else {
        return work();
    };
    let (tell, hear) = mpsc::sync_channel(1);
    let job: Job<'_> = Box::new(move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        // Somebody waits for it.
        let _ = tell.send(outcome);
    });
    // SAFETY: the lifetime alone changes. What the job borrows is used by `work` alone, which has ended, or was dropped with the
    // job, when `recv` comes back: it waits for the outcome, or for the job's end of the channel to go. This thread does not leave
    // this function before.
    let job: Job<'static> = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
    // A job that nobody takes is dropped here, and `recv` tells.
    let _ = keeper
        .jobs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(job);
    match hear.recv() {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(mpsc::RecvError) => resume_unwind(Box::new("the keeper of capabilities has ended")),
    }
}
