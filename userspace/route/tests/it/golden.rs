//! Requests and the routes that they take.

use crate::routes::{check, show, table};
use route::NoHeaders;

#[test]
fn exact_hosts_go_before_wildcards_and_these_before_any() {
    let table = table(
        "any:     /
         shop:    shop.example.com/
         wild:    *.example.com/
         deep:    *.eu.example.com/
         address: [2001:db8::1]/",
    );
    check(
        &table,
        "GET shop.example.com/    -> shop
         GET cart.example.com/    -> wild
         GET a.b.example.com/     -> wild
         GET a.eu.example.com/    -> deep
         GET a.b.eu.example.com/  -> deep
         GET eu.example.com/      -> wild
         GET example.com/         -> any
         GET notexample.com/      -> any
         GET x.shop.example.com/  -> wild
         GET .example.com/        -> any
         GET [2001:db8::1]/       -> address
         GET [2001:db8::2]/       -> any
         GET /                    -> any",
    );
}

#[test]
fn a_host_without_the_path_leaves_it_to_less_specific_hosts() {
    let table = table(
        "shop: shop.example.com/cart
         wild: *.example.com/static
         any:  /health",
    );
    check(
        &table,
        "GET shop.example.com/cart   -> shop
         GET shop.example.com/static -> wild
         GET shop.example.com/health -> any
         GET shop.example.com/other  -> 404
         GET other.org/static        -> 404",
    );
}

#[test]
fn paths_match_at_segment_boundaries() {
    let table = table(
        "exact:  =/login
         slash:  =/login/
         prefix: /v1
         below:  /files/
         root:   =/",
    );
    check(
        &table,
        "GET h/login      -> exact
         GET h/login/     -> slash
         GET h/login/x    -> 404
         GET h/loginx     -> 404
         GET h/Login      -> 404
         GET h/v1         -> prefix
         GET h/v1/        -> prefix
         GET h/v1/a/b     -> prefix
         GET h/v10        -> 404
         GET h/files      -> 404
         GET h/files/     -> below
         GET h/files/a    -> below
         GET h/           -> root
         GET h//          -> 404
         GET h            -> 404
         OPTIONS *        -> 404",
    );
}

#[test]
fn the_leftmost_difference_decides_between_paths() {
    let table = table(
        "all:       /
         v1:        /v1
         items:     /v1/{id}/items
         item:      /v1/{id}/items/{item}
         special:   /v1/{id}/items/special
         me:        =/v1/me/items
         rest:      /v1/{id}/{rest*}
         files:     /files/{path*}
         public:    /files/public",
    );
    check(
        &table,
        "GET h/v1/7/items         -> items id=7
         GET h/v1/7/items/8       -> item id=7 item=8
         GET h/v1/7/items/special -> special id=7
         GET h/v1/me/items        -> me
         GET h/v1/me/items/8      -> item id=me item=8
         GET h/v1/7/other/a/b     -> rest id=7 rest=other/a/b
         GET h/v1/7/              -> rest id=7 rest=
         GET h/v1/7               -> v1
         GET h/v1//items          -> v1
         GET h/files              -> all
         GET h/files/             -> files path=
         GET h/files/a/b/         -> files path=a/b/
         GET h/files/public       -> public
         GET h/files/public/a     -> public
         GET h/files/publicity    -> files path=publicity
         GET h/                   -> all",
    );
}

#[test]
fn a_dead_end_goes_back_to_the_parameter() {
    let table = table(
        "literal: =/a/b/c
         param:   /{x}/b/d
         params:  /{x}/{y}/{z}/e",
    );
    check(
        &table,
        "GET h/a/b/c   -> literal
         GET h/a/b/d   -> param x=a
         GET h/a/b/c/e -> params x=a y=b z=c
         GET h/a/b     -> 404",
    );
}

#[test]
fn priority_goes_before_all_else() {
    let routes = |first, second| {
        table(&format!(
            "exact:  priority={first} shop.example.com=/a
             prefix: priority={second} /
             none:   =/a/b"
        ))
    };
    check(&routes(1, 2), "GET shop.example.com/a -> exact");
    check(&routes(2, 1), "GET shop.example.com/a -> prefix");
    check(&routes(-1, 0), "GET shop.example.com/a -> exact");
    check(&routes(1, 2), "GET shop.example.com/a/b -> prefix");
}

#[test]
fn methods_choose_and_are_listed_when_they_do_not_fit() {
    let table = table(
        "read:  GET /items
         write: POST,PUT /items
         purge: PURGE =/items/cache
         all:   /any
         one:   DELETE /any",
    );
    check(
        &table,
        "GET h/items         -> read
         HEAD h/items        -> read
         POST h/items        -> write
         get h/items         -> 405 GET, HEAD, POST, PUT
         DELETE h/items      -> 405 GET, HEAD, POST, PUT
         PURGE h/items/cache -> purge
         PUT h/items/cache   -> write
         LOCK h/items/cache  -> 405 GET, HEAD, POST, PUT, PURGE
         DELETE h/any        -> one
         BREW h/any          -> all
         GET h/nothing       -> 404",
    );
}

#[test]
fn headers_choose() {
    let table = table(
        "plain:  /api
         two:    /api x-version=2
         three:  /api x-version=3
         beta:   /api x-version=3 cookie^beta=
         no:     /auth !authorization
         yes:    /auth authorization
         only:   GET /only x-key",
    );
    check(
        &table,
        "GET h/api                               -> plain
         GET h/api X-Version=2                   -> two
         GET h/api x-version=3                   -> three
         GET h/api x-version=3 cookie=beta=1;a=b -> beta
         GET h/api x-version=3 cookie=a=b        -> three
         GET h/api x-version=2 x-version=3       -> plain
         GET h/api x-version=22                  -> plain
         GET h/auth                              -> no
         GET h/auth authorization=Basic          -> yes
         GET h/auth authorization=a authorization=b -> yes
         GET h/only                              -> 404
         POST h/only                             -> 404
         POST h/only x-key=1                     -> 405 GET, HEAD",
    );
}

#[test]
fn patterns_are_brought_to_normal_form() {
    let table = table(
        "unreserved: =/%7euser/%41
         reserved:   =/a%2fb
         space:      =/caf\u{e9}|x
         sub:        =/a;b=c/@,$!",
    );
    check(
        &table,
        "GET h/~user/A     -> unreserved
         GET h/a%2Fb       -> reserved
         GET h/a/b         -> 404
         GET h/caf%C3%A9%7Cx -> space
         GET h/a;b=c/@,$!  -> sub",
    );
}

#[test]
fn hosts_are_compared_without_case_in_the_configuration() {
    let table = table("shop: Shop.Example.COM,*.Example.ORG/");
    check(
        &table,
        "GET shop.example.com/ -> shop\nGET a.example.org/ -> shop",
    );
}

#[test]
fn many_parameters_are_captured() {
    let names: Vec<String> = (0..route::MAX_PARAMS)
        .map(|n| format!("{{p{n}}}"))
        .collect();
    let table = table(&format!("deep: /{}", names.join("/")));
    let path: String = (0..route::MAX_PARAMS).map(|n| format!("/v{n}")).collect();
    let answer = show(&table, "h", &path, "GET", &NoHeaders);
    assert!(
        answer.starts_with("deep p0=v0 p1=v1 ") && answer.ends_with(" p15=v15"),
        "{answer}"
    );
}

#[test]
fn explains_the_order() {
    let table = table(
        "all:   /
         late:  priority=20 /z
         early: priority=-5 GET,POST /z
         api:   api.example.com,*.example.org/v1/{id} x-version=2 !x-old
         login: =/login",
    );
    let lines: Vec<String> = table.order().map(|ranked| ranked.to_string()).collect();
    assert_eq!(
        lines,
        [
            "1. early: priority -5, host *, path prefix /z, methods GET, HEAD, POST",
            "2. late: priority 20, host *, path prefix /z, all methods",
            "3. api: host api.example.com, path template /v1/{id}, header x-version = \"2\", header x-old absent, all methods",
            "4. api: host *.example.org, path template /v1/{id}, header x-version = \"2\", header x-old absent, all methods",
            "5. login: host *, path exact /login, all methods",
            "6. all: host *, path prefix /, all methods",
        ]
    );
    let ranked = table.order().nth(1).expect("there are six");
    assert_eq!(
        (ranked.place(), ranked.route(), ranked.name()),
        (2, 1, "late")
    );
}
