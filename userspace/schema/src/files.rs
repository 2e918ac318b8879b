//! The files of a grammar, read beforehand: nothing here opens one.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files by their names. Names in a file are relative to it.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<PathBuf, Arc<[u8]>>);

impl Files {
    /// Files by their names.
    pub fn of<N: Into<PathBuf>, B: Into<Arc<[u8]>>>(
        files: impl IntoIterator<Item = (N, B)>,
    ) -> Files {
        let mut all = Files::default();
        for (name, bytes) in files {
            all.add(name, bytes);
        }
        all
    }

    /// Adds a file.
    pub fn add(&mut self, name: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>) {
        self.0.insert(clean(&name.into()), bytes.into());
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&[u8]> {
        self.0.get(&clean(path)).map(AsRef::as_ref)
    }
}

/// The path without `.` and with `..` carried out, as far as the text alone says it.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// `name`, as the file at `from` means it.
pub(crate) fn beside(from: &Path, name: &str) -> PathBuf {
    clean(&from.parent().unwrap_or(Path::new("")).join(name))
}

/// Whether a reference names something elsewhere, not a file.
pub(crate) fn is_remote(name: &str) -> bool {
    name.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// The files that a grammar may refer to, found by a glance: what `schemaLocation` and `SYSTEM` name. Addresses are left out. It may
/// name more than are needed, since it reads comments too; those that do not exist may be passed over, for who compiles the grammar
/// says which one is missing.
#[must_use]
pub fn references(path: &Path, grammar: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for word in [&b"schemaLocation"[..], b"SYSTEM", b"PUBLIC"] {
        let mut rest = grammar;
        while let Some(at) = position(rest, word) {
            rest = rest.get(at + word.len()..).unwrap_or_default();
            let mut quoted = rest;
            // A public name comes before the file.
            if word == b"PUBLIC" {
                quoted = literal(quoted).map_or(&[][..], |(_, behind)| behind);
            }
            let Some((name, _)) = literal(quoted) else {
                continue;
            };
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let path = beside(path, name.trim());
            if !name.trim().is_empty() && !is_remote(name) && !found.contains(&path) {
                found.push(path);
            }
            if found.len() > crate::limits::FILES {
                return found;
            }
        }
    }
    found
}

/// What stands in quotes at the beginning, behind blanks and an `=`, and what follows it.
fn literal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text
        .iter()
        .position(|&byte| !byte.is_ascii_whitespace() && byte != b'=')?;
    let quote = *text.get(start).filter(|byte| b"\"'".contains(byte))?;
    let text = text.get(start + 1..)?;
    let end = text.iter().position(|&byte| byte == quote)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_file_that_says_them() {
        let of = |path: &str, text: &str| references(Path::new(path), text.as_bytes());
        assert_eq!(
            of(
                "rules/a.xsd",
                "<xs:include schemaLocation = 'types/b.xsd'/><xs:import schemaLocation=\"../c.xsd\"/>"
            ),
            [PathBuf::from("rules/types/b.xsd"), PathBuf::from("c.xsd")]
        );
        assert_eq!(
            of(
                "a.dtd",
                "<!ENTITY % x SYSTEM 'x.mod'><!ENTITY % y PUBLIC \"-//y\" \"y.mod\">"
            ),
            [PathBuf::from("x.mod"), PathBuf::from("y.mod")]
        );
        assert!(
            of(
                "a.xsd",
                "<import schemaLocation='http://example.com/a.xsd'/>"
            )
            .is_empty()
        );
        assert!(of("a.xsd", "schemaLocation='never ends").is_empty());
    }
}
