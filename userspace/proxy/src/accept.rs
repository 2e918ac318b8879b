//! From the kernel's queue to a connection that speaks HTTP: bans, limits, TLS.

use crate::connection::{self, Peer};
use crate::generation::ListenerPlan;
use crate::wait::{Timer, Wait};
use crate::worker::Worker;
use net::{AcceptError, Driver, ListenOptions, Listener};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tls::Io;
use types::Reason;

/// How long accepting pauses when the process has no file descriptors or the system no memory left.
const PAUSE: Duration = Duration::from_millis(50);

/// How a listener's sockets are set up.
pub(crate) fn options(plan: &ListenerPlan) -> ListenOptions {
    ListenOptions {
        backlog: plan.backlog,
        ..ListenOptions::default()
    }
}

/// Accepts connections until the task is aborted.
pub(crate) async fn run<D: Driver>(
    worker: Rc<Worker<D>>,
    listener: D::Listener,
    address: SocketAddr,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => welcome(&worker, stream, peer, address),
            Err(error) => match net::accept_error(&error) {
                AcceptError::Connection => {}
                _ => {
                    tracing::warn!(%address, %error, "accept failed, pausing");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// Lets a connection in, or closes it.
fn welcome<D: Driver>(
    worker: &Rc<Worker<D>>,
    stream: D::Stream,
    peer: SocketAddr,
    address: SocketAddr,
) {
    let view = worker.view();
    let Some(plan) = view
        .generation
        .listeners
        .iter()
        .find(|plan| plan.address == address)
    else {
        return;
    };
    let Some(counts) = view.listener(address) else {
        return;
    };
    counts.accepted.inc();
    let client = peer.ip().to_canonical();
    let refusal = if worker.shared.bans.contains(client) {
        Some(Reason::Banned)
    } else if !plan.access.admits(client) {
        Some(Reason::AddressDenied)
    } else {
        None
    };
    if let Some(reason) = refusal {
        counts.refused(reason);
        return;
    }
    let Ok(admitted) = plan.admission.admit(client, &plan.admission_limits) else {
        counts.refused(Reason::ConnectionLimit);
        return;
    };
    let worker = Rc::clone(worker);
    let plan = Arc::clone(plan);
    let counts = counts.clone();
    worker.connections.set(worker.connections.get() + 1);
    worker.load.connections(worker.connections.get());
    tokio::task::spawn_local(async move {
        let _open = Open::new(Rc::clone(&worker), counts.open.clone(), admitted);
        match secure(&worker, stream, &plan).await {
            Ok(io) => {
                let peer = Peer::new(peer, &io, plan);
                connection::serve(&worker, &io, &peer).await;
            }
            Err(reason) => counts.refused(reason),
        }
    });
}

/// Shakes hands where the listener speaks TLS.
async fn secure<D: Driver>(
    worker: &Worker<D>,
    stream: D::Stream,
    plan: &ListenerPlan,
) -> Result<Io<D::Stream>, Reason> {
    let Some(tls) = &plan.tls else {
        return Ok(Io::Plain(stream));
    };
    let timer = Timer::new(&worker.deadlines, &stream, Shutdown::Both);
    timer.arm(Wait::Header, plan.timeouts.header, None);
    match tls.accept(stream).await {
        Ok(stream) => Ok(Io::Tls(Box::new(stream))),
        Err(error) => {
            let reason = timer.fired().map_or(Reason::TlsHandshake, Wait::reason);
            tracing::debug!(listener = %plan.name, %reason, %error, "no TLS session");
            Err(reason)
        }
    }
}

/// What an open connection holds; all of it is given back when the connection's task ends, however it ends.
struct Open<D: Driver> {
    worker: Rc<Worker<D>>,
    gauge: prometheus::IntGauge,
    _admitted: crate::admission::Admitted,
}

impl<D: Driver> Open<D> {
    fn new(
        worker: Rc<Worker<D>>,
        gauge: prometheus::IntGauge,
        admitted: crate::admission::Admitted,
    ) -> Self {
        gauge.inc();
        Self {
            worker,
            gauge,
            _admitted: admitted,
        }
    }
}

impl<D: Driver> Drop for Open<D> {
    fn drop(&mut self) {
        self.gauge.dec();
        self.worker
            .connections
            .set(self.worker.connections.get() - 1);
        self.worker.load.connections(self.worker.connections.get());
    }
}
