//! Routes that could both claim a request.

use crate::routes::{errors, table};

/// Expects two routes, `a` and `b`, to conflict, in either order.
fn conflict(a: &str, b: &str) {
    for text in [format!("a: {a}\nb: {b}"), format!("b: {b}\na: {a}")] {
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(
            errors[0].contains("`a`") && errors[0].contains("`b`"),
            "{errors:?}"
        );
    }
}

/// Expects two routes to go together.
fn fine(a: &str, b: &str) {
    table(&format!("a: {a}\nb: {b}"));
}

#[test]
fn says_what_and_what_to_do() {
    assert_eq!(
        errors("shop: shop.example.com,example.com/cart\nold-shop: example.com/cart")[0],
        "routes `shop` and `old-shop` both match host `example.com`, path `prefix /cart` with equal precedence: give one \
         of them a `priority` (lower goes first), or let their methods or headers differ"
    );
}

#[test]
fn the_same_place_twice() {
    conflict("/", "/");
    conflict("a.com/x", "a.com/x");
    conflict("*.a.com/x", "*.a.com,b.com/x");
    conflict("=/x x-a", "=/x x-b");
    conflict("/v1/{id}", "/v1/{name}");
    conflict("/v1/", "/v1/{rest*}");
    conflict("/%41", "/A");
    conflict("priority=1 /", "priority=1 /");
}

#[test]
fn different_places() {
    fine("/a", "/b");
    fine("a.com/", "b.com/");
    fine("*.a.com/", "*.b.com/");
    fine("*.a.com/", "*.com/");
    fine("=/a", "/a");
    fine("=/a/", "/a/");
    fine("/a", "/a/");
    fine("/{x}/b", "/a/{y}");
    fine("/{x}/b", "/{x}/c");
    fine("priority=1 /", "priority=2 /");
    fine("priority=1 /", "/");
    fine("/%2F", "/%2f/");
}

#[test]
fn methods_tell_routes_apart() {
    fine("GET /", "POST /");
    fine("GET /", "/");
    conflict("GET /", "GET,POST /");
    conflict("GET /", "HEAD /");
    fine("PURGE /", "BAN /");
}

#[test]
fn headers_tell_routes_apart() {
    fine("/ x-v=1", "/ x-v=2");
    fine("/ x-v", "/");
    fine("/ x-v", "/ !x-v");
    fine("/ x-v=1", "/ !x-v");
    fine("/ x-v^1", "/ x-v^2");
    fine("/ x-v^1", "/ x-v=2");
    fine("/ x-v x-w", "/ x-v");
    conflict("/ x-v=1", "/ X-V=1");
    conflict("/ x-v=1", "/ x-w=1");
    conflict("/ x-v", "/ x-v=1");
    conflict("/ x-v^1", "/ x-v^12");
    conflict("/ x-v^1", "/ x-v=12");
    conflict("/ !x-v", "/ !x-v");
    conflict("/ !x-v", "/ !x-w");
}

#[test]
fn every_pair_is_named() {
    let errors = errors("a: /\nb: /\nc: /\nd: =/x\ne: =/x");
    assert_eq!(errors.len(), 4, "a-b, a-c, b-c, d-e: {errors:?}");
}

#[test]
fn a_flood_of_conflicts_is_cut() {
    let text: String = (0..1000).map(|n| format!("r{n}: /\n")).collect();
    assert_eq!(errors(&text).len(), 100);
}
