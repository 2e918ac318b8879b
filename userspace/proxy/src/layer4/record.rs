//! What a connection leaves behind: its access line and its counts.

use crate::exchange::record::{ID_CHARACTERS, new_id};
use crate::greeting::Caller;
use crate::log::{Line, Stages};
use crate::metrics::{Layer4Counts, Way};
use crate::worker::{View, Worker};
use net::Driver;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use types::Reason;

/// What is known of a connection so far.
pub(super) struct Record {
    caller: Caller,
    listener: Rc<str>,
    protocol: &'static str,
    started: Instant,
    moved: Moved,
    pub(super) id: [u8; ID_CHARACTERS],
    pub(super) tls: &'static str,
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<u8>,
    pub(super) upstream: Option<usize>,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) tries: u32,
    pub(super) connect: Duration,
    pub(super) detail: String,
}

/// Bytes that have gone on to the other side.
pub(super) struct Moved {
    counts: Layer4Counts,
    /// From the client.
    bytes_in: Cell<u64>,
    /// To the client.
    bytes_out: Cell<u64>,
}

impl Moved {
    pub(super) fn new(counts: Layer4Counts) -> Self {
        Self {
            counts,
            bytes_in: Cell::new(0),
            bytes_out: Cell::new(0),
        }
    }

    pub(super) fn came_in(&self, bytes: u64, way: Way) {
        self.bytes_in.set(self.bytes_in.get() + bytes);
        self.counts.bytes_in.inc_by(bytes);
        self.counts.moved(way, bytes);
    }

    pub(super) fn went_out(&self, bytes: u64, way: Way) {
        self.bytes_out.set(self.bytes_out.get() + bytes);
        self.counts.bytes_out.inc_by(bytes);
        self.counts.moved(way, bytes);
    }

    /// The kernel did not take the connection over.
    pub(super) fn was_refused(&self) {
        self.counts.refused.inc();
    }
}

impl Record {
    pub(super) fn new<D: Driver>(
        worker: &Worker<D>,
        caller: Caller,
        listener: Rc<str>,
        protocol: &'static str,
    ) -> Self {
        Self {
            protocol,
            moved: Moved::new(worker.shared.metrics.layer4(&listener)),
            caller,
            listener,
            started: Instant::now(),
            id: new_id(worker),
            tls: "",
            sni: None,
            alpn: Vec::new(),
            upstream: None,
            endpoint: None,
            tries: 0,
            connect: Duration::ZERO,
            detail: String::new(),
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn moved(&self) -> &Moved {
        &self.moved
    }

    /// Counts the connection and writes its line.
    pub(super) fn close<D: Driver>(&self, worker: &Worker<D>, view: &View, reason: Reason) {
        let total = self.started.elapsed();
        let reason = self.caller.why(reason);
        let upstream = self
            .upstream
            .and_then(|index| view.generation.upstreams.get(index))
            .map_or("", |plan| &plan.name);
        self.moved.counts.ended(upstream, reason, total);
        let log = worker.log.borrow();
        if !log.wants(reason, || worker.random.next()) {
            return;
        }
        log.write(&Line {
            time: SystemTime::now() - total,
            request_id: &self.id,
            listener: &self.listener,
            via: self.caller.via,
            protocol: self.protocol,
            tls: self.tls,
            sni: self.sni.as_deref().unwrap_or_default(),
            status: None,
            upstream,
            endpoint: self.endpoint,
            tries: self.tries,
            bytes_in: self.moved.bytes_in.get(),
            bytes_out: self.moved.bytes_out.get(),
            stages: Stages {
                connect: self.connect,
                total,
                ..Stages::default()
            },
            detail: &self.detail,
            generation: view.generation.number,
            ..Line::new(self.caller.address, reason)
        });
    }
}
