//! What a worker remembers of clients and their heads: which steady rules did not match, as long as nothing disturbed them.

use std::net::IpAddr;

use seclang::ast::{BodyProcessor, Phase};

use super::Transaction;
use super::gated::tag;
use crate::cache::VerdictCache;
use crate::plan::{Bits, RuleSet};

/// What this is remembered under in the place of a class of values.
const STEADY: u32 = u32::MAX - 1;

/// The set of phases before one that did not run.
const NEVER: u32 = u32::MAX;

/// What a transaction knows of its steady rules from earlier ones, or finds out for later ones.
#[derive(Debug, Default)]
pub(crate) struct Steady {
    memory: Memory,
    /// The head, by its number, and the addresses.
    key: Vec<u8>,
    /// By phase: places of the settled course whose rules do not match.
    idle: [Bits; 5],
    /// By phase: which phases ran before it, a bit each.
    before: [u32; 5],
    /// Which phases ran.
    ran: u32,
    list: Vec<u32>,
}

/// Where the memory stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    /// Nothing is remembered, and nothing will be; also from where on another rule or a body changed what steady rules look at.
    #[default]
    Off,
    /// An earlier transaction was the same.
    Known,
    /// There was none.
    New,
}

impl Steady {
    pub(crate) fn clear(&mut self) {
        self.memory = Memory::Off;
        self.key.clear();
        self.idle.iter_mut().for_each(Bits::clear);
        self.before = [NEVER; 5];
        self.ran = 0;
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

    /// Whether steady rules do what they did before, as far as it is known.
    pub(super) fn holds(&self) -> bool {
        self.memory != Memory::Off
    }
}

fn place(phase: Phase) -> usize {
    usize::from(phase.number()) - 1
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
        if let Some(list) = cache.recall(tag(plan, STEADY), &steady.key) {
            if steady.read(list).is_some() {
                steady.memory = Memory::Known;
            }
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
        cache.remember(tag(plan, STEADY), &steady.key, &steady.list);
    }

    /// From here on steady rules may do what they did not do before.
    pub(super) fn disturb(&mut self) {
        self.state.steady.memory = Memory::Off;
    }

    /// A body is looked at by steady rules, and nothing is remembered of it.
    pub(super) fn see_body(&mut self) {
        let request = &self.request;
        let is_there = request.body_length > 0
            || request.parsed.error.is_some()
            || request.processor == Some(BodyProcessor::Multipart);
        if is_there {
            self.disturb();
        }
    }
}

impl Steady {
    fn read(&mut self, list: &[u32]) -> Option<()> {
        let (&before, mut rest) = list.split_first_chunk()?;
        for idle in &mut self.idle {
            rest = idle.read(rest)?;
        }
        self.before = before;
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
