//! A GET that nothing is found in allocates nothing, once the worker has the memory that it needs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and says what it skipped"
)]

use std::sync::Arc;
use std::time::SystemTime;

use waf::{CompileOptions, Connection, Mode, RuleSet, Scratch, Transaction};

const HEADERS: &[(&str, &str)] = &[
    ("Host", "shop.example.com"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("Accept", "text/html,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.9"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://shop.example.com/garden"),
    (
        "Cookie",
        "session=0123456789abcdef; _ga=GA1.2.1.2; theme=dark",
    ),
    ("Cache-Control", "max-age=0"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
];

/// The CRS where it is at hand, else rules that work as its do.
fn rules() -> RuleSet {
    let crs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/waf/crs");
    let document = if crs.exists() {
        let path =
            std::env::temp_dir().join(format!("waf-allocations-{}.conf", std::process::id()));
        let text = format!(
            "SecRuleEngine On\nInclude {0}/crs-setup.conf.example\nInclude {0}/rules/*.conf\n",
            crs.display()
        );
        std::fs::write(&path, text).unwrap();
        let document = seclang::load(&[&path], &seclang::FsLoader).unwrap();
        std::fs::remove_file(path).unwrap();
        document
    } else {
        println!("the CRS is not at hand: a few rules stand for it");
        let text = "SecAction \"id:1,phase:1,pass,nolog,setvar:tx.level=1,setvar:tx.score=0\"\n\
            SecRule ARGS|REQUEST_COOKIES \"@rx (?i)union\\s+select\" \
            \"id:2,phase:2,deny,t:none,t:urlDecodeUni,log,setvar:tx.score=+5\"\n\
            SecRule REQUEST_HEADERS_NAMES \"@rx ^.*$\" \
            \"id:3,phase:1,pass,nolog,capture,t:lowercase,setvar:tx.name_%{tx.0}=/%{tx.0}/,chain\"\n\
            SecRule TX:/^name_/ \"@within /proxy/\" \"setvar:tx.score=+1\"\n";
        seclang::parse_str("rules", text).unwrap()
    };
    RuleSet::compile(&[document], &CompileOptions::default()).unwrap()
}

fn run(transaction: &mut Transaction, rules: &Arc<RuleSet>, scratch: &mut Scratch, number: u32) {
    let connection = Connection {
        client: ([192, 0, 2, 10], 40000).into(),
        server: ([192, 0, 2, 1], 80).into(),
        time: SystemTime::UNIX_EPOCH,
        unique_id: "b5a1c2d3e4f50617",
    };
    transaction.reset(Arc::clone(rules), &connection, Mode::Block);
    // Another value in every request, of the same length.
    let mut target = *b"/garden/list?q=river+0000000&page=7";
    let digits = &mut target[21..28];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    transaction.request_line(b"GET", &target, b"HTTP/1.1");
    for (name, value) in HEADERS {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    assert!(transaction.process_request_headers(scratch).is_none());
    assert!(transaction.process_request_body(scratch).is_none());
    transaction.response_status(200, b"HTTP/1.1");
    transaction.response_header(b"Content-Type", b"text/html");
    assert!(transaction.process_response_headers(scratch).is_none());
    assert!(transaction.finish(scratch).is_none());
}

#[test]
fn a_warm_get_allocates_nothing() {
    let rules = Arc::new(rules());
    let mut scratch = Scratch::new();
    let connection = Connection {
        client: ([192, 0, 2, 10], 40000).into(),
        server: ([192, 0, 2, 1], 80).into(),
        time: SystemTime::UNIX_EPOCH,
        unique_id: "",
    };
    let mut transaction = Transaction::new(Arc::clone(&rules), &connection, Mode::Block);
    // The memory of verdicts grows to its size, and then goes round.
    for number in 0..40_000 {
        run(&mut transaction, &rules, &mut scratch, number);
    }
    let count = allocation_counter::measure(|| {
        for number in 40_000..41_000 {
            run(&mut transaction, &rules, &mut scratch, number);
        }
    });
    assert_eq!(
        (count.count_total, count.bytes_total),
        (0, 0),
        "of a thousand requests"
    );
}
