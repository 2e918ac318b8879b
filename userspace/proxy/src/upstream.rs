//! Connections to endpoints: made, kept, used again.

use crate::exchange::{Failure, Target};
use crate::generation::{Generation, UpstreamPlan};
use crate::inbox::Inbox;
use crate::layer4::About;
use crate::wait::{Timer, Wait};
use crate::worker::Worker;
use balance::{ConnectionsFull, EndpointId, Lease, Pool, Pooled};
use http::h1::response::ResponseHead;
use net::{Chunk, Clock, ConnectOptions, Driver, Parts, RecvHint, Stream};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tls::Io;
use types::Reason;

/// A connection to an endpoint.
///
/// Sending and receiving share it, because an answer may begin before its request has ended; so what changes is in
/// cells. Boxed, because every request takes it out of the pool and puts it back.
pub(crate) struct Backend<S: Stream>(Box<Link<S>>);

/// What there is to say about a connection to an endpoint.
pub(crate) struct Link<S: Stream> {
    // The timer stands first: its slot is given back before the socket closes.
    pub(crate) timer: Timer,
    pub(crate) io: Io<S>,
    pub(crate) inbox: RefCell<Inbox>,
    /// Whether the endpoint has sent anything since the request began.
    pub(crate) heard: Cell<bool>,
    /// Whether a part of the answer has gone to the client.
    pub(crate) answering: Cell<bool>,
    /// Whether the request is still being sent. Until then silence is not the endpoint's fault.
    pub(crate) uploading: Cell<bool>,
    /// The head of the last answer, whose memory the next one takes over.
    pub(crate) head: Cell<ResponseHead>,
}

impl<S: Stream> Deref for Backend<S> {
    type Target = Link<S>;

    fn deref(&self) -> &Link<S> {
        &self.0
    }
}

/// A worker's idle connections.
pub(crate) struct Pools<S: Stream> {
    /// Endpoints are known by ids that stay over reloads.
    pool: RefCell<Pool<Backend<S>>>,
    // A tick more or less makes no difference to how long a connection is idle.
    clock: Clock,
}

impl<S: Stream> Pools<S> {
    /// No connections yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            pool: RefCell::default(),
            clock,
        }
    }

    /// The connection to an endpoint that was used last, if one is idle.
    pub(crate) fn take(&self, plan: &UpstreamPlan, index: usize) -> Option<Pooled<Backend<S>>> {
        self.pool
            .borrow_mut()
            .take(plan.endpoint(index), self.clock.now())
    }

    /// Keeps a connection for the next request, unless the pool is full.
    pub(crate) fn put(&self, plan: &UpstreamPlan, backend: Pooled<Backend<S>>) {
        if backend.rest() && !plan.is_personal() {
            self.pool
                .borrow_mut()
                .put(backend, &plan.pool, self.clock.now());
        }
    }

    /// Closes all idle connections to an endpoint.
    pub(crate) fn clear(&self, plan: &UpstreamPlan, index: usize) {
        self.pool.borrow_mut().clear(plan.endpoint(index));
    }

    /// Closes what has been idle for too long and what the endpoint has closed.
    pub(crate) fn expire(&self, now: Instant) {
        let mut pool = self.pool.borrow_mut();
        pool.expire(now);
        let sockets: Vec<_> = pool
            .idle_connections()
            .map(|backend| Rc::clone(backend.io.socket()))
            .collect();
        if sockets.is_empty() {
            return;
        }
        let mut ended = net::hung_up(&sockets).into_iter();
        pool.retain_idle(|_| !ended.next().unwrap_or_default());
    }

    /// Closes the connections to endpoints that a reload has taken away.
    pub(crate) fn follow(&self, generation: &Generation) {
        let kept: HashSet<EndpointId> = generation
            .upstreams
            .iter()
            .flat_map(|plan| (0..plan.endpoints.len()).map(|index| plan.endpoint(index)))
            .collect();
        self.pool
            .borrow_mut()
            .retain(|endpoint| kept.contains(&endpoint));
    }

    pub(crate) fn lease(
        &self,
        plan: &UpstreamPlan,
        index: usize,
    ) -> Result<Lease, ConnectionsFull> {
        self.pool
            .borrow_mut()
            .open(plan.endpoint(index), &plan.pool, self.clock.now())
    }
}

/// What the beginning of a connection to an endpoint depends on, beside the endpoint.
#[derive(Default)]
pub(crate) struct Opening {
    /// The header of the PROXY protocol.
    pub(crate) header: Option<Chunk>,
    /// The client's address, where the connection is to come from it.
    pub(crate) source: Option<SocketAddr>,
}

impl Opening {
    /// As an upstream wants it for a client's connection.
    pub(crate) fn new(plan: &UpstreamPlan, about: &About<'_>) -> Self {
        Self {
            header: plan.announce.map(|announce| announce.header(about)),
            source: plan.keeps_source.then_some(about.client),
        }
    }
}

/// Opens a connection to an endpoint within a time: TCP, the header of the PROXY protocol, TLS.
pub(crate) async fn open<D: Driver>(
    plan: &UpstreamPlan,
    index: usize,
    patience: Duration,
    opening: &Opening,
) -> Result<Io<D::Stream>, (Reason, String)> {
    let endpoint = &plan.endpoints[index];
    let options = ConnectOptions {
        timeout: patience,
        bind: opening.source.map(|client| SocketAddr::new(client.ip(), 0)),
        transparent: opening.source.is_some(),
        ..ConnectOptions::default()
    };
    let attempt = async {
        let failed = |error: io::Error| {
            let reason = match error.kind() {
                io::ErrorKind::TimedOut => Reason::ConnectTimeout,
                _ => Reason::ConnectFailed,
            };
            (reason, error.to_string())
        };
        let stream = D::connect(endpoint.address, &options)
            .await
            .map_err(failed)?;
        if let Some(header) = &opening.header {
            stream
                .send(Parts::from(header.clone()))
                .await
                .map_err(failed)?;
        }
        match &endpoint.tls {
            None => Ok(Io::Plain(stream)),
            Some(tls) => match tls.connect(stream).await {
                Ok(stream) => Ok(Io::Tls(Box::new(stream))),
                Err(error) => Err((Reason::UpstreamTls, error.to_string())),
            },
        }
    };
    tokio::time::timeout(patience, attempt)
        .await
        .unwrap_or_else(|_| {
            let detail = format!("no connection within {} ms", patience.as_millis());
            Err((Reason::ConnectTimeout, detail))
        })
}

/// Connects to an endpoint for a request, TLS included.
pub(crate) async fn connect<D: Driver>(
    worker: &Worker<D>,
    target: &Target<'_>,
    opening: &Opening,
    total: Instant,
) -> Result<Pooled<Backend<D::Stream>>, Failure> {
    let plan = target.plan;
    let unsent = |(reason, detail)| Failure::unsent(reason).detail(detail);
    let lease = worker
        .pools
        .lease(plan, target.index)
        .map_err(|full| unsent((Reason::EndpointFull, full.to_string())))?;
    let patience = plan
        .connect_timeout
        .min(total.saturating_duration_since(Instant::now()));
    let io = open::<D>(plan, target.index, patience, opening)
        .await
        .map_err(unsent)?;
    let timer = Timer::new(&worker.deadlines, &io, Shutdown::Both);
    Ok(lease.connected(Backend::new(timer, io)))
}

impl<S: Stream> Backend<S> {
    fn new(timer: Timer, io: Io<S>) -> Self {
        Self(Box::new(Link {
            timer,
            io,
            inbox: RefCell::default(),
            heard: Cell::new(false),
            answering: Cell::new(false),
            uploading: Cell::new(false),
            head: Cell::default(),
        }))
    }

    /// Makes it ready for the next request; `false` if it cannot carry one.
    fn rest(&self) -> bool {
        self.timer.disarm();
        self.heard.set(false);
        self.answering.set(false);
        self.uploading.set(false);
        // Bytes that nobody asked for: whatever they are, they are no answer to the next request.
        self.inbox.borrow().is_empty()
    }

    /// Gives the endpoint so much time for its next step.
    pub(crate) fn arm(&self, patience: Duration, total: Instant) {
        self.timer.arm(Wait::Response, patience, Some(total));
    }

    /// Why nothing more comes.
    pub(crate) fn lost(&self) -> Reason {
        self.timer
            .fired()
            .map_or(Reason::UpstreamClosed, Wait::reason)
    }

    /// Receives more of the answer. `false`: the endpoint has closed in order.
    pub(crate) async fn receive(
        &self,
        hint: RecvHint,
        patience: Duration,
        total: Instant,
    ) -> Result<bool, Reason> {
        if self.timer.is_over(total) {
            return Err(Reason::TotalTimeout);
        }
        if !self.uploading.get() {
            self.arm(patience, total);
        }
        match self.io.recv(hint).await {
            Ok(chunk) if !chunk.is_empty() => {
                self.heard.set(true);
                self.inbox.borrow_mut().push(chunk);
                Ok(true)
            }
            // A socket that the sweep has shut looks closed in order.
            Ok(_) => self
                .timer
                .fired()
                .map_or(Ok(false), |wait| Err(wait.reason())),
            Err(_) => Err(self.lost()),
        }
    }
}
