//! Watches the gate: reads its samples, says when floods of new connections begin and end, and calls it a flood when the CPUs
//! of the host are too busy.

use crate::supervisor::Supervisor;
use config::{Flood, Percent};
use kernel::{FloodState, SampleCounts};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the ring of samples is emptied and the state of floods is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Looks over which the use of the CPUs is measured: a second.
const LOOKS_OF_CPU: usize = 4;

/// What the gate tells of itself beside its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateFigures {
    pub(crate) flood: FloodState,
    pub(crate) samples: SampleCounts,
}

/// What there is to say of floods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Begins,
    Ends,
    /// It was over before anybody looked.
    Passed(u64),
}

/// The state that was told last.
#[derive(Default)]
struct Told {
    state: Option<FloodState>,
}

impl Told {
    fn hear(&mut self, now: FloodState) -> Option<News> {
        let before = self.state.replace(now);
        let was_on = before.is_some_and(|before| before.on);
        let begun = before.map_or(0, |before| now.begun.saturating_sub(before.begun));
        match (was_on, now.on, begun) {
            (false, true, _) => Some(News::Begins),
            (true, false, _) => Some(News::Ends),
            (false, false, 1..) => Some(News::Passed(begun)),
            _ => None,
        }
    }
}

/// Ticks of all CPUs together: those that did something, and all there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal. Packets are handled in softirq.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map_while(|number| number.parse().ok())
            .collect();
        let all = ticks.iter().sum();
        let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
        Some(Self {
            busy: u64::saturating_sub(all, idle),
            all,
        })
    }

    /// Whether more than a share of the time since `before` was busy.
    fn exceed(self, limit: Percent, before: Self) -> bool {
        let busy = self.busy.saturating_sub(before.busy);
        let all = self.all.saturating_sub(before.all);
        all > 0 && busy.saturating_mul(10_000) > all.saturating_mul(limit.hundredths.into())
    }
}

/// How busy the host was at the last looks.
#[derive(Default)]
struct Cpu {
    looks: Vec<Ticks>,
}

impl Cpu {
    /// Whether the last second was busier than the limit.
    fn is_beyond(&mut self, limit: Percent, now: Ticks) -> bool {
        self.looks.push(now);
        if self.looks.len() <= LOOKS_OF_CPU {
            return false;
        }
        let before = self.looks.remove(0);
        now.exceed(limit, before)
    }
}

/// Watches the gate for as long as the process serves.
pub(crate) async fn watch(supervisor: Arc<Supervisor>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = Box::<(Told, Cpu)>::default();
    loop {
        looks.tick().await;
        let one = Arc::clone(&supervisor);
        let look = tokio::task::spawn_blocking(move || {
            let (told, cpu) = &mut *state;
            look(&one, told, cpu);
            state
        });
        match look.await {
            Ok(kept) => state = kept,
            Err(_) => return,
        }
    }
}

fn look(supervisor: &Supervisor, told: &mut Told, cpu: &mut Cpu) {
    let Some(samples) = supervisor.samples() else {
        return;
    };
    samples.read();
    let flood = supervisor.flood_settings();
    let limit = flood.as_ref().and_then(|flood: &Flood| flood.cpu);
    let mut cause = "new connections";
    if let Some(limit) = limit
        && let Ok(stat) = std::fs::read_to_string("/proc/stat")
        && let Some(now) = Ticks::parse(&stat)
        && cpu.is_beyond(limit, now)
    {
        supervisor.declare_flood();
        cause = "busy CPUs";
    }
    let Some(figures) = supervisor.gate_figures() else {
        return;
    };
    let floods = figures.flood.begun;
    match told.hear(figures.flood) {
        Some(News::Begins) => tracing::warn!(cause, floods, "a flood begins"),
        Some(News::Ends) => tracing::warn!(floods, "the flood has ended"),
        Some(News::Passed(passed)) => tracing::warn!(passed, floods, "floods began and ended"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(on: bool, begun: u64) -> FloodState {
        FloodState { on, begun }
    }

    #[test]
    fn each_flood_is_told_once_when_it_begins_and_once_when_it_ends() {
        let mut told = Told::default();
        for (now, news) in [
            // Those of earlier processes are no news.
            (state(false, 7), None),
            (state(true, 8), Some(News::Begins)),
            (state(true, 8), None),
            (state(false, 8), Some(News::Ends)),
            (state(false, 8), None),
            (state(false, 10), Some(News::Passed(2))),
            (state(true, 11), Some(News::Begins)),
        ] {
            assert_eq!(told.hear(now), news, "{now:?}");
        }
        assert_eq!(Told::default().hear(state(true, 1)), Some(News::Begins));
    }

    #[test]
    fn the_cpus_are_measured_over_a_second() {
        let stat =
            |user: u64, idle: u64| format!("cpu  {user} 0 10 {idle} 5 1 4 0 0 0\ncpu0 1 2 3\n");
        let at = |user, idle| Ticks::parse(&stat(user, idle)).expect("ticks");
        assert_eq!(
            at(100, 900),
            Ticks {
                busy: 115,
                all: 1020
            }
        );
        let limit = Percent::new(90);
        let mut cpu = Cpu::default();
        // Idle for a second, then busy: beyond the limit only when a whole second was.
        let verdicts: Vec<bool> = (0..12_u64)
            .map(|look| {
                let busy = look.saturating_sub(4) * 50;
                let idle = look.min(4) * 50;
                cpu.is_beyond(limit, at(busy, idle))
            })
            .collect();
        assert_eq!(verdicts.iter().position(|beyond| *beyond), Some(8));
        assert!(verdicts[8..].iter().all(|beyond| *beyond));
        for text in ["", "cpu", "cpu  1 2 3", "cpu  a b c d e f g h", "intr 1"] {
            assert_eq!(Ticks::parse(text), None, "{text}");
        }
    }
}
