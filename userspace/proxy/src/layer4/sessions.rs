//! Datagrams: those of one client address and port, to one of ours, are a session and go to the same endpoint.
//!
//! A worker has a socket of its own; the kernel gives all datagrams of a client to the same one. A session has a socket
//! towards its endpoint, whose answers a task of its own sends back. It ends when nothing came for its time, when its life
//! is over, when the endpoint refuses, or with the listener.

use super::About;
use super::dial;
use super::plan::DatagramPlan;
use super::record::Record;
use crate::generation::UpstreamPlan;
use crate::greeting::Caller;
use crate::metrics::Way;
use crate::upstream::Opening;
use crate::worker::{View, Worker};
use balance::{Outcome, PickInput, Picked, Tried};
use net::{Chunk, ConnectOptions, Datagrams, Driver};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use types::Reason;

/// Datagrams of a listener that are taken in a row before others have their turn.
const A_TURN: u32 = 64;

/// Whose session it is: the client, and the address that it talks to. A listener may have many.
type Ends = (SocketAddr, SocketAddr);

/// The sessions of one worker on one listener.
struct Table<D: Driver> {
    worker: Rc<Worker<D>>,
    socket: Rc<Datagrams>,
    sessions: Rc<Sessions>,
    /// Sockets to answer from where clients talk to other ports than the listener's socket has, while a session needs them.
    others: RefCell<HashMap<SocketAddr, Weak<Datagrams>>>,
}

/// Sessions by both their ends.
type Sessions = RefCell<HashMap<Ends, Rc<Session>>>;

/// One client.
struct Session {
    endpoint: Datagrams,
    /// What each datagram to the endpoint begins with.
    header: Option<Chunk>,
    last: Cell<Instant>,
    bytes_in: Cell<u64>,
    /// The listener is gone, or the client is banned.
    over: Notify,
    is_banned: Cell<bool>,
}

/// Serves a listener until the task is aborted.
pub(crate) async fn run<D: Driver>(worker: Rc<Worker<D>>, socket: Datagrams, address: SocketAddr) {
    let table = Table {
        worker,
        socket: Rc::new(socket),
        sessions: Rc::default(),
        others: RefCell::default(),
    };
    tokio::task::spawn_local(send_away(
        Rc::clone(&table.worker),
        Rc::downgrade(&table.sessions),
    ));
    let mut turn = 0;
    loop {
        // An error tells that an answer did not arrive: its client is gone.
        if let Ok(datagram) = table.socket.recv_with_destination().await {
            let ends = (datagram.from, datagram.to.unwrap_or(address));
            table.take(ends, &datagram.bytes, address);
        }
        turn += 1;
        if turn % A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Ends the sessions of the banned whenever there are more bans, for as long as there is a listener.
async fn send_away<D: Driver>(worker: Rc<Worker<D>>, sessions: Weak<Sessions>) {
    let offences = &worker.shared.offences;
    let mut cuts = offences.cuts();
    while cuts.changed().await.is_ok() {
        let Some(sessions) = sessions.upgrade() else {
            return;
        };
        let mut cut = 0;
        for ((client, _), session) in &*sessions.borrow() {
            if !session.is_banned.get() && offences.refuses(client.ip().to_canonical()) {
                session.is_banned.set(true);
                session.over.notify_one();
                cut += 1;
            }
        }
        worker.shared.metrics.auto_ban.cut(cut);
    }
}

impl<D: Driver> Table<D> {
    fn take(&self, ends: Ends, datagram: &[u8], address: SocketAddr) {
        let known = self.sessions.borrow().get(&ends).map(Rc::clone);
        let session = match known {
            Some(session) => session,
            None => match self.open(ends, address) {
                Ok(session) => session,
                Err(reason) => {
                    let view = self.worker.view();
                    if let Some(plan) = plan(&view, address) {
                        self.worker
                            .shared
                            .metrics
                            .listener(&plan.name)
                            .refused(reason);
                    }
                    return;
                }
            },
        };
        session.forward(datagram, self.worker.deadlines.clock().now());
    }

    /// Lets a new client in.
    fn open(&self, ends: Ends, address: SocketAddr) -> Result<Rc<Session>, Reason> {
        let (client, local) = ends;
        let worker = &self.worker;
        let view = worker.view();
        let plan = plan(&view, address).ok_or(Reason::NoRoute)?;
        let ip = client.ip().to_canonical();
        if worker.shared.offences.refuses(ip) {
            return Err(Reason::Banned);
        }
        if !plan.access.admits(ip) {
            return Err(Reason::AddressDenied);
        }
        if self.sessions.borrow().len() >= plan.sessions {
            return Err(Reason::SessionLimit);
        }
        let upstream = view
            .generation
            .upstreams
            .get(plan.upstream)
            .ok_or(Reason::NoRoute)?;
        let picked = self.pick(upstream, client)?;
        let index = picked.index();
        let caller = Caller::direct(client);
        let mut record = Record::new(worker, caller, Rc::from(&*plan.name), "udp");
        record.upstream = Some(plan.upstream);
        record.endpoint = Some(upstream.endpoints[index].address);
        record.tries = 1;
        let opening = opening(upstream, client, local, &record);
        let options = ConnectOptions {
            bind: opening.source.map(|client| SocketAddr::new(client.ip(), 0)),
            transparent: opening.source.is_some(),
            ..ConnectOptions::default()
        };
        let endpoint = Datagrams::connect(upstream.endpoints[index].address, &options)
            .map_err(|_| Reason::ConnectFailed)?;
        let back = self.back(local).map_err(|_| Reason::ConnectFailed)?;
        let session = Rc::new(Session {
            endpoint,
            header: opening.header,
            last: Cell::new(worker.deadlines.clock().now()),
            bytes_in: Cell::new(0),
            over: Notify::new(),
            is_banned: Cell::new(false),
        });
        self.sessions.borrow_mut().insert(ends, Rc::clone(&session));
        let answers = Answers {
            session: Rc::clone(&session),
            worker: Rc::clone(worker),
            view: Rc::clone(&view),
            back,
            sessions: Rc::clone(&self.sessions),
            ends,
            idle: plan.idle,
            lifetime: plan.lifetime,
            index: (plan.upstream, index),
        };
        // A drain waits for sessions to write their lines.
        worker.connections.set(worker.connections.get() + 1);
        tokio::task::spawn_local(answers.run(record, picked));
        Ok(session)
    }

    /// How answers go back that are to come from this address.
    fn back(&self, local: SocketAddr) -> io::Result<Back> {
        let bound = self.socket.local_addr()?;
        if local == bound {
            return Ok(Back {
                socket: Rc::clone(&self.socket),
                from: None,
            });
        }
        if local.port() == bound.port() {
            return Ok(Back {
                socket: Rc::clone(&self.socket),
                from: Some(local.ip()),
            });
        }
        let mut others = self.others.borrow_mut();
        let known = others.get(&local).and_then(Weak::upgrade);
        let socket = match known {
            Some(socket) => socket,
            None => {
                others.retain(|_, socket| socket.strong_count() > 0);
                let socket = Rc::new(Datagrams::answering(local)?);
                others.insert(local, Rc::downgrade(&socket));
                socket
            }
        };
        Ok(Back { socket, from: None })
    }

    fn pick(&self, upstream: &UpstreamPlan, client: SocketAddr) -> Result<Picked, Reason> {
        let input = PickInput {
            now: Instant::now(),
            hash: dial::hash(upstream, client),
            random: self.worker.random.next(),
            tried: &Tried::NONE,
        };
        upstream
            .balancer
            .pick(&input)
            .map_err(|_| Reason::NoEndpoint)
    }
}

impl<D: Driver> Drop for Table<D> {
    fn drop(&mut self) {
        for session in self.sessions.borrow().values() {
            session.over.notify_one();
        }
    }
}

fn plan(view: &View, address: SocketAddr) -> Option<&DatagramPlan> {
    view.generation
        .datagrams
        .iter()
        .find(|plan| plan.address == address)
}

fn opening(
    upstream: &UpstreamPlan,
    client: SocketAddr,
    address: SocketAddr,
    record: &Record,
) -> Opening {
    if !upstream.is_personal() {
        return Opening::default();
    }
    let about = About {
        client: SocketAddr::new(client.ip().to_canonical(), client.port()),
        destination: address,
        tls: "",
        sni: "",
        alpn: b"",
        id: &record.id,
        datagram: true,
    };
    Opening::new(upstream, &about)
}

impl Session {
    /// A datagram that the endpoint's socket has no room for is lost, as datagrams may be.
    fn forward(&self, datagram: &[u8], now: Instant) {
        self.last.set(now);
        let sent = match &self.header {
            None => self.endpoint.send(datagram),
            Some(header) => self.endpoint.send(&[header, datagram].concat()),
        };
        if sent.is_ok() {
            self.bytes_in
                .set(self.bytes_in.get() + datagram.len() as u64);
        }
    }
}

/// Where answers go out.
struct Back {
    socket: Rc<Datagrams>,
    /// The address that they come from; none: the socket's own.
    from: Option<IpAddr>,
}

impl Back {
    fn send(&self, datagram: &[u8], client: SocketAddr) -> io::Result<()> {
        match self.from {
            None => self.socket.send_to(datagram, client),
            Some(from) => self.socket.send_from(datagram, from, client),
        }
    }
}

/// The way back of one session.
struct Answers<D: Driver> {
    session: Rc<Session>,
    worker: Rc<Worker<D>>,
    view: Rc<View>,
    back: Back,
    sessions: Rc<Sessions>,
    ends: Ends,
    idle: Duration,
    lifetime: Option<Duration>,
    /// Of the upstream and the endpoint.
    index: (usize, usize),
}

impl<D: Driver> Answers<D> {
    async fn run(self, record: Record, picked: Picked) {
        let mut picked = Some(picked);
        let reason = self.until_the_end(&record, &mut picked).await;
        self.sessions.borrow_mut().remove(&self.ends);
        if let (Some(picked), Reason::ConnectFailed) = (picked, reason) {
            let now = Instant::now();
            picked.finish(Outcome::Failure, now - record.started(), now);
            self.view.counts.endpoints[self.index.0][self.index.1].failed(reason);
        }
        record
            .moved()
            .came_in(self.session.bytes_in.get(), Way::Copy);
        record.close(&self.worker, &self.view, reason);
        let open = &self.worker.connections;
        open.set(open.get() - 1);
    }

    async fn until_the_end(&self, record: &Record, picked: &mut Option<Picked>) -> Reason {
        let session = &self.session;
        let mut answered = false;
        loop {
            let now = self.worker.deadlines.clock().now();
            let quiet = now.saturating_duration_since(session.last.get());
            let Some(mut patience) = self.idle.checked_sub(quiet).filter(|left| !left.is_zero())
            else {
                // That is how sessions end that have gone well.
                return match answered {
                    true => Reason::Served,
                    false => Reason::IdleTimeout,
                };
            };
            if let Some(lifetime) = self.lifetime {
                let Some(left) = lifetime.checked_sub(record.started().elapsed()) else {
                    return Reason::LifetimeOver;
                };
                patience = patience.min(left);
            }
            let received = tokio::select! {
                received = session.endpoint.recv() => received,
                () = session.over.notified() => return match session.is_banned.get() {
                    true => Reason::Banned,
                    false => Reason::Draining,
                },
                () = tokio::time::sleep(patience) => continue,
            };
            let Ok((datagram, _)) = received else {
                return match answered {
                    true => Reason::UpstreamClosed,
                    false => Reason::ConnectFailed,
                };
            };
            session.last.set(self.worker.deadlines.clock().now());
            if !std::mem::replace(&mut answered, true)
                && let Some(picked) = picked
            {
                picked.connected(record.started().elapsed(), Instant::now());
            }
            if self.back.send(&datagram, self.ends.0).is_ok() {
                record.moved().went_out(datagram.len() as u64, Way::Copy);
            }
        }
    }
}
