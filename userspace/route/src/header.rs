//! Predicates on header fields.

use crate::method::is_token;
use crate::{HeaderProblem, HeaderSpec, HeaderTest};
use std::fmt;

/// What a request has under a field name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// No such field.
    Absent,
    /// One line with this value, spaces around it removed.
    One(&'a [u8]),
    /// More than one line.
    Many,
}

/// Finds header fields of a request.
pub trait HeaderLookup {
    /// What the request has under a name; the name is lower-case.
    fn field(&self, name: &str) -> Field<'_>;
}

/// A request without header fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl HeaderLookup for NoHeaders {
    fn field(&self, _name: &str) -> Field<'_> {
        Field::Absent
    }
}

/// Names and values in a list; names are compared without regard to case.
impl HeaderLookup for &[(&str, &[u8])] {
    fn field(&self, name: &str) -> Field<'_> {
        let mut lines = self
            .iter()
            .filter(|(line, _)| line.eq_ignore_ascii_case(name));
        match (lines.next(), lines.next()) {
            (None, _) => Field::Absent,
            (Some((_, value)), None) => Field::One(value),
            (Some(_), Some(_)) => Field::Many,
        }
    }
}

/// A checked predicate.
#[derive(Clone, Debug)]
pub(crate) struct Predicate {
    name: Box<str>,
    test: HeaderTest,
}

impl Predicate {
    pub(crate) fn parse(spec: &HeaderSpec) -> Result<Self, HeaderProblem> {
        if !is_token(&spec.name) {
            return Err(HeaderProblem::Name);
        }
        if let HeaderTest::Equals(value) | HeaderTest::Prefix(value) = &spec.test {
            let starts_with_space = value.starts_with([' ', '\t']);
            let ends_with_space =
                matches!(spec.test, HeaderTest::Equals(_)) && value.ends_with([' ', '\t']);
            let control = value.bytes().any(|b| b.is_ascii_control() && b != b'\t');
            if starts_with_space || ends_with_space || control {
                return Err(HeaderProblem::Value);
            }
        }
        let name = spec.name.to_ascii_lowercase().into();
        Ok(Self {
            name,
            test: spec.test.clone(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn matches(&self, headers: &dyn HeaderLookup) -> bool {
        match (&self.test, headers.field(&self.name)) {
            (HeaderTest::Absent, field) => field == Field::Absent,
            (HeaderTest::Present, field) => field != Field::Absent,
            (HeaderTest::Equals(wanted), Field::One(value)) => value == wanted.as_bytes(),
            (HeaderTest::Prefix(wanted), Field::One(value)) => value.starts_with(wanted.as_bytes()),
            (HeaderTest::Equals(_) | HeaderTest::Prefix(_), Field::Absent | Field::Many) => false,
        }
    }

    /// Whether one field can satisfy both.
    fn agrees_with(&self, other: &Self) -> bool {
        use HeaderTest::{Absent, Equals, Prefix, Present};
        match (&self.test, &other.test) {
            (Absent, other) | (other, Absent) => *other == Absent,
            (Present, _) | (_, Present) => true,
            (Equals(a), Equals(b)) => a == b,
            (Equals(value), Prefix(prefix)) | (Prefix(prefix), Equals(value)) => {
                value.starts_with(prefix.as_str())
            }
            (Prefix(a), Prefix(b)) => a.starts_with(b.as_str()) || b.starts_with(a.as_str()),
        }
    }
}

/// Whether one request can satisfy both lists.
pub(crate) fn agree(a: &[Predicate], b: &[Predicate]) -> bool {
    !a.iter()
        .any(|x| b.iter().any(|y| x.name == y.name && !x.agrees_with(y)))
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            HeaderTest::Present => write!(f, "{} present", self.name),
            HeaderTest::Absent => write!(f, "{} absent", self.name),
            HeaderTest::Equals(value) => write!(f, "{} = {value:?}", self.name),
            HeaderTest::Prefix(value) => write!(f, "{} = {value:?}…", self.name),
        }
    }
}
