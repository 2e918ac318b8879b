//! Ban files: one address or prefix a line; what follows `#` or `;` is the reason.

use super::target::{TargetError, parse_target};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::IpNet;

/// Bytes of a ban file that are read. A larger one is refused: it is none, or it belongs into a firewall.
const FILE_MAX_BYTES: u64 = 64 << 20;
/// Bad lines that are reported. Those behind are not looked at: the file is of another kind.
const LINE_ERRORS_MAX: usize = 20;

/// A ban that a file asks for. It holds until the file no longer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBan {
    /// The address or prefix.
    pub target: IpNet,
    /// The comment on its line, or the file's name.
    pub reason: Arc<str>,
}

/// A line that is no ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanLineError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: TargetError,
}

/// Why a ban file was refused. None of its bans take effect.
#[derive(Debug, thiserror::Error)]
pub enum BanFileError {
    /// It cannot be read.
    #[error("cannot read the ban file {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is larger than any ban file.
    #[error("the ban file {} is larger than {FILE_MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It has lines that are no bans.
    #[error("{}", Lines { path, lines })]
    Lines {
        /// The file.
        path: PathBuf,
        /// The first of the bad lines, at most 20.
        lines: Vec<BanLineError>,
    },
}

struct Lines<'a> {
    path: &'a Path,
    lines: &'a [BanLineError],
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, BanLineError { line, error }) in self.lines.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{line}: {error}", self.path.display())?;
        }
        Ok(())
    }
}

/// Reads a ban file.
///
/// # Errors
/// [`BanFileError`] names the file and each bad line.
pub fn read_ban_file(path: &Path) -> Result<Vec<FileBan>, BanFileError> {
    let read = |error| BanFileError::Read {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(read)?;
    file.take(FILE_MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(BanFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parse_ban_file(&text, &name).map_err(|lines| BanFileError::Lines {
        path: path.to_owned(),
        lines,
    })
}

/// Reads the text of a ban file; `name` is the reason of lines without a comment.
///
/// # Errors
/// The lines that are no bans, at most 20.
pub fn parse_ban_file(text: &str, name: &str) -> Result<Vec<FileBan>, Vec<BanLineError>> {
    let name: Arc<str> = name.into();
    let mut bans = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (target, comment) = line.split_once(['#', ';']).unwrap_or((line, ""));
        if target.trim().is_empty() {
            continue;
        }
        match parse_target(target) {
            Ok(target) => {
                let comment = comment.trim();
                let reason = if comment.is_empty() {
                    Arc::clone(&name)
                } else {
                    comment.into()
                };
                bans.push(FileBan { target, reason });
            }
            Err(error) => errors.push(BanLineError {
                line: index + 1,
                error,
            }),
        }
        if errors.len() == LINE_ERRORS_MAX {
            break;
        }
    }
    if errors.is_empty() {
        Ok(bans)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_targets_comments_and_empty_lines() {
        let text = "# head\n\n203.0.113.7 # scanner\r\n198.51.100.0/24 ; SBL1\n  2001:db8::/32\n";
        let bans = parse_ban_file(text, "list.txt").expect("a good file");
        let shown: Vec<String> = bans
            .iter()
            .map(|ban| format!("{} {}", ban.target, ban.reason))
            .collect();
        assert_eq!(
            shown,
            [
                "203.0.113.7/32 scanner",
                "198.51.100.0/24 SBL1",
                "2001:db8::/32 list.txt"
            ]
        );
    }

    #[test]
    fn names_every_bad_line_up_to_a_limit() {
        let errors = parse_ban_file("1.2.3.4\nfoo\n10.1.2.3/8\n", "x").expect_err("bad lines");
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 3]);
        let errors = parse_ban_file(&"x\n".repeat(1000), "x").expect_err("bad lines");
        assert_eq!(errors.len(), LINE_ERRORS_MAX);
    }
}
