//! Any bytes give a configuration or errors: no panic, no endless work, no endless memory.

use config::parse_str;
use proptest::prelude::*;
use std::time::{Duration, Instant};

const ANNOTATED: &str = include_str!("../../examples/annotated.yaml");

/// What reading a text may cost here, in a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

fn refused(text: &str) -> String {
    let start = Instant::now();
    let errors = parse_str(text).expect_err("accepted").to_string();
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    assert!(errors.len() < 200_000, "{} bytes of errors", errors.len());
    errors
}

#[test]
fn alias_bombs_are_stopped() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let last = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [last.as_str(); 10].join(", "));
    }
    assert!(refused(&text).contains("too large"));

    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(refused(&deep).contains("nested too deep"));
}

#[test]
fn deep_nesting_is_stopped() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        (0..2000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        refused(&text);
    }
}

#[test]
fn large_files_full_of_mistakes_are_read_in_time() {
    refused(
        &(0..100_000)
            .map(|n| format!("upstreem{n}: {{ secret: x }}\n"))
            .collect::<String>(),
    );
    let routes: String = (0..20_000)
        .map(|n| format!("  - {{ path: /{n}, upstream: ap{n}, waf: [] }}\n"))
        .collect();
    let upstreams: String = (0..5_000)
        .map(|n| format!("  up{n}: {{ endpoints: [10.0.0.1] }}\n"))
        .collect();
    refused(&format!(
        "listeners: [{{ address: 0.0.0.0:80 }}]\nroutes:\n{routes}upstreams:\n{upstreams}"
    ));
    refused(&format!(
        "routes: [{}]",
        "{ secret: x, path: 5 }, ".repeat(20_000)
    ));
}

#[test]
fn many_routes_and_upstreams_are_read_in_time() {
    let start = Instant::now();
    let routes: String = (0..10_000)
        .map(|n| format!("  - {{ host: h{n}.example.com, path: /, upstream: up{n} }}\n"))
        .collect();
    let upstreams: String = (0..10_000)
        .map(|n| format!("  up{n}: {{ endpoints: [10.0.0.1:80] }}\n"))
        .collect();
    let text =
        format!("listeners: [{{ address: 0.0.0.0:80 }}]\nroutes:\n{routes}upstreams:\n{upstreams}");
    let config = parse_str(&text)
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config;
    assert_eq!(
        (config.routes.len(), config.upstreams.len()),
        (10_000, 10_000)
    );
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
}

/// Every prefix of a good file, and the file without each of its lines: what an editor sees while somebody types.
#[test]
fn half_written_files_give_errors_not_panics() {
    let ends: Vec<usize> = ANNOTATED
        .char_indices()
        .map(|(at, _)| at)
        .step_by(13)
        .collect();
    for end in ends {
        let _ = parse_str(&ANNOTATED[..end]).map_err(|errors| errors.to_string());
    }
    let lines: Vec<&str> = ANNOTATED.lines().collect();
    for left_out in 0..lines.len() {
        let rest: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != left_out)
            .map(|(_, line)| *line)
            .collect();
        let _ = parse_str(&rest.join("\n")).map_err(|errors| errors.to_string());
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    for text in [
        "\"a\\e[31m\": 1",
        "io: \"\\u0007\\e[2J\"",
        "a\u{7f}: 1",
        "io: \u{1b}[31m",
        "\u{feff}io: rings",
        "io: \u{2028}x",
    ] {
        let errors = refused(text);
        assert!(
            errors.chars().all(|c| c == '\n' || !c.is_control()),
            "{errors:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let _ = parse_str(&text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn any_yaml_like_text_is_read(text in "[a-z0-9:{}\\[\\],&*!|>'\"# \n\t\r%-]{0,200}") {
        let _ = parse_str(&text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn any_value_in_the_place_of_another_is_read(line in 0usize..200, value in "[ -~]{0,40}") {
        let mut lines: Vec<String> = ANNOTATED.lines().map(str::to_owned).collect();
        let index = line % lines.len();
        if let Some((key, _)) = lines[index].clone().split_once(": ") {
            lines[index] = format!("{key}: {value}");
        }
        let _ = parse_str(&lines.join("\n")).map_err(|errors| errors.to_string());
    }
}
