//! What stands before the exact engine: which values a rule could match at all.
//!
//! Rules whose verdict on a value depends on nothing but the bytes of that value are *gated*. For a value, all gated rules of all phases
//! that look at it are decided at once, when the first of these phases runs: bytes that must occur, one scan of a Hyperscan database
//! over all new values joined, and the exact test for what is left. The verdict is remembered by the worker. The run over the rules
//! then passes over every gated rule that no value of the transaction matches.
//!
//! Never gated: links of chains behind the first, numbers, counts, macros in the argument, and targets that rules can change (`TX`,
//! `ENV`, `MATCHED_VAR`). Negated and unscannable rules are decided by the exact test alone, which the memory saves as well.

use std::collections::HashMap;
use std::sync::Arc;

use seclang::ast::{Phase, Variable};

use super::Filter;
use super::bits::Bits;
use super::chains::{ChainSet, Chains, Walk};
use super::error::CompileOptions;
use super::hyperscan::Database;
use super::pattern::Needs;
use super::rule::{Condition, Rule, Selector};
use super::settle::Settled;
use super::shelf::{SHELVES, ShelfSet, kind_of, shelf};
use super::units::{Narrow, is_gated, needs, way};
use crate::bytes::ByteSet;
use crate::transform::UnicodeMap;

/// The gates of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    pub(crate) groups: Vec<Group>,
    pub(crate) classes: Vec<Class>,
    /// What `t:urlDecodeUni` maps characters by.
    pub(crate) unicode_map: Option<Arc<UnicodeMap>>,
    /// Gates of variables in all groups.
    pub(crate) variables: u32,
    /// By rule: its group, if it is gated.
    group_of: Vec<Option<u32>>,
    /// Whether a database was left out, because it is not kept and none was to be compiled.
    lacks_databases: bool,
}

/// Rules behind the same guard: those of one paranoia level, where that is not settled before any request comes. A group is decided
/// when its first rule comes up, so levels that are skipped cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) variables: Vec<VariableGate>,
    pub(crate) units: Vec<Unit>,
    /// What is scanned for, by shelf.
    pub(crate) databases: [Option<Database>; SHELVES],
    chains: Chains,
}

/// Which class the values of a variable belong to.
#[derive(Debug)]
pub(crate) struct VariableGate {
    pub(crate) variable: Variable,
    /// Unlike that of any other gate of the rule set: transactions count by it how many values are decided.
    pub(crate) number: u32,
    /// In which phases some rule looks at it, a bit each; 0 is phase 1.
    pub(crate) phases: u8,
    /// Keys in lower case that some rule names.
    keyed: Vec<(Box<[u8]>, u32)>,
    /// Every other key.
    other: Option<u32>,
}

impl VariableGate {
    /// The class of the value under `key`; `None` where no rule looks at it.
    pub(crate) fn class(&self, key: &[u8]) -> Option<u32> {
        self.keyed
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))
            .map_or(self.other, |(_, class)| Some(*class))
    }
}

/// The first link of a gated rule.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) rule: u32,
    /// Its chain of transformations.
    pub(crate) chain: u8,
    /// How it is found in values of plain bytes, and in others.
    pub(super) ways: [Way; 2],
    /// On which shelf a scan finds it there.
    shelves: [usize; 2],
    /// Bytes without which it cannot match; of no use when negated.
    pub(crate) needs: Vec<ByteSet>,
    /// A match holds at least so many of these bytes.
    pub(crate) many: Option<(ByteSet, u32)>,
    /// Whether the empty value matches: scans do not see it.
    pub(crate) matches_empty: bool,
}

/// How it is found out that a unit could match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A scan finds it.
    Scan,
    /// By the bytes that it needs, and the exact test.
    Test,
    /// It cannot match.
    Never,
}

/// The kinds of values that are scanned apart: those of plain bytes alone ([`super::plain`]), and others.
pub(crate) const PLAIN_VALUES: usize = 0;
pub(crate) const OTHER_VALUES: usize = 1;

/// Values that the same units look at.
#[derive(Debug)]
pub(crate) struct Class {
    /// Which units of the group.
    pub(crate) units: Bits,
    pub(crate) walk: Walk,
    /// By shelf: chains with units that a scan finds.
    pub(crate) scanned: [ChainSet; SHELVES],
    /// The shelves with such chains.
    pub(crate) shelves: ShelfSet,
    /// By kind of value: units that no scan finds, by chain.
    pub(crate) unscanned: [Vec<Unscanned>; 2],
    /// Units that the empty value matches, and their chains.
    pub(crate) empty: Vec<(u32, ChainSet)>,
}

/// The units of one chain that no scan finds.
#[derive(Debug)]
pub(crate) struct Unscanned {
    pub(crate) chain: ChainSet,
    /// Those of which nothing is known: they are always tested.
    pub(crate) always: Vec<u32>,
    /// Those that need certain bytes.
    pub(crate) picky: Vec<u32>,
    /// The rarest bytes of each of these: without any of them none can match.
    pub(crate) any: ByteSet,
}

impl Gates {
    pub(crate) fn group_of(&self, rule: u32) -> Option<u32> {
        self.group_of.get(rule as usize).copied().flatten()
    }

    /// Builds the gates for the rules that are left to be run. Rules behind one guard form a group, those for requests and those for
    /// responses apart.
    pub(super) fn build(
        rules: &[Rule],
        settled: &Settled,
        options: &CompileOptions,
    ) -> Result<Gates, String> {
        let mut gates = Gates {
            group_of: vec![None; rules.len()],
            ..Gates::default()
        };
        if !options.gates {
            return Ok(gates);
        }
        let mut members: Vec<Vec<u32>> = Vec::new();
        let mut known: HashMap<(u32, bool), usize> = HashMap::new();
        for step in settled.phases.iter().flatten() {
            let Some(rule) = rules.get(step.rule as usize) else {
                continue;
            };
            if rule.links.first().is_some_and(is_gated) {
                let guard = settled.guards[step.rule as usize];
                // What looks at responses would only be in the way of requests.
                let of_response = rule.phase > Phase::RequestBody;
                let group = *known.entry((guard, of_response)).or_insert(members.len());
                if group == members.len() {
                    members.push(Vec::new());
                }
                members[group].push(step.rule);
            }
        }
        for group in members {
            gates.add_group(rules, &group, options)?;
        }
        Ok(gates)
    }

    fn add_group(
        &mut self,
        rules: &[Rule],
        members: &[u32],
        options: &CompileOptions,
    ) -> Result<(), String> {
        let number = self.groups.len() as u32;
        let mut group = Group::default();
        let mut expressions: [Vec<_>; SHELVES] = Default::default();
        let links = members.iter().map(|&index| &rules[index as usize].links[0]);
        let narrow = Narrow::count(links.filter_map(|link| link.condition.as_ref()));
        for &index in members {
            let link = &rules[index as usize].links[0];
            let (Some(condition), Some(chain)) = (&link.condition, group.chains.add(link)) else {
                continue;
            };
            self.group_of[index as usize] = Some(number);
            let unit = group.units.len() as u32;
            let needs = if condition.negated {
                Needs::default()
            } else {
                needs(condition)
            };
            let matches_empty =
                condition
                    .test
                    .matches(b"", condition.argument.fixed().unwrap_or_default(), None)
                    != Ok(condition.negated);
            let mut ways = [Way::Test; 2];
            let mut shelves = [0; 2];
            for kind in [PLAIN_VALUES, OTHER_VALUES] {
                let (way, found) = way(link, condition, &needs, &narrow, kind, matches_empty, unit);
                ways[kind] = way;
                shelves[kind] = shelf(kind, &needs.sets, link, condition);
                expressions[shelves[kind]].extend(found);
            }
            group.units.push(Unit {
                rule: index,
                chain,
                ways,
                shelves,
                needs: needs.sets,
                many: needs.many,
                matches_empty,
            });
        }
        for (shelf, expressions) in expressions.into_iter().enumerate() {
            let made = Database::make(expressions, options).map_err(|error| error.to_string())?;
            group.databases[shelf] = made.database;
            self.lacks_databases |= made.is_missing;
            for unit in made.refused {
                if let Some(unit) = group.units.get_mut(unit as usize) {
                    unit.ways[kind_of(shelf)] = Way::Test;
                }
            }
        }
        self.add_classes(rules, &mut group);
        self.groups.push(group);
        Ok(())
    }

    /// Finds, for each variable that the group looks at, which keys are looked at by which units.
    fn add_classes(&mut self, rules: &[Rule], group: &mut Group) {
        let mut known: HashMap<Bits, u32> = HashMap::new();
        let mut variables: Vec<Variable> = Vec::new();
        let looks: Vec<(&Condition, u8)> = group
            .units
            .iter()
            .filter_map(|unit| {
                let rule = &rules[unit.rule as usize];
                Some((
                    rule.links[0].condition.as_ref()?,
                    1 << (rule.phase.number() - 1),
                ))
            })
            .collect();
        for target in looks.iter().flat_map(|(condition, _)| &condition.targets) {
            if !variables.contains(&target.variable) {
                variables.push(target.variable);
            }
        }
        for variable in variables {
            let (phases, mut other, mut keyed) = looked_at(variable, &looks);
            for (_, units) in &mut keyed {
                other.iter().for_each(|unit| units.insert(unit));
            }
            // Units of several keys are in the order of the rules whatever came first.
            let mut class = |units: Bits| {
                *known.entry(units).or_insert_with_key(|units| {
                    self.classes.push(class_of(group, units));
                    self.classes.len() as u32 - 1
                })
            };
            let rest = (other != Bits::default()).then(|| class(std::mem::take(&mut other)));
            let keyed = keyed
                .into_iter()
                .map(|(key, units)| (key, class(units)))
                .collect();
            group.variables.push(VariableGate {
                variable,
                number: self.variables,
                phases,
                keyed,
                other: rest,
            });
            self.variables += 1;
        }
    }

    /// How a rule is passed over, for people.
    pub(super) fn filter_of(&self, rule: u32) -> Filter {
        let group = self
            .group_of(rule)
            .and_then(|group| self.groups.get(group as usize));
        let unit = group.and_then(|group| group.units.iter().find(|unit| unit.rule == rule));
        match unit {
            None => Filter::Apart,
            Some(unit) if unit.ways[OTHER_VALUES] == Way::Scan => Filter::Scan,
            Some(unit) if !unit.needs.is_empty() => Filter::Bytes,
            Some(_) => Filter::Nothing,
        }
    }

    /// Bytes of all databases.
    pub(crate) fn database_bytes(&self) -> usize {
        self.groups
            .iter()
            .flat_map(|group| group.databases.iter().flatten())
            .map(Database::size)
            .sum()
    }

    /// Whether a database was left out.
    pub(crate) fn lacks_databases(&self) -> bool {
        self.lacks_databases
    }

    /// How many rules are gated, and how many of these a scan finds.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let units = || self.groups.iter().flat_map(|group| &group.units);
        let scanned = |unit: &&Unit| unit.ways[OTHER_VALUES] == Way::Scan;
        (units().count(), units().filter(scanned).count())
    }
}

/// Units for each key that some rule names, in lower case.
type Keyed = Vec<(Box<[u8]>, Bits)>;

/// Who looks at a variable: in which phases, the units for any key, and those for keys that they name.
fn looked_at(variable: Variable, looks: &[(&Condition, u8)]) -> (u8, Bits, Keyed) {
    let mut phases = 0;
    // A target by regular expression counts for every key here; the exact run looks again.
    let mut other = Bits::default();
    let mut keyed = Keyed::new();
    for ((condition, phase), unit) in looks.iter().zip(0u32..) {
        let targets = condition.targets.iter();
        for target in targets.filter(|target| target.variable == variable) {
            phases |= phase;
            match &target.selector {
                Selector::Key(key) => match keyed.iter_mut().find(|(known, _)| known == key) {
                    Some((_, units)) => units.insert(unit),
                    None => {
                        let mut units = Bits::default();
                        units.insert(unit);
                        keyed.push((key.clone(), units));
                    }
                },
                _ => other.insert(unit),
            }
        }
    }
    (phases, other, keyed)
}

fn class_of(group: &Group, units: &Bits) -> Class {
    let mut class = Class {
        units: units.clone(),
        walk: Walk::default(),
        scanned: [0; SHELVES],
        shelves: 0,
        unscanned: [Vec::new(), Vec::new()],
        empty: Vec::new(),
    };
    let mut chains: ChainSet = 0;
    for number in units.iter() {
        let unit = &group.units[number as usize];
        let chain: ChainSet = 1 << unit.chain;
        chains |= chain;
        if unit.matches_empty {
            class.empty.push((number, chain));
        }
        for kind in [PLAIN_VALUES, OTHER_VALUES] {
            match unit.ways[kind] {
                Way::Scan => {
                    class.scanned[unit.shelves[kind]] |= chain;
                    class.shelves |= 1 << unit.shelves[kind];
                }
                Way::Test => add_unscanned(&mut class.unscanned[kind], number, unit),
                Way::Never => {}
            }
        }
    }
    class.walk = group.chains.walk(chains);
    class
}

fn add_unscanned(unscanned: &mut Vec<Unscanned>, number: u32, unit: &Unit) {
    let chain: ChainSet = 1 << unit.chain;
    let known = unscanned.iter().position(|known| known.chain == chain);
    let index = known.unwrap_or_else(|| {
        unscanned.push(Unscanned {
            chain,
            always: Vec::new(),
            picky: Vec::new(),
            any: ByteSet::EMPTY,
        });
        unscanned.len() - 1
    });
    let unscanned = &mut unscanned[index];
    match unit.needs.first() {
        None => unscanned.always.push(number),
        Some(rarest) => {
            unscanned.picky.push(number);
            unscanned.any = unscanned.any.union(*rarest);
        }
    }
}
