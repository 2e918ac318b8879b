//! Retries and their budget.

use crate::world::World;
use balance::{Algorithm, Attempt, BUDGET_WINDOW, Decision, Outcome, RetryPolicy, StopReason};
use std::time::Duration;
use types::Reason;

const REFUSED: Attempt = Attempt {
    reason: Reason::ConnectFailed,
    bytes_sent: false,
    idempotent: false,
    replayable: true,
    answered: false,
    retries: 0,
};
/// A POST whose endpoint went away after it got the request.
const BROKEN: Attempt = Attempt {
    reason: Reason::UpstreamClosed,
    bytes_sent: true,
    ..REFUSED
};
const ELSEWHERE: Decision = Decision::Retry {
    same_endpoint: false,
};

fn decide(attempt: Attempt) -> Decision {
    RetryPolicy::default().decide(&attempt)
}

#[test]
fn repeats_what_does_no_harm() {
    assert_eq!(decide(REFUSED), ELSEWHERE, "nothing was sent: any method");
    let get = Attempt {
        idempotent: true,
        ..BROKEN
    };
    assert_eq!(decide(get), ELSEWHERE, "a GET may go twice");
    let unheard = Attempt {
        bytes_sent: false,
        ..BROKEN
    };
    assert_eq!(decide(unheard), ELSEWHERE, "who sent nothing was not heard");
    let reused = Attempt {
        reason: Reason::UpstreamReused,
        ..get
    };
    let again = Decision::Retry {
        same_endpoint: true,
    };
    assert_eq!(decide(reused), again, "the endpoint is well");
}

#[test]
fn repeats_nothing_else() {
    let stopped =
        |attempt, reason| assert_eq!(decide(attempt), Decision::Stop(reason), "{attempt:?}");
    // The endpoint may have acted on it.
    stopped(BROKEN, StopReason::NotIdempotent);
    // Bytes decide, not the reason.
    stopped(
        Attempt {
            bytes_sent: true,
            ..REFUSED
        },
        StopReason::NotIdempotent,
    );
    // Even on a connection that was about to close.
    stopped(
        Attempt {
            reason: Reason::UpstreamReused,
            ..BROKEN
        },
        StopReason::NotIdempotent,
    );
    // Half of a body is gone, and a part of the answer is with the client.
    stopped(
        Attempt {
            replayable: false,
            ..REFUSED
        },
        StopReason::BodyConsumed,
    );
    stopped(
        Attempt {
            answered: true,
            idempotent: true,
            ..BROKEN
        },
        StopReason::Answered,
    );
    // One retry is the default.
    stopped(
        Attempt {
            retries: 1,
            ..REFUSED
        },
        StopReason::Attempts,
    );
    // There is nowhere to go; the client's fault stays the client's fault.
    stopped(
        Attempt {
            reason: Reason::NoEndpoint,
            ..REFUSED
        },
        StopReason::Useless,
    );
    stopped(
        Attempt {
            reason: Reason::BadPath,
            ..REFUSED
        },
        StopReason::Useless,
    );
}

#[test]
fn attempts_are_bounded() {
    let off = RetryPolicy {
        retries: 0,
        ..RetryPolicy::default()
    };
    assert_eq!(off.decide(&REFUSED), Decision::Stop(StopReason::Attempts));
    let many = RetryPolicy {
        retries: 200,
        ..RetryPolicy::default()
    };
    assert_eq!(
        many.decide(&Attempt {
            retries: 7,
            ..REFUSED
        }),
        ELSEWHERE
    );
    assert_eq!(
        many.decide(&Attempt {
            retries: 8,
            ..REFUSED
        }),
        Decision::Stop(StopReason::Attempts)
    );
}

/// Sends requests of which all fail, with one retry each where it is granted. Gives the retries.
fn outage(world: &mut World, policy: &RetryPolicy, requests: usize) -> usize {
    let mut retries = 0;
    for _ in 0..requests {
        let now = world.now;
        world.pick().finish(Outcome::Failure, Duration::ZERO, now);
        if world.upstream.may_retry(policy, &REFUSED, now) == ELSEWHERE {
            retries += 1;
            world.pick().finish(Outcome::Failure, Duration::ZERO, now);
        }
    }
    retries
}

#[test]
fn the_budget_bounds_the_amplification() {
    let policy = RetryPolicy::default();
    let mut world = World::of(Algorithm::RoundRobin, &[1, 1]);
    let retries = outage(&mut world, &policy, 1000);
    assert!(
        (200..=210).contains(&retries),
        "20 % and 10 more, not {retries}"
    );
    world.pass(BUDGET_WINDOW);
    assert!(
        (20..=30).contains(&outage(&mut world, &policy, 100)),
        "each window has its own"
    );
}

#[test]
fn few_requests_have_some_retries_too() {
    let policy = RetryPolicy {
        budget_percent: 0,
        budget_min: 3,
        ..RetryPolicy::default()
    };
    let mut world = World::of(Algorithm::RoundRobin, &[1]);
    assert_eq!(outage(&mut world, &policy, 100), 3);
    let none = RetryPolicy {
        budget_min: 0,
        ..policy
    };
    world.pass(BUDGET_WINDOW);
    assert_eq!(outage(&mut world, &none, 100), 0);
    assert_eq!(
        world.upstream.may_retry(&none, &REFUSED, world.now),
        Decision::Stop(StopReason::Budget)
    );
}
