//! Many hosts.

use crate::routes::{ask, spec};
use route::Table;

fn table(hosts: usize) -> Table {
    let mut specs: Vec<_> = (0..hosts)
        .map(|n| spec(&format!("exact{n}: h{n}.example.com/")))
        .collect();
    specs.extend((0..hosts / 10).map(|n| spec(&format!("wild{n}: *.w{n}.example.org/"))));
    specs.push(spec("any: /"));
    Table::build(specs).expect("hosts are different")
}

#[test]
fn a_hundred_thousand_hosts() {
    let table = table(100_000);
    for n in (0..100_000).step_by(997) {
        assert_eq!(
            ask(&table, &format!("GET h{n}.example.com/x")),
            format!("exact{n}")
        );
    }
    assert_eq!(ask(&table, "GET a.b.w9999.example.org/"), "wild9999");
    assert_eq!(ask(&table, "GET w9999.example.org/"), "any");
    assert_eq!(ask(&table, "GET h100000.example.com/"), "any");
}

#[test]
fn a_host_of_many_labels_costs_no_more_than_the_wildcards_have() {
    let table = table(100);
    let deep = "a.".repeat(120) + "w7.example.org";
    assert_eq!(ask(&table, &format!("GET {deep}/")), "wild7");
    assert_eq!(ask(&table, &format!("GET {}org/", "a.".repeat(125))), "any");
}
