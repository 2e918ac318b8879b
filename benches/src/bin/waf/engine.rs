//! Our engine on one thread, and the clock of that thread.

use crate::workload::Request;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use waf::{CompileOptions, Connection, Intervention, Mode, RuleSet, Scratch, Transaction};

/// CPU nanoseconds of this thread so far.
pub(crate) fn cpu_nanoseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

pub(crate) struct Engine {
    rules: Arc<RuleSet>,
    scratch: Scratch,
    transaction: Transaction,
}

fn connection() -> Connection<'static> {
    Connection {
        client: ([192, 0, 2, 10], 40000).into(),
        server: ([192, 0, 2, 1], 80).into(),
        time: SystemTime::UNIX_EPOCH,
        unique_id: "b5a1c2d3e4f50617",
    }
}

impl Engine {
    /// Compiles rules; databases are kept in `cache`.
    pub(crate) fn new(rules: &Path, cache: PathBuf) -> Result<Engine, String> {
        let documents = [
            seclang::load(&[rules], &seclang::FsLoader).map_err(|errors| {
                let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
                texts.join("\n")
            })?,
        ];
        let options = CompileOptions {
            databases: Some(Arc::new(waf::DirectoryCache::new(cache))),
            ..CompileOptions::default()
        };
        let rules = RuleSet::compile(&documents, &options).map_err(|errors| {
            let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            texts.join("\n")
        })?;
        let rules = Arc::new(rules);
        Ok(Engine {
            transaction: Transaction::new(Arc::clone(&rules), &connection(), Mode::Block),
            rules,
            scratch: Scratch::new(),
        })
    }

    pub(crate) fn stats(&self) -> waf::Stats {
        self.rules.stats()
    }

    /// One request through all phases: the status of the intervention, 0 for none.
    pub(crate) fn run(&mut self, request: &Request) -> u16 {
        let (transaction, scratch) = (&mut self.transaction, &mut self.scratch);
        transaction.reset(Arc::clone(&self.rules), &connection(), Mode::Block);
        transaction.request_line(
            request.method.as_bytes(),
            request.target.as_bytes(),
            b"HTTP/1.1",
        );
        for (name, value) in &request.fields {
            transaction.request_header(name.as_bytes(), value.as_bytes());
        }
        let mut said = transaction.process_request_headers(scratch);
        if said.is_none() {
            if !request.body.is_empty() {
                said = transaction.request_body(&request.body);
            }
            if said.is_none() {
                said = transaction.process_request_body(scratch);
            }
        }
        if said.is_none() {
            transaction.response_status(200, b"HTTP/1.1");
            transaction.response_header(b"Content-Type", b"text/html");
            transaction.response_header(b"Content-Length", b"1024");
            said = transaction.process_response_headers(scratch);
        }
        let record = transaction.finish(scratch);
        std::hint::black_box(&record);
        match said {
            Intervention::None => 0,
            Intervention::Deny { status, .. } | Intervention::Redirect { status, .. } => status,
            Intervention::Drop { .. } => 444,
            Intervention::Fail(_) => 503,
        }
    }

    /// The rules that matched in the last request.
    pub(crate) fn matched(&self) -> Vec<String> {
        let matches = self.transaction.matches().iter();
        matches.map(|found| found.rule.to_string()).collect()
    }

    /// Work of the last request, as the work limit counts it.
    pub(crate) fn work(&self) -> u64 {
        self.transaction.work()
    }

    /// Nanoseconds of a request, each with nothing remembered of earlier ones.
    pub(crate) fn cold(&mut self, requests: &[Request], count: usize) -> f64 {
        let mut spent = 0;
        for request in requests.iter().cycle().take(count) {
            self.scratch.forget();
            let before = cpu_nanoseconds();
            std::hint::black_box(self.run(request));
            spent += cpu_nanoseconds() - before;
        }
        spent as f64 / count as f64
    }

    /// Nanoseconds of a request in a stream that begins with nothing remembered.
    pub(crate) fn warm(&mut self, requests: &[Request]) -> f64 {
        self.scratch.forget();
        let before = cpu_nanoseconds();
        for request in requests {
            std::hint::black_box(self.run(request));
        }
        (cpu_nanoseconds() - before) as f64 / requests.len() as f64
    }
}
