//! Rule sets that serve on the slower path, made complete one after another beside the traffic.

use crate::build::{PolicyReport, SharedRules};
use crate::self_test;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

/// How much the thread gives way to the workers: it has what nobody else wants.
const NICENESS: i32 = 19;

/// The thread that compiles what is missing.
pub(crate) struct Upgrades {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Weak<SharedRules>>,
    policies: Vec<PolicyReport>,
    is_running: bool,
    ends: bool,
}

enum Next {
    Rules(Weak<SharedRules>),
    Policies(Vec<PolicyReport>),
}

impl Upgrades {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::default(),
        }
    }

    /// Takes the rule sets and policies of the generation in force; those of earlier ones that still wait are forgotten. The policies
    /// are tried out, and then the rules completed.
    pub(crate) fn follow(
        &self,
        rules: impl Iterator<Item = Arc<SharedRules>>,
        policies: Vec<PolicyReport>,
    ) {
        let incomplete = rules.filter(|rules| rules.is_incomplete());
        let mut queue = self.shared.lock();
        queue.waiting = incomplete.map(|rules| Arc::downgrade(&rules)).collect();
        queue.policies = policies;
        if (queue.waiting.is_empty() && queue.policies.is_empty()) || queue.is_running {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new()
            .name("rules".to_owned())
            .spawn(move || shared.run());
        match started {
            Ok(_) => queue.is_running = true,
            Err(error) => tracing::warn!(%error, "rules stay on the slower path"),
        }
    }
}

impl Drop for Upgrades {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.ends = true;
        queue.waiting.clear();
        queue.policies.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "the thread that compiles rules has no lower priority");
        }
        while let Some(next) = self.next() {
            let rules = match next {
                Next::Policies(policies) => {
                    self_test::run_all(&policies);
                    continue;
                }
                Next::Rules(rules) => match rules.upgrade() {
                    Some(rules) => rules,
                    None => continue,
                },
            };
            let started = Instant::now();
            match rules.complete() {
                Ok(()) => {
                    let took_ms = started.elapsed().as_millis();
                    tracing::info!(took_ms, "rules are compiled in full and in force");
                }
                Err(errors) => {
                    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                    tracing::warn!(
                        "rules stay on the slower path, their prefilter does not compile: {}",
                        errors.join("; ")
                    );
                }
            }
        }
    }

    /// What is to be done next; `None` when there is nothing, and the thread ends.
    fn next(&self) -> Option<Next> {
        let mut queue = self.lock();
        let policies = std::mem::take(&mut queue.policies);
        let next = match queue.ends {
            true => None,
            // It takes milliseconds, and may find what should be known soon.
            false if !policies.is_empty() => Some(Next::Policies(policies)),
            false => queue.waiting.pop().map(Next::Rules),
        };
        queue.is_running = next.is_some();
        next
    }
}
