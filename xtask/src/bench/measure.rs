//! One measurement and what becomes of many.

use super::case::Case;
use super::contestants::Contestant;
use super::place::Place;
use super::{check, wrk};
use crate::failure::Outcome;
use crate::proc::{self, Process};

/// How many of a run's requests may come over a new connection to the backend before it counts as an error: more, and
/// the contestant does not keep its connections alive.
const NEW_CONNECTIONS_MAX: f64 = 0.01;
/// Connections that may be new whatever the number of requests: the pool is filled once.
const POOL_FILLING: f64 = 256.0;

/// One run against one contestant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) load: wrk::Load,
    /// CPU seconds of all the contestant's processes in user space and in the kernel.
    pub(super) user: f64,
    pub(super) system: f64,
    pub(super) resident_bytes: f64,
    /// New connections to the backend for each request, where the pool does not work.
    pub(super) reconnects: f64,
}

impl Sample {
    pub(super) fn per_cpu_second(&self) -> f64 {
        self.load.requests / (self.user + self.system).max(1e-9)
    }

    pub(super) fn per_second(&self) -> f64 {
        self.load.requests / self.load.seconds
    }

    /// Errors that wrk saw, one more for a pool that does not work, and one for a run without any answer.
    pub(super) fn errors(&self) -> f64 {
        let one_if = |wrong: bool| f64::from(u8::from(wrong));
        self.load.errors
            + one_if(self.reconnects > NEW_CONNECTIONS_MAX)
            + one_if(self.load.requests < 1.0)
    }
}

/// The medians of some samples, each figure by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Medians {
    pub(super) per_cpu_second: f64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) user_us: f64,
    pub(super) system_us: f64,
    pub(super) resident_bytes: f64,
    /// Of all rounds together.
    pub(super) errors: f64,
}

/// All samples.
#[derive(Default)]
pub(super) struct Results {
    samples: Vec<(Case, &'static str, Sample)>,
}

impl Results {
    pub(super) fn add(&mut self, case: Case, contestant: &'static str, sample: Sample) {
        self.samples.push((case, contestant, sample));
    }

    pub(super) fn of(&self, case: Case, contestant: &str) -> Vec<Sample> {
        let fitting = self
            .samples
            .iter()
            .filter(|(its_case, name, _)| *its_case == case && *name == contestant);
        fitting.map(|(.., sample)| *sample).collect()
    }

    pub(super) fn medians(&self, case: Case, contestant: &str) -> Medians {
        let samples = self.of(case, contestant);
        let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure).collect());
        Medians {
            per_cpu_second: of(Sample::per_cpu_second),
            per_second: of(Sample::per_second),
            p50_us: of(|it| it.load.p50_us),
            p99_us: of(|it| it.load.p99_us),
            user_us: of(|it| it.user * 1e6 / it.load.requests),
            system_us: of(|it| it.system * 1e6 / it.load.requests),
            resident_bytes: of(|it| it.resident_bytes),
            errors: samples.iter().map(Sample::errors).sum(),
        }
    }

    /// Errors of all runs against a contestant.
    pub(super) fn errors(&self, contestant: &str) -> f64 {
        let fitting = self
            .samples
            .iter()
            .filter(|(_, name, _)| *name == contestant);
        fitting.map(|(.., sample)| sample.errors()).sum()
    }
}

/// Fills pools and caches.
pub(super) fn warm_up(contestant: &Contestant, case: &Case, place: &Place) -> Outcome {
    wrk::run(contestant, *case, 1, place).map(drop)
}

/// Loads a contestant and looks at what it used meanwhile.
pub(super) fn run(
    contestant: &Contestant,
    case: &Case,
    seconds: usize,
    place: &Place,
) -> Outcome<Sample> {
    let connections_before = check::backend_counts(place.backend);
    let (user_before, system_before, _) = usage(contestant);
    let load = wrk::run(contestant, *case, seconds, place)?;
    let (user, system, resident_bytes) = usage(contestant);
    let reconnects = match (connections_before, check::backend_counts(place.backend)) {
        (Some((before, _)), Some((after, _))) => {
            // Our own question to the backend is one of them.
            (after - before - 1.0 - POOL_FILLING).max(0.0) / load.requests
        }
        _ => 0.0,
    };
    Ok(Sample {
        load,
        user: user - user_before,
        system: system - system_before,
        resident_bytes,
        reconnects,
    })
}

/// CPU seconds in user space and in the kernel, and bytes in memory, of all processes of a contestant.
fn usage(contestant: &Contestant) -> (f64, f64, f64) {
    let family = Process::family(contestant.pid());
    let sum = |figure: fn(&Process) -> u64| -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let sum = family.iter().map(figure).sum::<u64>() as f64;
        sum
    };
    let ticks = proc::ticks_per_second();
    (
        sum(|it| it.user) / ticks,
        sum(|it| it.system) / ticks,
        sum(|it| it.resident) * proc::page_bytes(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| values.get(at));
    lower.map_or(upper, |lower| (lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_stand_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
