//! A backend for the demo and the benchmarks: one thread, one epoll loop, answers made up beforehand, so that it is
//! never what limits a proxy in front of it.
//!
//! | path       | answer                                                           |
//! | ---------- | ---------------------------------------------------------------- |
//! | `/bytes/N` | N bytes of text                                                  |
//! | `/healthz` | `ok`                                                             |
//! | `/stats`   | how many connections and requests came, as JSON                  |
//! | any other  | the backend's name and the request as it was received, as JSON   |
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "it says on standard output where it listens"
)]

mod answers;
mod connection;
mod request;
mod server;

use std::net::SocketAddr;
use std::process::ExitCode;

const USAGE: &str = "usage: backend [--listen ADDRESS:PORT] [--name NAME]";

struct Options {
    listen: SocketAddr,
    name: String,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("backend: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match server::run(options.listen, &options.name) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("backend: {}: {error}", options.listen);
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 9001)),
        name: "backend".to_owned(),
    };
    while let Some(option) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("`{option}` wants a value"))?;
        match option.as_str() {
            "--listen" => {
                options.listen = value.parse().map_err(|_| {
                    format!("`{value}` is no address with a port, such as 127.0.0.1:9001")
                })?;
            }
            "--name" => options.name = value,
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    Ok(options)
}
