//! What must not stand in the repository: places of one machine, hosts of package registries.

use super::Source;
use crate::tree;

/// Written in two halves, so that this file has none of them.
const WORDS: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), MACHINE),
    (concat!("/tmp", "/t/"), MACHINE),
    (concat!("/tmp", "/team"), MACHINE),
    (concat!("crates", ".io"), REGISTRY),
    (concat!("deb.debian", ".org"), REGISTRY),
    (concat!("pypi", ".org"), REGISTRY),
    (concat!("pythonhosted", ".org"), REGISTRY),
    (concat!("static.rust-lang", ".org"), REGISTRY),
    (concat!("registry.npmjs", ".org"), REGISTRY),
];
const MACHINE: &str = "a place of one machine";
const REGISTRY: &str = "the host of a package registry";
/// Data for tests that lies beside a checkout. Documentation is for people who do not have it.
const BESIDE: (&str, &str) = (concat!("../sha", "red"), "not part of the repository");

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let root = tree::root().to_string_lossy();
    // A checkout right below the root of a machine has a name that may stand anywhere.
    let root = (root.matches('/').count() > 1).then_some((&*root, MACHINE));
    let mut findings = Vec::new();
    for source in sources {
        let is_documentation = source.path.ends_with(".md");
        let words = WORDS
            .iter()
            .copied()
            .chain(root)
            .chain(is_documentation.then_some(BESIDE));
        for (word, why) in words {
            for (line, _) in source
                .text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(word))
            {
                findings.push(format!("{}:{}: `{word}` is {why}", source.path, line + 1));
            }
        }
    }
    findings
}
