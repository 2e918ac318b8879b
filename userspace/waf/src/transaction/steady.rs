//! What a worker remembers of clients and their heads: which steady rules did not match and what others set, as long as nothing
//! disturbed them.

use std::net::IpAddr;

use seclang::ast::{BodyProcessor, Phase};

use super::Transaction;
use super::gated::tag;
use super::head::{Memory, place};
use super::state::State;
use crate::cache::VerdictCache;
use crate::plan::{Bits, Effect, RuleSet, TxName};

/// What this is remembered under in the place of a class of values.
const STEADY: u32 = u32::MAX - 1;

/// The set of phases before one that did not run.
const NEVER: u32 = u32::MAX;

/// What a transaction knows of its steady rules from earlier ones, or finds out for later ones.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    /// Off also from where on another rule or a body changed what steady rules look at.
    memory: Memory,
    /// The head, by its number, and the addresses.
    key: Vec<u8>,
    /// By phase: places of the settled course whose rules do not match.
    idle: [Bits; 5],
    /// By phase: which phases ran before it, a bit each.
    before: [u32; 5],
    /// Which phases ran.
    ran: u32,
    /// What rules set, one after the other ([`Steady::note_sets`]).
    sets: Vec<u32>,
    /// How far these were carried out.
    done: usize,
    /// As it stands in the cache.
    list: Vec<u32>,
}

impl Steady {
    pub(crate) fn clear(&mut self) {
        self.memory = Memory::Off;
        self.key.clear();
        self.idle.iter_mut().for_each(Bits::clear);
        self.before = [NEVER; 5];
        self.ran = 0;
        self.sets.clear();
        self.done = 0;
    }

    /// A phase begins. Where others ran before it than did when it was remembered, nothing is known of it.
    pub(super) fn begin_phase(&mut self, phase: Phase) {
        let Some(before) = self.before.get_mut(place(phase)) else {
            return;
        };
        match self.memory {
            Memory::Off => {}
            Memory::Known if *before != self.ran => self.memory = Memory::Off,
            Memory::Known => {}
            Memory::New => *before = self.ran,
        }
        self.ran |= 1 << place(phase);
    }

    /// The places of a phase that need not be visited.
    pub(super) fn idle(&self, phase: Phase) -> Option<&Bits> {
        let known = self.memory == Memory::Known;
        self.idle.get(place(phase)).filter(|_| known)
    }

    /// Whether it is worth finding out what the next transaction may know.
    pub(super) fn is_new(&self) -> bool {
        self.memory == Memory::New
    }

    /// Notes that the steady rule at a place did not match.
    pub(super) fn note_idle(&mut self, phase: Phase, at: u32) {
        if let Some(idle) = self.idle.get_mut(place(phase)) {
            idle.insert(at);
        }
    }

    /// Notes what the steady rule at a place set: the place, the length of what follows, and for each variable its slot and its value.
    fn note_sets<'v>(
        &mut self,
        phase: Phase,
        at: u32,
        sets: impl Iterator<Item = (u32, Option<&'v [u8]>)>,
    ) {
        let start = self.sets.len() + 2;
        self.sets.extend([turn(phase, at), 0]);
        for (slot, value) in sets {
            // Values are shorter than the store.
            let length = value.map_or(UNSET, |value| value.len() as u32);
            self.sets.extend([slot, length]);
            for piece in value.unwrap_or_default().chunks(4) {
                let mut word = [0; 4];
                word[..piece.len()].copy_from_slice(piece);
                self.sets.push(u32::from_le_bytes(word));
            }
        }
        let length = self.sets.len() - start;
        if let Some(place) = self.sets.get_mut(start - 1) {
            *place = length as u32;
        }
    }

    /// What the steady rule at a place set, if that is known. Places are asked for in their order.
    fn sets_at(&mut self, phase: Phase, at: u32) -> Option<&[u32]> {
        if self.memory != Memory::Known {
            return None;
        }
        let wanted = turn(phase, at);
        loop {
            let (&[turn, length], rest) = self.sets.get(self.done..)?.split_first_chunk()?;
            if turn > wanted {
                return None;
            }
            self.done += 2 + length as usize;
            if turn == wanted {
                return rest.get(..length as usize);
            }
        }
    }

    /// Whether steady rules do what they did before, as far as it is known.
    pub(super) fn holds(&self) -> bool {
        self.memory != Memory::Off
    }
}

/// The length of a variable that is unset.
const UNSET: u32 = u32::MAX;

/// Places of all phases in their order.
fn turn(phase: Phase, at: u32) -> u32 {
    // There are fewer rules than that.
    u32::from(phase.number()) << 28 | at
}

impl Transaction {
    /// Looks whether the client was met before with this head. Rules have not run yet.
    pub(super) fn recall_steady(&mut self, plan: &RuleSet, cache: &mut VerdictCache) {
        let state = &mut self.state;
        if plan.overlay.changes_steady || !state.head.is_remembered() {
            return;
        }
        let steady = &mut state.steady;
        steady.memory = Memory::New;
        let Some(head) = state.head.number() else {
            // Nobody can have been met with a head that is new.
            return;
        };
        steady.write_key(head, [state.client, state.server]);
        if let Some(list) = cache.recall(tag(plan, STEADY), &steady.key)
            && steady.read(list).is_some()
        {
            steady.memory = Memory::Known;
        }
    }

    /// Remembers which steady rules did not match, after the last phase.
    pub(super) fn remember_steady(&mut self, plan: &RuleSet, cache: &mut VerdictCache) {
        let state = &mut self.state;
        let is_whole = state.settled && state.intervention.is_none() && state.error.is_none();
        if !state.steady.is_new() || !is_whole || state.limits_exceeded {
            return;
        }
        let Some(head) = state.head.number() else {
            return;
        };
        let steady = &mut state.steady;
        steady.write_key(head, [state.client, state.server]);
        steady.list.clear();
        steady.list.extend(steady.before);
        for idle in &steady.idle {
            idle.write(&mut steady.list);
        }
        steady.list.extend_from_slice(&steady.sets);
        cache.remember(tag(plan, STEADY), &steady.key, &steady.list);
    }

    /// Does what the rule at a place did, if all of it is known.
    pub(super) fn repeat_steady(&mut self, phase: Phase, at: u32) -> bool {
        let State {
            steady, tx, store, ..
        } = &mut self.state;
        let Some(mut sets) = steady.sets_at(phase, at) else {
            return false;
        };
        while let Some((&[slot, length], rest)) = sets.split_first_chunk() {
            let words = if length == UNSET {
                0
            } else {
                length.div_ceil(4)
            };
            let (words, rest) = rest.split_at(rest.len().min(words as usize));
            sets = rest;
            let value = (length != UNSET).then(|| {
                let whole = store.write(|out| {
                    words
                        .iter()
                        .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                });
                whole.slice(0, length as usize)
            });
            tx.set_slot(slot, value);
        }
        true
    }

    /// Notes what a steady rule set that matched.
    pub(super) fn note_steady_match(&mut self, plan: &RuleSet, phase: Phase, at: u32) {
        let index = self.state.rule;
        let Some(rule) = plan
            .rules
            .get(index as usize)
            .filter(|_| plan.steady.only_sets(index))
        else {
            return;
        };
        let State {
            steady, tx, store, ..
        } = &mut self.state;
        let effects = rule.links.iter().flat_map(|link| &link.effects);
        let slots = effects.filter_map(|effect| match effect {
            Effect::SetTx {
                name: TxName::Slot(slot),
                ..
            } => Some(*slot),
            _ => None,
        });
        let value = |slot| tx.slot(slot).map(|value| store.get(value));
        steady.note_sets(phase, at, slots.map(|slot| (slot, value(slot))));
    }

    /// From here on steady rules may do what they did not do before.
    pub(super) fn disturb(&mut self) {
        self.state.steady.memory = Memory::Off;
    }

    /// A body is looked at by steady rules, and nothing is remembered of it.
    pub(super) fn see_body(&mut self) {
        if self.has_body() {
            self.disturb();
        }
    }

    /// Whether variables may hold something of a body, now that phase 2 comes.
    pub(super) fn has_body(&self) -> bool {
        let request = &self.request;
        request.body_length > 0
            || request.parsed.error.is_some()
            || request.processor == Some(BodyProcessor::Multipart)
    }
}

impl Steady {
    fn read(&mut self, list: &[u32]) -> Option<()> {
        let (&before, mut rest) = list.split_first_chunk()?;
        for idle in &mut self.idle {
            rest = idle.read(rest)?;
        }
        self.before = before;
        self.sets.extend_from_slice(rest);
        Some(())
    }

    fn write_key(&mut self, head: u64, addresses: [Option<std::net::SocketAddr>; 2]) {
        let [client, server] = addresses;
        self.key.clear();
        self.key.extend_from_slice(&head.to_le_bytes());
        if let Some(server) = server {
            self.key.extend_from_slice(&server.port().to_le_bytes());
            self.write_address(server.ip());
        }
        if let Some(client) = client {
            self.write_address(client.ip());
        }
    }

    fn write_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.key.push(4);
                self.key.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                self.key.push(6);
                self.key.extend_from_slice(&address.octets());
            }
        }
    }
}
