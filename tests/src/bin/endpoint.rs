//! An endpoint in a process of its own: `endpoint ADDRESS NAME DELAY_MS`. It answers every request with its name after
//! the delay, until it is killed.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of tests"
)]

use bascule_tests::{Origin, Reply};
use std::io::Write as _;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name, delay_ms] = arguments.as_slice() else {
        panic!("usage: endpoint ADDRESS NAME DELAY_MS");
    };
    let (name, delay) = (
        name.clone(),
        Duration::from_millis(delay_ms.parse().unwrap()),
    );
    let _origin = Origin::serve_on(address.parse().unwrap(), move |_| {
        std::thread::sleep(delay);
        Reply::ok(&name)
    });
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}
