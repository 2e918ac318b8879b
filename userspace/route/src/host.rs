//! Host patterns.

use crate::HostProblem;
use std::fmt;

/// The longest DNS name in bytes (RFC 1035, 2.3.4), without the root's dot.
const MAX_HOST_BYTES: usize = 253;
/// The longest label in bytes (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// The hosts of a table's entry, lower-case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Host {
    /// This name.
    Exact(Box<str>),
    /// Every name below this one.
    Below(Box<str>),
    /// Every name, and requests without one.
    Any,
}

impl Host {
    pub(crate) fn parse(text: &str) -> Result<Self, HostProblem> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.is_empty() {
            return Err(HostProblem::Empty);
        }
        if text.len() > MAX_HOST_BYTES {
            return Err(HostProblem::TooLong);
        }
        let lower = text.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix('[') {
            return ip_literal(rest).map(|name| Self::Exact(name.into()));
        }
        if let Some(parent) = lower.strip_prefix("*.") {
            check_name(parent)?;
            return Ok(Self::Below(parent.into()));
        }
        check_name(&lower)?;
        Ok(Self::Exact(lower.into()))
    }

    /// Sorts before what is less specific. Two patterns that are equal here and both match a host are the same.
    pub(crate) fn specificity(&self) -> (u8, usize) {
        match self {
            Self::Exact(_) => (0, 0),
            Self::Below(parent) => (1, usize::MAX - parent.len()),
            Self::Any => (2, 0),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// An IPv6 address behind its bracket, brought to the form in which requests arrive (RFC 5952).
fn ip_literal(rest: &str) -> Result<String, HostProblem> {
    let (inside, after) = rest.split_once(']').ok_or(HostProblem::Character)?;
    if after.starts_with(':') {
        return Err(HostProblem::Port);
    }
    match inside.parse::<std::net::Ipv6Addr>() {
        Ok(address) if after.is_empty() => Ok(format!("[{address}]")),
        _ => Err(HostProblem::Character),
    }
}

fn check_name(name: &str) -> Result<(), HostProblem> {
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostProblem::EmptyLabel);
        }
        if label.len() > MAX_LABEL_BYTES {
            return Err(HostProblem::LongLabel);
        }
        for byte in label.bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
                b'*' => return Err(HostProblem::Wildcard),
                b':' => return Err(HostProblem::Port),
                _ => return Err(HostProblem::Character),
            }
        }
    }
    Ok(())
}

/// The parents of a host from the longest to the shortest, none with more than `most` labels: of `a.b.c`, `b.c` and `c`.
pub(crate) fn parents(host: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let start = match most {
        0 => host.len(),
        _ => memchr::memrchr_iter(b'.', host).nth(most - 1).unwrap_or(0),
    };
    let tail = host.get(start..).unwrap_or_default();
    memchr::memchr_iter(b'.', tail)
        .filter(move |dot| start + dot > 0)
        .filter_map(move |dot| tail.get(dot + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_kinds() {
        assert_eq!(Host::parse("*"), Ok(Host::Any));
        assert_eq!(
            Host::parse("Shop.Example.COM"),
            Ok(Host::Exact("shop.example.com".into()))
        );
        assert_eq!(
            Host::parse("*.Example.com"),
            Ok(Host::Below("example.com".into()))
        );
        assert_eq!(Host::parse("[::1]"), Ok(Host::Exact("[::1]".into())));
        assert_eq!(
            Host::parse("192.0.2.1"),
            Ok(Host::Exact("192.0.2.1".into()))
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(127);
        for (host, problem) in [
            ("", HostProblem::Empty),
            (longer.as_str(), HostProblem::TooLong),
            ("example.com:80", HostProblem::Port),
            ("[::1]:80", HostProblem::Port),
            ("example.com.", HostProblem::EmptyLabel),
            ("a..b", HostProblem::EmptyLabel),
            ("*.", HostProblem::EmptyLabel),
            (long.as_str(), HostProblem::LongLabel),
            ("a.*.com", HostProblem::Wildcard),
            ("shop*.com", HostProblem::Wildcard),
            ("*.*.com", HostProblem::Wildcard),
            ("*example.com", HostProblem::Wildcard),
            ("bücher.example", HostProblem::Character),
            ("[::1", HostProblem::Character),
            ("[nonsense]", HostProblem::Character),
            ("[::1]x", HostProblem::Character),
            ("a b", HostProblem::Character),
        ] {
            assert_eq!(Host::parse(host), Err(problem), "{host}");
        }
    }

    #[test]
    fn lists_parents_from_the_longest() {
        let list = |host: &'static str, most| -> Vec<&str> {
            parents(host.as_bytes(), most)
                .map(|p| std::str::from_utf8(p).unwrap())
                .collect()
        };
        assert_eq!(list("a.b.c.d", 9), ["b.c.d", "c.d", "d"]);
        assert_eq!(list("a.b.c.d", 3), ["b.c.d", "c.d", "d"]);
        assert_eq!(list("a.b.c.d", 2), ["c.d", "d"]);
        assert_eq!(list("a.b.c.d", 0), Vec::<&str>::new());
        assert_eq!(list("a", 3), Vec::<&str>::new());
        assert_eq!(list("", 3), Vec::<&str>::new());
        assert_eq!(
            list(".a", 3),
            Vec::<&str>::new(),
            "an empty first label is no label"
        );
    }
}
