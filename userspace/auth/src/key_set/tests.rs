use super::*;
use crate::algorithm::Algorithm;
use crate::testing::{Signer, at};
use std::sync::atomic::AtomicUsize;

const TIMES: KeySetTimes = KeySetTimes {
    cooldown: Duration::from_secs(300),
    refresh: Duration::from_secs(3_600),
    max_stale: Duration::from_secs(86_400),
};

fn keys() -> JwkSet {
    Signer::new(Algorithm::EdDsa, "k").set()
}

/// A remote key set and the number of times that its hook was called.
fn remote() -> (Arc<KeySetHandle>, Arc<AtomicUsize>) {
    let handle = KeySetHandle::remote("partners", TIMES);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    assert!(handle.on_refetch(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })));
    (handle, calls)
}

#[test]
fn unknown_kids_cause_one_fetch_within_the_cooldown() {
    let (handle, calls) = remote();
    handle.install(keys(), at(0));
    assert_eq!(handle.request_refetch(at(10)), RefetchDecision::Started);
    assert_eq!(handle.request_refetch(at(11)), RefetchDecision::InFlight);
    handle.install(keys(), at(12));
    for seconds in 12..310 {
        assert_eq!(
            handle.request_refetch(at(seconds)),
            RefetchDecision::CoolingDown,
            "{seconds}"
        );
    }
    assert_eq!(handle.request_refetch(at(310)), RefetchDecision::Started);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_failed_fetch_is_not_repeated_within_the_cooldown_either() {
    let (handle, calls) = remote();
    assert_eq!(handle.request_refetch(at(0)), RefetchDecision::Started);
    handle.fail(&"connection refused");
    assert_eq!(handle.request_refetch(at(1)), RefetchDecision::CoolingDown);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn many_threads_cause_one_fetch() {
    let (handle, calls) = remote();
    handle.install(keys(), at(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    handle.request_refetch(at(1));
                }
            });
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_fetch_that_was_lost_does_not_block_the_next() {
    let (handle, _) = remote();
    assert!(handle.begin(at(0)));
    assert!(handle.is_in_flight(at(29)) && !handle.begin(at(29)));
    assert!(!handle.is_in_flight(at(59)));
    assert_eq!(handle.request_refetch(at(59)), RefetchDecision::Started);
}

#[test]
fn the_version_tells_that_a_fetch_has_ended() {
    let (handle, _) = remote();
    let before = handle.version();
    handle.request_refetch(at(0));
    assert_eq!(handle.version(), before);
    handle.fail(&"timeout");
    assert_eq!(handle.version(), before + 1);
    handle.begin(at(5));
    handle.install(keys(), at(6));
    assert_eq!(handle.version(), before + 2);
}

#[test]
fn stale_keys_are_used_while_fetching_fails_but_not_for_ever() {
    let (handle, _) = remote();
    assert!(handle.current(at(0)).is_none());
    handle.install(keys(), at(0));
    handle.fail(&"no route to host");
    assert!(handle.current(at(86_400)).is_some());
    assert!(handle.current(at(86_401)).is_none());
    assert!(
        handle.current(at(-500)).is_some(),
        "a clock that was set back makes no key stale"
    );
    let status = handle.status(at(86_401));
    assert!(status.expired && !status.in_flight);
    assert_eq!(
        (status.keys, status.skipped, status.fetches),
        (Some(1), 0, 2)
    );
    assert_eq!(status.last_error.as_deref(), Some("no route to host"));
    handle.install(keys(), at(86_402));
    assert_eq!(handle.status(at(86_402)).last_error, None);
}

#[test]
fn keys_are_refreshed_in_passing() {
    let (handle, _) = remote();
    assert_eq!(handle.refresh_in(at(0)), Some(Duration::ZERO));
    handle.install(keys(), at(0));
    assert_eq!(handle.refresh_in(at(600)), Some(Duration::from_secs(3_000)));
    assert_eq!(handle.refresh_in(at(4_000)), Some(Duration::ZERO));
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_fetching() {
    let (handle, calls) = remote();
    assert_eq!(
        handle.request_refetch(at(1_000_000)),
        RefetchDecision::Started
    );
    handle.install(keys(), at(1_000_000));
    assert_eq!(handle.request_refetch(at(0)), RefetchDecision::Started);
    handle.install(keys(), at(0));
    assert_eq!(handle.request_refetch(at(1)), RefetchDecision::CoolingDown);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn keys_of_a_file_are_neither_fetched_nor_stale() {
    let handle = KeySetHandle::fixed("file", keys(), at(0));
    assert_eq!(handle.request_refetch(at(0)), RefetchDecision::Fixed);
    assert_eq!(handle.refresh_in(at(0)), None);
    assert!(handle.current(at(1_000_000_000)).is_some());
    assert_eq!(&**handle.name(), "file");
}

#[test]
fn without_a_hook_the_wish_is_still_visible() {
    let handle = KeySetHandle::remote("x", TIMES);
    assert_eq!(handle.request_refetch(at(0)), RefetchDecision::Started);
    assert!(handle.is_in_flight(at(0)));
    assert!(handle.on_refetch(Box::new(|| ())));
    assert!(
        !handle.on_refetch(Box::new(|| ())),
        "the second hook is not taken"
    );
}
