//! `bascule rules profile`: what each rule costs, and why.

use crate::book::Book;
use crate::finding::Finding;
use crate::inspect::inspect;
use crate::request::Request;
use crate::source::{self, Rules};
use seclang::ast::{Action, Condition, RuleId, Transformation, Variable};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use waf::{CompileOptions, Event, Filter, Observer, RuleSet, Scratch};

/// Bytes of a pattern from which its length is given as a reason.
const LONG_PATTERN_BYTES: usize = 300;

/// Values a request from which their number is given as a reason.
const MANY_VALUES: f64 = 20.0;

/// Transformations from which their number is given as a reason.
const MANY_TRANSFORMATIONS: usize = 4;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// How many requests there are.
    pub requests: usize,
    /// How often each was run.
    pub rounds: u32,
    /// Microseconds a request where each rule is run by itself.
    pub exact_us: f64,
    /// The same as in service, when no value was seen before.
    pub gated_cold_us: f64,
    /// The same when all values were.
    pub gated_warm_us: f64,
    /// The rules, the dearest first.
    pub rules: Vec<RuleCost>,
    /// All rules together by variable, the dearest first.
    pub targets: Vec<TargetCost>,
}

/// What one rule costs where it is run by itself.
#[derive(Clone, Debug, Serialize)]
pub struct RuleCost {
    /// Its id.
    pub id: RuleId,
    /// `msg` as it is written.
    pub message: String,
    /// `FILE:LINE`.
    pub place: String,
    /// Microseconds a request.
    pub us: f64,
    /// Its part of all rules, 0 to 1.
    pub share: f64,
    /// Values a request that its operators were asked about.
    pub values: f64,
    /// Runs in which the whole chain matched, of those in which it came up: 0 to 1.
    pub matched: f64,
    /// Microseconds a request by link of the chain.
    pub links_us: Vec<f64>,
    /// By variable, the dearest first.
    pub targets: Vec<TargetCost>,
    /// What makes it dear.
    pub why: Vec<String>,
}

/// What looking at one variable costs.
#[derive(Clone, Debug, Serialize)]
pub struct TargetCost {
    /// The variable.
    pub variable: String,
    /// Microseconds a request.
    pub us: f64,
}

#[derive(Clone, Default)]
struct Cost {
    time: Duration,
    runs: u64,
    matched: u64,
    values: u64,
    links: Vec<Duration>,
    targets: HashMap<Variable, Duration>,
}

/// Looks at the clock where a rule, a link or a value begins and ends.
#[derive(Default)]
struct Meter {
    costs: Vec<Cost>,
    rule: usize,
    link: usize,
    variable: Option<Variable>,
    rule_began: Option<Instant>,
    link_began: Option<Instant>,
    value_began: Option<Instant>,
}

impl Meter {
    fn cost(&mut self) -> Option<&mut Cost> {
        self.costs.get_mut(self.rule)
    }
}

impl Observer for Meter {
    fn see(&mut self, event: &Event<'_>) {
        match *event {
            Event::Rule { index, .. } => {
                self.rule = index;
                self.rule_began = Some(Instant::now());
            }
            Event::Link(link) => {
                self.link = link;
                self.link_began = Some(Instant::now());
            }
            Event::Value { variable, .. } => {
                self.variable = Some(variable);
                self.value_began = Some(Instant::now());
            }
            Event::ValueOver => {
                let spent = self.value_began.take().map(|began| began.elapsed());
                let variable = self.variable.take();
                if let (Some(cost), Some(spent), Some(variable)) = (self.cost(), spent, variable) {
                    cost.values += 1;
                    *cost.targets.entry(variable).or_default() += spent;
                }
            }
            Event::LinkOver { .. } => {
                let spent = self.link_began.take().map(|began| began.elapsed());
                let link = self.link;
                if let (Some(cost), Some(spent)) = (self.cost(), spent) {
                    if cost.links.len() <= link {
                        cost.links.resize(link + 1, Duration::ZERO);
                    }
                    if let Some(total) = cost.links.get_mut(link) {
                        *total += spent;
                    }
                }
            }
            Event::RuleOver { matched, .. } => {
                let spent = self.rule_began.take().map(|began| began.elapsed());
                if let (Some(cost), Some(spent)) = (self.cost(), spent) {
                    cost.time += spent;
                    cost.runs += 1;
                    cost.matched += u64::from(matched);
                }
            }
            _ => {}
        }
    }

    fn wants_transformations(&self) -> bool {
        false
    }
}

/// Measures rules over requests, each `rounds` times.
///
/// # Errors
/// Everything that is wrong with the rules.
pub fn profile(rules: &Rules, requests: &[Request], rounds: u32) -> Result<Profile, Vec<Finding>> {
    let documents = rules.read()?;
    let exact = source::compile(&documents, &source::exact())?;
    let gated = source::compile(&documents, &CompileOptions::default())?;
    let mut scratch = Scratch::new();
    // Patterns and buffers that are made on first use are none of what is measured.
    for request in requests {
        inspect(&exact, &mut scratch, request, None, None);
        inspect(&gated, &mut scratch, request, None, None);
    }
    let costs = exact.rules().map(|_| Cost::default()).collect();
    let meter = Arc::new(Mutex::new(Meter {
        costs,
        ..Meter::default()
    }));
    for _ in 0..rounds {
        for request in requests {
            let observer = Box::new(Arc::clone(&meter));
            inspect(&exact, &mut scratch, request, None, Some(observer));
        }
    }
    let runs = requests.len() as f64 * f64::from(rounds);
    let measure = |rules: &Arc<RuleSet>, scratch: &mut Scratch, cold: bool| {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            for request in requests {
                if cold {
                    scratch.forget();
                }
                let began = Instant::now();
                inspect(rules, scratch, request, None, None);
                spent += began.elapsed();
            }
        }
        micros(spent, runs)
    };
    let exact_us = measure(&exact, &mut scratch, false);
    let gated_cold_us = measure(&gated, &mut scratch, true);
    let gated_warm_us = measure(&gated, &mut scratch, false);
    let costs = std::mem::take(
        &mut meter
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .costs,
    );
    let filters: HashMap<RuleId, Filter> =
        gated.rules().map(|rule| (rule.id, rule.filter)).collect();
    let book = Book::of(&documents);
    let total: Duration = costs.iter().map(|cost| cost.time).sum();
    let mut found: Vec<RuleCost> = exact
        .rules()
        .zip(&costs)
        .filter(|(_, cost)| cost.runs > 0)
        .map(|(rule, cost)| {
            let filter = filters.get(&rule.id).copied().unwrap_or(Filter::Apart);
            rule_cost(&book, rule.id, cost, filter, (runs, total))
        })
        .collect();
    found.sort_by(|a, b| b.us.total_cmp(&a.us));
    Ok(Profile {
        requests: requests.len(),
        rounds,
        exact_us,
        gated_cold_us,
        gated_warm_us,
        rules: found,
        targets: together(&costs, runs),
    })
}

fn micros(time: Duration, runs: f64) -> f64 {
    time.as_secs_f64() * 1e6 / runs.max(1.0)
}

fn together(costs: &[Cost], runs: f64) -> Vec<TargetCost> {
    let mut all: HashMap<Variable, Duration> = HashMap::new();
    for (variable, time) in costs.iter().flat_map(|cost| &cost.targets) {
        *all.entry(*variable).or_default() += *time;
    }
    sorted(&all, runs)
}

fn sorted(targets: &HashMap<Variable, Duration>, runs: f64) -> Vec<TargetCost> {
    let mut found: Vec<TargetCost> = targets
        .iter()
        .map(|(variable, time)| TargetCost {
            variable: variable.to_string(),
            us: micros(*time, runs),
        })
        .collect();
    found.sort_by(|a, b| b.us.total_cmp(&a.us));
    found
}

fn rule_cost(
    book: &Book<'_>,
    id: RuleId,
    cost: &Cost,
    filter: Filter,
    (runs, total): (f64, Duration),
) -> RuleCost {
    let values = cost.values as f64 / runs.max(1.0);
    RuleCost {
        id,
        message: book.message(id),
        place: book.place(id),
        us: micros(cost.time, runs),
        share: cost.time.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE),
        values,
        matched: cost.matched as f64 / (cost.runs as f64).max(1.0),
        links_us: cost.links.iter().map(|time| micros(*time, runs)).collect(),
        targets: sorted(&cost.targets, runs),
        why: reasons(book, id, filter, values),
    }
}

/// What makes a rule dear, as far as it can be told.
fn reasons(book: &Book<'_>, id: RuleId, filter: Filter, values: f64) -> Vec<String> {
    let mut why = Vec::new();
    match filter {
        Filter::Nothing => {
            why.push("cannot be filtered: in service too it is run against every value".to_owned());
        }
        Filter::Apart => {
            why.push("looks at what rules change: in service too it is run each time".to_owned());
        }
        Filter::Scan | Filter::Bytes => {}
    }
    let Some(rule) = book.rule(id) else {
        return why;
    };
    let longest = |condition: &Condition| condition.operator.argument.to_string().len();
    let pattern = rule
        .links()
        .filter_map(|link| link.condition.as_ref())
        .map(longest)
        .max()
        .unwrap_or(0);
    if pattern >= LONG_PATTERN_BYTES {
        why.push(format!("a pattern of {pattern} bytes"));
    }
    if values >= MANY_VALUES {
        why.push(format!("{values:.0} values a request"));
    }
    let transformations = rule
        .links()
        .map(|link| {
            let own = link.actions.iter().filter(|action| {
                matches!(action.value, Action::Transform(one) if one != Transformation::None)
            });
            own.count()
        })
        .max()
        .unwrap_or(0);
    if transformations >= MANY_TRANSFORMATIONS {
        why.push(format!("{transformations} transformations of each value"));
    }
    let stages = rule
        .links()
        .flat_map(|link| &link.actions)
        .any(|action| action.value == Action::MultiMatch);
    if stages {
        why.push("multiMatch: asked again after each transformation".to_owned());
    }
    why
}

impl Profile {
    /// What people read: the `top` dearest rules.
    #[must_use]
    pub fn text(&self, top: usize) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{} requests, each {} times; microseconds a request\n",
            self.requests, self.rounds
        );
        for rule in self.rules.iter().take(top) {
            let message = if rule.message.is_empty() {
                String::new()
            } else {
                format!("  {}", rule.message)
            };
            let _ = writeln!(
                out,
                "{:>9.1}  {:>4.1} %  rule {}{message}  ({})",
                rule.us,
                rule.share * 100.0,
                rule.id,
                rule.place
            );
            let targets: Vec<String> = rule
                .targets
                .iter()
                .take(4)
                .map(|target| format!("{} {:.1}", target.variable, target.us))
                .collect();
            if !targets.is_empty() {
                let _ = writeln!(out, "                    on {}", targets.join(", "));
            }
            if rule.links_us.len() > 1 {
                let links: Vec<String> =
                    rule.links_us.iter().map(|us| format!("{us:.1}")).collect();
                let _ = writeln!(
                    out,
                    "                    by link of the chain: {}",
                    links.join(", ")
                );
            }
            for reason in &rule.why {
                let _ = writeln!(out, "                    {reason}");
            }
        }
        out.push_str("\nall rules, by variable:\n");
        for target in self.targets.iter().take(top) {
            let _ = writeln!(out, "{:>9.1}  {}", target.us, target.variable);
        }
        let times = |us: f64| self.exact_us / us.max(f64::MIN_POSITIVE);
        let _ = writeln!(
            out,
            "\n{:>9.1}  each rule by itself\n{:>9.1}  as in service, new values ({:.1} times as fast)\n{:>9.1}  as in service, values seen before ({:.1} times as fast)",
            self.exact_us,
            self.gated_cold_us,
            times(self.gated_cold_us),
            self.gated_warm_us,
            times(self.gated_warm_us)
        );
        out
    }
}
