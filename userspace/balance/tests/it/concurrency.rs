//! Many workers on one upstream.

use crate::world::{World, address, spec};
use balance::{Algorithm, Outcome, Passive, PickInput, Tried, Upstream, UpstreamSpec};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: u64 = 4;

/// Runs the same on several workers and collects what they return.
fn on_workers<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn({
                    let work = &work;
                    move || work(worker)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no worker panics"))
            .collect()
    })
}

fn pick(upstream: &Arc<Upstream>, now: Instant, random: u64) -> Option<balance::Picked> {
    upstream
        .pick(&PickInput {
            now,
            hash: None,
            random,
            tried: &Tried::NONE,
        })
        .ok()
}

#[test]
fn round_robin_is_exact_over_all_workers() {
    let world = World::of(Algorithm::RoundRobin, &[5, 3, 2]);
    let counts = on_workers(|_| {
        let mut counts = [0; 3];
        for _ in 0..75 {
            counts[pick(&world.upstream, world.now, 0)
                .expect("all are up")
                .index()] += 1;
        }
        counts
    });
    let total: Vec<i32> = (0..3)
        .map(|index| counts.iter().map(|count| count[index]).sum())
        .collect();
    assert_eq!(total, [150, 90, 60], "300 requests of 4 workers");
}

#[test]
fn guards_leave_nothing_behind() {
    for algorithm in [
        Algorithm::LeastRequests,
        Algorithm::Ewma {
            decay: Algorithm::DEFAULT_DECAY,
        },
    ] {
        let spec = UpstreamSpec {
            passive: Some(Passive::default()),
            ..spec(algorithm, &[1, 2, 3])
        };
        let world = World::new(spec);
        on_workers(|worker| {
            let mut held = Vec::new();
            for n in 0..5_000u64 {
                let random = balance::hash_key(&(n * WORKERS + worker).to_le_bytes());
                let Some(picked) = pick(&world.upstream, world.now, random) else {
                    continue;
                };
                held.push(picked);
                if held.len() > (random % 16) as usize {
                    let picked = held.swap_remove((random >> 32) as usize % held.len());
                    match random % 3 {
                        0 => picked.finish(
                            Outcome::Success,
                            Duration::from_micros(random % 999),
                            world.now,
                        ),
                        1 => picked.finish(
                            Outcome::Failure,
                            Duration::from_micros(random % 999),
                            world.now,
                        ),
                        _ => drop(picked),
                    }
                }
                let most = WORKERS as u32 * 17;
                assert!(
                    world
                        .upstream
                        .endpoints()
                        .iter()
                        .all(|e| e.in_flight() <= most),
                    "none wraps below zero"
                );
            }
        });
        assert!(
            world
                .upstream
                .endpoints()
                .iter()
                .all(|e| e.in_flight() == 0)
        );
        assert_eq!(Arc::strong_count(&world.upstream), 1);
    }
}

#[test]
fn one_worker_gets_the_trial() {
    let passive = Passive {
        consecutive_failures: 1,
        max_ejected_percent: 100,
        ..Passive::default()
    };
    for _ in 0..50 {
        let world = World::ejecting(passive, 1);
        let first = pick(&world.upstream, world.now, 0).expect("it is up");
        first.finish(Outcome::Failure, Duration::ZERO, world.now);
        let later = world.now + passive.ejection;
        let picked = on_workers(|_| pick(&world.upstream, later, 0));
        assert_eq!(picked.iter().flatten().count(), 1);
    }
}

#[test]
fn workers_never_eject_too_many_together() {
    let passive = Passive {
        consecutive_failures: 1,
        ..Passive::default()
    };
    for _ in 0..50 {
        let world = World::ejecting(passive, 4);
        on_workers(|worker| {
            let others = (0..4).filter(|index| *index != worker as usize);
            let mut tried = Tried::NONE;
            others.for_each(|index| tried.add(index));
            let input = PickInput {
                now: world.now,
                hash: None,
                random: 0,
                tried: &tried,
            };
            let picked = world.upstream.pick(&input).expect("its own endpoint is up");
            assert_eq!(picked.endpoint().address(), address(worker as usize));
            picked.finish(Outcome::Failure, Duration::ZERO, world.now);
        });
        let out = world
            .upstream
            .snapshots(world.now)
            .filter(|s| s.ejected_for.is_some())
            .count();
        assert!(out <= 2, "{out}");
    }
}
