//! Who did what, and what follows from it.

use crate::policy::prefix;
use crate::table::{Entry, MARKS, Table, Trace};
use crate::{Cause, Guard, Guarded, Policy};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use types::IpNet;

/// The time that the cap on bans is about.
const CAP_WINDOW: Duration = Duration::from_secs(60);

/// Something that a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Whom it is laid to.
    pub client: IpAddr,
    /// What it was.
    pub cause: Cause,
    /// The WAF rule that found it; 0 where none did.
    pub rule: u64,
    /// The client was named by a trusted proxy: on the wire there is another address.
    pub forwarded: bool,
}

/// What follows from an offence.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing yet.
    Noted,
    /// Nothing, and it was not counted: it weighs nothing, or the client is banned already.
    Passed,
    /// A ban.
    Ban(Sentence),
    /// A ban that is not made, since it would hit somebody who is never banned. The score begins anew.
    Guarded {
        /// Whom it would have hit.
        target: IpNet,
        /// The entry that kept it.
        by: Guarded,
    },
    /// A ban that is not made, since there were as many in the last minute as there may be. The score stays.
    Capped {
        /// Whom it would have hit.
        target: IpNet,
        /// It is the first one since a ban was made.
        first: bool,
    },
}

/// A ban, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// Who is banned.
    pub target: IpNet,
    /// For how long.
    pub ttl: Duration,
    /// The score that reached the threshold.
    pub score: u32,
    /// Which ban of the target it is, as far as is remembered; 1 is the first.
    pub repetition: u16,
    /// What the last offence was.
    pub cause: Cause,
    /// The rule that found it; 0 where none did.
    pub rule: u64,
    /// The client was named by a trusted proxy: packets of its address are not the ones to drop.
    pub forwarded: bool,
    /// It is not to be carried out.
    pub dry_run: bool,
}

/// One thing that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub cause: Cause,
    /// The rule that found it; 0 where none did.
    pub rule: u64,
    /// How long ago.
    pub age: Duration,
}

/// What is known of an address or prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Which one.
    pub target: IpNet,
    /// Its score.
    pub score: f64,
    /// The score at which it is banned; none: never.
    pub threshold: Option<u32>,
    /// Bans that are remembered.
    pub bans: u16,
    /// How long its ban still lasts, in a dry run the one that it would have; none where there is none.
    pub banned_for: Option<Duration>,
    /// The last things that were done, the newest first.
    pub marks: Vec<Mark>,
}

/// What is to be kept when another process takes over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remembered {
    /// Whose it is.
    pub target: IpNet,
    /// The score.
    pub score: f64,
    /// Bans that are remembered.
    pub bans: u16,
    /// How long the last ban still lasts; zero where it is over.
    pub banned_for: Duration,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Addresses with a score.
    pub addresses: usize,
    /// Prefixes with one.
    pub prefixes: usize,
    /// Entries that left for others before their time.
    pub evicted: u64,
}

/// The scores of all clients.
#[derive(Debug)]
pub struct Ledger {
    policy: Policy,
    guard: Guard,
    addresses: Table,
    prefixes: Table,
    /// When the bans of the last minute were made.
    lately: VecDeque<Duration>,
    is_capped: bool,
}

impl Ledger {
    /// No scores.
    #[must_use]
    pub fn new(policy: Policy, guard: Guard) -> Self {
        Self {
            addresses: Table::new(policy.clients),
            prefixes: Table::new(policy.clients),
            policy,
            guard,
            lately: VecDeque::new(),
            is_capped: false,
        }
    }

    /// What is made of offences.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Judges by another policy from now on. Scores stay; what a dry run decided is forgotten with its end, and the other way
    /// round.
    pub fn follow(&mut self, policy: Policy, guard: Guard, now: Duration) {
        if policy.dry_run != self.policy.dry_run {
            for table in [&mut self.addresses, &mut self.prefixes] {
                for entry in table.entries_mut() {
                    entry.banned_until = Duration::ZERO;
                    entry.bans = 0;
                }
            }
            self.lately.clear();
        }
        self.policy = policy;
        self.guard = guard;
        let policy = &self.policy;
        for table in [&mut self.addresses, &mut self.prefixes] {
            table.set_limit(policy.clients, |entry| worth(entry, policy, now));
        }
    }

    /// Whom no ban may hit.
    pub fn set_guard(&mut self, guard: Guard) {
        self.guard = guard;
    }

    /// Adds an offence to the scores of its client and of the prefix around it.
    pub fn record(&mut self, offence: &Offence, now: Duration) -> Outcome {
        let weight = self.policy.weight(offence.cause);
        let client = offence.client.to_canonical();
        let (address, around) = (IpNet::from(client), prefix(client));
        let is_banned = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.is_banned(now));
        if weight == 0
            || is_banned(self.addresses.get(&address))
            || is_banned(self.prefixes.get(&around))
        {
            return Outcome::Passed;
        }
        let trace = Trace {
            at: now,
            cause: offence.cause,
            rule: offence.rule,
        };
        let policy = &self.policy;
        let half_life = policy.half_life;
        let add = |table: &mut Table, target| {
            let entry = table.entry(target, now, |entry| worth(entry, policy, now));
            entry.add(weight, trace, half_life);
            // Rounded, so that four times 25 in a row is 100, although a little of it is gone already.
            entry.score(now, half_life).round()
        };
        let own = add(&mut self.addresses, address);
        let shared = add(&mut self.prefixes, around);
        if own >= f64::from(self.policy.threshold) {
            return self.judge(address, offence, now);
        }
        match self.policy.prefix_threshold(client) {
            Some(threshold) if shared >= f64::from(threshold) => self.judge(around, offence, now),
            _ => Outcome::Noted,
        }
    }

    /// A score is at its threshold.
    fn judge(&mut self, target: IpNet, offence: &Offence, now: Duration) -> Outcome {
        if let Some(by) = self.guard.hit_by(&target) {
            if let Some(entry) = self.table(&target).get_mut(&target) {
                entry.set(0.0, now);
            }
            return Outcome::Guarded { target, by };
        }
        while self
            .lately
            .front()
            .is_some_and(|made| now.saturating_sub(*made) >= CAP_WINDOW)
        {
            self.lately.pop_front();
        }
        if self.lately.len() >= self.policy.max_per_minute as usize {
            let first = !std::mem::replace(&mut self.is_capped, true);
            return Outcome::Capped { target, first };
        }
        self.is_capped = false;
        let (half_life, remember, dry_run) = (
            self.policy.half_life,
            self.policy.remember,
            self.policy.dry_run,
        );
        let Some(entry) = self.table(&target).get_mut(&target) else {
            return Outcome::Noted;
        };
        entry.forgive(now, remember);
        let (score, bans) = (entry.score(now, half_life), entry.bans);
        let ttl = self.policy.ttl_after(bans);
        if let Some(entry) = self.table(&target).get_mut(&target) {
            // It begins anew when the ban is over: then the repetition counts.
            entry.set(0.0, now);
            entry.bans = bans.saturating_add(1);
            entry.banned_until = now.saturating_add(ttl);
        }
        self.lately.push_back(now);
        Outcome::Ban(Sentence {
            target,
            ttl,
            score: score.round() as u32,
            repetition: bans.saturating_add(1),
            cause: offence.cause,
            rule: offence.rule,
            forwarded: offence.forwarded,
            dry_run,
        })
    }

    /// A ban could not be carried out.
    pub fn revoke(&mut self, target: &IpNet) {
        if let Some(entry) = self.table(target).get_mut(target) {
            entry.banned_until = Duration::ZERO;
            entry.bans = entry.bans.saturating_sub(1);
        }
    }

    /// Forgets everything about an address or prefix and what lies within it, so that who has been pardoned begins anew.
    pub fn forget(&mut self, target: &IpNet, now: Duration) {
        for table in [&mut self.addresses, &mut self.prefixes] {
            table.retain(|entry| !target.contains(&entry.target));
        }
        if target.prefix_len() == target.max_prefix_len()
            && let Some(around) = self.prefixes.get_mut(&prefix(target.addr()))
        {
            // What the pardoned one did is a part of it.
            around.set(0.0, now);
        }
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) {
        for table in [&mut self.addresses, &mut self.prefixes] {
            table.retain(|_| false);
        }
    }

    /// What is known of an address and of the prefix around it.
    #[must_use]
    pub fn standing(&self, client: IpAddr, now: Duration) -> Vec<Standing> {
        let client = client.to_canonical();
        let address = self.addresses.get(&client.into());
        let around = self.prefixes.get(&prefix(client));
        let both = address.into_iter().chain(around);
        both.map(|entry| self.describe(entry, now)).collect()
    }

    /// What is known of a target, if anything.
    #[must_use]
    pub fn standing_of(&self, target: &IpNet, now: Duration) -> Option<Standing> {
        let table = match is_address(target) {
            true => &self.addresses,
            false => &self.prefixes,
        };
        Some(self.describe(table.get(target)?, now))
    }

    /// Those with the highest scores, addresses and prefixes together.
    #[must_use]
    pub fn highest(&self, count: usize, now: Duration) -> Vec<Standing> {
        let half_life = self.policy.half_life;
        let entries = self.addresses.entries().iter();
        let mut all: Vec<&Entry> = entries.chain(self.prefixes.entries()).collect();
        let by_score = |left: &&Entry, right: &&Entry| {
            let (left, right) = (left.score(now, half_life), right.score(now, half_life));
            right.total_cmp(&left)
        };
        if all.len() > count && count > 0 {
            all.select_nth_unstable_by(count - 1, by_score);
        }
        all.truncate(count);
        all.sort_unstable_by(by_score);
        all.into_iter()
            .map(|entry| self.describe(entry, now))
            .collect()
    }

    /// How full the tables are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            addresses: self.addresses.len(),
            prefixes: self.prefixes.len(),
            evicted: self.addresses.evicted + self.prefixes.evicted,
        }
    }

    /// What another process has to know to go on as we would.
    #[must_use]
    pub fn remembered(&self, now: Duration) -> Vec<Remembered> {
        // A score that is gone for all that matters.
        const NOTHING: f64 = 0.5;
        let entries = self.addresses.entries().iter();
        let entries = entries.chain(self.prefixes.entries());
        let told = entries.map(|entry| Remembered {
            target: entry.target,
            score: entry.score(now, self.policy.half_life),
            bans: entry.bans,
            banned_for: entry.banned_until.saturating_sub(now),
        });
        told.filter(|entry| entry.score >= NOTHING || entry.bans > 0)
            .collect()
    }

    /// Takes over what another process knew, or what is known of a ban that outlived one.
    pub fn recall(&mut self, remembered: &Remembered, now: Duration) {
        let target = remembered.target.trunc();
        let table = match is_address(&target) {
            true => &mut self.addresses,
            false if target == prefix(target.addr()) => &mut self.prefixes,
            false => return,
        };
        let policy = &self.policy;
        let entry = table.entry(target, now, |entry| worth(entry, policy, now));
        let score = entry.score(now, policy.half_life);
        let told = match remembered.score.is_finite() {
            true => remembered.score,
            false => 0.0,
        };
        entry.set(score.max(told), now);
        entry.bans = entry.bans.max(remembered.bans);
        let until = now.saturating_add(remembered.banned_for);
        entry.banned_until = entry.banned_until.max(until);
    }

    fn describe(&self, entry: &Entry, now: Duration) -> Standing {
        let threshold = match is_address(&entry.target) {
            true => Some(self.policy.threshold),
            false => self.policy.prefix_threshold(entry.target.addr()),
        };
        let mut marks = Vec::with_capacity(MARKS);
        marks.extend(entry.marks().map(|trace| Mark {
            cause: trace.cause,
            rule: trace.rule,
            age: now.saturating_sub(trace.at),
        }));
        let mut fresh = entry.clone();
        fresh.forgive(now, self.policy.remember);
        Standing {
            target: entry.target,
            score: entry.score(now, self.policy.half_life),
            threshold,
            bans: fresh.bans,
            banned_for: entry
                .is_banned(now)
                .then(|| entry.banned_until.saturating_sub(now)),
            marks,
        }
    }

    fn table(&mut self, target: &IpNet) -> &mut Table {
        match is_address(target) {
            true => &mut self.addresses,
            false => &mut self.prefixes,
        }
    }
}

/// What would be lost with an entry: its score, and that it was banned.
fn worth(entry: &Entry, policy: &Policy, now: Duration) -> f64 {
    let is_remembered = now < entry.banned_until.saturating_add(policy.remember);
    let bans = match is_remembered {
        true => f64::from(entry.bans),
        false => 0.0,
    };
    entry.score(now, policy.half_life) + bans * f64::from(policy.threshold)
}

fn is_address(target: &IpNet) -> bool {
    target.prefix_len() == target.max_prefix_len()
}
