//! The data path: one worker a core and the pipeline that joins all rooms below.
//!
//! A connection goes through the files in this order: [`worker`] owns the thread, `accept` lets it in, `connection`
//! serves its requests one after another, `front` reads and writes HTTP/1.1, `exchange` takes one request through the
//! stages, `upstream` has the connections to endpoints, `log` and `metrics` tell what happened.
#![forbid(unsafe_code)]

mod accept;
mod admission;
mod body;
mod connection;
mod exchange;
mod front;
mod generation;
mod greeting;
mod inbox;
mod layer4;
mod log;
mod metrics;
mod offences;
mod present;
mod sockets;
mod upstream;
mod wait;
mod waiting;
mod worker;
mod workers;

pub use admission::{Admission, AdmissionLimits, Admitted, Refused};
pub use generation::{
    Access, Compressed, EndpointPlan, FrontLimits, FrontTimeouts, Generation, HashBy, HeaderEdits,
    ListenerPlan, LiveRules, RoutePlan, ShadowPlan, UpstreamPlan, WafPlan,
};
pub use layer4::{
    Announce, DatagramPlan, HeaderSenders, Layer4Plan, Names, Service, Splicing, Tell,
};
pub use log::{
    AccessTarget, AuditFormat, AuditTarget, Destination, LineSink, LineWriter, Syslog, SyslogServer,
};
pub use metrics::Metrics;
pub use offences::{AutoBan, Offences};
pub use sockets::Sockets;
pub use worker::Shared;
pub use workers::{Leave, Order, Workers};
