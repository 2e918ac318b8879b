//! Which endpoints a request has been to.

/// The most endpoints that a request can have been to. More are forgotten, so retries are limited to as many.
pub const MAX_TRIED: usize = 8;

/// The endpoints that a request has been to, by their index in one [`crate::Upstream`]. A retry avoids them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    indexes: [u16; MAX_TRIED],
    len: u8,
}

impl Tried {
    /// None yet.
    pub const NONE: Self = Self {
        indexes: [0; MAX_TRIED],
        len: 0,
    };

    /// Remembers one ([`crate::Picked::index`]).
    pub fn add(&mut self, index: usize) {
        let (Ok(index), Some(slot)) = (
            u16::try_from(index),
            self.indexes.get_mut(usize::from(self.len)),
        ) else {
            return;
        };
        *slot = index;
        self.len += 1;
    }

    /// Whether one was tried.
    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.indexes
            .iter()
            .take(usize::from(self.len))
            .any(|tried| usize::from(*tried) == index)
    }

    /// How many were tried.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether none was tried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
