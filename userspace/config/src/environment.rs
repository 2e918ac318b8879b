//! The world outside the file: variables and other files. Passed in, so that tests and fuzzers need neither.

use std::io;
use std::path::Path;

/// What should stand at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Something that can be read like a file.
    File,
    /// A folder.
    Folder,
}

/// What the configuration needs to know of the world outside.
pub trait Env {
    /// The value of an environment variable; `None` where it is not set or is not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// Checks that a file, or a folder, stands at a path and may be read.
    ///
    /// # Errors
    /// Where it does not, with the reason.
    fn expect(&self, path: &Path, kind: FileKind) -> io::Result<()>;

    /// The first `limit` bytes of a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// The names in a folder that match a pattern (see [`matches`]), in any order.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    fn find(&self, folder: &Path, pattern: &str) -> io::Result<Vec<String>>;
}

/// The host that the program runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

impl Env for Host {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn expect(&self, path: &Path, kind: FileKind) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        match kind {
            FileKind::Folder if !metadata.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
            FileKind::File if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            // Opened only where that cannot wait: a pipe would.
            FileKind::File if metadata.is_file() => std::fs::File::open(path).map(drop),
            _ => Ok(()),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        use io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(limit)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn find(&self, folder: &Path, pattern: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            // A name that is not UTF-8 cannot be written in the configuration either.
            if let Ok(name) = entry?.file_name().into_string()
                && matches(pattern, &name)
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// A world in which every variable is set, every file is there and every pattern finds one: for fuzzing, and to check
/// a file away from the host that it is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pretend;

/// The text of every secret in the pretended world: long enough for every algorithm.
const PRETENDED: &str = "a pretended secret, long enough for each of the algorithms that sign";

impl Env for Pretend {
    fn variable(&self, _name: &str) -> Option<String> {
        Some(PRETENDED.to_owned())
    }

    fn expect(&self, _path: &Path, _kind: FileKind) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, _path: &Path, _limit: u64) -> io::Result<Vec<u8>> {
        Ok(PRETENDED.as_bytes().to_vec())
    }

    fn find(&self, _folder: &Path, pattern: &str) -> io::Result<Vec<String>> {
        Ok(vec![pattern.replace(['*', '?'], "x")])
    }
}

/// Whether a file name matches a pattern: `*` stands for any characters (but not for a leading dot), `?` for one.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands and how far it reaches: the only place worth going back to.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&q) if q == '?' || q == c => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, reach)) = star else {
                    return false;
                };
                star = Some((at, reach + 1));
                p = at + 1;
                n = reach + 1;
            }
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.example", false),
            ("*.conf", ".hidden.conf", false),
            ("REQUEST-9?2-*.conf", "REQUEST-942-SQLI.conf", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
