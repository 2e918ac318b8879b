//! Who gets which share.

use crate::world::{World, spec};
use balance::{Algorithm, Endpoint, MAX_WEIGHT, Outcome, SpecError, Tried, Upstream};
use std::time::{Duration, Instant};

const EWMA: Algorithm = Algorithm::Ewma {
    decay: Algorithm::DEFAULT_DECAY,
};
const HASH: Algorithm = Algorithm::Hash { table_size: 65_537 };

#[test]
fn round_robin_is_exact() {
    assert_eq!(
        World::of(Algorithm::RoundRobin, &[1, 1, 1]).count(300),
        [100, 100, 100]
    );
    assert_eq!(
        World::of(Algorithm::RoundRobin, &[5, 3, 2]).count(300),
        [150, 90, 60]
    );
    assert_eq!(
        World::of(Algorithm::RoundRobin, &[5, 0, 2]).count(70),
        [50, 0, 20]
    );
}

#[test]
fn round_robin_keeps_the_shares_of_those_that_are_left() {
    let mut world = World::probed(Algorithm::RoundRobin, &[5, 3, 2]);
    world.upstream.endpoints()[0].set_healthy(false);
    assert_eq!(
        world.count(300),
        [0, 180, 120],
        "the neighbour does not inherit the turns of the dead"
    );
    world.upstream.endpoints()[0].set_healthy(true);
    world.upstream.endpoints()[1].set_draining(true);
    let counts = world.count(700);
    assert_eq!(counts, [500, 0, 200]);
}

#[test]
fn round_robin_finds_the_last_one_left() {
    let mut world = World::probed(Algorithm::RoundRobin, &[1000, 1, 1]);
    world.upstream.endpoints()[0].set_healthy(false);
    let counts = world.count(1000);
    assert_eq!(counts[0], 0);
    assert!(counts[1].abs_diff(500) < 80, "{counts:?}");
}

#[test]
fn least_requests_levels_the_load_by_weight() {
    let mut world = World::of(Algorithm::LeastRequests, &[5, 3, 2]);
    let held: Vec<_> = (0..100).map(|_| world.pick()).collect();
    let loads: Vec<_> = world
        .upstream
        .endpoints()
        .iter()
        .map(Endpoint::in_flight)
        .collect();
    assert_eq!(loads, [50, 30, 20]);
    drop(held);
    assert_eq!(
        world.count(100),
        [50, 30, 20],
        "ties are broken in turn by weight"
    );
}

#[test]
fn least_requests_avoids_the_one_that_hangs() {
    let mut world = World::of(Algorithm::LeastRequests, &[1, 1, 1]);
    let mut hanging: Vec<_> = (0..30).map(|_| world.pick()).collect();
    hanging.retain(|picked| picked.index() == 1);
    assert_eq!(hanging.len(), 10);
    assert_eq!(world.count(300)[1], 0);
}

/// Sends requests one after the other; each endpoint answers after its own time.
fn serve(world: &mut World, latencies: &[u64], requests: usize) -> Vec<usize> {
    let mut counts = vec![0; latencies.len()];
    for _ in 0..requests {
        let picked = world.pick();
        let index = picked.index();
        counts[index] += 1;
        world.pass(Duration::from_millis(1));
        picked.finish(
            Outcome::Success,
            Duration::from_millis(latencies[index]),
            world.now,
        );
    }
    counts
}

#[test]
fn ewma_prefers_the_faster() {
    let counts = serve(&mut World::of(EWMA, &[1, 1]), &[5, 50], 1000);
    assert!(counts[0] > 950, "{counts:?}");
    let counts = serve(&mut World::of(EWMA, &[1, 1, 1, 1]), &[50, 5, 50, 50], 1000);
    assert!(
        counts[1] > 400,
        "it wins every draw that it is in, which is half of them: {counts:?}"
    );
    assert!(
        counts.iter().all(|count| *count > 50),
        "and the others stay warm: {counts:?}"
    );
}

#[test]
fn ewma_counts_the_weight() {
    let counts = serve(&mut World::of(EWMA, &[10, 1]), &[20, 10], 1000);
    assert!(counts[0] > 900, "{counts:?}");
}

#[test]
fn ewma_comes_back_to_one_that_was_slow_once() {
    let mut world = World::of(EWMA, &[1, 1]);
    serve(&mut world, &[5, 5], 100);
    let (first, second) = (world.pick(), world.pick());
    let slow = if first.index() == 1 { first } else { second };
    assert_eq!(slow.index(), 1, "the one that is busy costs more");
    slow.finish(Outcome::Success, Duration::from_millis(500), world.now);
    let counts = serve(&mut world, &[5, 5], 1000);
    assert_eq!(counts[1], 0, "a peak counts at once");
    world.pass(Duration::from_secs(60));
    let counts = serve(&mut world, &[5, 5], 1000);
    assert!(counts[1] > 300, "and fades: {counts:?}");
}

#[test]
fn ewma_does_not_flock_to_one_that_fails_quickly() {
    let mut world = World::of(EWMA, &[1, 1]);
    let mut failed = 0;
    for _ in 0..1000 {
        let picked = world.pick();
        world.pass(Duration::from_millis(1));
        if picked.index() == 0 {
            failed += 1;
            picked.finish(Outcome::Failure, Duration::from_micros(100), world.now);
        } else {
            picked.finish(Outcome::Success, Duration::from_millis(20), world.now);
        }
    }
    assert!(failed < 5, "{failed}");
}

#[test]
fn ewma_measures_a_new_endpoint_with_one_request() {
    let mut world = World::of(EWMA, &[1, 1]);
    let first = world.pick();
    let second = world.pick();
    assert_ne!(first.index(), second.index());
    first.finish(Outcome::Success, Duration::from_millis(5), world.now);
    let held: Vec<_> = (0..20).map(|_| world.pick().index()).collect();
    let to_unmeasured = held
        .iter()
        .filter(|index| **index == second.index())
        .count();
    assert_eq!(to_unmeasured, 0, "no more before the first answer");
}

#[test]
fn hash_is_even_and_sticky() {
    let mut world = World::of(HASH, &[1, 1, 1, 1]);
    let mut counts = [0usize; 4];
    for n in 0..40_000 {
        let key = format!("client-{n}");
        let index = world.pick_key(&key);
        assert_eq!(world.pick_key(&key), index);
        counts[index] += 1;
    }
    assert!(
        counts.iter().all(|count| count.abs_diff(10_000) < 500),
        "{counts:?}"
    );
}

#[test]
fn hash_moves_only_the_keys_of_the_one_that_is_down() {
    let mut world = World::probed(HASH, &[1; 10]);
    let keys: Vec<String> = (0..20_000).map(|n| format!("{n}")).collect();
    let before: Vec<_> = keys.iter().map(|key| world.pick_key(key)).collect();
    world.upstream.endpoints()[3].set_healthy(false);
    let mut took_over = [0usize; 10];
    for (key, old) in keys.iter().zip(&before) {
        let new = world.pick_key(key);
        if *old == 3 {
            took_over[new] += 1;
        } else {
            assert_eq!(new, *old);
        }
    }
    assert_eq!(took_over[3], 0);
    let others = took_over.iter().filter(|count| **count > 0);
    assert!(
        others.clone().count() == 9 && others.min() > Some(&150),
        "spread over all others: {took_over:?}"
    );
    world.upstream.endpoints()[3].set_healthy(true);
    assert!(
        keys.iter()
            .zip(&before)
            .all(|(key, old)| world.pick_key(key) == *old),
        "and they come back"
    );
}

#[test]
fn hash_moves_few_keys_when_an_endpoint_is_removed() {
    const N: usize = 10;
    let mut all = World::of(HASH, &[1; N]);
    let mut fewer = spec(HASH, &[1; N]);
    fewer.endpoints.remove(4);
    let mut fewer = World::new(fewer);
    let keys = 20_000;
    let moved = (0..keys).filter(|n| {
        let key = n.to_string();
        let address = |world: &mut World| {
            let index = world.pick_key(&key);
            world.upstream.endpoints()[index].address()
        };
        address(&mut all) != address(&mut fewer)
    });
    let moved = moved.count() as f64 / f64::from(keys);
    assert!(moved <= 1.0 / N as f64 + 0.05, "{moved}");
}

#[test]
fn requests_without_a_key_are_spread() {
    let counts = World::of(HASH, &[1, 1]).count(1000);
    assert!(counts[0].abs_diff(500) < 80, "{counts:?}");
}

#[test]
fn a_retry_goes_elsewhere() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequests, EWMA, HASH] {
        let mut world = World::of(algorithm, &[1, 1, 1]);
        for n in 0..100u64 {
            let key = Some(balance::hash_key(&n.to_le_bytes()));
            let mut tried = Tried::NONE;
            let mut seen = [false; 3];
            for _ in 0..3 {
                let index = world.try_pick(key, &tried).expect("one is left").index();
                assert!(!seen[index], "{algorithm:?}");
                seen[index] = true;
                tried.add(index);
            }
            let none = world.try_pick(key, &tried).expect_err("all were tried");
            assert_eq!((none.endpoints, none.tried), (3, 3));
        }
    }
}

#[test]
fn says_why_there_is_none() {
    let mut world = World::probed(Algorithm::RoundRobin, &[1, 1, 0]);
    world.upstream.endpoints()[0].set_healthy(false);
    world.upstream.endpoints()[1].set_draining(true);
    let none = world
        .try_pick(None, &Tried::NONE)
        .expect_err("none is available");
    assert_eq!(
        none.to_string(),
        "no endpoint: of 3, 0 tried before, 2 draining, 1 down, 0 ejected"
    );
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequests, EWMA, HASH] {
        let none = World::of(algorithm, &[])
            .try_pick(Some(7), &Tried::NONE)
            .expect_err("it has none");
        assert_eq!(none.endpoints, 0);
        assert!(
            World::of(algorithm, &[0, 0])
                .try_pick(Some(7), &Tried::NONE)
                .is_err()
        );
    }
}

#[test]
fn refuses_specs_that_make_no_sense() {
    let build = |spec| Upstream::new(spec, Instant::now()).expect_err("the spec is bad");
    let mut twice = spec(Algorithm::RoundRobin, &[1, 1]);
    twice.endpoints[1] = twice.endpoints[0];
    assert!(matches!(build(twice), SpecError::DuplicateAddress(..)));
    let heavy = spec(Algorithm::RoundRobin, &[MAX_WEIGHT + 1]);
    assert!(matches!(build(heavy), SpecError::Weight(..)));
    let size = spec(Algorithm::Hash { table_size: 1000 }, &[1]);
    assert!(
        build(size).to_string().contains("251, 509"),
        "names the sizes"
    );
    let crowded = spec(Algorithm::Hash { table_size: 251 }, &[1; 251]);
    assert!(matches!(build(crowded), SpecError::Table(..)));
    let many = spec(Algorithm::RoundRobin, &[1; balance::MAX_ENDPOINTS + 1]);
    assert!(matches!(build(many), SpecError::TooManyEndpoints(..)));
    let timeless = spec(
        Algorithm::Ewma {
            decay: Duration::ZERO,
        },
        &[1],
    );
    assert!(matches!(build(timeless), SpecError::Setting(..)));
}
