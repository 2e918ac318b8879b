//! Passive ejection: out, half open, back.

use crate::world::{World, spec};
use balance::{Algorithm, HealthCheck, Outcome, Passive, Tried, UpstreamSpec};
use std::time::Duration;
use types::Reason;

const SECOND: Duration = Duration::from_secs(1);
const FAST: Duration = Duration::from_millis(1);

fn passive() -> Passive {
    Passive {
        consecutive_failures: 3,
        ejection: 10 * SECOND,
        max_ejection: 25 * SECOND,
        max_ejected_percent: 100,
        count_all_5xx: false,
    }
}

/// A breaker: one endpoint, which may be ejected.
fn breaker() -> World {
    World::ejecting(passive(), 1)
}

fn send(world: &mut World, outcome: Outcome) {
    let now = world.now;
    world.pick().finish(outcome, FAST, now);
}

fn is_open(world: &mut World) -> bool {
    world.try_pick(None, &Tried::NONE).is_ok()
}

#[test]
fn three_failures_in_a_row_eject() {
    let mut world = breaker();
    for outcome in [
        Outcome::Failure,
        Outcome::Failure,
        Outcome::Success,
        Outcome::Failure,
        Outcome::Failure,
    ] {
        send(&mut world, outcome);
    }
    assert!(is_open(&mut world), "a success starts the row anew");
    send(&mut world, Outcome::Failure);
    let none = world
        .try_pick(None, &Tried::NONE)
        .expect_err("it is ejected");
    assert_eq!((none.endpoints, none.ejected), (1, 1));
}

#[test]
fn neutral_outcomes_say_nothing() {
    let mut world = breaker();
    for outcome in [
        Outcome::Failure,
        Outcome::Neutral,
        Outcome::Failure,
        Outcome::Neutral,
    ] {
        send(&mut world, outcome);
    }
    drop(world.pick());
    send(&mut world, Outcome::Failure);
    assert!(!is_open(&mut world));
}

fn ejected() -> World {
    let mut world = breaker();
    for _ in 0..3 {
        send(&mut world, Outcome::Failure);
    }
    world
}

#[test]
fn one_request_decides_about_the_return() {
    let mut world = ejected();
    world.pass(10 * SECOND - FAST);
    assert!(!is_open(&mut world));
    world.pass(FAST);
    let trial = world.pick();
    assert!(trial.is_trial());
    assert!(
        !is_open(&mut world),
        "no second one while the first is under way"
    );
    trial.finish(Outcome::Success, FAST, world.now);
    assert!(!world.pick().is_trial(), "it is back");
}

#[test]
fn each_failed_trial_ejects_for_longer() {
    let mut world = ejected();
    for seconds in [10, 20, 25, 25] {
        world.pass(seconds * SECOND - FAST);
        assert!(!is_open(&mut world), "{seconds}");
        world.pass(FAST);
        send(&mut world, Outcome::Failure);
        assert!(!is_open(&mut world));
    }
}

#[test]
fn a_trial_without_a_result_is_given_back() {
    let mut world = ejected();
    world.pass(10 * SECOND);
    drop(world.pick());
    send(&mut world, Outcome::Neutral);
    let trial = world.pick();
    assert!(trial.is_trial());
    world.pass(10 * SECOND);
    let second = world.pick();
    assert!(
        second.is_trial(),
        "one that hangs blocks no longer than an ejection"
    );
    second.finish(Outcome::Failure, FAST, world.now);
    trial.finish(Outcome::Success, FAST, world.now);
    assert!(!is_open(&mut world), "the later decision stands");
}

#[test]
fn a_good_while_makes_the_next_ejection_short_again() {
    let again = |served: Duration| {
        let mut world = ejected();
        world.pass(10 * SECOND);
        send(&mut world, Outcome::Success);
        world.pass(served);
        for _ in 0..3 {
            send(&mut world, Outcome::Failure);
        }
        let snapshot = world
            .upstream
            .snapshots(world.now)
            .next()
            .expect("it has one");
        assert_eq!(snapshot.ejections, 2);
        snapshot.ejected_for
    };
    assert_eq!(
        again(SECOND),
        Some(20 * SECOND),
        "failing soon after the return goes on where it was"
    );
    assert_eq!(again(25 * SECOND), Some(10 * SECOND));
}

#[test]
fn answers_that_were_under_way_change_nothing() {
    let mut world = World::ejecting(passive(), 1);
    let early = world.pick();
    let late = world.pick();
    for _ in 0..3 {
        send(&mut world, Outcome::Failure);
    }
    early.finish(Outcome::Success, FAST, world.now);
    assert!(!is_open(&mut world));
    world.pass(10 * SECOND - FAST);
    late.finish(Outcome::Failure, FAST, world.now);
    world.pass(FAST);
    assert!(is_open(&mut world), "an ejection is not prolonged");
}

/// Fails every request and counts the endpoints that are still chosen after it.
fn left_after_failing(world: &mut World) -> usize {
    for _ in 0..100 {
        send(world, Outcome::Failure);
    }
    let mut left: Vec<usize> = (0..100).map(|_| world.pick().index()).collect();
    left.sort_unstable();
    left.dedup();
    left.len()
}

#[test]
fn not_everything_is_ejected() {
    for (endpoints, percent, left) in [
        (4, 50, 2),
        (3, 50, 2),
        (2, 50, 1),
        (1, 50, 1),
        (10, 10, 9),
        (4, 0, 4),
    ] {
        let passive = Passive {
            max_ejected_percent: percent,
            ..passive()
        };
        let mut world = World::ejecting(passive, endpoints);
        assert_eq!(
            left_after_failing(&mut world),
            left,
            "{endpoints} endpoints, {percent} %"
        );
    }
}

#[test]
fn endpoints_that_are_down_count_as_out() {
    let passive = Passive {
        max_ejected_percent: 50,
        ..passive()
    };
    let base = spec(Algorithm::RoundRobin, &[1, 1, 1, 1]);
    let mut world = World::new(UpstreamSpec {
        passive: Some(passive),
        health: Some(HealthCheck::default()),
        ..base
    });
    world.upstream.endpoints()[0].set_healthy(false);
    world.upstream.endpoints()[1].set_draining(true);
    assert_eq!(
        left_after_failing(&mut world),
        2,
        "two are out already, so no more go"
    );
}

#[test]
fn which_statuses_are_failures() {
    let default = World::ejecting(passive(), 1).upstream;
    let all = World::ejecting(
        Passive {
            count_all_5xx: true,
            ..passive()
        },
        1,
    )
    .upstream;
    for (status, usual, strict) in [
        (200, Outcome::Success, Outcome::Success),
        (404, Outcome::Success, Outcome::Success),
        (500, Outcome::Success, Outcome::Failure),
        (501, Outcome::Success, Outcome::Failure),
        (502, Outcome::Failure, Outcome::Failure),
        (503, Outcome::Failure, Outcome::Failure),
        (504, Outcome::Failure, Outcome::Failure),
    ] {
        assert_eq!(
            (default.judge(status), all.judge(status)),
            (usual, strict),
            "{status}"
        );
    }
}

#[test]
fn which_reasons_are_failures() {
    assert_eq!(Outcome::of(Reason::ConnectFailed), Outcome::Failure);
    assert_eq!(Outcome::of(Reason::UpstreamTimeout), Outcome::Failure);
    assert_eq!(
        Outcome::of(Reason::UpstreamReused),
        Outcome::Neutral,
        "a kept-alive connection may end any time"
    );
    assert_eq!(Outcome::of(Reason::ClientClosed), Outcome::Neutral);
    assert_eq!(Outcome::of(Reason::Served), Outcome::Success);
}
