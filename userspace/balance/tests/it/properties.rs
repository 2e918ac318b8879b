//! What holds whatever happens.

use crate::world::World;
use balance::{Algorithm, HealthCheck, Outcome, Passive, Tried, UpstreamSpec};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Pick {
        hash: Option<u64>,
        tried: Vec<usize>,
    },
    Finish {
        which: usize,
        outcome: Outcome,
        millis: u64,
    },
    Drop {
        which: usize,
    },
    Health {
        which: usize,
        healthy: bool,
    },
    Drain {
        which: usize,
        draining: bool,
    },
    Pass {
        millis: u64,
    },
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::RoundRobin),
        Just(Algorithm::LeastRequests),
        Just(Algorithm::Ewma {
            decay: Duration::from_secs(10)
        }),
        Just(Algorithm::Hash { table_size: 251 }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Failure),
        Just(Outcome::Neutral)
    ];
    prop_oneof![
        5 => (any::<Option<u64>>(), prop::collection::vec(0..6usize, 0..4))
            .prop_map(|(hash, tried)| Step::Pick { hash, tried }),
        4 => (any::<usize>(), outcome, 0..5000u64)
            .prop_map(|(which, outcome, millis)| Step::Finish { which, outcome, millis }),
        1 => any::<usize>().prop_map(|which| Step::Drop { which }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, healthy)| Step::Health { which, healthy }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, draining)| Step::Drain { which, draining }),
        1 => (0..40_000u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn only_available_endpoints_are_picked_and_all_is_counted(
        algorithm in algorithm(),
        weights in prop::collection::vec(0..4u32, 0..6),
        percent in 0..=100u8,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let passive = Passive { consecutive_failures: 2, max_ejected_percent: percent, ..Passive::default() };
        let base = crate::world::spec(algorithm, &weights);
        let mut world =
            World::new(UpstreamSpec { health: Some(HealthCheck::default()), passive: Some(passive), ..base });
        let count = weights.len();
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Pick { hash, tried: list } => {
                    let mut tried = Tried::NONE;
                    list.iter().for_each(|index| tried.add(*index));
                    let before: Vec<_> = world.upstream.snapshots(world.now).collect();
                    let may = |index: usize| {
                        let s = &before[index];
                        !list.contains(&index) && s.healthy && !s.draining
                            && s.ejected_for.is_none_or(|left| left.is_zero())
                    };
                    match world.try_pick(hash, &tried) {
                        Ok(picked) => {
                            let index = picked.index();
                            prop_assert!(may(index), "{:?}", before[index]);
                            prop_assert_eq!(picked.is_trial(), before[index].ejected_for.is_some());
                            held.push(picked);
                        }
                        Err(none) => {
                            prop_assert!(!(0..count).any(may), "{none}");
                            let sum = none.tried + none.draining + none.down + none.ejected;
                            prop_assert_eq!(sum, none.endpoints);
                        }
                    }
                }
                Step::Finish { which, outcome, millis } if !held.is_empty() => {
                    let picked = held.swap_remove(which % held.len());
                    picked.finish(outcome, Duration::from_millis(millis), world.now);
                }
                Step::Drop { which } if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                Step::Health { which, healthy } if count > 0 => {
                    world.upstream.endpoints()[which % count].set_healthy(healthy);
                }
                Step::Drain { which, draining } if count > 0 => {
                    world.upstream.endpoints()[which % count].set_draining(draining);
                }
                Step::Pass { millis } => world.pass(Duration::from_millis(millis)),
                _ => {}
            }
            for (index, endpoint) in world.upstream.endpoints().iter().enumerate() {
                let here = held.iter().filter(|picked| picked.index() == index).count();
                prop_assert_eq!(endpoint.in_flight() as usize, here);
            }
        }
        drop(held);
        prop_assert!(world.upstream.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
    }
}
