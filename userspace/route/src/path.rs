//! Path patterns: what they are made of, how they compare, and which parts of a path their parameters take.

use crate::{PathProblem, PathSpec};
use std::cmp::Ordering;
use std::fmt;

/// The longest pattern in bytes. A longer one is a configuration error.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// The most segments of a pattern. More are a configuration error. It bounds the depth of a lookup as well.
pub const MAX_SEGMENTS: usize = 64;
/// The most parameters of a pattern. More are a configuration error.
pub const MAX_PARAMS: usize = 16;

/// One segment of a pattern. The order of the variants is their precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// These bytes, in normal form.
    Literal(Box<[u8]>),
    /// Any segment that is not empty.
    Parameter,
}

/// What follows the segments. The order of the variants is their precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Nothing.
    Exact,
    /// A slash and anything.
    Below,
    /// Nothing, or a slash and anything.
    Open,
}

/// A checked pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) segments: Box<[Segment]>,
    pub(crate) end: End,
    /// The names of the parameters from left to right, that of `{rest*}` last.
    pub(crate) names: Box<[Box<str>]>,
    /// The pattern as it was written, and of which kind.
    spec: PathSpec,
}

impl Pattern {
    pub(crate) fn parse(spec: &PathSpec) -> Result<Self, PathProblem> {
        let text = spec.text();
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PathProblem::TooLong);
        }
        let body = text.strip_prefix('/').ok_or(PathProblem::NoSlash)?;
        let mut parts: Vec<&str> = body.split('/').collect();
        if parts.len() > MAX_SEGMENTS {
            return Err(PathProblem::TooManySegments);
        }
        let last = parts.len() - 1;
        if parts[..last].iter().any(|part| part.is_empty()) {
            return Err(PathProblem::EmptySegment);
        }
        let mut names: Vec<Box<str>> = Vec::new();
        let mut end = End::Exact;
        match spec {
            PathSpec::Exact(_) => {}
            PathSpec::Prefix(_) if parts[last].is_empty() => {
                parts.pop();
                end = End::Below;
            }
            PathSpec::Prefix(_) => end = End::Open,
            PathSpec::Template(_) => {
                if rest_name(parts[last]).is_some() {
                    end = End::Below;
                }
            }
        }
        let template = matches!(spec, PathSpec::Template(_));
        let mut segments = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            if let (true, Some(name)) = (template, rest_name(part)) {
                add_name(&mut names, name)?;
                if place != last {
                    return Err(PathProblem::RestNotLast);
                }
            } else if let (true, Some(name)) = (template, param_name(part)) {
                add_name(&mut names, name)?;
                segments.push(Segment::Parameter);
            } else if template && part.contains(['{', '}']) {
                return Err(PathProblem::Brace);
            } else {
                segments.push(Segment::Literal(literal(part)?));
            }
        }
        Ok(Self {
            segments: segments.into(),
            end,
            names: names.into(),
            spec: spec.clone(),
        })
    }

    /// What sorts a pattern among others: the kinds of its segments from left to right, then its end. Two patterns that
    /// are equal here and both match a path are the same but for the names of parameters.
    pub(crate) fn compare_specificity(&self, other: &Self) -> Ordering {
        self.kinds().cmp(other.kinds())
    }

    fn kinds(&self) -> impl Iterator<Item = u8> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter => 1,
        });
        let end = match self.end {
            End::Exact => 2,
            End::Below => 3,
            End::Open => 4,
        };
        segments.chain(std::iter::once(end))
    }

    /// Sorts equal patterns next to each other.
    pub(crate) fn compare_shape(&self, other: &Self) -> Ordering {
        (&self.segments, self.end).cmp(&(&other.segments, other.end))
    }

    /// Where the parameters are in a path that this pattern matches.
    pub(crate) fn capture(&self, path: &[u8]) -> Params {
        let mut params = Params::default();
        if self.names.is_empty() {
            return params;
        }
        let mut start = 1; // behind the first slash
        for segment in &self.segments {
            let rest = path.get(start..).unwrap_or_default();
            let end = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
            if *segment == Segment::Parameter {
                params.push(start, end);
            }
            start = end + 1;
        }
        if params.len() < self.names.len() {
            params.push(start, path.len());
        }
        params
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.spec {
            PathSpec::Exact(_) => "exact",
            PathSpec::Prefix(_) => "prefix",
            PathSpec::Template(_) => "template",
        };
        write!(f, "{kind} {}", self.spec.text())
    }
}

/// Part of a path, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of the path that the span was taken from; empty for a path that is too short.
    #[must_use]
    pub fn of(self, path: &[u8]) -> &[u8] {
        path.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Which parts of a path the parameters of its route are, from left to right. Their names are at
/// [`crate::Table::param_names`] under the same places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    spans: [Span; MAX_PARAMS],
    len: u8,
}

impl Params {
    /// The spans from left to right.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        self.spans.get(..self.len()).unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, start: usize, end: usize) {
        if let (Some(slot), Ok(start), Ok(end)) = (
            self.spans.get_mut(usize::from(self.len)),
            u32::try_from(start),
            u32::try_from(end),
        ) {
            *slot = Span { start, end };
            self.len += 1;
        }
    }
}

fn rest_name(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix("*}")
}

fn param_name(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

fn add_name(names: &mut Vec<Box<str>>, name: &str) -> Result<(), PathProblem> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || !name.bytes().all(good) {
        return Err(PathProblem::ParamName);
    }
    if names.iter().any(|other| **other == *name) {
        return Err(PathProblem::ParamTwice);
    }
    if names.len() == MAX_PARAMS {
        return Err(PathProblem::TooManyParams);
    }
    names.push(name.into());
    Ok(())
}

/// Brings a literal segment to the form in which request paths arrive.
fn literal(part: &str) -> Result<Box<[u8]>, PathProblem> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (Some(high), Some(low)) =
                    (bytes.next().and_then(hex), bytes.next().and_then(hex))
                else {
                    return Err(PathProblem::Percent);
                };
                match high << 4 | low {
                    0 => return Err(PathProblem::Control),
                    decoded if is_unreserved(decoded) => out.push(decoded),
                    decoded => push_encoded(&mut out, decoded),
                }
            }
            b'?' | b'#' => return Err(PathProblem::Query),
            0..0x20 | 0x7f => return Err(PathProblem::Control),
            _ if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => out.push(byte),
            _ => push_encoded(&mut out, byte),
        }
    }
    if out == b"." || out == b".." {
        return Err(PathProblem::DotSegment);
    }
    Ok(out.into())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn push_encoded(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([
        b'%',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}
