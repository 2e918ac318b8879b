//! Before anything is measured: does a contestant do its work at all?

use super::case::Case;
use super::contestants::Contestant;
use super::place::Place;
use crate::failure::{Failure, Outcome};
use crate::run;
use std::net::SocketAddr;
use std::process::Command;

/// Asks for the same body twice over one connection, and looks at status, length and connections.
pub(super) fn answers_right(contestant: &Contestant, case: &Case, place: &Place) -> Outcome {
    let url = contestant.url(*case);
    let mut command = curl();
    if case.tls {
        command.args(["--tlsv1.3", "--tls-max", "1.3", "--cacert"]);
        command.arg(&place.certificate);
    }
    command
        .args([
            "--write-out",
            "%{http_code} %{size_download} %{num_connects} ",
        ])
        .args(["--output", "/dev/null", "--output", "/dev/null"])
        .args([&url, &url]);
    let found = run::output(&mut command).unwrap_or_default();
    // The second answer comes over the first one's connection.
    let expected = format!("200 {0} 1 200 {0} 0", case.body_bytes);
    if found.trim() == expected {
        return Ok(());
    }
    Err(Failure::Unexpected {
        program: format!("{}, {case}: {}", contestant.name, run::line(&command)),
        expected,
        found,
    })
}

/// How many connections and requests the backend has seen.
pub(super) fn backend_counts(backend: SocketAddr) -> Option<(f64, f64)> {
    let text = run::output(curl().arg(format!("http://{backend}/stats")))?;
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--http1.1", "--max-time", "10"]);
    command
}
