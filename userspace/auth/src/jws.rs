//! The compact serialisation of RFC 7515, 7.1, taken apart strictly.

use crate::algorithm::Algorithm;
use crate::encoding::base64url;
use crate::json::{self, Object};
use serde_json::Value;

/// The longest token in bytes; a longer one is refused before anything is decoded.
pub const TOKEN_LIMIT_BYTES: usize = 16 * 1024;

/// A token that was taken apart. Nothing in it has been verified.
#[derive(Debug)]
pub struct Jws<'a> {
    /// What the header says that we heed.
    pub header: Header,
    /// What is signed: the encoded header, a dot, the encoded payload.
    pub signing_input: &'a [u8],
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The signature, decoded.
    pub signature: Vec<u8>,
}

/// The header parameters that we heed. Keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) are not
/// among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm that the token claims.
    pub algorithm: Algorithm,
    /// The id of the key that signed it.
    pub kid: Option<String>,
    /// The media type of the whole token.
    pub typ: Option<String>,
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than [`TOKEN_LIMIT_BYTES`].
    #[error("the token is longer than {TOKEN_LIMIT_BYTES} bytes")]
    TooLarge,
    /// Not three parts with dots between.
    #[error("expected three parts separated by dots")]
    Parts,
    /// A part is not base64url without padding.
    #[error("expected base64url without padding in the {0}")]
    Encoding(&'static str),
    /// The header is no JSON object with unique members.
    #[error("expected a JSON object without duplicate members as header")]
    Header,
    /// A header parameter has the wrong type, or `alg` is missing.
    #[error("expected header parameter {0} to be a string")]
    Parameter(&'static str),
    /// `alg` is `none`, in whatever case.
    #[error("the token is not signed (alg none)")]
    AlgorithmNone,
    /// `alg` is not one that we know.
    #[error("the algorithm is unknown")]
    AlgorithmUnknown,
    /// The header has `crit` or `b64`: we understand no extension (RFC 7515, 4.1.11; RFC 7797).
    #[error("the header asks for an extension ({0})")]
    Critical(&'static str),
}

/// Takes a token apart.
///
/// # Errors
/// [`JwsError`]; it never repeats the token.
pub fn parse(token: &[u8]) -> Result<Jws<'_>, JwsError> {
    if token.len() > TOKEN_LIMIT_BYTES {
        return Err(JwsError::TooLarge);
    }
    let mut dots = token
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .map(|(at, _)| at);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(JwsError::Parts);
    };
    let (signing_input, signature) = (part(token, 0, second), part(token, second + 1, token.len()));
    let (header, payload) = (part(token, 0, first), part(token, first + 1, second));
    Ok(Jws {
        header: parse_header(&base64url(header).ok_or(JwsError::Encoding("header"))?)?,
        signing_input,
        payload: base64url(payload).ok_or(JwsError::Encoding("payload"))?,
        signature: base64url(signature).ok_or(JwsError::Encoding("signature"))?,
    })
}

fn part(token: &[u8], from: usize, to: usize) -> &[u8] {
    token.get(from..to).unwrap_or_default()
}

fn parse_header(text: &[u8]) -> Result<Header, JwsError> {
    let mut members = json::parse_object(text).map_err(|_| JwsError::Header)?;
    for extension in ["crit", "b64"] {
        if members.contains_key(extension) {
            return Err(JwsError::Critical(extension));
        }
    }
    let name = string(&mut members, "alg")?.ok_or(JwsError::Parameter("alg"))?;
    if name.eq_ignore_ascii_case("none") {
        return Err(JwsError::AlgorithmNone);
    }
    Ok(Header {
        algorithm: name.parse().map_err(|_| JwsError::AlgorithmUnknown)?,
        kid: string(&mut members, "kid")?,
        typ: string(&mut members, "typ")?,
    })
}

fn string(members: &mut Object, name: &'static str) -> Result<Option<String>, JwsError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwsError::Parameter(name)),
    }
}

#[cfg(test)]
mod tests;
