//! What can be wrong with a table of routes. Each error names its route and what to do.

use crate::{MAX_ENTRIES, MAX_METHODS, MAX_PARAMS, MAX_PATTERN_BYTES, MAX_SEGMENTS};
use thiserror::Error;

/// Why a table was not built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// Two routes could match the same request, and neither goes before the other.
    #[error(
        "routes `{first}` and `{second}` both match host `{host}`, path `{path}` with equal precedence: \
         give one of them a `priority` (lower goes first), or let their methods or headers differ"
    )]
    Conflict {
        /// The route that came first in the configuration.
        first: String,
        /// The other one.
        second: String,
        /// The host pattern that both have.
        host: String,
        /// The path pattern, as the first one wrote it.
        path: String,
    },
    /// Two routes have one name.
    #[error(
        "two routes are named `{0}`: names tell them apart in logs and metrics, so choose another one"
    )]
    DuplicateName(String),
    /// A host is malformed.
    #[error("route `{route}`: host `{host}` {problem}")]
    Host {
        /// The route's name.
        route: String,
        /// The host as it was written.
        host: String,
        /// What is wrong with it.
        problem: HostProblem,
    },
    /// A path is malformed.
    #[error("route `{route}`: path `{path}` {problem}")]
    Path {
        /// The route's name.
        route: String,
        /// The path as it was written.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// A method is no token (RFC 9110, 9.1).
    #[error(
        "route `{route}`: `{method}` is no method: expected a token such as GET, POST or PURGE in upper case"
    )]
    Method {
        /// The route's name.
        route: String,
        /// The method as it was written.
        method: String,
    },
    /// A header predicate is malformed.
    #[error("route `{route}`: header `{header}` {problem}")]
    Header {
        /// The route's name.
        route: String,
        /// The field's name as it was written.
        header: String,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// The routes name more different methods than the table can hold.
    #[error(
        "the routes name more than {MAX_METHODS} different methods: remove some, or let a route take all methods"
    )]
    TooManyMethods,
    /// The routes have more hosts in all than the table can hold.
    #[error(
        "the routes have {0} hosts in all, and the most is {MAX_ENTRIES}: merge hosts into wildcards"
    )]
    TooManyEntries(usize),
}

impl RouteError {
    /// Whether the error is about the route of this name, alone or with another.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        match self {
            Self::Conflict { first, second, .. } => first == name || second == name,
            Self::DuplicateName(route)
            | Self::Host { route, .. }
            | Self::Path { route, .. }
            | Self::Method { route, .. }
            | Self::Header { route, .. } => route == name,
            Self::TooManyMethods | Self::TooManyEntries(_) => false,
        }
    }
}

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostProblem {
    /// Nothing there.
    #[error("is empty: leave `hosts` out for any host")]
    Empty,
    /// Longer than a DNS name may be.
    #[error("is longer than the 253 bytes of a DNS name")]
    TooLong,
    /// A port was given.
    #[error("has a port: routes match the name alone, so drop the port")]
    Port,
    /// An empty label: two dots in a row, or one at an end.
    #[error("has an empty label: drop the dot at its end or the doubled one")]
    EmptyLabel,
    /// A label longer than 63 bytes.
    #[error("has a label longer than 63 bytes")]
    LongLabel,
    /// A star elsewhere than as the first label.
    #[error("has a `*` that is not its whole first label: write `*.example.com`")]
    Wildcard,
    /// A character that host names do not have.
    #[error(
        "has a character that host names do not have: expected letters, digits, `-`, `_` and dots, in Punycode (`xn--`) for others"
    )]
    Character,
    /// The same host twice in one route.
    #[error("is given twice")]
    Twice,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathProblem {
    /// It does not begin with a slash.
    #[error("does not begin with `/`")]
    NoSlash,
    /// It has a query or a fragment.
    #[error(
        "has a `?` or `#`: routes match the path alone, so drop the query, or write %3F or %23"
    )]
    Query,
    /// A control character.
    #[error("has a control character")]
    Control,
    /// A `%` without two hexadecimal digits.
    #[error(
        "has a `%` that is not followed by two hexadecimal digits: write %25 for the character itself"
    )]
    Percent,
    /// A `.` or `..` segment.
    #[error(
        "has a `.` or `..` segment: no request has one after normalisation, so it could never match"
    )]
    DotSegment,
    /// Two slashes in a row.
    #[error("has an empty segment (`//`)")]
    EmptySegment,
    /// Too long.
    #[error("is longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// Too many segments.
    #[error("has more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// Too many parameters.
    #[error("has more than {MAX_PARAMS} parameters")]
    TooManyParams,
    /// Braces that are not one whole segment.
    #[error(
        "has a brace within a segment: a parameter is a whole segment, as in `/v1/{{id}}/items`"
    )]
    Brace,
    /// A parameter without a usable name.
    #[error("has a parameter whose name is not made of letters, digits, `_` and `-`")]
    ParamName,
    /// A parameter name twice.
    #[error("has two parameters of one name")]
    ParamTwice,
    /// `{rest*}` elsewhere than at the end.
    #[error("has segments after `{{…*}}`: it takes all that follows, so it must be last")]
    RestNotLast,
}

/// What is wrong with a header predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderProblem {
    /// The name is no token (RFC 9110, 5.1).
    #[error("is no field name: expected a token such as x-version")]
    Name,
    /// Two predicates on one field.
    #[error("is named twice: one predicate says all there is to say about a field")]
    Twice,
    /// A value that no field can have.
    #[error("has a value that no field can have: spaces at an end, or a control character")]
    Value,
}
