//! From the kernel's queue to a connection that speaks HTTP: bans, limits, TLS.

use crate::admission::{Admitted, Refused};
use crate::connection::{self, Peer};
use crate::generation::ListenerPlan;
use crate::greeting::{Caller, greet};
use crate::layer4::{self, Service};
use crate::metrics::ListenerCounts;
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
    let headers = plan.headers.as_ref();
    let is_told = headers.is_some_and(|headers| headers.include(client));
    let refusal = if worker.shared.offences.refuses(client) {
        Some(Reason::Banned)
    } else if !is_told && headers.is_some_and(|headers| headers.required) {
        Some(Reason::ProxyHeader)
    } else if !is_told && !plan.access.admits(client) {
        Some(Reason::AddressDenied)
    } else {
        None
    };
    if let Some(reason) = refusal {
        counts.refused(reason);
        worker.offence(&Caller::direct(peer), reason);
        return;
    }
    let limits = &plan.admission_limits;
    // Who sends headers brings many clients: those are counted, once they are known.
    let admitted = match is_told {
        true => plan.admission.enter(limits),
        false => plan.admission.admit(client, limits),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(full) => return too_many(worker, counts, peer, full),
    };
    let worker = Rc::clone(worker);
    let plan = Arc::clone(plan);
    let counts = counts.clone();
    worker.connections.set(worker.connections.get() + 1);
    worker.load.connections(worker.connections.get());
    tokio::task::spawn_local(async move {
        let mut open = Open::new(Rc::clone(&worker), counts.open.clone(), admitted);
        let (present, place) = worker.presence.enter(&stream, client);
        open.place = Some(place);
        let caller = match is_told {
            true => told(&worker, &stream, peer, &plan, &mut open.admitted).await,
            false => Ok(Caller::direct(peer)),
        };
        let outcome = match caller {
            Ok(mut caller) => {
                present.is_for(caller.address.ip());
                caller.present = Some(Rc::clone(&present));
                serve(&worker, stream, &caller, plan).await
            }
            Err(reason) => Err(reason),
        };
        if let Err(reason) = outcome {
            counts.refused(match present.was_cut() {
                true => Reason::Banned,
                false => reason,
            });
        }
    });
}

/// One connection more than there may be. That a listener is full is not the fault of who comes last.
fn too_many<D: Driver>(
    worker: &Worker<D>,
    counts: &ListenerCounts,
    peer: SocketAddr,
    full: Refused,
) {
    counts.refused(Reason::ConnectionLimit);
    if full == Refused::Client {
        worker.offence(&Caller::direct(peer), Reason::ConnectionLimit);
    }
}

/// Whom a trusted proxy brings, if it may come in.
async fn told<D: Driver>(
    worker: &Worker<D>,
    stream: &D::Stream,
    peer: SocketAddr,
    plan: &ListenerPlan,
    admitted: &mut Admitted,
) -> Result<Caller, Reason> {
    let required = plan
        .headers
        .as_ref()
        .is_some_and(|headers| headers.required);
    let patience = plan.timeouts.header;
    let greeted = greet(&worker.deadlines, stream, peer, required, patience).await;
    // What is wrong with a header, the proxy did that sent it.
    let caller = greeted.inspect_err(|reason| worker.offence(&Caller::direct(peer), *reason))?;
    let client = caller.address.ip();
    if worker.shared.offences.refuses(client) {
        return Err(Reason::Banned);
    }
    if !plan.access.admits(client) {
        return Err(Reason::AddressDenied);
    }
    admitted
        .claim(client, &plan.admission_limits)
        .map_err(|_| Reason::ConnectionLimit)
        .inspect_err(|reason| worker.offence(&caller, *reason))?;
    Ok(caller)
}

/// Serves a connection that was let in to its end. An error is the reason why it was not served at all.
async fn serve<D: Driver>(
    worker: &Rc<Worker<D>>,
    stream: D::Stream,
    caller: &Caller,
    plan: Arc<ListenerPlan>,
) -> Result<(), Reason> {
    if let Service::Layer4(service) = &plan.service {
        layer4::serve(worker, stream, caller, &plan, service).await;
        return Ok(());
    }
    let io = secure(worker, stream, caller, &plan).await?;
    let peer = Peer::new(caller, &io, plan);
    connection::serve(worker, &io, &peer).await;
    Ok(())
}

/// Shakes hands where the listener speaks TLS.
pub(crate) async fn secure<D: Driver>(
    worker: &Worker<D>,
    stream: D::Stream,
    caller: &Caller,
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
            // Who only hangs up, or does not trust our certificate, does nothing wrong.
            if timer.fired().is_some() || error.is_peers_fault() {
                worker.offence(caller, reason);
            }
            tracing::debug!(listener = %plan.name, %reason, %error, "no TLS session");
            Err(reason)
        }
    }
}

/// What an open connection holds; all of it is given back when the connection's task ends, however it ends.
struct Open<D: Driver> {
    worker: Rc<Worker<D>>,
    gauge: prometheus::IntGauge,
    admitted: Admitted,
    /// On the list of connections.
    place: Option<usize>,
}

impl<D: Driver> Open<D> {
    fn new(worker: Rc<Worker<D>>, gauge: prometheus::IntGauge, admitted: Admitted) -> Self {
        gauge.inc();
        Self {
            worker,
            gauge,
            admitted,
            place: None,
        }
    }
}

impl<D: Driver> Drop for Open<D> {
    fn drop(&mut self) {
        self.gauge.dec();
        if let Some(place) = self.place {
            self.worker.presence.leave(place);
        }
        self.worker
            .connections
            .set(self.worker.connections.get() - 1);
        self.worker.load.connections(self.worker.connections.get());
    }
}
