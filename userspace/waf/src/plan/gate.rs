//! What stands before the exact engine: which values a rule could match at all.
//!
//! Rules whose verdict on a value depends on nothing but the bytes of that value are *gated*. For a value, all gated rules that look at
//! it are decided at once: bytes that must occur, one scan of a Hyperscan database, and the exact test for what is left. The verdict is
//! remembered by the worker. The run over the rules then passes over every gated rule that no value of the transaction matches.
//!
//! Never gated: links of chains behind the first, numbers, counts, macros in the argument, and targets that rules can change (`TX`,
//! `ENV`, `MATCHED_VAR`). Negated and unscannable rules are decided by the exact test alone, which the memory saves as well.

use std::collections::HashMap;
use std::sync::Arc;

use seclang::ast::{Transformation, Variable};

use super::Filter;
use super::error::CompileOptions;
use super::hyperscan::{Database, Expression};
use super::pattern::Needs;
use super::rule::{Condition, Link, Rule, Selector};
use crate::bytes::ByteSet;
use crate::operator::{Comparison, Test};
use crate::transform;
use crate::transform::UnicodeMap;

/// The gates of a rule set.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    pub(crate) groups: Vec<Group>,
    pub(crate) classes: Vec<Class>,
    /// What `t:urlDecodeUni` maps characters by.
    pub(crate) unicode_map: Option<Arc<UnicodeMap>>,
    /// By rule: its group, if it is gated.
    group_of: Vec<Option<u32>>,
    /// Whether a database was left out, because it is not kept and none was to be compiled.
    lacks_databases: bool,
}

/// Rules of one phase behind the same guard: those of one paranoia level. A group is decided when its first rule comes up, so levels
/// that are skipped cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) variables: Vec<VariableGate>,
    pub(crate) units: Vec<Unit>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) database: Option<Database>,
}

/// Which class the values of a variable belong to.
#[derive(Debug)]
pub(crate) struct VariableGate {
    pub(crate) variable: Variable,
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
    pub(crate) chain: u32,
    /// Whether the database finds it.
    pub(crate) scanned: bool,
    /// Bytes without which it cannot match; of no use when negated.
    pub(crate) needs: Vec<ByteSet>,
    /// Whether the empty value matches: scans do not see it.
    pub(crate) matches_empty: bool,
}

/// A chain of transformations.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) steps: Vec<Transformation>,
    /// Whether every stage counts, not just the last.
    pub(crate) multi_match: bool,
    /// Bytes without which no step changes a value.
    triggers: ByteSet,
    changes_empty: bool,
}

impl Chain {
    fn new(steps: Vec<Transformation>, multi_match: bool) -> Chain {
        let triggers = steps.iter().fold(ByteSet::EMPTY, |set, &step| {
            set.union(transform::triggers(step))
        });
        let changes_empty = steps.iter().any(|&step| transform::changes_empty(step));
        Chain {
            steps,
            multi_match,
            triggers,
            changes_empty,
        }
    }

    /// Whether a value with these bytes leaves the chain as it came.
    pub(crate) fn is_idle(&self, presence: &ByteSet) -> bool {
        if presence.is_empty() {
            !self.changes_empty
        } else {
            !presence.intersects(&self.triggers)
        }
    }
}

/// Values that the same units look at.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) group: u32,
    /// Which units of the group.
    pub(crate) units: Bits,
    /// Chains of these units and, for each, its units that no scan finds.
    pub(crate) chains: Vec<ClassChain>,
}

#[derive(Debug)]
pub(crate) struct ClassChain {
    pub(crate) chain: u32,
    pub(crate) has_scanned: bool,
    pub(crate) unscanned: Vec<u32>,
}

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0
            .get(number as usize / 64)
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.0.len() as u32 * 64).filter(|&number| self.contains(number))
    }
}

impl Gates {
    pub(crate) fn group_of(&self, rule: u32) -> Option<u32> {
        self.group_of.get(rule as usize).copied().flatten()
    }

    /// Builds the gates. `guards` says by rule which guard it stands behind; rules of one phase and guard form a group.
    pub(super) fn build(
        rules: &[Rule],
        guards: &[u32],
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
        let mut known: HashMap<(u8, u32), u32> = HashMap::new();
        for ((rule, index), guard) in rules.iter().zip(0u32..).zip(guards) {
            if rule.links.first().is_some_and(is_gated) {
                let next = members.len() as u32;
                let group = *known.entry((rule.phase.number(), *guard)).or_insert(next);
                if group == next {
                    members.push(Vec::new());
                }
                members[group as usize].push(index);
                gates.group_of[index as usize] = Some(group);
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
        let mut expressions = Vec::new();
        for &index in members {
            let link = &rules[index as usize].links[0];
            let Some(condition) = &link.condition else {
                continue;
            };
            let chain = chain_of(&mut group.chains, link);
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
            let found = if matches_empty {
                Vec::new()
            } else {
                scannable(condition, &needs, unit)
            };
            let scanned = !found.is_empty();
            expressions.extend(found);
            group.units.push(Unit {
                rule: index,
                chain,
                scanned,
                needs: needs.sets,
                matches_empty,
            });
        }
        let made = Database::make(expressions, options).map_err(|error| error.to_string())?;
        group.database = made.database;
        self.lacks_databases |= made.is_missing;
        for unit in made.refused {
            if let Some(unit) = group.units.get_mut(unit as usize) {
                unit.scanned = false;
            }
        }
        self.add_classes(rules, number, &mut group);
        self.groups.push(group);
        Ok(())
    }

    /// Finds, for each variable that the group looks at, which keys are looked at by which units.
    fn add_classes(&mut self, rules: &[Rule], number: u32, group: &mut Group) {
        let mut known: HashMap<Bits, u32> = HashMap::new();
        let mut variables: Vec<Variable> = Vec::new();
        let conditions: Vec<&Condition> = group
            .units
            .iter()
            .filter_map(|unit| rules[unit.rule as usize].links[0].condition.as_ref())
            .collect();
        for target in conditions.iter().flat_map(|condition| &condition.targets) {
            if !variables.contains(&target.variable) {
                variables.push(target.variable);
            }
        }
        for variable in variables {
            // A target by regular expression counts for every key here; the exact run looks again.
            let mut other = Bits::default();
            let mut keyed: Vec<(Box<[u8]>, Bits)> = Vec::new();
            for (condition, unit) in conditions.iter().zip(0u32..) {
                for target in condition
                    .targets
                    .iter()
                    .filter(|target| target.variable == variable)
                {
                    match &target.selector {
                        Selector::All | Selector::Regex(_) => other.insert(unit),
                        Selector::Key(key) => {
                            match keyed.iter_mut().find(|(known, _)| known == key) {
                                Some((_, units)) => units.insert(unit),
                                None => {
                                    let mut units = Bits::default();
                                    units.insert(unit);
                                    keyed.push((key.clone(), units));
                                }
                            }
                        }
                    }
                }
            }
            for (_, units) in &mut keyed {
                other.iter().for_each(|unit| units.insert(unit));
            }
            let mut class = |units: Bits| {
                *known.entry(units).or_insert_with_key(|units| {
                    let chains = class_chains(group, units);
                    self.classes.push(Class {
                        group: number,
                        units: units.clone(),
                        chains,
                    });
                    self.classes.len() as u32 - 1
                })
            };
            let other = (other != Bits::default()).then(|| class(other));
            let keyed = keyed
                .into_iter()
                .map(|(key, units)| (key, class(units)))
                .collect();
            group.variables.push(VariableGate {
                variable,
                keyed,
                other,
            });
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
            Some(unit) if unit.scanned => Filter::Scan,
            Some(unit) if !unit.needs.is_empty() => Filter::Bytes,
            Some(_) => Filter::Nothing,
        }
    }

    /// Bytes of all databases.
    pub(crate) fn database_bytes(&self) -> usize {
        self.groups
            .iter()
            .filter_map(|group| group.database.as_ref())
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
        (units().count(), units().filter(|unit| unit.scanned).count())
    }
}

fn chain_of(chains: &mut Vec<Chain>, link: &Link) -> u32 {
    let same = |known: &Chain| known.steps == link.chain && known.multi_match == link.multi_match;
    let index = chains.iter().position(same).unwrap_or_else(|| {
        chains.push(Chain::new(link.chain.clone(), link.multi_match));
        chains.len() - 1
    });
    index as u32
}

fn class_chains(group: &Group, units: &Bits) -> Vec<ClassChain> {
    let mut chains: Vec<ClassChain> = Vec::new();
    for number in units.iter() {
        let unit = &group.units[number as usize];
        let index = chains
            .iter()
            .position(|known| known.chain == unit.chain)
            .unwrap_or_else(|| {
                chains.push(ClassChain {
                    chain: unit.chain,
                    has_scanned: false,
                    unscanned: Vec::new(),
                });
                chains.len() - 1
            });
        if unit.scanned {
            chains[index].has_scanned = true;
        } else {
            chains[index].unscanned.push(number);
        }
    }
    chains
}

/// Whether a rule's first link depends on nothing but the bytes of a value.
fn is_gated(link: &Link) -> bool {
    let Some(condition) = &link.condition else {
        return false;
    };
    let pure = match &condition.test {
        // What is made or filled at run time.
        Test::Number(_)
        | Test::Always
        | Test::Never
        | Test::Made(_)
        | Test::Path(_)
        | Test::Places(_) => false,
        Test::Text(_) => condition.argument.fixed().is_some(),
        Test::Rx(_)
        | Test::RxGlobal(_)
        | Test::Phrases(_)
        | Test::ByteRange(_)
        | Test::UrlEncoding
        | Test::Utf8Encoding
        | Test::Networks(_)
        | Test::CardNumber(_)
        | Test::IdentityNumber(_)
        | Test::SqlInjection
        | Test::Xss => true,
    };
    pure && condition
        .targets
        .iter()
        .all(|target| !target.count && is_fixed(target.variable))
}

/// Whether nothing changes the values of a variable while a phase runs, and they lie where they lie.
fn is_fixed(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsGet
            | V::ArgsPost
            | V::ArgsNames
            | V::ArgsGetNames
            | V::ArgsPostNames
            | V::RequestHeaders
            | V::RequestHeadersNames
            | V::RequestCookies
            | V::RequestCookiesNames
            | V::ResponseHeaders
            | V::ResponseHeadersNames
            | V::MultipartPartHeaders
            | V::Files
            | V::FilesNames
            | V::MultipartFilename
            | V::MultipartName
            | V::Xml
            | V::RequestXml
            | V::ResponseXml
            | V::RequestLine
            | V::RequestMethod
            | V::RequestProtocol
            | V::RequestUri
            | V::RequestUriRaw
            | V::RequestFilename
            | V::RequestBasename
            | V::QueryString
            | V::ServerName
            | V::RequestBody
            | V::ResponseBody
            | V::ResponseProtocol
            | V::ResponseContentType
    )
}

/// The bytes that a condition needs, and whether scanning for it is dear.
fn needs(condition: &Condition) -> Needs {
    match &condition.test {
        Test::Rx(regex) | Test::RxGlobal(regex) => Needs::of_pattern(regex.source()),
        Test::Text(comparison) => match comparison {
            Comparison::Within => Needs::default(),
            _ => Needs::of_text(condition.argument.fixed().unwrap_or_default()),
        },
        Test::UrlEncoding => Needs::of_set(ByteSet::of(b"%")),
        Test::Utf8Encoding => Needs::of_set(ByteSet::range(0x80, 0xFF)),
        Test::SqlInjection => Needs::of_set(ByteSet::where_true(injection::can_make_sqli)),
        Test::Xss => Needs::of_set(ByteSet::where_true(injection::can_make_xss)),
        // A byte outside of the range is itself what is needed.
        Test::ByteRange(allowed) => Needs::of_set(allowed.complement()),
        _ => Needs::default(),
    }
}

/// The expressions by which a scan finds every value that could match; none where a scan should not. Whether the library takes them
/// is seen when the database is made.
fn scannable(condition: &Condition, needs: &Needs, unit: u32) -> Vec<Expression> {
    if condition.negated || needs.dear {
        return Vec::new();
    }
    let expressions: Option<Vec<Expression>> = match &condition.test {
        Test::Rx(regex) | Test::RxGlobal(regex) => {
            Expression::of_pattern(regex.source(), unit).map(|expression| vec![expression])
        }
        Test::Phrases(phrases) => phrases
            .phrases()
            .iter()
            .map(|phrase| Expression::of_text(phrase, true, unit))
            .collect(),
        Test::Text(Comparison::Contains) => {
            Expression::of_text(condition.argument.fixed().unwrap_or_default(), false, unit)
                .map(|expression| vec![expression])
        }
        _ => None,
    };
    // All or none: a rule of which one phrase is not looked for would lose matches.
    expressions.unwrap_or_default()
}
