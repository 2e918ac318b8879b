//! Memory of a worker that its transactions share in turn.

use crate::plan::Bits;
use crate::transaction::{GateWork, Value};

/// Buffers of one worker, and what it remembers of values: keep one a thread and give it to every call. It serves any number of rule
/// sets. What it remembers are verdicts of rules on bytes, nothing of a transaction.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) work: Work,
    pub(crate) gate: GateWork,
    /// Which rules of a phase have their turn.
    pub(crate) visits: Bits,
}

/// Buffers of the exact engine.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The values of the targets of one link.
    pub(crate) values: Vec<Value>,
    /// A value after its transformations so far, and the room for the next.
    pub(crate) current: Vec<u8>,
    pub(crate) next: Vec<u8>,
    /// The argument of the operator with macros expanded.
    pub(crate) argument: Vec<u8>,
}

impl Scratch {
    /// Empty buffers, which grow with use.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// Forgets all verdicts on values; the buffers stay.
    pub fn forget(&mut self) {
        self.gate.cache.clear();
    }
}
