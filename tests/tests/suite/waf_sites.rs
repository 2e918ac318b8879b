//! Many sites on one set of rules: each with its own exclusions, in little memory, however often they are loaded again.

use bascule_tests::{Bascule, Origin, Setup, within};
use std::fmt::Write;
use std::time::Duration;

/// Rules with some weight: each site for itself would be felt.
fn rules(word: &str) -> String {
    let mut text = "SecRuleEngine On\n".to_owned();
    for id in 1..=300 {
        let _ = writeln!(
            text,
            "SecRule ARGS \"@rx (?i){word}{id}(?:a|bc|def){{1,20}}evil\" \"id:{id},phase:1,deny,status:403,msg:'x',tag:'attack-{}'\"",
            id % 7
        );
    }
    text
}

/// Sites with five exclusions each; site N does not run rule N+1.
fn yaml(sites: usize, round: usize) -> String {
    let mut policies = "waf:\n".to_owned();
    let mut routes = "routes:\n".to_owned();
    for site in 0..sites {
        let _ = writeln!(
            policies,
            "  site{site}: {{ rules: own.conf, exclude: {{ ids: [{}, {}-{}], tags: [none{round}], targets: [{{ rule: 1-300, target: 'ARGS:field{site}' }}, {{ rule: 1-300, target: 'ARGS:round{round}' }}] }} }}",
            site + 1,
            250 + site % 10,
            251 + site % 10,
        );
        let _ = writeln!(
            routes,
            "  - {{ host: site{site}.test, path: /, waf: site{site}, upstream: app }}"
        );
    }
    format!("{policies}{routes}upstreams: {{ app: {{ endpoints: [$app] }} }}\n")
}

fn status(bascule: &Bascule, site: usize, query: &str) -> u16 {
    let host = format!("site{site}.test");
    let mut client = bascule.client();
    client.send(format!("GET /?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.answer().status
}

fn check(bascule: &Bascule, word: &str) {
    for (site, query, expected) in [
        (0, "a=W1aevil", 200),
        (0, "a=W2aevil", 403),
        (1, "a=W1aevil", 403),
        (1, "a=W2aevil", 200),
        (1, "field1=W1aevil", 200),
        (1, "field0=W1aevil", 403),
        (9, "a=W259aevil", 200),
        (8, "a=W257aevil", 403),
    ] {
        let query = query.replace('W', word);
        assert_eq!(
            status(bascule, site, &query),
            expected,
            "site {site}: {query}"
        );
    }
}

fn is_complete(bascule: &Bascule, sites: usize) -> bool {
    bascule.metrics().sum("bascule_waf_complete", &[]) >= sites as f64
}

#[test]
fn each_site_has_its_own_exclusions_and_reloads_do_not_grow() {
    const SITES: usize = 30;
    let origin = Origin::echo();
    let mut bascule = Setup::new()
        .with("app", origin.address())
        .file("own.conf", rules("red"))
        .start(&yaml(SITES, 0));
    check(&bascule, "red");
    // The thread that compiles gives way to everybody else.
    let done = || is_complete(&bascule, SITES).then_some(());
    within(Duration::from_secs(300), done).unwrap();
    let mut before = 0;
    for round in 1..=230 {
        bascule.reload(&yaml(SITES, round));
        if round % 50 == 0 {
            check(&bascule, "red");
        }
        if round == 30 {
            before = bascule.memory();
        }
    }
    check(&bascule, "red");
    assert!(is_complete(&bascule, SITES), "nothing was compiled again");
    let after = bascule.memory();
    let grown = after.saturating_sub(before) >> 20;
    assert!(grown < 8, "from {} to {} MiB", before >> 20, after >> 20);
}
