//! SecLang, the rule language of ModSecurity, Coraza and the OWASP Core Rule Set: text in, typed syntax tree out.
//!
//! This room knows the language and nothing of requests. [`parse_str`] reads one text, [`load()`] reads files and follows
//! `Include` through a [`Loader`], [`format()`] prints a tree in its canonical form. Nothing here opens a file except [`FsLoader`].
//!
//! Invariants:
//! * every name in a tree is one that the language knows: unknown directives, variables, operators, transformations,
//!   actions and `ctl` options do not parse;
//! * all errors of a text are reported, not just the first, each with file, line, column and a remedy;
//! * no input panics, and every size has a limit (see [`limits`]).
#![forbid(unsafe_code)]

pub mod ast;
mod closest;
mod diagnostic;
mod format;
mod fs;
mod lexer;
pub mod limits;
mod load;
mod mapped;
mod parse;
mod problem;
mod span;

pub use ast::Document;
pub use diagnostic::{Diagnostic, Excerpt};
pub use format::format;
pub use fs::FsLoader;
pub use load::{Loader, load, load_partly, load_str};
pub use parse::parse_str;
pub use problem::{Problem, WordKind};
pub use span::{FileId, Location, Source, Sources, Span, Spanned};
