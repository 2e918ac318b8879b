//! The access log: one JSON line a request.

mod json;
mod line;
mod writer;

pub use line::AccessTarget;
pub use writer::{LineSink, LineWriter};

pub(crate) use line::{AccessLog, Line, Stages};
