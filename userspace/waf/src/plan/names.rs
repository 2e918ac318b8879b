//! The names of `TX` variables that rules mention, as slots: reading one is then an index, not a search.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// Names in lower case by slot. Slots 0 to 9 are the captures `TX:0` to `TX:9`.
#[derive(Debug)]
pub(crate) struct TxNames {
    by_name: HashMap<Box<[u8]>, u32, RandomState>,
    names: Vec<Box<[u8]>>,
}

impl TxNames {
    pub(crate) fn new() -> TxNames {
        let mut names = TxNames {
            by_name: HashMap::default(),
            names: Vec::new(),
        };
        for digit in b'0'..=b'9' {
            names.slot(&[digit]);
        }
        names
    }

    /// The slot of `name`, a new one if need be.
    pub(crate) fn slot(&mut self, name: &[u8]) -> u32 {
        let name: Box<[u8]> = name.to_ascii_lowercase().into();
        // As many names as rules can mention fit u32 by the limits of the parser.
        let next = self.names.len() as u32;
        *self.by_name.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }

    /// The slot of a name in lower case that a rule mentions.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, slot: u32) -> &[u8] {
        self.names.get(slot as usize).map_or(b"", |name| name)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}
