//! Patterns that need no regular expression: `^.*$`, `^$`, `^0$`, `^header_name_`, `eval`.

use memchr::memmem::Finder;

/// What a pattern amounts to.
#[derive(Debug)]
pub(super) enum Simple {
    /// Every value, as a whole.
    Anything,
    /// The value is this.
    Equals(Box<[u8]>),
    /// The value begins with this.
    BeginsWith(Box<[u8]>),
    /// The value holds this; with regard to case alone.
    Contains(Box<Finder<'static>>),
}

impl Simple {
    /// What a pattern amounts to, if it is one of these.
    pub(super) fn read(source: &str, caseless: bool) -> Option<Simple> {
        if matches!(source, "^.*$" | "^.*" | ".*" | ".*$") {
            // Greedy and dot-all: the match is the whole value.
            return Some(Self::Anything);
        }
        let begin = source.strip_prefix('^');
        let text = begin.unwrap_or(source);
        let end = text.strip_suffix('$');
        let text = end.unwrap_or(text);
        let is_literal = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b" _-/:;=,@%&'\"<>~!".contains(&byte));
        if !is_literal {
            return None;
        }
        let bytes: Box<[u8]> = text.as_bytes().into();
        match (begin, end) {
            (Some(_), Some(_)) => Some(Self::Equals(bytes)),
            (Some(_), None) => Some(Self::BeginsWith(bytes)),
            (None, None) if !caseless && !bytes.is_empty() => {
                Some(Self::Contains(Box::new(Finder::new(text).into_owned())))
            }
            _ => None,
        }
    }

    /// Where the match is.
    pub(super) fn find(&self, value: &[u8], caseless: bool) -> Option<(usize, usize)> {
        let same = |left: &[u8], right: &[u8]| {
            if caseless {
                left.eq_ignore_ascii_case(right)
            } else {
                left == right
            }
        };
        match self {
            Self::Anything => Some((0, value.len())),
            Self::Equals(text) => same(text, value).then_some((0, value.len())),
            Self::BeginsWith(text) => {
                let start = value.get(..text.len())?;
                same(text, start).then_some((0, text.len()))
            }
            Self::Contains(finder) => {
                let start = finder.find(value)?;
                Some((start, start + finder.needle().len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::operator::{Captures, Regex};

    #[test]
    fn simple_patterns_match_as_the_regular_expression_does() {
        let values: [&[u8]; 9] = [
            b"",
            b"0",
            b"00",
            b"header_name_x",
            b"HEADER_NAME_x",
            b"an eval(",
            b"a\nb",
            b"eval",
            b"\0",
        ];
        let patterns = [
            "^.*$",
            "^.*",
            ".*",
            "^$",
            "^0$",
            "^header_name_",
            "eval",
            "$",
            "^",
        ];
        let compare = |pattern: &str, caseless: bool| {
            let make = if caseless {
                Regex::caseless
            } else {
                Regex::new
            };
            let simple = make(pattern, 1000).unwrap();
            // The group changes nothing but that the pattern is not simple any more.
            let exact = make(&format!("(?:{pattern})"), 1000).unwrap();
            for value in values {
                let (mut left, mut right) = (Captures::default(), Captures::default());
                let found = simple.matches(value, Some(&mut left)).unwrap();
                assert_eq!(found, exact.matches(value, Some(&mut right)).unwrap());
                assert_eq!(
                    left.groups(),
                    right.groups(),
                    "{pattern} on {}",
                    value.escape_ascii()
                );
            }
        };
        for pattern in patterns {
            compare(pattern, false);
            compare(pattern, true);
        }
    }
}
