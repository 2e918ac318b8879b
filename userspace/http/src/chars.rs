//! Byte classes and lists of tokens (RFC 9110, 5.6).

/// A table of bytes.
pub(crate) struct Class([bool; 256]);

impl Class {
    const fn new(letters_and_digits: bool, others: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            table[at] = letters_and_digits && (at as u8).is_ascii_alphanumeric();
            at += 1;
        }
        at = 0;
        while at < others.len() {
            table[others[at] as usize] = true;
            at += 1;
        }
        Self(table)
    }

    #[inline]
    pub(crate) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// Whether the text is not empty and made of these bytes only.
    pub(crate) fn covers(&self, text: &[u8]) -> bool {
        !text.is_empty() && text.iter().all(|&byte| self.has(byte))
    }
}

/// Bytes of a token (RFC 9110, 5.6.2): method and field names, connection options, chunk extensions.
pub(crate) static TOKEN: Class = Class::new(true, b"!#$%&'*+-.^_`|~");

/// Unreserved bytes of a URI (RFC 3986, 2.3): the same with and without a percent escape.
pub(crate) static UNRESERVED: Class = Class::new(true, b"-._~");

/// Bytes that stand in a path segment as they are (RFC 3986, 3.3), without `/` and `%`.
pub(crate) static SEGMENT: Class = Class::new(true, b"-._~!$&'()*+,;=:@");

/// Bytes of a host name. RFC 3986 also allows percent escapes, which two readers would compare differently, and the
/// comma, which would read as two hosts once the name stands in a list such as X-Forwarded-Host: both are refused.
pub(crate) static REG_NAME: Class = Class::new(true, b"-._~!$&'()*+;=");

/// Bytes of a request id that we keep: they need no quoting in a log, a URL or a header field.
pub(crate) static REQUEST_ID: Class = Class::new(true, b"-_.:/+=@");

/// Whether a byte may stand in a field value: visible, space, tab or obs-text, which stays opaque (RFC 9110, 5.5).
#[inline]
pub(crate) const fn is_field_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Cuts spaces and tabs at both ends (OWS, RFC 9110, 5.6.3).
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The elements of a comma-separated list without quotes (RFC 9110, 5.6.1), trimmed, empty ones left out.
pub fn tokens(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|&byte| byte == b',')
        .map(trim)
        .filter(|token| !token.is_empty())
}

/// The value of a hexadecimal digit.
#[inline]
pub(crate) const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A decimal number of digits alone, no sign, no space. `Err(true)` where it is a number but too large.
pub(crate) fn decimal(text: &[u8]) -> Result<u64, bool> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(false);
    }
    text.iter().try_fold(0u64, |value, digit| {
        value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or(true)
    })
}
