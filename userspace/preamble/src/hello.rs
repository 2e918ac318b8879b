//! The ClientHello, as it is before anybody answers it: which name a client asks for (SNI), so that a TLS connection can
//! be routed without being ended.
//!
//! [`HelloReader`] takes bytes as they come. A hello may be spread over several records and a record over many
//! receives; what has been looked at is not looked at again.

use thiserror::Error;

/// The longest ClientHello that is taken, without the headers of its records. With keys that withstand quantum computers
/// a hello has about 2 KB. A longer one is [`HelloError::TooLong`].
pub const MAX_HELLO_BYTES: usize = 16 * 1024;

/// The most bytes on the wire in which a hello has to be complete, so that tiny records buy no time.
pub const MAX_WIRE_BYTES: usize = 2 * MAX_HELLO_BYTES;

/// The longest name (RFC 1035, 2.3.4).
const MAX_NAME_BYTES: usize = 253;

/// The most protocols of ALPN that are kept; more are passed over.
const MAX_PROTOCOLS: usize = 16;

const RECORD_HEAD_BYTES: usize = 5;
/// The longest fragment of a record in plain text (RFC 8446, 5.1).
const MAX_FRAGMENT_BYTES: usize = 1 << 14;
const CONTENT_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEAD_BYTES: usize = 4;

const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_ALPN: u16 = 16;
const EXTENSION_ECH: u16 = 0xfe0d;
const NAME_HOST: u8 = 0;

/// What a client says first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name that it asks for, in lower case and without a dot at its end. With ECH it is the outer name, which tells
    /// who can decrypt the inner one.
    pub server_name: Option<String>,
    /// The protocols that it offers (ALPN), the one it likes best first.
    pub protocols: Vec<Vec<u8>>,
    /// Whether it carries an encrypted inner hello (ECH), or looks as if (GREASE).
    pub encrypted: bool,
}

/// What is wrong with a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HelloError {
    /// The first bytes are no record of a TLS handshake.
    #[error("the first bytes are no TLS handshake")]
    NotTls,
    /// The first message of the handshake is another one.
    #[error("the first message of the handshake is not a ClientHello")]
    NotHello,
    /// An empty record, or one that is longer than TLS has.
    #[error("a TLS record has an impossible length")]
    RecordLength,
    /// Longer than [`MAX_HELLO_BYTES`], or in more than [`MAX_WIRE_BYTES`].
    #[error("the ClientHello is longer than {MAX_HELLO_BYTES} bytes, or in too many records")]
    TooLong,
    /// A length in it does not fit what is around it.
    #[error("a length in the ClientHello does not fit what is around it")]
    Malformed,
    /// The same extension stands in it twice.
    #[error("the ClientHello names a server twice")]
    TwoNames,
    /// The name is none.
    #[error("the name in the ClientHello is not a host name")]
    BadName,
}

/// Gathers a ClientHello.
#[derive(Debug, Default)]
pub struct HelloReader {
    /// Everything that has come, to be handed on.
    wire: Vec<u8>,
    /// The handshake message, without record headers.
    message: Vec<u8>,
    /// How much of `wire` has been looked at.
    seen: usize,
    /// How much of the current record's fragment is still to come.
    fragment_left: usize,
}

impl HelloReader {
    /// Nothing has come.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what has come. `None`: more is needed.
    ///
    /// # Errors
    /// What is wrong; then the connection has to be closed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Hello>, HelloError> {
        self.wire.extend_from_slice(bytes);
        while let Some(fragment) = self.fragment()? {
            self.message.extend_from_slice(&fragment);
            if let Some(body) = whole(&self.message)? {
                return parse(body).map(Some);
            }
        }
        if self.wire.len() > MAX_WIRE_BYTES {
            return Err(HelloError::TooLong);
        }
        Ok(None)
    }

    /// Everything that has come, to be handed on unchanged.
    #[must_use]
    pub fn into_wire(self) -> Vec<u8> {
        self.wire
    }

    /// The next piece of a record's fragment, of those that have come.
    fn fragment(&mut self) -> Result<Option<Vec<u8>>, HelloError> {
        let rest = self.wire.get(self.seen..).unwrap_or_default();
        if self.fragment_left > 0 {
            let piece = rest.get(..self.fragment_left).unwrap_or(rest).to_vec();
            self.seen += piece.len();
            self.fragment_left -= piece.len();
            return Ok((!piece.is_empty()).then_some(piece));
        }
        // What is no record is refused with its first byte.
        match rest {
            [] => return Ok(None),
            [CONTENT_HANDSHAKE] | [CONTENT_HANDSHAKE, 3, ..] => {}
            _ => return Err(HelloError::NotTls),
        }
        let Some(&[_, _, _, high, low]) = rest.first_chunk::<RECORD_HEAD_BYTES>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > MAX_FRAGMENT_BYTES {
            return Err(HelloError::RecordLength);
        }
        self.seen += RECORD_HEAD_BYTES;
        self.fragment_left = length;
        self.fragment()
    }
}

/// The body of the hello, once all of it has come.
fn whole(message: &[u8]) -> Result<Option<&[u8]>, HelloError> {
    match message.first() {
        None | Some(&HANDSHAKE_CLIENT_HELLO) => {}
        Some(_) => return Err(HelloError::NotHello),
    }
    let Some((&[_, high, middle, low], rest)) = message.split_first_chunk::<HANDSHAKE_HEAD_BYTES>()
    else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > MAX_HELLO_BYTES {
        return Err(HelloError::TooLong);
    }
    Ok(rest.get(..length))
}

/// Reads lengths and what they announce.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], HelloError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, HelloError> {
        let (byte, rest) = self.0.split_first().ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u16, HelloError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// What a length of one byte announces.
    fn short(&mut self) -> Result<&'b [u8], HelloError> {
        let count = self.byte()?;
        self.take(usize::from(count))
    }

    /// What a length of two bytes announces.
    fn long(&mut self) -> Result<&'b [u8], HelloError> {
        let count = self.number()?;
        self.take(usize::from(count))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// RFC 8446, 4.1.2; older versions have the same form.
fn parse(body: &[u8]) -> Result<Hello, HelloError> {
    let mut fields = Fields(body);
    fields.take(2 + 32)?; // version and random
    fields.short()?; // session id
    fields.long()?; // cipher suites
    fields.short()?; // compression methods
    let mut hello = Hello::default();
    if fields.is_empty() {
        return Ok(hello); // before extensions were invented
    }
    let mut extensions = Fields(fields.long()?);
    if !fields.is_empty() {
        return Err(HelloError::Malformed);
    }
    let mut named = false;
    while !extensions.is_empty() {
        let kind = extensions.number()?;
        let data = extensions.long()?;
        match kind {
            EXTENSION_SERVER_NAME if named => return Err(HelloError::TwoNames),
            EXTENSION_SERVER_NAME => {
                named = true;
                hello.server_name = Some(server_name(data)?);
            }
            EXTENSION_ALPN => hello.protocols = protocols(data)?,
            EXTENSION_ECH => hello.encrypted = true,
            _ => {}
        }
    }
    Ok(hello)
}

/// RFC 6066, 3: a list that has one host name.
fn server_name(data: &[u8]) -> Result<String, HelloError> {
    let mut fields = Fields(data);
    let mut list = Fields(fields.long()?);
    if !fields.is_empty() || list.is_empty() {
        return Err(HelloError::Malformed);
    }
    let mut found = None;
    while !list.is_empty() {
        let kind = list.byte()?;
        let name = list.long()?;
        if kind != NAME_HOST {
            continue;
        }
        if found.replace(host(name)?).is_some() {
            return Err(HelloError::TwoNames);
        }
    }
    found.ok_or(HelloError::Malformed)
}

/// A name of DNS in its normal form.
fn host(name: &[u8]) -> Result<String, HelloError> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_good = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > MAX_NAME_BYTES || !name.split(|byte| *byte == b'.').all(is_good) {
        return Err(HelloError::BadName);
    }
    String::from_utf8(name.to_ascii_lowercase()).map_err(|_| HelloError::BadName)
}

/// RFC 7301, 3.1.
fn protocols(data: &[u8]) -> Result<Vec<Vec<u8>>, HelloError> {
    let mut fields = Fields(data);
    let mut list = Fields(fields.long()?);
    if !fields.is_empty() {
        return Err(HelloError::Malformed);
    }
    let mut found = Vec::new();
    while !list.is_empty() {
        let name = list.short()?;
        if name.is_empty() {
            return Err(HelloError::Malformed);
        }
        if found.len() < MAX_PROTOCOLS {
            found.push(name.to_vec());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
