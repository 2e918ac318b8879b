//! All workers together: their threads, and what they are told.

use crate::sockets::Sockets;
use crate::worker::{self, Shared};
use net::{Driver, RuntimeOptions};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a worker is told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Be ready, but take no connections yet.
    Hold,
    /// Serve; the generation has this number.
    Serve(u64),
    /// Take no new connections, finish what is under way until the deadline, then end.
    Drain(Instant, Leave),
}

/// How connections end that could go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Idle ones at once: nobody serves here any more, so clients should learn it soon.
    AtOnce,
    /// With `Connection: close` on the next answer, and idle ones when their time or the drain's is up: another process
    /// serves here, and no client is to meet a connection that closes under its request.
    WithNextAnswer,
}

/// How far a worker is, as it tells once each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its runtime works.
    Up,
    /// It takes connections.
    Serving,
}

/// How long a worker may take for a step. They are short, so a worker that takes longer hangs.
const STEP_PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked at whether a worker has ended, while one waits for a step.
const STEP_LOOK: Duration = Duration::from_millis(20);

/// Says that a worker takes no more connections, however it ended.
struct Ended(kernel::WorkerLoad);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.draining(true);
    }
}

/// The running workers.
pub struct Workers {
    threads: Vec<JoinHandle<io::Result<()>>>,
    orders: watch::Sender<Order>,
    steps: mpsc::Receiver<Step>,
}

impl Workers {
    /// Starts `count` workers, each pinned to a core of its own where there are enough, and waits until all of them run.
    /// They take connections from [`Workers::serve`] on.
    ///
    /// # Errors
    /// When a thread cannot be started, or its driver does not work.
    pub fn start<D: Driver>(
        shared: &Arc<Shared>,
        sockets: &Arc<Sockets>,
        count: usize,
    ) -> io::Result<Self> {
        let (orders, receiver) = watch::channel(Order::Hold);
        let (tell, steps) = mpsc::channel();
        let cores = net::cores().unwrap_or_default();
        let mut threads = Vec::with_capacity(count);
        for index in 0..count {
            let (shared, sockets, orders) =
                (Arc::clone(shared), Arc::clone(sockets), receiver.clone());
            let tell = tell.clone();
            let core = if count <= cores.len() {
                cores.get(index).copied()
            } else {
                None
            };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    let _ended = Ended(shared.loads.of(index));
                    if let Some(core) = core
                        && let Err(error) = net::pin_to_core(core)
                    {
                        tracing::warn!(worker = index, core, %error, "worker is not pinned");
                    }
                    kernel::privilege::shed_worker()?;
                    let main = worker::run::<D>(index, shared, sockets, orders, tell);
                    D::block_on(&RuntimeOptions::default(), main)?
                })?;
            threads.push(thread);
        }
        let mut workers = Self {
            threads,
            orders,
            steps,
        };
        workers.wait_for(Step::Up)?;
        Ok(workers)
    }

    /// Lets the workers take connections, and returns when all of them do.
    ///
    /// # Errors
    /// When a worker has ended.
    pub fn serve(&mut self, number: u64) -> io::Result<()> {
        self.orders.send_replace(Order::Serve(number));
        self.wait_for(Step::Serving)
    }

    fn wait_for(&mut self, step: Step) -> io::Result<()> {
        let until = Instant::now() + STEP_PATIENCE;
        let mut missing = self.threads.len();
        while missing > 0 {
            match self.steps.recv_timeout(STEP_LOOK) {
                Ok(told) if told == step => missing -= 1,
                Ok(_) => {}
                Err(_) => {
                    if let Some(ended) = self.threads.iter().position(JoinHandle::is_finished) {
                        let outcome = self.threads.swap_remove(ended).join();
                        let ended = || io::Error::other("it ended before it served");
                        return Err(outcome.ok().and_then(Result::err).unwrap_or_else(ended));
                    }
                    if Instant::now() > until {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the workers that another generation is in force.
    pub fn reloaded(&self, number: u64) {
        self.orders.send_replace(Order::Serve(number));
    }

    /// Lets the workers finish what is under way, for at most `patience`, and ends them.
    pub fn drain(self, patience: Duration, leave: Leave) {
        self.orders
            .send_replace(Order::Drain(Instant::now() + patience, leave));
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "worker ended with an error"),
                Err(_) => tracing::error!("worker panicked"),
            }
        }
    }

    /// Whether all workers still run: one that ended by itself is a defect.
    #[must_use]
    pub fn all_alive(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }
}
