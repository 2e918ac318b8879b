//! The life of one client connection: request after request until one side has had enough.

use crate::exchange::{self, After, Misfit};
use crate::front::{Arrival, Reader, Writer};
use crate::generation::{ListenerPlan, contains};
use crate::greeting::Caller;
use crate::wait::Timer;
use crate::worker::Worker;
use crate::workers::Leave;
use http::h1::request::RequestHead;
use net::{Driver, Stream};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::{Io, Session};

/// What is read and forgotten of a client that still sends when it has been answered for the last time, in bytes.
const LINGER_BYTES: usize = 256 * 1024;
/// And for how long.
const LINGER: Duration = Duration::from_secs(2);

/// Who is on the other end.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Who it is and where from.
    pub(crate) caller: Caller,
    /// The proxy that told the address, in a header of the PROXY protocol.
    pub(crate) via: Option<IpAddr>,
    /// What the client connected to, as that proxy saw it.
    pub(crate) destination: Option<SocketAddr>,
    /// What it connected to, here.
    pub(crate) local: SocketAddr,
    pub(crate) plan: Arc<ListenerPlan>,
    /// Whether the client speaks TLS, with us or with that proxy.
    pub(crate) secure: bool,
    pub(crate) tls: Option<Session>,
    /// The name the client asked for in the handshake; empty without TLS or SNI.
    pub(crate) sni: String,
    /// Whether its forwarding headers are believed.
    pub(crate) trusted: bool,
}

impl Peer {
    pub(crate) fn new<S: Stream>(caller: &Caller, io: &Io<S>, plan: Arc<ListenerPlan>) -> Self {
        let address = caller.address;
        let tls = io.tls();
        Self {
            caller: caller.clone(),
            address,
            via: caller.via,
            destination: caller.destination,
            // Of a listener on every address, the address that it listens on would say nothing.
            local: match plan.address.ip().is_unspecified() {
                true => io.socket().local_addr().unwrap_or(plan.address),
                false => plan.address,
            },
            tls: tls.map(tls::TlsStream::session),
            sni: tls
                .and_then(tls::TlsStream::server_name)
                .unwrap_or_default(),
            secure: tls.is_some() || caller.secure,
            trusted: contains(&plan.trusted_proxies, address.ip()),
            plan,
        }
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve<D: Driver>(worker: &Rc<Worker<D>>, io: &Io<D::Stream>, peer: &Peer) {
    let plan = &peer.plan;
    // A deadline for reading leaves the other direction open, so that the client can be told.
    let reading = Timer::new(&worker.deadlines, io, Shutdown::Read);
    let writing = Timer::new(&worker.deadlines, io, Shutdown::Both);
    let mut reader = Reader::new(io, reading);
    let mut writer = Writer::new(io, writing, plan.timeouts);
    let mut head = RequestHead::new();
    let mut budget = Budget::default();
    loop {
        if worker.leaving.get() == Some(Leave::AtOnce) && !reader.has_more() {
            break;
        }
        budget.next(reader.has_more());
        let after = match reader
            .head(&mut head, &plan.limits.head, &plan.timeouts)
            .await
        {
            Arrival::Gone => break,
            Arrival::Refused {
                reason,
                detail,
                takes_head,
            } => {
                let misfit = Misfit {
                    reason,
                    detail: &detail,
                    head: reader.inbox.bytes(),
                    behind: b"",
                    takes_head,
                };
                exchange::refuse(worker, peer, &misfit, &mut writer).await
            }
            Arrival::Incomplete(reason) => {
                exchange::refuse(worker, peer, &Misfit::unread(reason), &mut writer).await
            }
            Arrival::Head(bytes) => {
                let last = worker.leaving.get().is_some() || budget.is_spent(plan);
                let front = exchange::Front {
                    reader: &mut reader,
                    writer: &mut writer,
                    last,
                };
                exchange::run(worker, peer, &head, &bytes, front).await
            }
        };
        match after {
            After::NextRequest => {}
            After::Close => break,
            After::Abort => {
                io.shutdown(Shutdown::Both);
                return;
            }
            After::Linger => {
                io.finish().await;
                reader.linger(LINGER_BYTES, Instant::now() + LINGER).await;
                return;
            }
        }
    }
    io.finish().await;
}

/// What a connection has used of its limits.
#[derive(Default)]
struct Budget {
    served: u64,
    /// Requests in a row that had arrived before the one before them was answered.
    pipelined: u32,
}

impl Budget {
    fn next(&mut self, had_arrived: bool) {
        self.served += 1;
        self.pipelined = if had_arrived {
            self.pipelined.saturating_add(1)
        } else {
            0
        };
    }

    fn is_spent(&self, plan: &ListenerPlan) -> bool {
        self.served >= plan.limits.requests_per_connection
            || self.pipelined > plan.limits.pipelined_requests
    }
}
