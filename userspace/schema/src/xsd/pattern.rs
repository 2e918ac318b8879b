//! The regular expressions of XML Schema, in the words of the `regex` crate: their time is linear.
//!
//! They always mean the whole value; `^` and `$` are plain characters, `.` is any character but the end of a line, `\i` and `\c` are
//! characters of names, and a class may be taken from another (`[a-z-[aeiou]]`).

use regex::{Regex, RegexBuilder};

use super::blocks::block;
use crate::limits;
use crate::problem::ProblemKind;

const NAME_START: &str = r":A-Z_a-z\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{2FF}\u{370}-\u{37D}\u{37F}-\u{1FFF}\u{200C}-\u{200D}\u{2070}-\u{218F}\u{2C00}-\u{2FEF}\u{3001}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFFD}\u{10000}-\u{EFFFF}";
const NAME_MORE: &str = r"\-.0-9\u{B7}\u{300}-\u{36F}\u{203F}-\u{2040}";

struct Reading<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
}

fn wrong(pattern: &str) -> ProblemKind {
    ProblemKind::Value {
        value: pattern.to_owned(),
        expected: "a regular expression of XML Schema",
    }
}

/// Compiles a pattern.
pub(super) fn compile(pattern: &str) -> Result<Regex, ProblemKind> {
    let mut reading = Reading {
        letters: pattern.chars().peekable(),
        out: String::from(r"\A(?:"),
    };
    reading.all(pattern)?;
    reading.out.push_str(r")\z");
    RegexBuilder::new(&reading.out)
        .size_limit(limits::PATTERN_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => ProblemKind::Limit {
                what: "bytes in a compiled pattern",
                limit,
            },
            _ => wrong(pattern),
        })
}

impl Reading<'_> {
    fn all(&mut self, pattern: &str) -> Result<(), ProblemKind> {
        while let Some(letter) = self.letters.next() {
            match letter {
                '\\' => {
                    let class = self.escape(false).ok_or_else(|| wrong(pattern))??;
                    self.out.push_str(&class);
                }
                '[' => {
                    let class = self.class(0).ok_or_else(|| wrong(pattern))??;
                    self.out.push_str(&class);
                }
                '.' => self.out.push_str(r"[^\n\r]"),
                '(' => {
                    // What a bracket with a mark means elsewhere it does not mean here.
                    if self.letters.peek() == Some(&'?') {
                        return Err(wrong(pattern));
                    }
                    self.out.push_str("(?:");
                }
                ')' | '|' | '*' | '+' => self.out.push(letter),
                '?' => {
                    // `a??` would be another quantifier of a quantifier, which there is none of.
                    self.out.push('?');
                }
                '{' => {
                    self.out.push('{');
                    let mut ended = false;
                    for letter in self.letters.by_ref() {
                        self.out.push(letter);
                        if letter == '}' {
                            ended = true;
                            break;
                        }
                        if !letter.is_ascii_digit() && letter != ',' {
                            break;
                        }
                    }
                    if !ended {
                        return Err(wrong(pattern));
                    }
                }
                ']' | '}' => return Err(wrong(pattern)),
                plain => push_plain(&mut self.out, plain),
            }
            if matches!(letter, '*' | '+' | '?' | '{')
                && matches!(self.letters.peek(), Some('*' | '+' | '?' | '{'))
            {
                return Err(wrong(pattern));
            }
        }
        Ok(())
    }

    /// Behind a backslash. Inside of a class the sets come without brackets where they can.
    fn escape(&mut self, in_class: bool) -> Option<Result<String, ProblemKind>> {
        let letter = self.letters.next()?;
        let mut out = String::new();
        match letter {
            'n' | 'r' | 't' | 'd' | 'D' => {
                out.push('\\');
                out.push(letter);
            }
            's' => out.push_str(r"[ \t\n\r]"),
            'S' => out.push_str(r"[^ \t\n\r]"),
            // Everything but punctuation, separators and others.
            'w' => out.push_str(r"[^\p{P}\p{Z}\p{C}]"),
            'W' => out.push_str(r"[\p{P}\p{Z}\p{C}]"),
            'i' => out.push_str(&format!("[{NAME_START}]")),
            'I' => out.push_str(&format!("[^{NAME_START}]")),
            'c' => out.push_str(&format!("[{NAME_START}{NAME_MORE}]")),
            'C' => out.push_str(&format!("[^{NAME_START}{NAME_MORE}]")),
            'p' | 'P' => return self.category(letter == 'P'),
            '\\' | '|' | '.' | '-' | '^' | '?' | '*' | '+' | '{' | '}' | '(' | ')' | '[' | ']'
            | '$' | '/' | '#' | '@' | ':' | ',' | ';' | '&' | '\'' | '"' | '=' | '_' | '%'
            | '!' | '~' | '<' | '>' | ' ' => push_plain(&mut out, letter),
            _ => return None,
        }
        let _ = in_class;
        Some(Ok(out))
    }

    /// `\p{L}` and `\p{IsGreek}`.
    fn category(&mut self, is_negated: bool) -> Option<Result<String, ProblemKind>> {
        (self.letters.next()? == '{').then_some(())?;
        let mut name = String::new();
        loop {
            match self.letters.next()? {
                '}' => break,
                letter => name.push(letter),
            }
        }
        if let Some(written) = name.strip_prefix("Is") {
            let mark = if is_negated { "^" } else { "" };
            return Some(match block(written) {
                Some((first, last)) => Ok(format!("[{mark}\\u{{{first:X}}}-\\u{{{last:X}}}]")),
                None => Err(ProblemKind::Unsupported(format!(
                    "the block of characters `{name}`"
                ))),
            });
        }
        let known = "LMNPZSC".contains(name.get(..1)?) && name.len() <= 2;
        let letter = if is_negated { 'P' } else { 'p' };
        known.then(|| Ok(format!("\\{letter}{{{name}}}")))
    }

    /// A class behind its bracket.
    fn class(&mut self, depth: usize) -> Option<Result<String, ProblemKind>> {
        if depth > limits::DEPTH {
            return None;
        }
        let mut out = String::from("[");
        if self.letters.peek() == Some(&'^') {
            self.letters.next();
            out.push('^');
        }
        let begin = out.len();
        loop {
            match self.letters.next()? {
                ']' => break,
                '[' => return None,
                '-' if self.letters.peek() == Some(&'[') => {
                    self.letters.next();
                    let taken = match self.class(depth + 1)? {
                        Ok(taken) => taken,
                        Err(problem) => return Some(Err(problem)),
                    };
                    (self.letters.next()? == ']').then_some(())?;
                    // The negation belongs to what is left of it.
                    return Some(Ok(format!("[{out}]--{taken}]")));
                }
                // At an end it is itself, between two characters a range.
                '-' if out.len() == begin || self.letters.peek() == Some(&']') => {
                    out.push_str(r"\-");
                }
                '-' => out.push('-'),
                '\\' => match self.escape(true)? {
                    Ok(escaped) => out.push_str(&escaped),
                    Err(problem) => return Some(Err(problem)),
                },
                plain => push_plain(&mut out, plain),
            }
        }
        if out.len() == begin {
            return None;
        }
        out.push(']');
        Some(Ok(out))
    }
}

/// A character that means itself.
fn push_plain(out: &mut String, letter: char) {
    match letter {
        '\n' => out.push_str(r"\n"),
        '\r' => out.push_str(r"\r"),
        '\t' => out.push_str(r"\t"),
        letter if letter.is_ascii_punctuation() => {
            // In verbose words, so that nothing of it is special inside and outside of classes.
            out.push_str(&format!("\\x{:02X}", u32::from(letter)));
        }
        letter => out.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_the_standard_says() {
        for (pattern, right, wrong) in [
            (
                r"[A-Z]{2}\d{3}",
                &["AB123"][..],
                &["AB12", "xAB123", "AB1234"][..],
            ),
            ("0|1", &["0", "1"], &["01", "", "true"]),
            (r"a^b$", &["a^b$"], &["ab"]),
            (r"[a-z-[aeiou]]+", &["xyz"], &["xyaz"]),
            (r"[^a-z-[A]]", &["B", "1"], &["A", "b"]),
            (r"\i\c*", &["a-1.b", "_x", "Ä"], &["1a", "-", ""]),
            (r"[\i-[:]][\c-[:]]*", &["ab"], &["a:b"]),
            (r"\p{Lu}\P{Lu}", &["Ab"], &["ab", "AB"]),
            (r"\p{IsBasicLatin}+", &["abc"], &["ä"]),
            (r".", &["x"], &["\n", "xx"]),
            (r"[\-+]?\d+", &["-1", "+1", "1"], &["--1"]),
            (r"[a-c-]", &["-", "b"], &["d"]),
            (r"\w+\s\w+", &["a b", "a\tb"], &["a\u{a0}b", "a.b c"]),
            ("(a|b){2,}", &["ab", "aba"], &["a"]),
            ("", &[""], &["x"]),
            (r"[.$&~]+", &[".$&~"], &["a"]),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            for text in right {
                assert!(regex.is_match(text), "{pattern} {text}");
            }
            for text in wrong {
                assert!(!regex.is_match(text), "{pattern} {text}");
            }
        }
        for pattern in [
            "(",
            "[",
            "a**",
            "a{1",
            "a)",
            "(?i)a",
            r"\k",
            "[]",
            r"\p{IsKlingon}",
            r"\d{100000}",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
