//! Request lines and fields on the way through the rules, as bytes that nobody has looked at before. The gates change
//! no verdict. The first byte is left out; the first line is the request line, each other one a field.
#![no_main]

#[path = "common/waf.rs"]
mod common;

use common::{Request, Sets};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use waf::Scratch;

thread_local! {
    static WORKER: RefCell<(Sets, Scratch)> = RefCell::new((Sets::compile(), Scratch::new()));
}

fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |&byte| byte == at);
    let first = parts.next().unwrap_or_default();
    (first, parts.next().unwrap_or_default())
}

fuzz_target!(|input: &[u8]| {
    let (line, fields) = cut(input.get(1..).unwrap_or_default(), b'\n');
    let (method, rest) = cut(line, b' ');
    let (target, protocol) = cut(rest, b' ');
    let request = Request {
        method,
        target,
        protocol,
        headers: fields
            .split(|&byte| byte == b'\n')
            .map(|field| cut(field, b':'))
            .collect(),
        body: b"",
        piece: 1,
    };
    WORKER.with_borrow_mut(|(sets, scratch)| sets.compare(&request, scratch));
});
