//! xtask/tidy-exceptions.txt: what is longer than it should be. The list may only shrink: an entry holds the exact
//! size, so that growth is a finding, and so is an entry that could be lower or is not needed any more.

use super::Source;
use std::collections::HashMap;

/// The list, from the repository's root.
pub(super) const LIST: &str = "xtask/tidy-exceptions.txt";

/// What an entry is about: a file, or a function in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) path: String,
    pub(super) function: Option<String>,
}

/// One thing that is too long.
pub(super) struct Excess {
    pub(super) subject: Subject,
    pub(super) lines: usize,
    /// The finding where there is no exception.
    pub(super) finding: String,
}

/// Holds what was measured against the list and gives back the findings.
pub(super) fn settle(measured: Vec<Excess>, sources: &[Source]) -> Vec<String> {
    let text = sources
        .iter()
        .find(|source| source.path == LIST)
        .map_or("", |source| source.text.as_str());
    let (mut entries, mut findings) = parse(text);
    for excess in measured {
        match entries.remove(&excess.subject) {
            None => findings.push(excess.finding),
            Some(allowed) if excess.lines > allowed => {
                findings.push(format!(
                    "{}; its exception in {LIST} allows {allowed}",
                    excess.finding
                ));
            }
            Some(allowed) if excess.lines < allowed => findings.push(format!(
                "{LIST}: lower the entry of {} from {allowed} to {}",
                excess.subject.shown(),
                excess.lines
            )),
            Some(_) => {}
        }
    }
    for subject in entries.keys() {
        findings.push(format!(
            "{LIST}: remove the entry of {}, it is short enough",
            subject.shown()
        ));
    }
    findings.sort();
    findings
}

impl Subject {
    fn shown(&self) -> String {
        match &self.function {
            Some(function) => format!("{}::{function}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Lines of `file <path> <lines> <reason>` and `fn <path> <name> <lines> <reason>`; `#` begins a comment.
fn parse(text: &str) -> (HashMap<Subject, usize>, Vec<String>) {
    let mut entries = HashMap::new();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match entry(line) {
            Some((subject, lines)) => {
                entries.insert(subject, lines);
            }
            None => findings.push(format!(
                "{LIST}:{}: expected `file <path> <lines> <reason>` or `fn <path> <name> <lines> <reason>`",
                index + 1
            )),
        }
    }
    (entries, findings)
}

fn entry(line: &str) -> Option<(Subject, usize)> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let path = words.next()?.to_owned();
    let function = match kind {
        "file" => None,
        "fn" => Some(words.next()?.to_owned()),
        _ => return None,
    };
    let lines = words.next()?.parse().ok()?;
    // A reason is no ornament: without one there is no exception.
    words.next()?;
    Some((Subject { path, function }, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(list: &str, lines: usize) -> Vec<String> {
        let list = Source {
            path: LIST.to_owned(),
            text: list.to_owned(),
        };
        let subject = Subject {
            path: "a.rs".to_owned(),
            function: None,
        };
        let finding = "a.rs is long".to_owned();
        settle(
            vec![Excess {
                subject,
                lines,
                finding,
            }],
            &[list],
        )
    }

    #[test]
    fn the_list_only_shrinks() {
        assert_eq!(settled("# none\n", 600), ["a.rs is long"]);
        assert!(settled("file a.rs 600 a table\n", 600).is_empty());
        assert!(settled("file a.rs 590 a table\n", 600)[0].contains("allows 590"));
        assert!(settled("file a.rs 610 a table\n", 600)[0].contains("from 610 to 600"));
        assert!(
            settled("file a.rs 600 a table\nfile b.rs 600 a table\n", 600)[0]
                .contains("remove the entry of b.rs")
        );
        assert!(settled("file a.rs 600\n", 600)[0].contains("a.rs is long"));
    }
}
