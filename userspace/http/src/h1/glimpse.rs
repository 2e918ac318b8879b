//! What can be told of a request head that is refused.
//!
//! Nobody serves such a request, but who watches for attacks wants to know what was in it. So it is read as leniently as
//! the RFCs let anybody read it, which is no reason to treat it as understood.

use crate::chars::decimal;
use crate::field::Known;
use std::ops::Range;

/// The most fields that are told; what stands behind them is left out.
const FIELDS_MAX: usize = super::HEADER_COUNT_MAX;

/// A request head that is refused, as far as it can be told.
#[derive(Clone, Debug, Default)]
pub struct Glimpse {
    /// The head without line ends; a CR within a line is a space (RFC 9112, 2.2).
    text: Vec<u8>,
    line: Range<usize>,
    method: Range<usize>,
    target: Range<usize>,
    version: Range<usize>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// Bytes up to the end of the empty line; `None` where it has not arrived.
    head_len: Option<usize>,
}

impl Glimpse {
    /// Looks at what has arrived. `None` where there is not even a request line.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut glimpse = Self::default();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            let line = without_cr(line);
            match line.first() {
                None if glimpse.line.is_empty() => {}
                None => {
                    glimpse.head_len = Some(bytes.len() - rest.len());
                    break;
                }
                Some(_) if glimpse.line.is_empty() => glimpse.read_request_line(line),
                Some(b' ' | b'\t') => glimpse.continue_field(line),
                Some(_) if glimpse.fields.len() == FIELDS_MAX => break,
                Some(_) => glimpse.read_field(line),
            }
        }
        (!glimpse.line.is_empty()).then_some(glimpse)
    }

    /// The request line as it came.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        self.get(&self.line)
    }

    /// Its first word.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.get(&self.method)
    }

    /// What stands between the first word and the version, spaces included.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.get(&self.target)
    }

    /// The version, or what stands in its place; empty where nothing does.
    #[must_use]
    pub fn version(&self) -> &[u8] {
        self.get(&self.version)
    }

    /// Names and values. A line without a colon is a name.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (self.get(name), self.get(value)))
    }

    /// The body of which Content-Length tells the end, where all of it has arrived: `bytes` are those that were looked at,
    /// `behind` follow them.
    #[must_use]
    pub fn body<'b>(&self, bytes: &'b [u8], behind: &'b [u8]) -> Option<&'b [u8]> {
        let mut lengths = self
            .fields()
            .filter(|(name, _)| Known::of(name) == Some(Known::ContentLength));
        let (Some((_, length)), None) = (lengths.next(), lengths.next()) else {
            return None;
        };
        let length = usize::try_from(decimal(length).ok()?).ok()?;
        let rest = match bytes.get(self.head_len?..)? {
            [] => behind,
            rest => rest,
        };
        rest.get(..length)
    }

    /// The path of the target, without query and fragment, whatever its form; `/` where it has none.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        let target = self.target();
        let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
        let target = target.get(..end).unwrap_or_default();
        let after_scheme = memchr::memmem::find(target, b"://").map(|at| at + "://".len());
        let path = match (target.first(), after_scheme) {
            (Some(b'/'), _) | (_, None) => target,
            (_, Some(at)) => {
                let rest = target.get(at..).unwrap_or_default();
                let slash = memchr::memchr(b'/', rest).unwrap_or(rest.len());
                rest.get(slash..).unwrap_or_default()
            }
        };
        if path.starts_with(b"/") { path } else { b"/" }
    }

    /// The value of the first Host.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        self.fields()
            .find(|(name, _)| Known::of(name) == Some(Known::Host))
            .map_or(b"", |(_, value)| value)
    }

    fn get(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        let spaced = |&byte: &u8| if byte == b'\r' { b' ' } else { byte };
        self.text.extend(bytes.iter().map(spaced));
        start..self.text.len()
    }

    fn read_request_line(&mut self, line: &[u8]) {
        self.line = self.push(line);
        let words = words(line);
        let base = self.line.start;
        let moved = |range: &Range<usize>| base + range.start..base + range.end;
        self.method = words.first().map_or(0..0, moved);
        let Some(first) = words.get(1) else { return };
        // With more than three words it is rather a target with spaces than a version of any name.
        let is_version = |word: &&Range<usize>| {
            words.len() == 3
                || line
                    .get(word.start..word.end)
                    .is_some_and(|text| text.starts_with(b"HTTP/"))
        };
        let version = words.get(2..).and_then(<[_]>::last).filter(is_version);
        let end = version.map_or(line.len(), |version| version.start);
        let target = line.get(first.start..end).unwrap_or_default();
        self.target = moved(&(first.start..first.start + target.trim_ascii_end().len()));
        self.version = version.map_or(0..0, moved);
    }

    fn read_field(&mut self, line: &[u8]) {
        let colon = memchr::memchr(b':', line);
        let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
        let value = colon.and_then(|at| line.get(at + 1..)).unwrap_or_default();
        let name = self.push(name.trim_ascii_end());
        let value = self.push(value.trim_ascii());
        self.fields.push((name, value));
    }

    /// A line that goes on with the value before it (RFC 9112, 5.2).
    fn continue_field(&mut self, line: &[u8]) {
        if self.fields.is_empty() {
            return self.read_field(line.trim_ascii_start());
        }
        self.push(b" ");
        let more = self.push(line.trim_ascii());
        if let Some((_, value)) = self.fields.last_mut() {
            value.end = more.end;
        }
    }
}

/// Where the words of a line are.
fn words(line: &[u8]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for word in line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        let end = start + word.len();
        if !word.is_empty() {
            words.push(start..end);
        }
        start = end + 1;
    }
    words
}

fn without_cr(mut line: &[u8]) -> &[u8] {
    while let [before @ .., b'\r'] = line {
        line = before;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(head: &[u8]) -> [String; 4] {
        let glimpse = Glimpse::of(head).expect("a request line");
        [
            glimpse.method(),
            glimpse.target(),
            glimpse.version(),
            glimpse.path(),
        ]
        .map(|part| String::from_utf8_lossy(part).into_owned())
    }

    #[test]
    fn request_lines_of_all_sorts() {
        let cases: [(&[u8], [&str; 4]); 9] = [
            (
                b"GET /a?b#c HTTP/4.0\r\n",
                ["GET", "/a?b#c", "HTTP/4.0", "/a"],
            ),
            (
                b"\r\n GET\t/a  HTTP/1.1 \n",
                ["GET", "/a", "HTTP/1.1", "/a"],
            ),
            (b"GET / \r\n", ["GET", "/", "", "/"]),
            (b"GET\r\n", ["GET", "", "", "/"]),
            (b"GET / TEST\r\n", ["GET", "/", "TEST", "/"]),
            (
                b"GET /a b HTTP/1.1\r\n",
                ["GET", "/a b", "HTTP/1.1", "/a b"],
            ),
            (b"GET /a b c\r\n", ["GET", "/a b c", "", "/a b c"]),
            (
                b"GET http://x/y?z HTTP/1.1\r\n",
                ["GET", "http://x/y?z", "HTTP/1.1", "/y"],
            ),
            (
                b"CONNECT x:1 HTTP/1.1\r\n",
                ["CONNECT", "x:1", "HTTP/1.1", "/"],
            ),
        ];
        for (head, wanted) in cases {
            assert_eq!(parts(head), wanted.map(str::to_owned), "{head:?}");
        }
        assert!(Glimpse::of(b"GET / HTTP/1.1").is_none());
        assert!(Glimpse::of(b"\r\n\r\n").is_none());
    }

    #[test]
    fn fields_of_all_sorts() {
        let head = b"GET / HTTP/1.1\r\nHost : a\r\nB: x\rC: y\r\nD: 1\r\n\t2\nbare\r\n: n\r\n\r\nE: body\r\n";
        let glimpse = Glimpse::of(head).expect("a request line");
        let fields: Vec<_> = glimpse.fields().collect();
        let wanted: [(&[u8], &[u8]); 5] = [
            (b"Host", b"a"),
            (b"B", b"x C: y"),
            (b"D", b"1 2"),
            (b"bare", b""),
            (b"", b"n"),
        ];
        assert_eq!(fields, wanted);
        assert_eq!(glimpse.host(), b"a");
    }

    #[test]
    fn a_body_is_told_where_all_of_it_is_there() {
        let head = b"POST / HTTP/9.9\r\nContent-Length: 4\r\n\r\n";
        let both = [&head[..], b"body and more"].concat();
        let glimpse = Glimpse::of(&both).expect("a request line");
        assert_eq!(glimpse.body(&both, b""), Some(&b"body"[..]));
        let glimpse = Glimpse::of(head).expect("a request line");
        assert_eq!(glimpse.body(head, b"body"), Some(&b"body"[..]));
        assert_eq!(glimpse.body(head, b"bod"), None);
        for fields in [
            "",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: x\r\n",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{fields}\r\nbody");
            let glimpse = Glimpse::of(text.as_bytes()).expect("a request line");
            assert_eq!(glimpse.body(text.as_bytes(), b""), None, "{fields}");
        }
    }

    #[test]
    fn a_flood_of_fields_is_cut_off() {
        let head = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(2 * FIELDS_MAX)
        );
        let glimpse = Glimpse::of(head.as_bytes()).expect("a request line");
        assert_eq!(glimpse.fields().count(), FIELDS_MAX);
    }
}
