//! How requests are shared among endpoints.

use bascule_tests::{Bascule, Io, Load, Origin, Reply, Report, Setup, on_both_drivers};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Three endpoints, each answering with its name.
fn three() -> [Origin; 3] {
    ["a", "b", "c"].map(Origin::named)
}

fn setup(io: Io, origins: &[Origin; 3]) -> Setup {
    let [a, b, c] = origins;
    Setup::new()
        .io(io)
        .workers(3)
        .with("a", a.address())
        .with("b", b.address())
        .with("c", c.address())
}

/// Asks so many times, each on a connection of its own, so that all workers have a part.
fn ask(bascule: &Bascule, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        *shares.entry(bascule.client().get("/").text()).or_default() += 1;
    }
    shares
}

on_both_drivers! {
    /// Round robin is one order over all workers: 300 requests are 100 for each of three, give or take one.
    fn round_robin_is_exact_over_all_workers(io) {
        let origins = three();
        let bascule = setup(io, &origins).start(
            "
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [$a, $b, $c] } }
            ",
        );
        let shares = ask(&bascule, 300);
        assert!(shares.len() == 3 && shares.values().all(|share| (99..=101).contains(share)), "{shares:?}");
    }
}

#[test]
fn weights_are_shares() {
    let origins = three();
    let bascule = setup(Io::Epoll, &origins).start(
        "
        routes: [{ path: /, upstream: app }]
        upstreams:
          app: { endpoints: [{ address: $a, weight: 3 }, { address: $b, weight: 2 }, $c] }
        ",
    );
    let shares = ask(&bascule, 120);
    for (name, expected) in [("a", 60_usize), ("b", 40), ("c", 20)] {
        let share = shares.get(name).copied().unwrap_or(0);
        assert!(share.abs_diff(expected) <= 3, "{shares:?}");
    }
}

#[test]
fn a_hash_keeps_a_key_at_its_endpoint() {
    let origins = three();
    let bascule = setup(Io::Epoll, &origins).start(
        "
        routes:
          - { path: /header/, upstream: by-header }
          - { path: /cookie/, upstream: by-cookie }
          - { path: /source/, upstream: by-source }
        upstreams:
          by-header: { endpoints: [$a, $b, $c], balance: { hash: { header: x-user } } }
          by-cookie: { endpoints: [$a, $b, $c], balance: { hash: { cookie: session } } }
          by-source: { endpoints: [$a, $b, $c], balance: { hash: source } }
        ",
    );
    let of = |target: &str, field: (&str, &str)| bascule.client().get_with(target, &[field]).text();
    let mut used = BTreeSet::new();
    for user in 0..30 {
        let user = format!("user-{user}");
        let home = of("/header/", ("X-User", &user));
        assert!((0..3).all(|_| of("/header/", ("X-User", &user)) == home));
        let cookie = format!("theme=dark; session={user}");
        assert_eq!(
            of("/cookie/", ("Cookie", &cookie)),
            home,
            "the same key by another way"
        );
        used.insert(home);
    }
    assert_eq!(used.len(), 3);
    let sources: BTreeSet<String> = (0..5)
        .map(|n| of("/source/", ("X-User", &n.to_string())))
        .collect();
    assert_eq!(sources.len(), 1);
}

fn with_a_slow_one(balance: &str) -> Report {
    let slow = Origin::serve(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Reply::ok("slow")
    });
    let fast = Origin::serve(|_| {
        std::thread::sleep(Duration::from_millis(2));
        Reply::ok("fast")
    });
    let bascule = Setup::new()
        .with("slow", slow.address())
        .with("fast", fast.address())
        .start(&format!(
            "
        routes: [{{ path: /, upstream: app }}]
        upstreams: {{ app: {{ endpoints: [$slow, $fast], balance: {balance} }} }}
        ",
        ));
    let load = Load::start(bascule.address("web"), 4, "/");
    bascule_tests::eventually("there is enough traffic", || load.count() >= 300);
    load.stop()
}

#[test]
fn a_slow_endpoint_gets_less_where_load_counts() {
    for balance in ["least_requests", "ewma"] {
        let report = with_a_slow_one(balance);
        assert_eq!(report.failures, Vec::<String>::new());
        let share = |name| report.bodies.get(name).copied().unwrap_or(0);
        assert!(
            share("fast") > 2 * share("slow"),
            "{balance}: {:?}",
            report.bodies
        );
    }
}

#[test]
fn idle_connections_are_used_again_until_their_time_is_over() {
    let origin = Origin::named("a");
    let bascule = Setup::new().workers(1).with("app", origin.address()).start(
        "
        routes: [{ path: /, upstream: app }]
        upstreams: { app: { endpoints: [$app], pool: { idle_timeout: 300ms } } }
        ",
    );
    (0..5).for_each(|_| drop(bascule.client().get("/")));
    assert_eq!(origin.accepted(), 1);
    bascule_tests::eventually("the idle connection is closed", || origin.open() == 0);
    assert_eq!(bascule.client().get("/").text(), "a");
    assert_eq!(origin.accepted(), 2);
}
