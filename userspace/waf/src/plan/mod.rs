//! From rule files to a plan: what a request costs is decided here.

mod bits;
mod chains;
mod compile;
mod course;
mod database_cache;
mod draft;
mod effects;
mod error;
mod gate;
mod head;
mod hyperscan;
mod names;
mod operators;
mod overlay;
mod pattern;
mod plain;
mod rule;
mod settings;
mod settle;
mod shelf;
mod steady;
mod units;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seclang::Document;
use seclang::ast::{Action, RuleId};

pub use database_cache::{DatabaseCache, DirectoryCache};
pub use error::{CompileError, CompileErrorKind, CompileOptions, FailureMode, Notice};
pub use rule::Place;

pub(crate) use bits::Bits;
pub(crate) use chains::{ChainSet, Stop};
pub(crate) use course::Course;
pub(crate) use gate::{Class, Gates, Group, OTHER_VALUES, PLAIN_VALUES, Unit, VariableGate};
pub(crate) use head::{HeadRules, is_of_head};
pub(crate) use hyperscan::{SEPARATOR, Scratches};
pub(crate) use names::TxNames;
pub(crate) use plain::PLAIN;
pub(crate) use rule::{
    Change, Condition, Decision, Effect, Link, Piece, Rule, Skip, Target, TargetRemoval, Text,
    TxName,
};
pub use settings::AuditLogSettings;
pub(crate) use settings::Settings;
pub(crate) use settle::{Assignment, Settled, Step};
pub(crate) use shelf::{PARTS, SHELVES, shelves};

use crate::audit::Scrub;
use crate::collections::Collections;
use crate::operator::Test;
use crate::xpath::XPath;
use compile::Compiler;
use draft::{Drafts, Item};
use overlay::Overlay;
use steady::SteadyRules;

/// Compiled rules, and what one site changes of them: immutable, shared by all workers.
#[derive(Debug)]
pub struct RuleSet {
    compiled: Arc<Compiled>,
    pub(crate) overlay: Overlay,
    /// What outlives the transactions.
    pub(crate) collections: Arc<Collections>,
    pub(crate) scrub: Arc<Scrub>,
}

/// Compiled rules, shared by all sites that have the same.
#[derive(Debug)]
pub struct Compiled {
    /// Unlike any other rule set of this process: what caches of workers go by.
    pub(crate) serial: u64,
    pub(crate) rules: Vec<Rule>,
    /// Every rule by phase, in the order of the files.
    pub(crate) courses: [Course; 5],
    /// What is left of them to be run for a request where set-up is settled.
    pub(crate) settled_courses: [Course; 5],
    pub(crate) settled: Settled,
    pub(crate) head: HeadRules,
    pub(crate) steady: SteadyRules,
    pub(crate) names: TxNames,
    pub(crate) target_removals: Vec<TargetRemoval>,
    /// The paths that rules look for in documents.
    pub(crate) xpaths: Vec<(Box<str>, XPath)>,
    /// Whether a rule holds XML against a grammar, so that documents are kept.
    pub(crate) keeps_documents: bool,
    pub(crate) settings: Settings,
    pub(crate) gates: Gates,
    pub(crate) signatures: Vec<String>,
    pub(crate) options: CompileOptions,
    notices: Vec<Notice>,
    fingerprint: u64,
}

/// What introspection shows of a rule.
#[derive(Clone, Debug)]
pub struct RuleInfo<'a> {
    /// The id.
    pub id: RuleId,
    /// 1 to 5.
    pub phase: u8,
    /// File and line.
    pub place: &'a Place,
    /// Links of the chain.
    pub links: usize,
    /// Whether it looks at traffic; the others initialise, compute or steer.
    pub detects: bool,
    /// How it is found out that no value can match, without asking the operator.
    pub filter: Filter,
    /// `msg`, its macros as dots.
    pub message: String,
    /// `tag`s that hold no macro.
    pub tags: Vec<&'a str>,
}

/// How a rule is passed over when no value can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One scan of a value, for all such rules together.
    Scan,
    /// By bytes without which it cannot match.
    Bytes,
    /// Not at all: its operator is asked about every value.
    Nothing,
    /// It looks at what rules change, or gates are off: it is run each time.
    Apart,
}

/// Numbers about a rule set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rules, a chain is one.
    pub rules: usize,
    /// Of these, those that look at traffic.
    pub detection_rules: usize,
    /// Links of all chains.
    pub links: usize,
    /// Rules that are passed over when no value can match.
    pub gated_rules: usize,
    /// Of these, those that a scan finds; the others are found by their bytes.
    pub scanned_rules: usize,
    /// Bytes of the prefilter's databases.
    pub database_bytes: usize,
}

impl RuleSet {
    /// Compiles the rules of `documents`, which apply in this order.
    ///
    /// # Errors
    /// Everything that cannot be carried out as it is written, each with its place. A rule that another directive removes is not
    /// compiled and raises none.
    pub fn compile(
        documents: &[Document],
        options: &CompileOptions,
    ) -> Result<RuleSet, Vec<CompileError>> {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut drafts = Drafts::read(documents, options);
        let mut compiler = Compiler::new(&drafts, options);
        let mut rules: Vec<Rule> = drafts
            .rules
            .iter()
            .map(|draft| compiler.rule(draft))
            .collect();
        let Compiler {
            names,
            target_removals,
            xpaths,
            keeps_documents,
            mut notices,
            mut errors,
            ..
        } = compiler;
        let phases = order(&drafts, &mut rules);
        errors.splice(0..0, std::mem::take(&mut drafts.errors));
        if !errors.is_empty() {
            return Err(errors);
        }
        for link in rules.iter_mut().flat_map(|rule| &mut rule.links) {
            let targets = link.condition.iter_mut();
            for target in targets.flat_map(|condition| &mut condition.targets) {
                target.find_slots(&names);
            }
        }
        let settled = if options.gates {
            Settled::find(&rules, &phases, &names, &target_removals)
        } else {
            Settled::nothing(&phases, rules.len())
        };
        let mut gates = Gates::build(&rules, &settled, options)
            .map_err(|problem| vec![CompileError::of_prefilter(problem)])?;
        gates.unicode_map.clone_from(&drafts.settings.unicode_map);
        notices.splice(0..0, std::mem::take(&mut drafts.notices));
        let compiled = Compiled {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            fingerprint: fingerprint(documents, &rules, &gates, options),
            courses: Settled::nothing(&phases, 0)
                .phases
                .map(|steps| Course::new(&steps, &gates)),
            settled_courses: std::array::from_fn(|phase| {
                Course::new(&settled.phases[phase], &gates)
            }),
            head: HeadRules::find(&rules, &settled, &names, &target_removals),
            steady: SteadyRules::find(&rules, &settled, &target_removals),
            settled,
            rules,
            gates,
            names,
            target_removals,
            xpaths,
            keeps_documents,
            signatures: std::mem::take(&mut drafts.signatures),
            settings: std::mem::take(&mut drafts.settings),
            options: options.clone(),
            notices,
        };
        Ok(RuleSet {
            compiled: Arc::new(compiled),
            overlay: Overlay::default(),
            collections: Arc::default(),
            scrub: Arc::default(),
        })
    }

    /// No rule at all.
    pub(crate) fn none() -> RuleSet {
        let compiled = Compiled {
            serial: 0,
            rules: Vec::new(),
            courses: Default::default(),
            settled_courses: Default::default(),
            settled: Settled::default(),
            head: HeadRules::default(),
            steady: SteadyRules::default(),
            names: TxNames::new(),
            target_removals: Vec::new(),
            xpaths: Vec::new(),
            keeps_documents: false,
            settings: Settings::default(),
            gates: Gates::default(),
            signatures: Vec::new(),
            options: CompileOptions::default(),
            notices: Vec::new(),
            fingerprint: 0,
        };
        RuleSet {
            compiled: Arc::new(compiled),
            collections: Arc::default(),
            scrub: Arc::default(),
            overlay: Overlay::default(),
        }
    }

    /// The same rules with collections of their own: who tries them out leaves nothing behind.
    #[must_use]
    pub fn apart(&self) -> RuleSet {
        RuleSet {
            compiled: Arc::clone(&self.compiled),
            overlay: self.overlay.clone(),
            collections: Arc::default(),
            scrub: Arc::clone(&self.scrub),
        }
    }

    /// The rules that run for this site.
    fn running(&self) -> impl Iterator<Item = (&Rule, u32)> {
        let numbered = self.compiled.rules.iter().zip(0u32..);
        numbered.filter(|(_, index)| !self.is_removed(*index))
    }

    /// Every rule in the order of the files.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.running().map(|(rule, index)| RuleInfo {
            filter: self.gates.filter_of(index),
            id: rule.id,
            phase: rule.phase.number(),
            place: &rule.place,
            links: rule.links.len(),
            detects: rule.detects(),
            message: rule.message(),
            tags: rule.tags().collect(),
        })
    }

    /// How many rules look at traffic. A route whose rule set has none is not protected at all.
    #[must_use]
    pub fn detection_rules(&self) -> usize {
        self.running().filter(|(rule, _)| rule.detects()).count()
    }

    /// Numbers for people and metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (gated_rules, scanned_rules) = self.gates.counts();
        Stats {
            gated_rules,
            scanned_rules,
            database_bytes: self.gates.database_bytes(),
            rules: self.running().count(),
            detection_rules: self.detection_rules(),
            links: self.running().map(|(rule, _)| rule.links.len()).sum(),
        }
    }

    /// The persistent collections that its transactions share.
    #[must_use]
    pub fn collections(&self) -> &Arc<Collections> {
        &self.collections
    }

    /// The same rules with these collections: a site has its own, and whoever builds it anew gives the same again, so that counters
    /// outlive a reload.
    #[must_use]
    pub fn with_collections(self, collections: Arc<Collections>) -> RuleSet {
        RuleSet {
            collections,
            ..self
        }
    }

    /// The same rules, whose audit records mask what `scrub` says in the place of the usual secrets.
    #[must_use]
    pub fn with_scrub(self, scrub: Arc<Scrub>) -> RuleSet {
        RuleSet { scrub, ..self }
    }

    /// Where the rules themselves want the audit log, and in which form.
    #[must_use]
    pub fn audit_log(&self) -> &AuditLogSettings {
        &self.settings.audit_log
    }

    /// Whether databases of the prefilter were left out ([`CompileOptions::compile_databases`]): verdicts are the same and cost more.
    #[must_use]
    pub fn lacks_databases(&self) -> bool {
        self.gates.lacks_databases()
    }
}

impl Rule {
    /// The condition of a rule that looks at `TX` alone, as guards do.
    fn is_guard(&self) -> Option<&Condition> {
        let [
            Link {
                condition: Some(condition),
                ..
            },
        ] = self.links.as_slice()
        else {
            return None;
        };
        let on_tx = condition
            .targets
            .iter()
            .all(|target| target.variable == seclang::ast::Variable::Tx);
        on_tx.then_some(condition)
    }

    /// Whether the rule looks at traffic rather than at the engine's own variables, and is logged or decides.
    fn detects(&self) -> bool {
        let looks = self
            .links
            .iter()
            .filter_map(|link| link.condition.as_ref())
            .any(|condition| {
                condition
                    .targets
                    .iter()
                    .any(|target| is_traffic(target.variable))
            });
        looks && (self.log || !matches!(self.decision, Decision::Pass))
    }
}

impl Condition {
    fn guard_text(&self) -> String {
        let slots: Vec<_> = self
            .targets
            .iter()
            .map(|target| (target.slot, target.count))
            .collect();
        format!("{slots:?} {} {}", self.negated, self.written)
    }
}

/// Whether a variable holds what client or backend sent.
fn is_traffic(variable: seclang::ast::Variable) -> bool {
    use seclang::ast::Variable as V;
    !matches!(
        variable,
        V::Tx
            | V::Env
            | V::Rule
            | V::MatchedVar
            | V::MatchedVarName
            | V::MatchedVars
            | V::MatchedVarsNames
            | V::UniqueId
            | V::HighestSeverity
            | V::Time
            | V::TimeDay
            | V::TimeEpoch
            | V::TimeHour
            | V::TimeMin
            | V::TimeMon
            | V::TimeSec
            | V::TimeWday
            | V::TimeYear
            | V::Duration
            | V::MscPcreError
            | V::MscPcreLimitsExceeded
            | V::ModsecBuild
            | V::Webappid
    )
}

/// Indexes of rules by phase, in the order of the files.
type Phases = [Vec<u32>; 5];

/// Puts the rules into their phases, and resolves `skip` and `skipAfter` to steps of the phase.
fn order(drafts: &Drafts<'_>, rules: &mut [Rule]) -> Phases {
    let mut phases = Phases::default();
    // For each marker, how many steps of each phase come before it.
    let mut markers: HashMap<&str, Vec<[u32; 5]>> = HashMap::new();
    for item in &drafts.items {
        match item {
            // As many rules as the parser lets pass fit u32.
            Item::Rule(index) => {
                phases[usize::from(rules[*index].phase.number()) - 1].push(*index as u32);
            }
            Item::Marker(name) => {
                let steps = std::array::from_fn(|phase| phases[phase].len() as u32);
                markers.entry(name).or_default().push(steps);
            }
        }
    }
    for (phase, steps) in phases.iter().enumerate() {
        for (&index, step) in steps.iter().zip(0u32..) {
            let rule = &mut rules[index as usize];
            let actions = drafts.rules[index as usize].rule.starter.actions.iter();
            rule.skip = actions.rev().find_map(|action| match &action.value {
                Action::Skip(count) => Some(Skip::Rules(*count)),
                Action::SkipAfter(marker) => {
                    // Without a marker behind the rule, the rest of the phase is skipped.
                    let places = markers.get(marker.as_str()).map_or(&[][..], Vec::as_slice);
                    let target = places
                        .iter()
                        .map(|steps| steps[phase])
                        .find(|&target| target > step);
                    Some(Skip::To(target.unwrap_or(steps.len() as u32)))
                }
                _ => None,
            });
        }
    }
    phases
}

fn fingerprint(
    documents: &[Document],
    rules: &[Rule],
    gates: &Gates,
    options: &CompileOptions,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    for document in documents {
        for source in document.sources.iter() {
            source.name().hash(&mut hasher);
            source.text().hash(&mut hasher);
        }
    }
    // Data files are no sources: what came of them is hashed.
    for condition in rules
        .iter()
        .flat_map(|rule| &rule.links)
        .filter_map(|link| link.condition.as_ref())
    {
        match &condition.test {
            Test::Phrases(phrases) => phrases.phrases().hash(&mut hasher),
            Test::Networks(networks) => networks.hash(&mut hasher),
            _ => {}
        }
    }
    gates.unicode_map.hash(&mut hasher);
    options.gates.hash(&mut hasher);
    options.match_limit.hash(&mut hasher);
    options.work_limit_bytes.hash(&mut hasher);
    (options.on_engine_error == FailureMode::Open).hash(&mut hasher);
    hasher.finish()
}
