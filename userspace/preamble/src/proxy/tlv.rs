//! What version 2 tells beside the addresses: type, length, value.

use super::ProxyError;

/// The types that the specification gives a meaning.
pub mod kind {
    /// The protocol that ALPN agreed on.
    pub const ALPN: u8 = 0x01;
    /// The host that the client asked for, from SNI for example.
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum over the header.
    pub const CRC32C: u8 = 0x03;
    /// Nothing: padding.
    pub const NOOP: u8 = 0x04;
    /// An id of the connection, up to 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// TLS between the client and the proxy in front, with TLVs of its own.
    pub const SSL: u8 = 0x20;
    /// The name of the network namespace.
    pub const NETNS: u8 = 0x30;
    /// Within [`SSL`]: the version of TLS, in words.
    pub const SSL_VERSION: u8 = 0x21;
    /// Within [`SSL`]: the common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Within [`SSL`]: the cipher suite, in words.
    pub const SSL_CIPHER: u8 = 0x23;
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'b> {
    /// One of [`kind`], or a type that the specification leaves to others.
    pub kind: u8,
    /// Its value.
    pub value: &'b [u8],
}

/// All of a header's, in their order. They are known to be well-formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'b> {
    bytes: &'b [u8],
}

/// Bytes of type and length.
const HEAD_BYTES: usize = 3;

impl<'b> Tlvs<'b> {
    /// Checks the form of all of them.
    pub(super) fn new(bytes: &'b [u8]) -> Result<Self, ProxyError> {
        let all = Self { bytes };
        let whole: usize = all.map(|tlv| HEAD_BYTES + tlv.value.len()).sum();
        if whole == bytes.len() {
            Ok(all)
        } else {
            Err(ProxyError::TlvOverruns)
        }
    }

    /// The value of the first one of a type.
    #[must_use]
    pub fn get(&self, kind: u8) -> Option<&'b [u8]> {
        self.into_iter()
            .find(|tlv| tlv.kind == kind)
            .map(|tlv| tlv.value)
    }

    /// The host that the client asked for, where it is text.
    #[must_use]
    pub fn authority(&self) -> Option<&'b str> {
        std::str::from_utf8(self.get(kind::AUTHORITY)?).ok()
    }

    /// What is told of TLS in front.
    #[must_use]
    pub fn ssl(&self) -> Option<Ssl<'b>> {
        Ssl::read(self.get(kind::SSL)?)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }
}

impl<'b> Iterator for Tlvs<'b> {
    type Item = Tlv<'b>;

    fn next(&mut self) -> Option<Tlv<'b>> {
        let ([kind, high, low], rest) = self.bytes.split_first_chunk::<HEAD_BYTES>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.bytes = rest;
        Some(Tlv { kind: *kind, value })
    }
}

/// TLS between the client and the proxy in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssl<'b> {
    /// Whether the client spoke TLS at all.
    pub tls: bool,
    /// Whether it showed a certificate on this connection or in an earlier one of its session.
    pub certificate: bool,
    /// Whether that certificate was verified; means nothing without one.
    pub verified: bool,
    /// The version of TLS, in words.
    pub version: Option<&'b str>,
    /// The common name of the client's certificate.
    pub common_name: Option<&'b str>,
}

const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERT_CONN: u8 = 0x02;
const CLIENT_CERT_SESS: u8 = 0x04;

impl<'b> Ssl<'b> {
    fn read(value: &'b [u8]) -> Option<Self> {
        let (client, rest) = value.split_first()?;
        let (verify, rest) = rest.split_first_chunk::<4>()?;
        let inner = Tlvs::new(rest).ok()?;
        let text = |kind| std::str::from_utf8(inner.get(kind)?).ok();
        Some(Self {
            tls: client & CLIENT_SSL != 0,
            certificate: client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS) != 0,
            verified: *verify == [0; 4],
            version: text(kind::SSL_VERSION),
            common_name: text(kind::SSL_CN),
        })
    }

    /// Writes it as the value of a [`kind::SSL`].
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        let mut client = 0;
        if self.tls {
            client |= CLIENT_SSL;
        }
        if self.certificate {
            client |= CLIENT_CERT_CONN | CLIENT_CERT_SESS;
        }
        let verify = u32::from(!self.verified);
        let mut value = vec![client];
        value.extend_from_slice(&verify.to_be_bytes());
        for (kind, text) in [
            (kind::SSL_VERSION, self.version),
            (kind::SSL_CN, self.common_name),
        ] {
            if let Some(text) = text {
                write(&mut value, kind, text.as_bytes());
            }
        }
        value
    }
}

/// Appends one. A value that is longer than a length can say is left out.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else {
        return;
    };
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}
