//! What survives a reload.

use crate::world::{World, address, spec};
use balance::{
    Algorithm, Endpoint, EndpointSpec, HealthCheck, Outcome, Passive, Tried, Upstream, UpstreamSpec,
};
use std::sync::Arc;
use std::time::Duration;

fn reload(world: &World, spec: UpstreamSpec) -> World {
    let mut upstream = Upstream::new(spec, world.now).expect("the spec is good");
    upstream.inherit(&world.upstream);
    let mut next = World::of(Algorithm::RoundRobin, &[1]);
    next.upstream = Arc::new(upstream);
    next.now = world.now;
    next
}

fn watched(weights: &[u32]) -> UpstreamSpec {
    UpstreamSpec {
        health: Some(HealthCheck::default()),
        passive: Some(Passive {
            max_ejected_percent: 100,
            ..Passive::default()
        }),
        ..spec(Algorithm::RoundRobin, weights)
    }
}

#[test]
fn endpoints_with_the_same_address_keep_their_state() {
    let mut world = World::new(watched(&[1, 1, 1]));
    let held = world.pick();
    world.upstream.endpoints()[1].set_healthy(false);
    world.upstream.endpoints()[2].set_draining(true);
    let mut next = watched(&[7, 1, 1]);
    next.endpoints.reverse();
    next.endpoints.push(EndpointSpec {
        address: address(9),
        weight: 1,
    });
    let next = reload(&world, next);
    let [third, second, first, new] = next.upstream.endpoints() else {
        panic!("it has four")
    };
    assert_eq!(
        (first.in_flight(), first.weight()),
        (1, 7),
        "the weight is the new one"
    );
    assert!(!second.is_healthy() && third.is_draining());
    assert!(new.is_healthy() && !new.is_draining() && new.in_flight() == 0);
    drop(held);
    assert_eq!(
        first.in_flight(),
        0,
        "requests of the old generation end in the new one"
    );
}

#[test]
fn ejections_go_on() {
    let mut world = World::new(watched(&[1]));
    world.pass(Duration::from_secs(100));
    for _ in 0..5 {
        let now = world.now;
        world.pick().finish(Outcome::Failure, Duration::ZERO, now);
    }
    world.pass(Duration::from_secs(20));
    let mut next = reload(&world, watched(&[1]));
    assert!(next.try_pick(None, &Tried::NONE).is_err());
    next.pass(Duration::from_secs(10));
    assert!(next.pick().is_trial());
}

#[test]
fn checks_that_were_removed_hold_nobody_down() {
    let mut world = World::new(watched(&[1, 1]));
    world.upstream.endpoints()[0].set_healthy(false);
    for _ in 0..5 {
        let now = world.now;
        world.pick().finish(Outcome::Failure, Duration::ZERO, now);
    }
    assert!(
        world.try_pick(None, &Tried::NONE).is_err(),
        "one is down, one is ejected"
    );
    let mut next = reload(&world, spec(Algorithm::RoundRobin, &[1, 1]));
    assert_eq!(next.count(10), [5, 5]);
}

#[test]
fn connections_stay_usable_while_the_transport_is_the_same() {
    let world = World::new(watched(&[1, 1]));
    let ids = |world: &World| {
        world
            .upstream
            .endpoints()
            .iter()
            .map(Endpoint::id)
            .collect::<Vec<_>>()
    };
    let same = reload(&world, watched(&[1, 1]));
    assert_eq!(ids(&world), ids(&same));
    let tls = reload(
        &world,
        UpstreamSpec {
            transport: 7,
            ..watched(&[1, 1])
        },
    );
    assert!(ids(&world).iter().all(|id| !ids(&tls).contains(id)));
    assert_ne!(ids(&world)[0], ids(&world)[1]);
}

#[test]
fn turns_go_on_where_they_were() {
    let mut world = World::of(Algorithm::RoundRobin, &[1, 1, 1]);
    let mut order = vec![world.pick().index()];
    for _ in 0..8 {
        world = reload(&world, spec(Algorithm::RoundRobin, &[1, 1, 1]));
        order.push(world.pick().index());
    }
    assert_eq!(
        order,
        [0, 1, 2, 0, 1, 2, 0, 1, 2],
        "reloads do not favour the first endpoint"
    );
}
