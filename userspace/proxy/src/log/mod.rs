//! The access log: one JSON line a request.

mod audit;
mod json;
mod line;
mod syslog;
mod writer;

pub use audit::{AuditFormat, AuditTarget};
pub use line::AccessTarget;
pub use syslog::{Syslog, SyslogServer};
pub use writer::{Destination, LineSink, LineWriter};

pub(crate) use line::{AccessLog, Line, Stages};
