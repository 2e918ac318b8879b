//! Request bodies on the way through the rules: forms, multipart, JSON and text. The gates change no verdict. The first
//! byte chooses the kind and how the body is cut.
#![no_main]

#[path = "common/waf.rs"]
mod common;

use common::{Request, Sets};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use waf::Scratch;

const KINDS: [&[u8]; 4] = [
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"application/json",
    b"text/plain",
];

thread_local! {
    static WORKER: RefCell<(Sets, Scratch)> = RefCell::new((Sets::compile(), Scratch::new()));
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let request = Request {
        method: b"POST",
        target: b"/x",
        protocol: b"HTTP/1.1",
        headers: vec![
            (b"Host", b"example.com"),
            (b"Content-Type", KINDS[usize::from(choice) % KINDS.len()]),
        ],
        body,
        piece: 1 + usize::from(choice) * 4,
    };
    WORKER.with_borrow_mut(|(sets, scratch)| sets.compare(&request, scratch));
});
