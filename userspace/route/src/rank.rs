//! The order of precedence, and how it is told to people.

use crate::header::Predicate;
use crate::host::Host;
use crate::method::MethodSet;
use crate::path::Pattern;
use crate::trie::Rank;
use crate::{Allow, Table};
use std::cmp::{Ordering, Reverse};
use std::fmt;

/// A checked route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Box<str>,
    pub(crate) pattern: Pattern,
    pub(crate) headers: Box<[Predicate]>,
    /// Empty for all.
    pub(crate) methods: MethodSet,
    pub(crate) priority: Option<i32>,
}

/// A route on one of its hosts.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) route: u32,
    pub(crate) host: Host,
}

/// Precedence: less goes first, equal is a conflict where both can match the same request.
pub(crate) fn compare(a: (&Host, &Route), b: (&Host, &Route)) -> Ordering {
    let priority = |route: &Route| (route.priority.is_none(), route.priority);
    let all_methods = |route: &Route| route.methods.is_empty();
    priority(a.1)
        .cmp(&priority(b.1))
        .then_with(|| a.0.specificity().cmp(&b.0.specificity()))
        .then_with(|| a.1.pattern.compare_specificity(&b.1.pattern))
        .then_with(|| Reverse(a.1.headers.len()).cmp(&Reverse(b.1.headers.len())))
        .then_with(|| all_methods(a.1).cmp(&all_methods(b.1)))
}

/// An entry of the table with its place in the order of precedence. It prints as one line.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'t> {
    pub(crate) table: &'t Table,
    pub(crate) rank: Rank,
    pub(crate) entry: &'t Entry,
    pub(crate) route: &'t Route,
}

impl<'t> Ranked<'t> {
    /// The place, 1 for what is looked at first.
    #[must_use]
    pub fn place(&self) -> usize {
        self.rank as usize + 1
    }

    /// The route's index in the list that the table was built from.
    #[must_use]
    pub fn route(&self) -> usize {
        self.entry.route as usize
    }

    /// The route's name.
    #[must_use]
    pub fn name(&self) -> &'t str {
        &self.route.name
    }

    /// The methods that the route names; none where it takes all.
    #[must_use]
    pub fn methods(&self) -> Allow<'t> {
        self.table.methods.show(self.route.methods)
    }
}

impl fmt::Display for Ranked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}:", self.place(), self.name())?;
        if let Some(priority) = self.route.priority {
            write!(f, " priority {priority},")?;
        }
        write!(f, " host {}, path {}", self.entry.host, self.route.pattern)?;
        for predicate in &self.route.headers {
            write!(f, ", header {predicate}")?;
        }
        if self.route.methods.is_empty() {
            f.write_str(", all methods")
        } else {
            write!(f, ", methods {}", self.methods())
        }
    }
}
