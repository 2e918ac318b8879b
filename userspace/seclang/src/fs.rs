//! Files from the file system.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::load::Loader;

/// Reads files below the directory that relative paths start at: the working directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsLoader;

impl Loader for FsLoader {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(limit as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![PathBuf::new()];
        for component in pattern.components() {
            let name = component.as_os_str();
            let wild = name
                .to_str()
                .filter(|_| matches!(component, Component::Normal(_)));
            found = match wild.filter(|name| name.contains(['*', '?', '['])) {
                None => found.into_iter().map(|path| path.join(name)).collect(),
                Some(wild) => matching(&found, wild)?,
            };
        }
        found.retain(|path| path.exists());
        found.sort();
        Ok(found)
    }
}

/// The entries of these directories whose names fit; a path that is no directory has none.
fn matching(directories: &[PathBuf], pattern: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in directories {
        let listed = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        if !listed.is_dir() {
            continue;
        }
        for entry in fs::read_dir(listed)? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| fits(pattern, name)) {
                found.push(directory.join(name));
            }
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern as a shell has it: `*`, `?`, `[a-z]`, `[!a-z]`; a leading dot must be written.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when the characters behind the last `*` do not fit: it takes one more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match (pattern.get(p), name.get(n)) {
            (Some('*'), _) => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            (Some('?'), _) => Some(p + 1),
            (Some('['), Some(c)) => class(&pattern, p, *c),
            (Some(expected), Some(c)) if expected == c => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((behind, taken))) => {
                p = behind;
                n = taken + 1;
                star = Some((behind, n));
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

/// If the class that opens at `at` holds the character, the place behind the class. Without `]` it is a plain `[`.
fn class(pattern: &[char], at: usize, c: char) -> Option<usize> {
    let inside = pattern.get(at + 1..)?;
    let negated = matches!(inside.first(), Some('!' | '^'));
    let first = usize::from(negated);
    let Some(length) = inside.iter().skip(first + 1).position(|c| *c == ']') else {
        return (c == '[').then_some(at + 1);
    };
    let end = first + 1 + length;
    let mut members = inside.get(first..end)?;
    let mut held = false;
    while let Some((low, rest)) = members.split_first() {
        members = match rest {
            ['-', high, behind @ ..] => {
                held |= (*low..=*high).contains(&c);
                behind
            }
            _ => {
                held |= *low == c;
                rest
            }
        };
    }
    (held != negated).then_some(at + 1 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            ("*.conf", "a.conf.example", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("rule-?.conf", "rule-1.conf", true),
            ("rule-[0-4].conf", "rule-5.conf", false),
            ("rule-[!0-4].conf", "rule-5.conf", true),
            ("[]x]", "]", true),
            ("[", "[", true),
            ("***", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
