//! Sets of methods as bits. A table gives a bit to each method that its routes name.

use std::fmt;

/// The most different methods that the routes of a table may name. More are a configuration error.
pub const MAX_METHODS: usize = 64;

/// The methods that a table's routes name; a method's place is its bit.
#[derive(Clone, Debug, Default)]
pub(crate) struct MethodNames(Vec<Box<str>>);

impl MethodNames {
    /// The bit of a method that a request has; empty for one that no route names.
    pub(crate) fn find(&self, method: &[u8]) -> MethodSet {
        let place = self.0.iter().position(|name| name.as_bytes() == method);
        MethodSet(place.map_or(0, |bit| 1 << bit))
    }

    /// The bit of a method that a route names, or nothing when there are too many.
    pub(crate) fn add(&mut self, method: &str) -> Option<MethodSet> {
        if !self.0.iter().any(|name| **name == *method) {
            if self.0.len() == MAX_METHODS {
                return None;
            }
            self.0.push(method.into());
        }
        Some(self.find(method.as_bytes()))
    }

    pub(crate) fn show(&self, set: MethodSet) -> Allow<'_> {
        Allow { names: self, set }
    }
}

/// Some of a table's methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MethodSet(u64);

impl MethodSet {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The methods that a path allows. It prints as the value of an Allow field (RFC 9110, 10.2.1): `GET, HEAD, POST`.
#[derive(Clone, Copy, Debug)]
pub struct Allow<'t> {
    names: &'t MethodNames,
    set: MethodSet,
}

impl<'t> Allow<'t> {
    /// The methods one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let Self { names, set } = *self;
        let all = names.0.iter().enumerate();
        all.filter(move |(bit, _)| set.0 >> bit & 1 == 1)
            .map(|(_, name)| &**name)
    }
}

impl fmt::Display for Allow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Whether a text is a token (RFC 9110, 5.6.2): a method or a field name.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a text can be a method. Methods are case-sensitive, and lower-case ones are taken for slips: no registered
/// method has a lower-case letter.
pub(crate) fn is_method(text: &str) -> bool {
    is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase())
}
