//! `unsafe` has its places. Everywhere else the crate's root forbids it, and the compiler does the rest.

use super::{Source, rust};

/// Where `unsafe` may stand, each with a SAFETY comment.
const ROOMS: &[&str] = &["ebpf/", "userspace/kernel/", "userspace/net/"];
/// Compiled for BPF, where clippy does not look.
const PROGRAMS: &str = "ebpf/programs/";
const FORBID: &str = "#![forbid(unsafe_code)]";
/// Lines above an `unsafe` in which its comment begins.
const COMMENT_REACH: usize = 4;

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        if source.path.starts_with(PROGRAMS) {
            findings.extend(uncommented(source));
        }
        if ROOMS.iter().any(|room| source.path.starts_with(room)) {
            continue;
        }
        let code = rust::code(&source.text);
        if is_crate_root(&source.path) && !code.contains(FORBID) {
            findings.push(format!(
                "{}: a crate outside {} begins with {FORBID}",
                source.path,
                ROOMS.join(", ")
            ));
        }
        if let Some(line) = code
            .lines()
            .position(|line| words(line).any(|word| word == "unsafe"))
        {
            findings.push(format!(
                "{}:{}: unsafe belongs into {}",
                source.path,
                line + 1,
                ROOMS.join(", ")
            ));
        }
    }
    findings
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Blocks without a SAFETY comment. Attributes (`#[unsafe(no_mangle)]`) promise nothing that a comment could explain.
fn uncommented(source: &Source) -> Vec<String> {
    let code = rust::code(&source.text);
    let lines: Vec<&str> = source.text.lines().collect();
    let is_explained = |line: usize| {
        let from = line.saturating_sub(COMMENT_REACH);
        lines
            .get(from..line)
            .unwrap_or_default()
            .iter()
            .any(|line| line.contains("SAFETY: "))
    };
    code.lines()
        .enumerate()
        .filter(|(line, text)| text.contains("unsafe {") && !is_explained(*line))
        .map(|(line, _)| {
            format!(
                "{}:{}: unsafe without a SAFETY comment",
                source.path,
                line + 1
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        let (path, text) = (path.to_owned(), text.to_owned());
        check(&[Source { path, text }]).len()
    }

    #[test]
    fn unsafe_has_its_places() {
        assert_eq!(
            findings(
                "userspace/waf/src/lib.rs",
                "//! x\n#![forbid(unsafe_code)]\n"
            ),
            0
        );
        assert_eq!(findings("userspace/waf/src/lib.rs", "//! x\n"), 1);
        assert_eq!(
            findings("userspace/waf/src/a.rs", "fn a() { unsafe { b() } }"),
            1
        );
        assert_eq!(
            findings("userspace/waf/src/a.rs", "// unsafe\nlet x = \"unsafe\";"),
            0
        );
        assert_eq!(
            findings("userspace/net/src/a.rs", "fn a() { unsafe { b() } }"),
            0
        );
        assert_eq!(
            findings("ebpf/programs/src/a.rs", "let x = unsafe { b() };"),
            1
        );
        assert_eq!(
            findings(
                "ebpf/programs/src/a.rs",
                "// SAFETY: so\nlet x = unsafe { b() };"
            ),
            0
        );
    }
}
