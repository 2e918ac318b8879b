//! Rule files are loaded with what they include and name, and compiled, or refused with a place and a reason; what
//! compiles runs, with and without gates, to the same verdict. Behind the first NUL is what every other file holds.
#![no_main]

#[allow(dead_code, reason = "other targets use the rest")]
#[path = "common/waf.rs"]
mod common;

use common::Request;
use libfuzzer_sys::fuzz_target;
use seclang::Loader;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use waf::{CompileOptions, RuleSet, Scratch};

/// Databases of large files take seconds: nothing is learned from them here.
const TEXT_LIMIT_BYTES: usize = 600;

/// The rules, and the content of all other files.
struct Files<'a>(&'a str, &'a str);

impl Loader for Files<'_> {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        let is_first = path == Path::new("rules.conf");
        Ok((if is_first { self.0 } else { self.1 }).into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

fuzz_target!(|text: &str| {
    if text.len() > TEXT_LIMIT_BYTES {
        return;
    }
    let (rules, others) = text.split_once('\0').unwrap_or((text, ""));
    let document = match seclang::load(&["rules.conf"], &Files(rules, others)) {
        Ok(document) => document,
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| !error.to_string().is_empty()));
            return;
        }
    };
    let request = Request {
        method: b"POST",
        target: b"/a/b.php?a=1&b=union+select&c=%3Cscript%3E",
        protocol: b"HTTP/1.1",
        headers: vec![
            (b"Host", b"example.com"),
            (b"Cookie", b"s=1"),
            (b"Content-Type", b"application/x-www-form-urlencoded"),
        ],
        body: b"x=..%2f&y='",
        piece: 4,
    };
    let verdicts = [true, false].map(|gates| {
        let options = CompileOptions {
            gates,
            match_limit: Some(10_000),
            ..CompileOptions::default()
        };
        match RuleSet::compile(std::slice::from_ref(&document), &options) {
            Ok(rules) => Some(request.run(&Arc::new(rules), &mut Scratch::new())),
            Err(errors) => {
                assert!(errors.iter().all(|error| !error.to_string().is_empty()));
                None
            }
        }
    });
    if let [Some(gated), Some(naive)] = verdicts {
        assert_eq!(gated, naive);
    }
});
