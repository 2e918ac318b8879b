//! The rule engine: compiles SecLang to a plan and runs transactions.
//!
//! It stands alone: it knows the rule language and nothing of listeners, routes or files. [`RuleSet::compile`] turns documents into
//! an immutable plan that all workers share; [`Transaction`] takes one request and its response through the phases with the buffers of
//! its worker ([`Scratch`]) and answers with an [`Intervention`]; [`Transaction::finish`] gives the audit record.
//!
//! ```
//! # use std::sync::Arc;
//! use waf::{CompileOptions, Connection, Intervention, Mode, RuleSet, Scratch, Transaction};
//! # fn demo(document: seclang::Document) -> Result<(), Vec<waf::CompileError>> {
//! let rules = Arc::new(RuleSet::compile(&[document], &CompileOptions::default())?);
//! let mut scratch = Scratch::new();
//! let connection = Connection {
//!     client: ([192, 0, 2, 1], 40000).into(),
//!     server: ([192, 0, 2, 2], 80).into(),
//!     time: std::time::SystemTime::UNIX_EPOCH,
//!     unique_id: "1",
//! };
//! let mut transaction = Transaction::new(rules, &connection, Mode::Block);
//! transaction.request_line(b"GET", b"/?q=1", b"HTTP/1.1");
//! transaction.request_header(b"Host", b"example.com");
//! if let Intervention::Deny { status, .. } = transaction.process_request_headers(&mut scratch) {
//!     println!("answer {status}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is not carried out is an error when rules are compiled, with rule, file and line, or refused by the parser by its name; what
//! has no effect is accepted for the sake of existing files. `SECLANG.md` beside this room says for every directive, variable,
//! operator, transformation, action and option of `ctl` which it is and why, and a test holds each of its rows against the engine.
//!
//! What rules keep beyond a transaction lies in [`Collections`]: the caller gives a rule set those of its site
//! ([`RuleSet::with_collections`]), and gives the next one the same again.
#![forbid(unsafe_code)]

pub mod audit;
mod body;
pub mod bytes;
mod cache;
mod collections;
mod operator;
mod plan;
mod scratch;
mod store;
mod transaction;
pub mod transform;
mod xpath;

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod testing;

pub use audit::{AuditRecord, RuleMatch, Scrub};
pub use body::CodingError;
pub use collections::{CollectionLimits, CollectionStats, Collections};
pub use operator::{
    NetworkError, PhraseError, PlacesError, RegexError, TemplateError,
    for_syntax as pattern_for_syntax,
};
pub use plan::{
    AuditLogSettings, CompileError, CompileErrorKind, CompileOptions, DatabaseCache,
    DirectoryCache, FailureMode, Filter, Notice, Place, RuleInfo, RuleSet, Stats,
};
pub use scratch::Scratch;
pub use transaction::{Connection, EngineError, Event, Intervention, Mode, Observer, Transaction};
pub use xpath::XPathError;

/// What a pattern that passes its match limit counts towards `CompileOptions::work_limit_bytes`: about as long as it takes to inspect
/// as many bytes otherwise.
pub const WORK_OF_AN_EXCEEDED_LIMIT: u64 = 1 << 20;

/// The `TX` variables that hold a transaction's anomaly score; the first that is set is it. The first ones are the CRS's.
pub const SCORE_VARIABLES: &[&str] = &[
    "blocking_inbound_anomaly_score",
    "inbound_anomaly_score",
    "anomaly_score",
];
