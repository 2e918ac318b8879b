//! Collections that outlive a transaction.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{Exchange, get};
use waf::{
    CollectionLimits, Collections, CompileOptions, Connection, Intervention, Mode, RuleSet,
    Scratch, Transaction,
};

/// Rules with collections of their own, and a clock that the test turns.
struct Site {
    rules: Arc<RuleSet>,
    now: u64,
}

impl Site {
    fn new(rules: &str) -> Site {
        Site::sharing(rules, &Arc::new(Collections::default()))
    }

    fn sharing(rules: &str, collections: &Arc<Collections>) -> Site {
        let rules = common::compile(rules, &CompileOptions::default())
            .unwrap_or_else(|errors| panic!("the test's rules do not compile: {errors:?}"))
            .with_collections(Arc::clone(collections));
        Site {
            rules: Arc::new(rules),
            now: 1_000_000,
        }
    }

    /// Goes through all phases; the verdict and the `logdata` of the last rule that matched.
    fn given(&self, exchange: &Exchange) -> (Intervention, String) {
        let connection = Connection {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(self.now),
            ..exchange.connection()
        };
        let mut transaction = Transaction::new(Arc::clone(&self.rules), &connection, Mode::Block);
        exchange.run(&mut transaction, &mut Scratch::new());
        let data = transaction.matches().last();
        (
            transaction.intervention().clone(),
            data.map(|matched| matched.data.clone()).unwrap_or_default(),
        )
    }

    fn shows(&self, exchange: &Exchange) -> String {
        self.given(exchange).1
    }

    fn blocks(&self, exchange: &Exchange) -> bool {
        !self.given(exchange).0.is_none()
    }
}

fn from(address: [u8; 4]) -> Exchange {
    Exchange {
        client: address.into(),
        ..get("/")
    }
}

const COUNT: &str = r#"
    SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.count=+1,expirevar:ip.count=60"
    SecRule IP:COUNT "@gt 3" "id:2,phase:1,deny,status:429"
"#;

#[test]
fn a_rule_counts_by_address_and_the_count_expires() {
    let mut site = Site::new(COUNT);
    let (one, other) = (from([192, 0, 2, 1]), from([192, 0, 2, 2]));
    for _ in 0..3 {
        assert!(!site.blocks(&one));
    }
    assert!(site.blocks(&one));
    assert!(!site.blocks(&other));
    site.now += 59;
    assert!(site.blocks(&one), "every request puts the end off");
    site.now += 60;
    assert!(!site.blocks(&one));
}

#[test]
fn counts_are_shared_by_workers_and_outlive_a_reload() {
    let collections = Arc::new(Collections::default());
    let rules = COUNT.replace("@gt 3", "@gt 400");
    let site = Site::sharing(&rules, &collections);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert!(!site.blocks(&from([192, 0, 2, 1])));
                }
            });
        }
    });
    let reloaded = Site::sharing(&rules, &collections);
    assert!(reloaded.blocks(&from([192, 0, 2, 1])));
    assert!(!Site::new(&rules).blocks(&from([192, 0, 2, 1])));
}

const SHOW: &str = r#"
    SecAction "id:9,phase:5,pass,log,logdata:'%{ip.is_new} %{ip.key} %{ip.create_time} %{ip.last_update_time} %{ip.update_counter} %{ip.update_rate} %{ip.timeout} %{ip.n}'"
"#;

#[test]
fn a_collection_knows_about_itself() {
    let mut site = Site::new(&format!(
        "SecCollectionTimeout 600\n
         SecAction \"id:1,phase:1,pass,nolog,initcol:ip=%{{REMOTE_ADDR}},initcol:ip=ignored\"
         SecRule ARGS:n \"@rx .\" \"id:2,phase:1,pass,nolog,setvar:ip.n=%{{args.n}},setvar:ip.m=+1\"
         {SHOW}"
    ));
    let write = Exchange {
        target: b"/?n=x".to_vec(),
        ..get("/")
    };
    // What was opened and never written to is not kept.
    assert_eq!(
        site.shows(&get("/")),
        "1 192.0.2.1 1000000 1000000 0 0 600 "
    );
    assert_eq!(site.rules.collections().stats().records, 0);
    assert_eq!(site.shows(&write), "1 192.0.2.1 1000000 1000000 1 0 600 x");
    site.now += 30;
    assert_eq!(site.shows(&write), "0 192.0.2.1 1000000 1000030 2 4 600 x");
    site.now += 30;
    assert_eq!(
        site.shows(&get("/")),
        "0 192.0.2.1 1000000 1000030 2 2 600 x"
    );
    // From the last change on, not from the last look.
    site.now = 1_000_630;
    assert_eq!(
        site.shows(&get("/")),
        "1 192.0.2.1 1000630 1000630 0 0 600 "
    );
}

#[test]
fn a_rule_can_change_how_long_a_record_lives() {
    let mut site = Site::new(&format!(
        "SecAction \"id:1,phase:1,pass,nolog,initcol:ip=%{{REMOTE_ADDR}}\"
         SecRule &ARGS \"@gt 0\" \"id:2,phase:1,pass,nolog,setvar:ip.n=1,setvar:ip.timeout=10\"
         {SHOW}"
    ));
    site.shows(&Exchange {
        target: b"/?n".to_vec(),
        ..get("/")
    });
    site.now += 9;
    assert!(site.shows(&get("/")).ends_with(" 10 1"));
    site.now += 1;
    assert!(site.shows(&get("/")).ends_with(" 3600 "));
}

#[test]
fn sessions_users_and_resources_belong_to_an_application() {
    let collections = Arc::new(Collections::default());
    let rules = |application: &str| {
        format!(
            r#"SecWebAppId {application}
            SecAction "id:1,phase:1,pass,nolog,setsid:%{{request_cookies.sid}},setuid:%{{args.user}},setrsc:%{{request_filename}},initcol:global=all"
            SecAction "id:2,phase:1,pass,nolog,setvar:session.n=+1,setvar:user.n=+2,setvar:resource.n=+3,setvar:global.n=+4"
            SecAction "id:9,phase:5,pass,log,logdata:'%{{sessionid}} %{{userid}} %{{session.n}} %{{user.n}} %{{resource.n}} %{{global.n}} %{{webappid}}'""#
        )
    };
    let exchange = Exchange {
        target: b"/a?user=me".to_vec(),
        ..get("/").with("Cookie", "sid=s1")
    };
    let (first, second) = (
        Site::sharing(&rules("one"), &collections),
        Site::sharing(&rules("two"), &collections),
    );
    assert_eq!(first.shows(&exchange), "s1 me 1 2 3 4 one");
    assert_eq!(first.shows(&exchange), "s1 me 2 4 6 8 one");
    assert_eq!(second.shows(&exchange), "s1 me 1 2 3 12 two");
    // Without a key nothing is opened, and nothing is written.
    assert_eq!(first.shows(&get("/a")), "    9 16 one");
}

#[test]
fn what_is_not_open_is_not_written_and_not_there() {
    let site = Site::new(
        r#"SecAction "id:1,phase:1,pass,nolog,setvar:ip.n=1,expirevar:ip.n=5,deprecatevar:ip.n=1/1"
           SecRule &IP "@gt 0" "id:2,phase:1,deny"
           SecRule IP:n "!@eq 7" "id:3,phase:1,deny""#,
    );
    assert!(!site.blocks(&get("/")));
    assert_eq!(site.rules.collections().stats().records, 0);
}

#[test]
fn variables_are_unset_selected_and_fade() {
    let mut site = Site::new(
        r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=x,deprecatevar:ip.score=10/60"
           SecRule ARGS:score "@rx .*" "id:2,phase:1,pass,nolog,capture,setvar:ip.score=+%{tx.0},setvar:ip.%{args.score}_name=1"
           SecRule ARGS:unset "." "id:3,phase:1,pass,nolog,setvar:!ip.score"
           SecRule IP:/_NAME$/ "@eq 1" "id:4,phase:2,pass,log,logdata:'%{matched_var_name} %{ip.score}'""#,
    );
    let to = |target: &str| Exchange {
        target: target.into(),
        ..get("/")
    };
    assert_eq!(site.shows(&to("/?score=35")), "IP:35_name 35");
    site.now += 59;
    assert_eq!(site.shows(&to("/")), "IP:35_name 35");
    site.now += 61;
    assert_eq!(site.shows(&to("/")), "IP:35_name 15");
    site.now += 600;
    assert_eq!(site.shows(&to("/")), "IP:35_name 0");
    assert_eq!(site.shows(&to("/?unset=1")), "IP:35_name ");
}

#[test]
fn many_addresses_stay_within_the_limits() {
    let limits = CollectionLimits {
        records: 320,
        ..CollectionLimits::default()
    };
    let collections = Arc::new(Collections::new(limits));
    let site = Site::sharing(COUNT, &collections);
    for high in 0..8 {
        for low in 0..=255 {
            site.given(&from([10, 0, high, low]));
        }
    }
    let stats = collections.stats();
    assert!(stats.records <= 320 && stats.evicted >= 1700, "{stats:?}");
    // Keys of any length cost the same.
    let long = "k".repeat(100_000);
    let rules = "SecAction \"id:1,phase:1,pass,nolog,setsid:%{args.k},setvar:session.n=+1\"\nSecRule SESSION:n \"@gt 1\" \"id:2,phase:1,deny\"";
    let site = Site::sharing(rules, &collections);
    for (target, blocked) in [(&long[..], false), (&long[1..], false), (&long[..], true)] {
        let exchange = Exchange {
            target: format!("/?k={target}").into_bytes(),
            ..get("/")
        };
        assert_eq!(site.blocks(&exchange), blocked);
    }
    assert!(collections.stats().bytes < 320 * 1024);
}

#[test]
fn rules_are_tried_out_without_a_trace() {
    let site = Site::new(COUNT);
    let exchange = from([192, 0, 2, 1]);
    let apart = Arc::new(site.rules.apart());
    for _ in 0..5 {
        let connection = exchange.connection();
        let mut transaction = Transaction::new(Arc::clone(&apart), &connection, Mode::Block);
        exchange.run(&mut transaction, &mut Scratch::new());
    }
    let records = |rules: &RuleSet| rules.collections().stats().records;
    assert_eq!((records(&site.rules), records(&apart)), (0, 1));
}
