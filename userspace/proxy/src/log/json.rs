//! The few JSON shapes that an access line needs, written straight into a byte buffer.

use std::fmt::Write as _;
use std::io::Write as _;

/// Writes one flat JSON object; fields that have nothing to say are left out.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub(super) fn text(&mut self, name: &str, value: &[u8]) {
        self.key(name);
        write_string(self.out, value);
    }

    pub(super) fn text_if(&mut self, name: &str, value: &[u8]) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    /// A value whose `Display` is known to need no escape: an address, a fixed name.
    pub(super) fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.key(name);
        self.out.push(b'"');
        // Writing to a Vec cannot fail.
        let _ = write!(self.out, "{value}");
        self.out.push(b'"');
    }

    pub(super) fn numbers(&mut self, name: &str, values: &[u64]) {
        self.key(name);
        self.out.push(b'[');
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            self.out
                .extend_from_slice(itoa::Buffer::new().format(*value).as_bytes());
        }
        self.out.push(b']');
    }
}

/// Writes bytes as a JSON string. What is valid UTF-8 stays; every other byte becomes `\u00XX`, so that no byte that a
/// client sent is lost and none can end the line.
fn write_string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for piece in value.utf8_chunks() {
        write_valid(out, piece.valid());
        for byte in piece.invalid() {
            write_escape(out, *byte);
        }
    }
    out.push(b'"');
}

fn write_valid(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' && *byte != 0x7f {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..i]);
        plain_from = i + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            other => write_escape(out, *other),
        }
    }
    out.extend_from_slice(&bytes[plain_from..]);
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let mut text = String::with_capacity(6);
    let _ = write!(text, "\\u{byte:04x}");
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &[u8]) -> String {
        let mut out = Vec::new();
        write_string(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_byte_of_a_client_ends_the_string() {
        assert_eq!(string(b"plain"), "\"plain\"");
        assert_eq!(string(b"a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(
            string(b"line\r\nnext\x00"),
            r#""line\u000d\u000anext\u0000""#
        );
        assert_eq!(string(b"caf\xc3\xa9 \xff"), "\"café \\u00ff\"");
    }

    #[test]
    fn empty_fields_are_left_out() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text_if("a", b"");
        object.number("b", 7);
        object.numbers("c", &[1, 2]);
        object.plain("d", "x");
        object.end();
        assert_eq!(out, br#"{"b":7,"c":[1,2],"d":"x"}"#);
    }
}
