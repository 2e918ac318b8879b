//! Whatever bytes arrive, the engine answers and does not panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::sync::Arc;

use common::{Exchange, compile, get};
use proptest::prelude::*;
use waf::{CompileOptions, Mode, RuleSet, Scratch, Transaction};

/// Rules that look at everything, through every kind of body and transformation.
fn rules() -> Arc<RuleSet> {
    let transformations: String = seclang::ast::Transformation::ALL
        .iter()
        .filter(|name| name.name() != "none")
        .map(|name| format!(",t:{name}"))
        .collect();
    let rules = format!(
        r#"SecResponseBodyAccess On
        SecAuditEngine On
        SecRule REQUEST_HEADERS:Content-Type "@rx json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
        SecRule REQUEST_HEADERS:Content-Type "@rx xml" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
        SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS|REQUEST_HEADERS_NAMES|REQUEST_COOKIES|REQUEST_COOKIES_NAMES|FILES|FILES_NAMES|XML:/*|XML://@*|MULTIPART_PART_HEADERS|REQUEST_BODY|REQUEST_URI|REQUEST_URI_RAW|REQUEST_FILENAME|REQUEST_BASENAME|REQUEST_LINE|QUERY_STRING "@rx ([a-z]+).?" "id:3,phase:2,pass,log,capture,logdata:'%{{tx.1}} %{{matched_var}}',setvar:'tx.seen_%{{tx.0}}=+1'{transformations}"
        SecRule ARGS|FULL_REQUEST|FILES_SIZES|RESPONSE_HEADERS "!@validateUtf8Encoding" "id:4,phase:2,pass,log,multiMatch,t:urlDecodeUni,t:jsDecode"
        SecRule RESPONSE_BODY|RESPONSE_HEADERS "@pm a b <" "id:5,phase:4,pass,log"
        SecRule REQBODY_ERROR_MSG|MULTIPART_STRICT_ERROR|AUTH_TYPE|SERVER_NAME "@unconditionalMatch" "id:6,phase:5,pass,log,logdata:'%{{matched_var}}'""#
    );
    Arc::new(compile(&rules, &CompileOptions::default()).unwrap())
}

fn bytes(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "--b",
            "\r\n",
            "--b--",
            "Content-Disposition: form-data; name=",
            "\"",
            "a",
            ";",
            "filename=",
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\\u",
            "<",
            ">",
            "</",
            "&",
            "<![CDATA[",
            "<!DOCTYPE",
            "=",
            "%",
            "://",
            "#",
            "?",
            "/",
            "..",
            " ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..limit).prop_map(|pieces| pieces.concat())
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let content_type = prop::sample::select(vec![
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=\"",
        "multipart/form-data",
        "application/json",
        "text/xml",
        "",
    ]);
    let name = "[A-Za-z-]{0,12}";
    (
        bytes(4),
        bytes(6),
        bytes(30),
        content_type,
        prop::collection::vec((name, bytes(5)), 0..4),
        bytes(6),
    )
        .prop_map(|(method, target, body, content_type, headers, response)| {
            let mut exchange =
                get("/")
                    .with("Content-Type", content_type)
                    .answered(200, "text/html", "");
            exchange.method = String::from_utf8_lossy(&method).into_owned();
            exchange.target = target;
            exchange.body = body;
            exchange.headers.extend(headers);
            exchange.response_body = response;
            exchange
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_answer(exchanges in prop::collection::vec(exchange(), 1..4)) {
        thread_local! {
            static RULES: Arc<RuleSet> = rules();
        }
        RULES.with(|rules| {
            let mut scratch = Scratch::new();
            // One transaction for all, as a connection would use it.
            let mut transaction = Transaction::new(Arc::clone(rules), &exchanges[0].connection(), Mode::Block);
            for exchange in &exchanges {
                transaction.reset(Arc::clone(rules), &exchange.connection(), Mode::Block);
                let record = exchange.run(&mut transaction, &mut scratch);
                prop_assert!(serde_json::to_string(&record).is_ok());
                prop_assert_eq!(transaction.error(), None);
            }
            Ok(())
        })?;
    }
}

#[test]
fn rule_sets_are_shared_and_transactions_move() {
    fn shared<T: Send + Sync>() {}
    fn moves<T: Send>() {}
    shared::<RuleSet>();
    moves::<Transaction>();
    moves::<Scratch>();
}
