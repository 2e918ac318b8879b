//! Before anything is measured: does a contestant do its work at all?

use super::case::Case;
use super::contestants::{Contestant, Rules};
use super::place::Place;
use crate::failure::{Failure, Outcome};
use crate::run;
use std::net::SocketAddr;
use std::process::Command;

/// What every rule set recognises.
const ATTACK: &str = "?id=1%27%20UNION%20SELECT%20username%2Cpassword%20FROM%20users--%20";

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

/// Whether rules are in force where they should be, and nowhere else: an injection of SQL is refused by those who have them.
pub(super) fn refuses_attacks(contestant: &Contestant) -> Outcome {
    let mut command = curl();
    // As a browser would send it, so that nothing but the attack is conspicuous.
    command
        .args(["--write-out", "%{http_code}", "--output", "/dev/null"])
        .args(["--user-agent", "Mozilla/5.0", "--header", "Accept: */*"])
        .args(["--header", "Host: shop.example.com"])
        .arg(format!("{}{ATTACK}", contestant.url(Case::BROWSER)));
    let found = run::output(&mut command).unwrap_or_default();
    let expected = match contestant.rules {
        Rules::None => "200",
        Rules::Shipped | Rules::Crs => "403",
    };
    if found.trim() == expected {
        return Ok(());
    }
    Err(Failure::Unexpected {
        program: format!("{}: {}", contestant.name, run::line(&command)),
        expected: expected.to_owned(),
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
