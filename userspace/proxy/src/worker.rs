//! One worker: a pinned thread with its own runtime, listeners, pools and counters.

use crate::accept;
use crate::generation::Generation;
use crate::greeting::Caller;
use crate::layer4::{self, DatagramPlan, Relayer, Splicing};
use crate::log::{AccessLog, AccessTarget};
use crate::metrics::{Counts, ListenerCounts, Metrics};
use crate::offences::Offences;
use crate::present::Presence;
use crate::sockets::Sockets;
use crate::upstream::Pools;
use crate::wait::Wait;
use crate::waiting::Waiting;
use crate::workers::{Leave, Order, Step};
use arc_swap::{ArcSwap, ArcSwapOption};
use net::{Clock, Datagrams, Deadlines, Driver};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;
use types::Reason;

/// How often a worker hands over its counters and log lines.
const TICK: Duration = Duration::from_millis(200);

/// How long connections that are cut at the end of a drain have to write their lines.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What the workers and the control plane share.
pub struct Shared {
    /// The configuration in force.
    pub generation: ArcSwap<Generation>,
    /// The metric families.
    pub metrics: Metrics,
    /// Addresses that are turned away; the kernel drops them first where the gate is attached.
    pub bans: kernel::Bans,
    /// What clients did wrong, and bans that follow from it.
    pub offences: Offences,
    /// What workers publish of their load.
    pub loads: kernel::Loads,
    /// How bytes of connections that are not HTTP move.
    pub splicing: Splicing,
    /// Where access lines go; `None`: nowhere.
    pub access_log: ArcSwapOption<AccessTarget>,
}

/// A generation as one worker uses it, with the worker's own counters for its routes and endpoints.
pub(crate) struct View {
    pub(crate) generation: Arc<Generation>,
    pub(crate) counts: Counts,
    listeners: Vec<(SocketAddr, ListenerCounts)>,
}

impl View {
    fn new(metrics: &Metrics, generation: Arc<Generation>) -> Self {
        let counts = Counts::new(metrics, &generation);
        let listeners = generation
            .listeners
            .iter()
            .map(|plan| (plan.address, metrics.listener(&plan.name)))
            .collect();
        Self {
            generation,
            counts,
            listeners,
        }
    }

    /// The counters of a listener of this generation.
    pub(crate) fn listener(&self, address: SocketAddr) -> Option<&ListenerCounts> {
        self.listeners
            .iter()
            .find(|(bound, _)| *bound == address)
            .map(|(_, counts)| counts)
    }
}

/// A worker's own things. Nothing in here is shared with another thread but `shared`.
pub(crate) struct Worker<D: Driver> {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) deadlines: Deadlines<Wait>,
    pub(crate) log: RefCell<Rc<AccessLog>>,
    pub(crate) pools: Pools<D::Stream>,
    pub(crate) waiting: Waiting,
    /// Who is connected.
    pub(crate) presence: Presence,
    pub(crate) scratch: RefCell<waf::Scratch>,
    /// Transactions of the WAF that wait to be used again.
    #[expect(
        clippy::vec_box,
        reason = "they are boxed wherever they are; here they wait"
    )]
    pub(crate) transactions: RefCell<Vec<Box<waf::Transaction>>>,
    pub(crate) tokens: RefCell<auth::TokenCache>,
    pub(crate) random: Random,
    pub(crate) connections: Cell<usize>,
    /// Where the worker says how much it has to do.
    pub(crate) load: kernel::WorkerLoad,
    /// Whom connections are handed over to whose bytes the kernel moves, where it does.
    pub(crate) relayer: Option<Rc<Relayer>>,
    /// How connections end; none while the worker serves.
    pub(crate) leaving: Cell<Option<Leave>>,
    /// The time for draining is up.
    pub(crate) cut: Cell<bool>,
    date: Cell<(Instant, [u8; http::date::DATE_BYTES])>,
    view: RefCell<Rc<View>>,
    sockets: Arc<Sockets>,
}

impl<D: Driver> Worker<D> {
    fn new(index: usize, shared: Arc<Shared>, sockets: Arc<Sockets>) -> Self {
        let generation = shared.generation.load_full();
        let view = View::new(&shared.metrics, generation);
        let deadlines = Deadlines::new(Clock::new(Instant::now()));
        let target = shared
            .access_log
            .load_full()
            .map(|target| AccessTarget::clone(&target));
        Self {
            index,
            log: RefCell::new(Rc::new(AccessLog::new(target))),
            pools: Pools::new(deadlines.clock().clone()),
            waiting: Waiting::new(deadlines.clock().clone()),
            presence: Presence::default(),
            scratch: RefCell::default(),
            transactions: RefCell::default(),
            tokens: RefCell::new(auth::TokenCache::new(
                auth::token_cache::DEFAULT_LIMIT,
                &seed(),
            )),
            random: Random::new(),
            connections: Cell::new(0),
            load: shared.loads.of(index),
            relayer: Relayer::start(&shared.splicing),
            leaving: Cell::new(None),
            cut: Cell::new(false),
            date: Cell::new((
                deadlines.clock().now(),
                http::date::format(SystemTime::now()),
            )),
            deadlines,
            view: RefCell::new(Rc::new(view)),
            shared,
            sockets,
        }
    }

    /// The configuration in force, as this worker sees it. A request keeps the one it began with.
    pub(crate) fn view(&self) -> Rc<View> {
        let current = self.shared.generation.load();
        let mut view = self.view.borrow_mut();
        if view.generation.number != current.number {
            *view = Rc::new(View::new(&self.shared.metrics, Arc::clone(&current)));
        }
        Rc::clone(&view)
    }

    /// The time as Date has it, written anew with every tick of the deadlines: so it may be that late.
    pub(crate) fn date(&self) -> [u8; http::date::DATE_BYTES] {
        let now = self.deadlines.clock().now();
        let (written, date) = self.date.get();
        if written == now {
            return date;
        }
        let date = http::date::format(SystemTime::now());
        self.date.set((now, date));
        date
    }

    /// Lays a refusal to whom it is about. Costs nothing where it is no offence.
    pub(crate) fn offence(&self, caller: &Caller, reason: Reason) {
        let (client, forwarded) = (caller.address.ip(), caller.via.is_some());
        self.shared.offences.report(client, forwarded, reason, 0);
    }

    /// Closes the connections of those who have been banned meanwhile.
    fn cut_banned(&self) {
        let offences = &self.shared.offences;
        let cut = self.presence.cut(|client| offences.refuses(client));
        self.shared.metrics.auto_ban.cut(cut);
    }

    fn tick(&self) {
        self.view.borrow().counts.flush();
        self.log.borrow().flush();
        self.pools.expire(Instant::now());
        self.waiting.look();
    }

    /// What a new generation means for what the worker keeps.
    fn follow(&self) {
        self.pools.follow(&self.view().generation);
        self.log.borrow().flush();
        let target = self
            .shared
            .access_log
            .load_full()
            .map(|target| AccessTarget::clone(&target));
        *self.log.borrow_mut() = Rc::new(AccessLog::new(target));
    }
}

/// A worker's life: what its thread does from beginning to end.
pub(crate) async fn run<D: Driver>(
    index: usize,
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    mut orders: watch::Receiver<Order>,
    steps: mpsc::Sender<Step>,
) -> io::Result<()> {
    let worker = Rc::new(Worker::<D>::new(index, shared, sockets));
    tokio::task::spawn_local(worker.deadlines.clone().run());
    tokio::task::spawn_local(publish(worker.load.clone()));
    tokio::task::spawn_local(send_away(Rc::clone(&worker)));
    let mut listeners = Listeners::default();
    let mut is_serving = false;
    // Nobody listens any more where the start was given up.
    let _ = steps.send(Step::Up);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => worker.tick(),
            changed = orders.changed() => {
                let order = *orders.borrow_and_update();
                match order {
                    Order::Serve(_) if changed.is_ok() => {
                        worker.follow();
                        listeners.follow(&worker);
                        if !is_serving {
                            is_serving = true;
                            let _ = steps.send(Step::Serving);
                        }
                    }
                    Order::Hold if changed.is_ok() => {}
                    Order::Hold | Order::Serve(_) => return Ok(()),
                    Order::Drain(until, leave) => {
                        drop(listeners);
                        drain(&worker, until, leave).await;
                        worker.tick();
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Closes connections whenever there are more bans, for as long as the worker lives.
async fn send_away<D: Driver>(worker: Rc<Worker<D>>) {
    let mut cuts = worker.shared.offences.cuts();
    while cuts.changed().await.is_ok() {
        worker.cut_banned();
    }
}

/// Says how busy this thread is, again and again: the mean of the last moments.
async fn publish(load: kernel::WorkerLoad) {
    const LOOK: Duration = Duration::from_millis(50);
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut used, mut looked, mut busy) = (net::thread_time(), Instant::now(), 0);
    loop {
        looks.tick().await;
        let (used_now, now) = (net::thread_time(), Instant::now());
        let passed = now.duration_since(looked).as_micros().max(1);
        let lately = used_now.saturating_sub(used).as_micros() * 1000 / passed;
        busy = u32::midpoint(busy, u32::try_from(lately).unwrap_or(1000).min(1000));
        load.busy(busy);
        (used, looked) = (used_now, now);
    }
}

/// Waits until every connection has ended or the time is up.
async fn drain<D: Driver>(worker: &Worker<D>, until: Instant, leave: Leave) {
    const LOOK: Duration = Duration::from_millis(20);
    worker.leaving.set(Some(leave));
    worker.load.draining(true);
    let mut ticked = Instant::now();
    while worker.connections.get() > 0 && Instant::now() < until {
        if leave == Leave::AtOnce {
            worker.deadlines.expire(Wait::Idle);
        }
        tokio::time::sleep(LOOK).await;
        if ticked.elapsed() >= TICK {
            worker.tick();
            ticked = Instant::now();
        }
    }
    if worker.connections.get() > 0 && leave == Leave::WithNextAnswer {
        // Those that were idle to the end close in order.
        worker.leaving.set(Some(Leave::AtOnce));
        worker.deadlines.expire(Wait::Idle);
        tokio::time::sleep(LOOK).await;
    }
    if worker.connections.get() > 0 {
        tracing::warn!(
            worker = worker.index,
            connections = worker.connections.get(),
            "drain time is up, connections are cut"
        );
        // Those that are not HTTP still write their lines.
        worker.cut.set(true);
        worker.deadlines.expire(Wait::Relay);
        worker.deadlines.expire(Wait::Total);
        tokio::time::sleep(LAST_WORDS).await;
    }
}

/// The accept loops of a worker, by address: one a socket. Dropping one closes its socket.
#[derive(Default)]
struct Listeners {
    running: HashMap<SocketAddr, Vec<tokio::task::JoinHandle<()>>>,
    datagrams: HashMap<SocketAddr, tokio::task::JoinHandle<()>>,
}

impl Listeners {
    /// Opens what the generation has more and closes what it has less; what stays is not touched.
    fn follow<D: Driver>(&mut self, worker: &Rc<Worker<D>>) {
        let view = worker.view();
        self.follow_datagrams(worker, &view.generation.datagrams);
        let wanted = &view.generation.listeners;
        self.running.retain(|address, tasks| {
            let keep = wanted.iter().any(|plan| plan.address == *address);
            if !keep {
                tasks.iter().for_each(tokio::task::JoinHandle::abort);
            }
            keep
        });
        for plan in wanted {
            if self.running.contains_key(&plan.address) {
                continue;
            }
            let adopted = worker
                .sockets
                .of_worker(plan.address, worker.index)
                .and_then(|sockets| {
                    let options = accept::options(plan);
                    let adopt = |socket| D::adopt(socket, &options);
                    sockets
                        .into_iter()
                        .map(adopt)
                        .collect::<io::Result<Vec<_>>>()
                });
            match adopted {
                Ok(listeners) => {
                    let start = |listener| {
                        let task = accept::run(Rc::clone(worker), listener, plan.address);
                        tokio::task::spawn_local(task)
                    };
                    let tasks = listeners.into_iter().map(start).collect();
                    self.running.insert(plan.address, tasks);
                }
                // The control plane has bound it before the generation took effect, so this is a defect of ours.
                Err(error) => tracing::error!(address = %plan.address, %error, "listener lost"),
            }
        }
    }
}

impl Listeners {
    /// The same for datagrams.
    fn follow_datagrams<D: Driver>(&mut self, worker: &Rc<Worker<D>>, wanted: &[DatagramPlan]) {
        self.datagrams.retain(|address, task| {
            let keep = wanted.iter().any(|plan| plan.address == *address);
            if !keep {
                task.abort();
            }
            keep
        });
        for plan in wanted {
            if self.datagrams.contains_key(&plan.address) {
                continue;
            }
            let adopted = plan
                .sockets
                .get(worker.index)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
                .and_then(UdpSocket::try_clone)
                .and_then(Datagrams::adopt);
            match adopted {
                Ok(socket) => {
                    let task = layer4::serve_datagrams(Rc::clone(worker), socket, plan.address);
                    self.datagrams
                        .insert(plan.address, tokio::task::spawn_local(task));
                }
                Err(error) => tracing::error!(address = %plan.address, %error, "listener lost"),
            }
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.datagrams
            .values()
            .for_each(tokio::task::JoinHandle::abort);
        let tasks = self.running.values().flatten();
        tasks.for_each(tokio::task::JoinHandle::abort);
    }
}

/// Randomness that needs to be spread well, not to be secret: balancing and request ids.
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self {
            state: Cell::new(RandomState::new().hash_one(std::thread::current().id())),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(crate) fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A seed for hashes that clients must not be able to foresee, from the standard library's own randomness.
fn seed() -> [u8; auth::token_cache::SEED_BYTES] {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; auth::token_cache::SEED_BYTES];
    for part in seed.chunks_exact_mut(8) {
        part.copy_from_slice(&RandomState::new().hash_one(0_u8).to_ne_bytes());
    }
    seed
}
