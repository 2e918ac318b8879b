//! What the demo shows, step by step.

use super::place::Side::{Client, Gateway};
use super::show::{Answer, Show};
use super::site::BACKENDS;
use super::stage::Stage;
use crate::failure::Outcome;
use crate::undo::Undo;

/// curl's exit code when nothing came in time: what a client of a dropped address sees.
const TIMEOUT: Option<i32> = Some(28);
/// curl's exit code when nobody listens.
const REFUSED: Option<i32> = Some(7);
/// Seconds after which a client gives up.
const PATIENCE: &str = "2";

/// Shows everything.
pub(super) fn tell(show: &mut Show, stage: &mut Stage<'_>, undo: &mut Undo) -> Outcome {
    let web = format!("http://{}", stage.site.web);
    balance(show, stage, &web);
    block(show, stage, &web);
    authenticate(show, stage, &web);
    ban(show, stage, &web);
    metrics(show, stage);
    if stage.has_gate {
        outlive(show, stage, &web, undo)?;
    }
    lift(show, stage, &web);
    Ok(())
}

fn balance(show: &mut Show, stage: &Stage<'_>, web: &str) {
    show.step("Requests are balanced over three backends");
    show.run(stage, Client, &["curl", "-s", &format!("{web}/hello")]);
    let many = format!("{web}/hello/[1-12]");
    let words = ["curl", "-s", &many];
    let answer = show.run_briefly(stage, Client, &words, |line| line.contains("\"backend\""));
    let counts = BACKENDS.map(|name| {
        let line = format!("\"backend\": \"{name}\"");
        answer.text.matches(&line).count()
    });
    let found = format!("{} + {} + {}", counts[0], counts[1], counts[2]);
    let met = counts.iter().sum::<usize>() == 12 && counts.iter().all(|count| *count > 0);
    show.expect("12 answers, some from each backend", met, &found);
}

fn block(show: &mut Show, stage: &Stage<'_>, web: &str) {
    show.step("A SQL injection is blocked, and the log names the rule");
    let url = format!("{web}/products");
    let injection = "id=1' UNION SELECT username, password FROM users--";
    let words = ["curl", "-si", "--get", "--data-urlencode", injection, &url];
    let answer = show.run(stage, Client, &words);
    expect_status(show, &answer, 403);
    let line = stage.logged("access.json", &["\"path\":\"/products\"", "\"rules\":["]);
    show.quote(line.as_deref().unwrap_or_default(), |_| true);
    let rules = line.as_deref().and_then(rules).unwrap_or_default();
    let met = rules.chars().any(|c| c.is_ascii_digit());
    show.expect("the access log names the rules that matched", met, &rules);
    let line = stage.logged("audit.json", &["/products"]);
    let found = if line.is_some() {
        "it is there"
    } else {
        "nothing"
    };
    show.expect("a record in the audit log", line.is_some(), found);
}

/// The list after `"rules":` of an access line.
fn rules(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("\"rules\":[")?;
    rest.split_once(']').map(|(rules, _)| rules.to_owned())
}

fn authenticate(show: &mut Show, stage: &Stage<'_>, web: &str) {
    show.step("/api wants an API key or a token");
    let url = format!("{web}/api/orders");
    let answer = show.run(stage, Client, &["curl", "-si", &url]);
    expect_status(show, &answer, 401);
    let key = format!("x-api-key: {}", stage.key);
    let token = format!("authorization: Bearer {}", stage.site.token);
    for (credential, status) in [
        (key, 200),
        (token, 200),
        ("x-api-key: made-up".to_owned(), 401),
    ] {
        let words = ["curl", "-si", "-H", &credential, &url];
        let first = |line: &str| line.starts_with("HTTP/") || line.contains("\"backend\"");
        let answer = show.run_briefly(stage, Client, &words, first);
        expect_status(show, &answer, status);
    }
}

fn ban(show: &mut Show, stage: &Stage<'_>, web: &str) {
    show.step(if stage.has_gate {
        "A banned client is dropped in XDP, before the kernel's network stack"
    } else {
        "A banned client is turned away when it connects"
    });
    let rogue = stage.rogue();
    let answer = ask_as(show, stage, &rogue, web);
    expect_status(show, &answer, 200);
    let before = stage.dropped();
    let words = [
        "bascule", "ban", "add", &rogue, "--ttl", "10m", "--reason", "demo",
    ];
    show.run(stage, Gateway, &words);
    expect_banned(show, stage, web);
    let answer = ask(show, stage, web);
    expect_status(show, &answer, 200);
    if stage.has_gate {
        let path = stage.kernel_path();
        show.expect("the gate is attached", path.starts_with("xdp on "), &path);
        let dropped = stage.dropped() - before;
        let expected = "the counter of dropped packets in /metrics grew";
        show.expect(expected, dropped > 0, &format!("by {dropped}"));
    }
}

fn metrics(show: &mut Show, stage: &Stage<'_>) {
    show.step("Metrics and status");
    let url = format!("http://{}/metrics", stage.site.admin);
    let interesting = [
        "bascule_requests_total{",
        "bascule_upstream_requests_total{",
        "bascule_waf_verdicts_total{",
        "bascule_auth_total{",
        "bascule_endpoint_healthy{",
    ];
    let words = ["curl", "-s", &url];
    let answer = show.run_briefly(stage, Gateway, &words, |line| {
        let counts = interesting.iter().any(|name| line.starts_with(name));
        counts || (line.starts_with("bascule_xdp_packets_total{") && !line.ends_with(" 0"))
    });
    let met = answer.text.contains("bascule_requests_total{");
    let found = format!("{} lines", answer.text.lines().count());
    show.expect(
        "counters by route, backend, verdict and reason",
        met,
        &found,
    );
    show.run(stage, Gateway, &["bascule", "status"]);
}

fn outlive(show: &mut Show, stage: &mut Stage<'_>, web: &str, undo: &mut Undo) -> Outcome {
    show.step("Killed with -9: drops go on, and are adopted when it comes back");
    println!("  gateway$ kill -9 {}", stage.pid());
    stage.kill()?;
    let answer = ask(show, stage, web);
    let expected = "nobody listens for the others";
    show.expect(expected, answer.code == REFUSED, &answer.outcome());
    let rogue = stage.rogue();
    let answer = ask_as(show, stage, &rogue, web);
    let expected = "the banned client is still dropped";
    show.expect(expected, answer.code == TIMEOUT, &answer.outcome());
    println!("  gateway$ bascule run");
    stage.start(undo)?;
    let list = show.run(stage, Gateway, &["bascule", "ban", "list"]);
    let met = list.text.contains(&rogue);
    show.expect(
        "the ban is known again",
        met,
        if met { "it is" } else { "it is not" },
    );
    expect_banned(show, stage, web);
    let answer = ask(show, stage, web);
    expect_status(show, &answer, 200);
    Ok(())
}

fn lift(show: &mut Show, stage: &Stage<'_>, web: &str) {
    show.step("A ban that is lifted");
    let rogue = stage.rogue();
    show.run(stage, Gateway, &["bascule", "ban", "del", &rogue]);
    let answer = ask_as(show, stage, &rogue, web);
    expect_status(show, &answer, 200);
}

/// One request of the client that behaves.
fn ask(show: &Show, stage: &Stage<'_>, web: &str) -> Answer {
    let words = ["curl", "-si", "--max-time", PATIENCE, web];
    show.run_briefly(stage, Client, &words, |line| line.starts_with("HTTP/"))
}

/// One request from a certain address.
fn ask_as(show: &Show, stage: &Stage<'_>, address: &str, web: &str) -> Answer {
    let words = [
        "curl",
        "-si",
        "--max-time",
        PATIENCE,
        "--interface",
        address,
        web,
    ];
    show.run_briefly(stage, Client, &words, |line| line.starts_with("HTTP/"))
}

fn expect_status(show: &mut Show, answer: &Answer, status: u16) {
    let met = answer.status() == Some(status);
    show.expect(&status.to_string(), met, &answer.outcome());
}

fn expect_banned(show: &mut Show, stage: &Stage<'_>, web: &str) {
    let answer = ask_as(show, stage, &stage.rogue(), web);
    if stage.has_gate {
        let met = answer.code == TIMEOUT;
        show.expect("no answer at all", met, &answer.outcome());
    } else {
        let met = answer.status().is_none() && answer.code != REFUSED;
        show.expect("no answer", met, &answer.outcome());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_in_an_access_line() {
        let line = r#"{"status":403,"rules":[9540001,9540002],"generation":1}"#;
        assert_eq!(rules(line).as_deref(), Some("9540001,9540002"));
        assert_eq!(rules("{}"), None);
    }
}
