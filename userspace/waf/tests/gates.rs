//! The gates change nothing: on generated requests the prefiltered plan and the naive evaluation match the same rules.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
mod common;

use std::sync::Arc;

use common::{Exchange, compile, form};
use proptest::prelude::*;
use waf::{CompileOptions, Mode, RuleMatch, RuleSet, Scratch, Transaction};

/// Rules of every kind that is gated, and of the kinds that are not.
const RULES: &str = r#"
SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=2"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES "@rx (?i)union\s+select" "id:10,phase:2,pass,log,t:urlDecodeUni,t:lowercase,setvar:tx.score=+1"
SecRule ARGS "@rx <script[^>]*>" "id:11,phase:2,pass,log,t:htmlEntityDecode,t:jsDecode,t:removeNulls,capture,logdata:'%{tx.0}'"
SecRule ARGS|!ARGS:safe "@pm sleep( benchmark( /etc/passwd" "id:12,phase:2,pass,log,t:normalizePath,capture,logdata:'%{tx.0}'"
SecRule ARGS "@rx [\"'`][^\"'`]*\bor\b" "id:13,phase:2,pass,log,t:replaceComments,t:compressWhitespace"
SecRule ARGS "!@rx ^[a-z0-9 =<>'\"%/.*-]*$" "id:14,phase:2,pass,log"
SecRule ARGS "@validateByteRange 32-126" "id:15,phase:2,pass,log,t:urlDecodeUni"
SecRule ARGS "@contains ../" "id:16,phase:2,pass,log,multiMatch,t:urlDecodeUni,t:base64Decode,setvar:tx.dots=+1"
SecRule ARGS "@endsWith '" "id:17,phase:2,pass,log,chain"
  SecRule MATCHED_VAR "@rx ^'" "setvar:tx.quoted=+1"
SecRule ARGS:/^a/ "@rx ^$" "id:18,phase:2,pass,log,t:trim"
SecRule ARGS:b "@streq union" "id:19,phase:2,pass,log,t:trim"
SecRule TX:level "@lt 3" "id:20,phase:2,pass,nolog,skipAfter:END"
SecRule ARGS "@rx ." "id:21,phase:2,pass,log"
SecMarker END
SecRule ARGS "@rx (?=x)x" "id:22,phase:2,pass,log"
SecRule ARGS "@rx ^(?:[a-z]{2,4}-?){1,3}$" "id:23,phase:2,pass,log,t:length"
SecRule ARGS "@within |union|select|" "id:24,phase:2,pass,log"
SecRule ARGS "@validateUrlEncoding" "id:25,phase:2,pass,log"
SecRule REQUEST_HEADERS:User-Agent|REQUEST_HEADERS "@rx (?i)sqlmap|nikto" "id:26,phase:1,pass,log"
SecRule ARGS "@rx a\z|^b$" "id:27,phase:2,pass,log"
SecRule ARGS "@streq 5" "id:28,phase:2,pass,log,t:length"
SecRule ARGS "@ge 3" "id:29,phase:2,pass,log,t:length,ctl:ruleRemoveTargetById=27;ARGS:a"
SecRule REQUEST_BODY "@rx union" "id:30,phase:2,pass,log"
SecRule ARGS "@detectSQLi" "id:31,phase:2,pass,log,t:urlDecodeUni,capture,logdata:'%{tx.0}'"
SecRule ARGS|REQUEST_HEADERS "@detectXSS" "id:32,phase:2,pass,log,t:htmlEntityDecode"
SecRule ARGS "!@detectSQLi" "id:33,phase:2,pass,log"
"#;

fn rules(gates: bool) -> Arc<RuleSet> {
    Arc::new(
        compile(
            RULES,
            &CompileOptions {
                gates,
                ..CompileOptions::default()
            },
        )
        .unwrap(),
    )
}

fn matches(rules: &Arc<RuleSet>, exchange: &Exchange, scratch: &mut Scratch) -> Vec<RuleMatch> {
    let mut transaction = Transaction::new(Arc::clone(rules), &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, scratch);
    transaction.matches().to_vec()
}

/// Pieces that rules look for, torn and mixed.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "union", " SELECT", "%20", "+", "<script", ">", "&lt;script&gt;", "\\x3cscript", "' or ", "'", "\"", "/**/", "../", "..%2f",
            "sleep(", "benchmark(", "/etc//passwd", "x", "a", "b", "\n", "\0", "Li4v", "%zz", "", "abc-", "sqlmap", "5",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn encoded(value: &[u8], raw: bool) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || (raw && byte.is_ascii_graphic() && !b"&=#?".contains(&byte))
    };
    value
        .iter()
        .map(|&byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02x}")
            }
        })
        .collect()
}

fn arguments() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "safe", "abc", "union"]);
    let argument = (name, value(), any::<bool>())
        .prop_map(|(name, value, raw)| format!("{name}={}", encoded(&value, raw)));
    prop::collection::vec(argument, 0..5).prop_map(|arguments: Vec<String>| arguments.join("&"))
}

fn exchange() -> impl Strategy<Value = Exchange> {
    (arguments(), arguments(), value()).prop_map(|(query, body, agent)| {
        form(&format!("/x?{query}"), &body).with("User-Agent", agent)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gated_and_naive_evaluation_agree(exchanges in prop::collection::vec(exchange(), 1..4)) {
        thread_local! {
            static RULES: (Arc<RuleSet>, Arc<RuleSet>) = (rules(true), rules(false));
        }
        RULES.with(|(gated, naive)| {
            let mut scratch = Scratch::new();
            for exchange in &exchanges {
                let expected = matches(naive, exchange, &mut scratch);
                for temperature in ["cold", "warm"] {
                    let found = matches(gated, exchange, &mut scratch);
                    prop_assert_eq!(&found, &expected, "{}", temperature);
                }
            }
            Ok(())
        })?;
    }
}
