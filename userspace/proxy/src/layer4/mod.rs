//! Connections that are not HTTP: from a client to an endpoint as they come.
//!
//! [`serve`] takes a connection through the steps: TLS or the name in its ClientHello, the upstream, the endpoint, the
//! bytes, the access line. [`plan`] is what the control plane says about them.

mod announce;
mod dial;
mod hello;
mod plan;
mod pump;
mod record;
mod relayed;
mod relayer;
mod sessions;

pub use plan::{Announce, DatagramPlan, HeaderSenders, Layer4Plan, Names, Service, Splicing, Tell};

pub(crate) use announce::About;
pub(crate) use relayer::Relayer;
pub(crate) use sessions::run as serve_datagrams;

use crate::accept;
use crate::generation::ListenerPlan;
use crate::greeting::Caller;
use crate::worker::{View, Worker};
use dial::Dialled;
use net::{Driver, Stream};
use record::Record;
use std::rc::Rc;
use tls::Io;
use types::Reason;

/// Serves a connection to its end, and writes its line.
pub(crate) async fn serve<D: Driver>(
    worker: &Rc<Worker<D>>,
    stream: D::Stream,
    caller: &Caller,
    plan: &ListenerPlan,
    service: &Layer4Plan,
) {
    let view = worker.view();
    let protocol = match service.passthrough {
        true => "tls",
        false => "tcp",
    };
    let mut record = Record::new(worker, caller.clone(), Rc::from(&*plan.name), protocol);
    let local = stream.socket().local_addr().unwrap_or(plan.address);
    let passage = Passage {
        worker,
        view: &view,
        caller,
        plan,
        service,
    };
    let reason = match passage.client_side(stream, &mut record).await {
        Ok(client) => {
            let destination = caller.destination.unwrap_or(local);
            passage.through(client, destination, &mut record).await
        }
        Err(reason) => reason,
    };
    record.close(worker, &view, reason);
}

/// A connection on its way through.
struct Passage<'p, D: Driver> {
    worker: &'p Rc<Worker<D>>,
    view: &'p View,
    caller: &'p Caller,
    plan: &'p ListenerPlan,
    service: &'p Layer4Plan,
}

impl<D: Driver> Passage<'_, D> {
    /// Ends TLS or looks for the name in it, as the listener wants it.
    async fn client_side(
        &self,
        stream: D::Stream,
        record: &mut Record,
    ) -> Result<Io<D::Stream>, Reason> {
        if self.service.passthrough {
            let patience = self.plan.timeouts.header;
            let hello = hello::read(&self.worker.deadlines, &stream, patience).await;
            record.sni = hello.map_err(|failure| {
                self.worker.offence(self.caller, failure.reason);
                record.detail = failure.detail;
                failure.reason
            })?;
        }
        let io = accept::secure(self.worker, stream, self.caller, self.plan).await?;
        if let Some(tls) = io.tls() {
            record.tls = tls.session().version;
            record.sni = tls.server_name().map(|name| name.to_ascii_lowercase());
            record.alpn = tls.protocol().unwrap_or_default();
        }
        Ok(io)
    }

    /// Finds an endpoint and moves the bytes until both sides have ended.
    async fn through(
        &self,
        client: Io<D::Stream>,
        destination: std::net::SocketAddr,
        record: &mut Record,
    ) -> Reason {
        let Some(upstream) = self.service.upstream_of(record.sni.as_deref()) else {
            return Reason::NoRoute;
        };
        record.upstream = Some(upstream);
        let Dialled {
            io: endpoint,
            lease: _lease,
            picked: _picked,
        } = match dial::dial(self, upstream, destination, record).await {
            Ok(dialled) => dialled,
            Err(reason) => return reason,
        };
        let limits = pump::Limits {
            idle: self.service.idle,
            until: self
                .service
                .lifetime
                .map(|lifetime| record.started() + lifetime),
        };
        let ends = pump::Ends::new(self.worker, client, endpoint, limits, record.moved());
        ends.run().await
    }
}
