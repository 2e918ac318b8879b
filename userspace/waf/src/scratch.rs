//! Memory of a worker that its transactions share in turn.

use crate::cache::VerdictCache;
use crate::plan::{Bits, Scratches};
use crate::transaction::{Stage, Value};

/// Buffers of one worker, and what it remembers of values: keep one a thread and give it to every call. It serves any number of rule
/// sets. What it remembers are verdicts of rules on bytes, nothing of a transaction.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) work: Work,
    pub(crate) gate: GateWork,
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

/// Buffers of the gates.
#[derive(Debug, Default)]
pub(crate) struct GateWork {
    pub(crate) cache: VerdictCache,
    pub(crate) scratches: Scratches,
    /// Groups that are decided in this phase.
    pub(crate) decided: Bits,
    /// Rules that a value matches, and the value; by rule.
    pub(crate) hits: Vec<(u32, Value)>,
    pub(crate) hit_rules: Bits,
    /// The key of a value in the cache.
    pub(crate) key: Vec<u8>,
    /// Rules that the value at hand matches.
    pub(crate) verdict: Vec<u32>,
    pub(crate) candidates: Vec<u32>,
    pub(crate) stages: Vec<Stage>,
    pub(crate) current: Vec<u8>,
    pub(crate) next: Vec<u8>,
}

impl Scratch {
    /// Empty buffers, which grow with use.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// Forgets all verdicts on values; the buffers stay.
    pub fn forget(&mut self) {
        self.gate.cache = VerdictCache::default();
    }
}

impl GateWork {
    /// Forgets what was decided in the last phase.
    pub(crate) fn begin_phase(&mut self) {
        self.decided.clear();
        self.hits.clear();
        self.hit_rules.clear();
    }
}
