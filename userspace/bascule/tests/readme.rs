//! The README promises nothing that is not there: its configurations are good, its commands exist, its links lead
//! somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The contents of the code blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// Every command that begins with these words: in shell blocks a line up to its comment or redirection, in the text
/// what stands in backticks.
fn commands(text: &str, start: &str) -> Vec<String> {
    let shell = blocks(text, "sh").join("\n");
    let prose = text.split('`').skip(1).step_by(2);
    let lines = shell.lines().map(|line| {
        let end = line.find(['#', '>']).unwrap_or(line.len());
        line[..end].trim_end()
    });
    let named = |command: &&str| {
        command
            .split_once(start)
            .is_some_and(|(before, _)| before.is_empty())
    };
    lines
        .chain(prose.filter(|word| !word.contains('\n')))
        .filter(named)
        .map(str::to_owned)
        .collect()
}

/// Whether the program takes these words: asked for help behind them, it has read them all before it helps.
fn is_taken(words: &str) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_bascule"))
        .args(words.split_whitespace())
        .arg("--help")
        .output()
        .expect("the program runs");
    output.status.success()
}

#[test]
fn every_configuration_is_good() {
    let blocks = blocks(&read("README.md"), "yaml");
    assert!(blocks.len() >= 3);
    for block in blocks {
        if let Err(errors) = config::parse_str(&block) {
            panic!("{block}\n{errors}");
        }
    }
}

#[test]
fn the_smallest_configuration_is_the_one_that_ships() {
    let blocks = blocks(&read("README.md"), "yaml");
    assert_eq!(
        blocks.first().map(|block| block.trim()),
        Some(read("userspace/config/examples/smallest.yaml").trim())
    );
}

#[test]
fn every_command_of_bascule_exists() {
    for unknown in [
        "nope",
        "ban add 192.0.2.1 --tll 1h",
        "ban add 192.0.2.1 --ttl soon",
    ] {
        assert!(
            !is_taken(unknown),
            "this test would not notice `bascule {unknown}`"
        );
    }
    let commands = commands(&read("README.md"), "bascule ");
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let words = command.trim_start_matches("bascule ");
        assert!(is_taken(words), "`{command}` is not a command");
    }
}

#[test]
fn every_task_of_xtask_exists() {
    let tasks = read("xtask/src/main.rs");
    let commands = commands(&read("README.md"), "cargo xtask ");
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let task = command.split_whitespace().nth(2).unwrap_or_default();
        assert!(
            tasks.contains(&format!("name: \"{task}\"")),
            "`{command}` is not a task"
        );
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for document in ["README.md", "userspace/ARCHITECTURE.md", "rules/README.md"] {
        let text = read(document);
        let folder = root().join(document);
        let folder = folder.parent().expect("a folder");
        let links = text.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split(')').next()) {
            let is_file = !link.contains("://") && !link.starts_with('#');
            assert!(!is_file || folder.join(link).exists(), "{document}: {link}");
        }
    }
}

/// Paths in the map of the code: relative to `userspace`, to the data path's folder, or to the root.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = read("userspace/ARCHITECTURE.md");
    let is_path = |word: &&str| {
        !word.contains(' ') && !word.contains("::") && (word.contains('/') || word.ends_with(".rs"))
    };
    for path in text.split('`').skip(1).step_by(2).filter(is_path) {
        let places = ["", "userspace", "userspace/proxy/src", "ebpf/programs/src"];
        assert!(
            places
                .iter()
                .any(|place| root().join(place).join(path).exists()),
            "there is no {path}"
        );
    }
}
