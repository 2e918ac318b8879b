//! Hosts, paths, methods and headers compiled to one routing table.
//!
//! [`Table::build`] takes routes in any order, gives each a rank and refuses tables in which two routes could claim the
//! same request with equal right. [`Table::lookup`] returns the route of lowest rank that matches a request. It
//! allocates nothing, and its cost does not grow with the number of hosts: exact hosts and wildcards are looked up by
//! hash, paths walk a trie of segments.
//!
//! # Precedence
//!
//! What a route says decides its rank, never its place in the file. The first difference counts:
//!
//! 1. **Priority**: the lower number goes first; routes without one come after all that have one.
//! 2. **Host**: exact, then wildcards from the longest to the shortest, then any host.
//! 3. **Path**: compared segment by segment from the left. In the first segment that differs, a literal goes before a
//!    parameter, a parameter before a prefix that ends there. So an exact path goes before a template, a template with
//!    more literals on the left before one with fewer, a longer prefix before a shorter one.
//! 4. **Headers**: more predicates go before fewer.
//! 5. **Methods**: a route that names its methods goes before one that takes all.
//!
//! Two routes that are equal in all five and could match one request are a configuration error that names both.
//! [`Table::order`] prints the result.
#![forbid(unsafe_code)]

mod error;
mod header;
mod host;
mod method;
mod path;
mod rank;
mod spec;
mod table;
mod trie;

pub use error::{HeaderProblem, HostProblem, PathProblem, RouteError};
pub use header::{Field, HeaderLookup, NoHeaders};
pub use method::{Allow, MAX_METHODS};
pub use path::{MAX_PARAMS, MAX_PATTERN_BYTES, MAX_SEGMENTS, Params, Span};
pub use rank::Ranked;
pub use spec::{HeaderSpec, HeaderTest, PathSpec, RouteSpec};
pub use table::{Lookup, MAX_ENTRIES, Table};
