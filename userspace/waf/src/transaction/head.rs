//! What a worker remembers of heads: which rules that depend on the head alone did not match, and what gates found in its values.

use seclang::ast::Phase;

use super::Transaction;
use super::gated::tag;
use super::state::{HeadText, State, Value};
use crate::cache::{self, VerdictCache};
use crate::plan::{Bits, Course, Group, RuleSet, VariableGate, is_of_head};

/// What verdicts on heads are remembered under in the place of a class of values.
const HEADS: u32 = u32::MAX;

/// What a transaction knows of its head from earlier ones, or finds out for later ones.
#[derive(Debug, Default)]
pub(crate) struct Head {
    memory: Memory,
    /// What else is remembered of this head stands under this number.
    number: Option<u64>,
    /// By phase: places of the settled course whose rules do not match.
    idle: [Bits; 2],
    /// Gates of variables whose values are decided, by their numbers.
    gates: Bits,
    hits: Vec<Hit>,
    /// As it stands in the cache.
    list: Vec<u32>,
}

/// Where what is remembered of transactions like this one stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing is remembered, and nothing will be.
    #[default]
    Off,
    /// There was one before.
    Known,
    /// This is the first.
    New,
}

/// A rule that a value of the head matches with its first link.
#[derive(Clone, Copy, Debug)]
struct Hit {
    rule: u32,
    gate: u32,
    /// Which of the variable's values.
    index: u32,
}

impl Head {
    pub(crate) fn clear(&mut self) {
        self.memory = Memory::Off;
        self.number = None;
        self.idle.iter_mut().for_each(Bits::clear);
        self.gates.clear();
        self.hits.clear();
    }

    /// The places of a phase that need not be visited.
    pub(super) fn idle(&self, phase: Phase) -> Option<&Bits> {
        let known = self.memory == Memory::Known;
        self.idle.get(place(phase)).filter(|_| known)
    }

    /// Notes that the rule at a place depends on the head alone and did not match. With the first rule of a group the group is decided,
    /// so it always has its turn.
    pub(super) fn note_idle(&mut self, phase: Phase, at: u32, course: &Course, is_gated: bool) {
        let decides = is_gated && course.apart.contains(at);
        if let (Memory::New, false, Some(idle)) =
            (self.memory, decides, self.idle.get_mut(place(phase)))
        {
            idle.insert(at);
        }
    }

    /// Whether it is worth finding out what the next transaction may know.
    pub(super) fn is_new(&self) -> bool {
        self.memory == Memory::New
    }

    /// Whether heads are remembered.
    pub(super) fn is_remembered(&self) -> bool {
        self.memory != Memory::Off
    }

    /// The number of the head, where it was met before or will be known from now on.
    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Whether earlier transactions decided the values of a gate.
    pub(super) fn decides(&self, gate: &VariableGate) -> bool {
        self.memory == Memory::Known && self.gates.contains(gate.number)
    }

    fn write(&mut self, number: u64) {
        self.number = Some(number);
        self.list.clear();
        self.list.extend([number as u32, (number >> 32) as u32]);
        self.idle.iter().for_each(|idle| idle.write(&mut self.list));
        self.gates.write(&mut self.list);
        let hits = self.hits.iter();
        self.list
            .extend(hits.flat_map(|hit| [hit.rule, hit.gate, hit.index]));
    }

    fn read(&mut self, list: &[u32]) -> Option<()> {
        let (&[low, high], mut rest) = list.split_first_chunk()?;
        for bits in self.idle.iter_mut().chain([&mut self.gates]) {
            rest = bits.read(rest)?;
        }
        self.number = Some(u64::from(low) | u64::from(high) << 32);
        let hits = rest.chunks_exact(3);
        self.hits.extend(hits.map(|hit| Hit {
            rule: hit[0],
            gate: hit[1],
            index: hit[2],
        }));
        Some(())
    }
}

/// Where what is kept by phase lies for one.
pub(super) fn place(phase: Phase) -> usize {
    usize::from(phase.number()) - 1
}

impl Transaction {
    /// Looks whether the head was met before. Rules have not run yet.
    pub(super) fn recall_head(&mut self, plan: &RuleSet, cache: &mut VerdictCache) {
        if !self.state.settled || plan.overlay.changes_head {
            return;
        }
        self.gather_head();
        let State { head, store, .. } = &mut self.state;
        let HeadText::Here(text) = self.request.head else {
            return;
        };
        let text = store.get(text);
        if text.len() > cache::VALUE_LIMIT_BYTES {
            return;
        }
        head.memory = Memory::New;
        if let Some(list) = cache.recall(tag(plan, HEADS), text)
            && head.read(list).is_some()
        {
            head.memory = Memory::Known;
        }
    }

    /// Puts the head into one piece, where it does not lie in one already.
    fn gather_head(&mut self) {
        if matches!(self.request.head, HeadText::Here(_)) {
            return;
        }
        let (request, store) = (&self.request, &mut self.state.store);
        let mut whole = store.push_stored_pair(request.method, request.protocol);
        for field in &request.headers {
            let written = store.push_stored_pair(field.key, field.value);
            whole = whole.joined_with(written).unwrap_or_default();
        }
        self.request.head = HeadText::Here(whole);
    }

    /// Remembers what the phases of the request found out about the head.
    pub(super) fn remember_head(&mut self, plan: &RuleSet, cache: &mut VerdictCache) {
        let state = &mut self.state;
        let is_whole = state.settled && state.intervention.is_none() && state.error.is_none();
        let (tx, store) = (&state.tx, &state.store);
        let is_seen = || {
            tx.dynamic()
                .any(|(name, _)| plan.head.is_seen(store.get(name)))
        };
        if state.head.is_new() && is_whole && !state.limits_exceeded && !is_seen() {
            // Rules that are passed over need no hits.
            let courses = plan.settled_courses.iter().zip(&state.head.idle);
            let is_idle = |rule: u32| {
                let mut courses = courses.clone();
                courses.any(|(course, idle)| {
                    course
                        .place_of(rule)
                        .is_some_and(|place| idle.contains(place))
                })
            };
            state.head.hits.retain(|hit| !is_idle(hit.rule));
            state.head.write(cache.next_number());
            if let HeadText::Here(text) = self.request.head {
                let text = state.store.get(text);
                cache.remember(tag(plan, HEADS), text, &state.head.list);
            }
        }
    }

    /// Gives the hits that earlier transactions found in the values of a gate.
    pub(super) fn known_hits(
        &mut self,
        plan: &RuleSet,
        gate: &VariableGate,
        values: &mut Vec<Value>,
    ) {
        let mut collected = false;
        for at in 0..self.state.head.hits.len() {
            let Some(&hit) = self
                .state
                .head
                .hits
                .get(at)
                .filter(|hit| hit.gate == gate.number)
            else {
                continue;
            };
            if !collected {
                collected = true;
                values.clear();
                self.values(plan, gate.variable, None, |_| true, values);
            }
            if let Some(value) = values.get(hit.index as usize) {
                let decided = &mut self.state.decided;
                decided.hits.push((hit.rule, *value));
                decided.hit_rules.insert(hit.rule);
            }
        }
    }

    /// Notes what was found in the values of the head: hits from `first` on.
    pub(super) fn note_hits(
        &mut self,
        plan: &RuleSet,
        group: &Group,
        phases: u8,
        first: usize,
        values: &mut Vec<Value>,
    ) {
        let gates = group.variables.iter();
        for gate in gates.filter(|gate| is_of_head(gate.variable) && gate.phases & phases != 0) {
            if self.state.head.gates.contains(gate.number) {
                continue;
            }
            self.state.head.gates.insert(gate.number);
            let is_own = |value: &Value| value.variable == gate.variable;
            let hits = self.state.decided.hits.get(first..).unwrap_or_default();
            if !hits.iter().any(|(_, value)| is_own(value)) {
                continue;
            }
            values.clear();
            self.values(plan, gate.variable, None, |_| true, values);
            let hits = self.state.decided.hits.get(first..).unwrap_or_default();
            for (rule, value) in hits.iter().filter(|(_, value)| is_own(value)) {
                match values.iter().position(|known| known == value) {
                    // There are not so many values as to overflow.
                    Some(index) => self.state.head.hits.push(Hit {
                        rule: *rule,
                        gate: gate.number,
                        index: index as u32,
                    }),
                    None => self.state.head.memory = Memory::Off,
                }
            }
        }
    }
}
