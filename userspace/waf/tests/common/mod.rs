//! The language of the tests: rules, a request, what is expected.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)] // These are tests.
#![allow(dead_code, missing_docs, unreachable_pub)] // Each test file uses its part.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use waf::{
    AuditRecord, CompileError, CompileOptions, Connection, Intervention, Mode, RuleMatch, RuleSet,
    Scratch, Transaction,
};

/// Where the reference data lies: `BASCULE_SHARED`, else the folder `shared` beside the workspace.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("BASCULE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        Some(path)
    } else {
        println!("skipped: reference data not found ({})", path.display());
        None
    }
}

/// A request, and the response that a backend would give.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    pub target: Vec<u8>,
    pub protocol: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub client: std::net::IpAddr,
    pub status: u16,
    pub response_headers: Vec<(String, String)>,
    pub response_body: Vec<u8>,
}

pub fn get(target: &str) -> Exchange {
    Exchange {
        method: "GET".into(),
        target: target.into(),
        protocol: "HTTP/1.1".into(),
        headers: vec![("Host".into(), b"example.com".to_vec())],
        body: Vec::new(),
        client: [192, 0, 2, 1].into(),
        status: 200,
        response_headers: Vec::new(),
        response_body: Vec::new(),
    }
}

pub fn post(target: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Exchange {
    Exchange {
        method: "POST".into(),
        body: body.into(),
        ..get(target)
    }
    .with("Content-Type", content_type)
}

pub fn form(target: &str, body: &str) -> Exchange {
    post(target, "application/x-www-form-urlencoded", body)
}

/// What a worker with this memory says of an exchange.
pub fn verdict(
    rules: &Arc<RuleSet>,
    exchange: &Exchange,
    scratch: &mut Scratch,
) -> (Vec<RuleMatch>, Intervention) {
    let mut transaction = Transaction::new(Arc::clone(rules), &exchange.connection(), Mode::Block);
    exchange.run(&mut transaction, scratch);
    let intervention = transaction.intervention().clone();
    (transaction.matches().to_vec(), intervention)
}

impl Exchange {
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Exchange {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn answered(mut self, status: u16, content_type: &str, body: &str) -> Exchange {
        self.status = status;
        self.response_headers
            .push(("Content-Type".into(), content_type.into()));
        self.response_body = body.into();
        self
    }

    /// Takes this exchange through all phases, as a proxy would.
    pub fn run(&self, transaction: &mut Transaction, scratch: &mut Scratch) -> Option<AuditRecord> {
        self.run_phases(transaction, scratch);
        transaction.finish(scratch)
    }

    fn run_phases(&self, transaction: &mut Transaction, scratch: &mut Scratch) {
        transaction.request_line(
            self.method.as_bytes(),
            &self.target,
            self.protocol.as_bytes(),
        );
        for (name, value) in &self.headers {
            transaction.request_header(name.as_bytes(), value);
        }
        if !transaction.process_request_headers(scratch).is_none() {
            return;
        }
        if transaction.wants_request_body() {
            for chunk in self.body.chunks(1000) {
                if !transaction.request_body(chunk).is_none() {
                    return;
                }
            }
        }
        if !transaction.process_request_body(scratch).is_none() {
            return;
        }
        transaction.response_status(self.status, b"HTTP/1.1");
        for (name, value) in &self.response_headers {
            transaction.response_header(name.as_bytes(), value.as_bytes());
        }
        if !transaction.process_response_headers(scratch).is_none() {
            return;
        }
        let content_type = self
            .response_headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if transaction.wants_response_body(content_type.map(|(_, value)| value.as_bytes())) {
            transaction.response_body(&self.response_body);
            transaction.process_response_body(scratch);
        }
    }

    pub fn connection<'a>(&self) -> Connection<'a> {
        Connection {
            client: (self.client, 40_000).into(),
            server: ([192, 0, 2, 80], 8080).into(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_323_200),
            unique_id: "test-1",
        }
    }
}

/// Rules that stand in a text, compiled with and without gates: every test runs both and they must agree.
pub struct Site {
    gated: Arc<RuleSet>,
    exact: Arc<RuleSet>,
    mode: Mode,
}

pub fn compile(rules: &str, options: &CompileOptions) -> Result<RuleSet, Vec<CompileError>> {
    let document = seclang::parse_str("test.conf", rules)
        .unwrap_or_else(|problems| panic!("the test's rules do not parse: {problems:?}"));
    RuleSet::compile(&[document], options)
}

/// A site with these rules.
pub fn site(rules: &str) -> Site {
    site_with(rules, &CompileOptions::default())
}

pub fn site_with(rules: &str, options: &CompileOptions) -> Site {
    let compiled = |gates| {
        let rules = compile(
            rules,
            &CompileOptions {
                gates,
                ..options.clone()
            },
        );
        Arc::new(
            rules.unwrap_or_else(|errors| panic!("the test's rules do not compile: {errors:?}")),
        )
    };
    Site {
        gated: compiled(true),
        exact: compiled(false),
        mode: Mode::Block,
    }
}

impl Site {
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Site {
        self.mode = mode;
        self
    }

    /// What the rules make of an exchange.
    pub fn given(&self, exchange: Exchange) -> Outcome {
        let run = |rules: &Arc<RuleSet>, scratch: &mut Scratch| {
            let mut transaction =
                Transaction::new(Arc::clone(rules), &exchange.connection(), self.mode);
            let record = exchange.run(&mut transaction, scratch);
            Outcome {
                intervention: transaction.intervention().clone(),
                matches: transaction.matches().to_vec(),
                error: transaction.error(),
                record,
            }
        };
        let mut scratch = Scratch::new();
        let first = run(&self.gated, &mut scratch);
        // A second time, with warm caches, and without gates: the same.
        let warm = run(&self.gated, &mut scratch);
        assert_eq!(
            first.summary(),
            warm.summary(),
            "a warm cache changes the verdict"
        );
        let exact = run(&self.exact, &mut scratch);
        assert_eq!(
            first.summary(),
            exact.summary(),
            "the gates change the verdict"
        );
        first
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub intervention: Intervention,
    pub matches: Vec<RuleMatch>,
    pub error: Option<waf::EngineError>,
    pub record: Option<AuditRecord>,
}

impl Outcome {
    fn summary(&self) -> (Intervention, Vec<RuleMatch>, Option<waf::EngineError>) {
        (self.intervention.clone(), self.matches.clone(), self.error)
    }

    pub fn ids(&self) -> Vec<u64> {
        self.matches.iter().map(|matched| matched.rule).collect()
    }

    #[track_caller]
    pub fn expect_blocked_by(self, id: u64) -> Outcome {
        match self.intervention {
            Intervention::Deny {
                rule: Some(rule), ..
            }
            | Intervention::Drop { rule }
            | Intervention::Redirect { rule, .. } => {
                assert_eq!(rule, id, "blocked by another rule");
            }
            _ => panic!(
                "expected {id} to block, but: {:?} after {:?}",
                self.intervention,
                self.ids()
            ),
        }
        self
    }

    #[track_caller]
    pub fn expect_status(self, expected: u16) -> Outcome {
        match self.intervention {
            Intervention::Deny { status, .. } | Intervention::Redirect { status, .. } => {
                assert_eq!(status, expected);
            }
            _ => panic!("expected status {expected}, but: {:?}", self.intervention),
        }
        self
    }

    #[track_caller]
    pub fn expect_passed(self) -> Outcome {
        assert_eq!(
            self.intervention,
            Intervention::None,
            "after {:?}",
            self.ids()
        );
        self
    }

    /// The logged rules that matched, in order.
    #[track_caller]
    pub fn expect_matched(self, ids: &[u64]) -> Outcome {
        assert_eq!(self.ids(), ids);
        self
    }

    /// The `logdata` of a rule that matched.
    #[track_caller]
    pub fn expect_data(self, id: u64, data: &str) -> Outcome {
        let matched = self.matches.iter().find(|matched| matched.rule == id);
        let matched = matched.unwrap_or_else(|| panic!("{id} did not match: {:?}", self.ids()));
        assert_eq!(matched.data, data);
        self
    }
}
