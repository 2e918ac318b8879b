//! Holds documents against DTDs, XML schemas (XSD 1.0) and JSON schemas.
//!
//! A grammar is compiled once, from files that the caller has read ([`Files`]); what is wrong with it has a file and a line. Holding a
//! document against it opens no file, follows no address and expands no entity. Content models are automata without backtracking,
//! patterns have linear time, and every look at a document is paid for out of a budget of [`Work`].
//!
//! ```
//! use schema::{Document, Dtd, Files, Finding, Work};
//!
//! let files = Files::of([("note.dtd", b"<!ELEMENT note (to, text?)><!ELEMENT to (#PCDATA)><!ELEMENT text (#PCDATA)>".to_vec())]);
//! let dtd = Dtd::read(&files, "note.dtd").unwrap();
//! let mut note = Document::default();
//! note.enter("note", Vec::new());
//! note.enter("to", Vec::new());
//! note.text("Ada");
//! note.leave();
//! note.leave();
//! assert!(dtd.check(&note, &mut Work::of(10_000)).is_ok());
//! assert!(matches!(dtd.check(&Document::default(), &mut Work::of(10_000)), Err(Finding::Invalid(_))));
//! ```
#![forbid(unsafe_code)]

mod automaton;
mod document;
mod dtd;
mod files;
mod json;
pub mod limits;
mod names;
mod problem;
#[cfg(test)]
mod testing;
mod text;
mod work;
mod xsd;

pub use document::{Attribute, Document};
pub use dtd::{Dtd, character};
pub use files::{Files, references};
pub use json::JsonSchema;
pub use problem::{Problem, ProblemKind};
pub use work::{Finding, Work};
pub use xsd::XmlSchema;
