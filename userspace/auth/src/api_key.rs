//! The form of an API key: `<prefix>_<33 random base62 digits><6 checksum digits>`, as in
//! `bsk_1pDZ…`.
//!
//! The prefix tells people and secret scanners whose key it is. The checksum lets us refuse a typo, and let a scanner drop
//! a false find, without asking a store: it is CRC-32 of everything before it and no protection against forgery; 192
//! random bits are.

use crate::encoding::{base62, base62_digit};
use aws_lc_rs::digest;
use std::fmt;
use subtle::ConstantTimeEq;
use types::Secret;

/// Random bytes in a key: 192 bits.
pub const RANDOM_BYTES: usize = 24;
/// The longest prefix in bytes; a longer one cannot be configured, and a key with one is refused.
pub const PREFIX_LIMIT_BYTES: usize = 24;
/// The base62 digits of 192 bits.
const RANDOM_DIGITS: usize = 33;
/// The base62 digits of 32 bits.
const CHECKSUM_DIGITS: usize = 6;

/// A text of the form of an API key, with a checksum that is right. Whether anybody holds it is the store's to say.
#[derive(Clone, Copy)]
pub struct ApiKey<'a> {
    text: &'a [u8],
    prefix: &'a str,
}

/// Why a text is no API key. None of these asks a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Wrong length, wrong alphabet or no prefix.
    #[error("expected <prefix>_<39 letters and digits>")]
    Form,
    /// The checksum does not belong to the rest: mistyped, cut or invented.
    #[error("the checksum at the end of the key is wrong: the key was mistyped or cut")]
    Checksum,
}

impl<'a> ApiKey<'a> {
    /// Checks the form and the checksum. Allocates nothing.
    ///
    /// # Errors
    /// [`ApiKeyError`]
    pub fn parse(text: &'a [u8]) -> Result<Self, ApiKeyError> {
        let body_at = text
            .len()
            .checked_sub(RANDOM_DIGITS + CHECKSUM_DIGITS)
            .ok_or(ApiKeyError::Form)?;
        let (head, body) = text.split_at(body_at);
        let Some((b'_', prefix)) = head.split_last() else {
            return Err(ApiKeyError::Form);
        };
        let prefix = std::str::from_utf8(prefix).map_err(|_| ApiKeyError::Form)?;
        if !is_prefix(prefix) || !body.iter().all(u8::is_ascii_alphanumeric) {
            return Err(ApiKeyError::Form);
        }
        let (signed, checksum) = text.split_at(text.len() - CHECKSUM_DIGITS);
        if checksum_digits(signed) != *checksum {
            return Err(ApiKeyError::Checksum);
        }
        Ok(Self { text, prefix })
    }

    /// Makes a key from random bytes. They must come from the system's generator: the key is as secret as they are.
    ///
    /// # Errors
    /// [`BadPrefix`], where the prefix is not one.
    pub fn generate(prefix: &str, random: &[u8; RANDOM_BYTES]) -> Result<Secret, BadPrefix> {
        if !is_prefix(prefix) {
            return Err(BadPrefix);
        }
        let mut text = Vec::with_capacity(prefix.len() + 1 + RANDOM_DIGITS + CHECKSUM_DIGITS);
        text.extend_from_slice(prefix.as_bytes());
        text.push(b'_');
        text.extend_from_slice(&base62::<RANDOM_DIGITS>(random));
        let checksum = checksum_digits(&text);
        text.extend_from_slice(&checksum);
        Ok(Secret::new(text))
    }

    /// Whose key it is.
    #[must_use]
    pub const fn prefix(&self) -> &'a str {
        self.prefix
    }

    /// What the store keeps instead of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.text)
    }
}

impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}_[secret])", self.prefix)
    }
}

/// A prefix that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a prefix of 2 to 24 lower-case letters, digits and inner underscores that begins with a letter"
)]
pub struct BadPrefix;

/// Whether a text can be the prefix of a store's keys.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (2..=PREFIX_LIMIT_BYTES).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The SHA-256 of a whole key.
///
/// A slow hash (Argon2, bcrypt) protects secrets that people choose: it makes each guess dear. Nobody guesses one of 2¹⁹²
/// keys, at any price, so a fast hash gives the same protection and does not hand an attacker a way to burn our CPU. It
/// needs no salt for the same reason, and without one a key is found by its hash.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key's text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, text);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// A hash that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first bytes, to find candidates by.
    pub(crate) fn bucket(&self) -> u64 {
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(&self.0) {
            *to = *from;
        }
        u64::from_be_bytes(first)
    }
}

impl PartialEq for KeyHash {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyHash {}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({}…)", crate::encoding::hex(&self.0[..4]))
    }
}

fn checksum_digits(text: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    let mut rest = crc32(text);
    let mut digits = [b'0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = base62_digit(rest % 62);
        rest /= 62;
    }
    digits
}

/// CRC-32 as in IEEE 802.3 and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        let [low, ..] = crc.to_le_bytes();
        CRC_TABLE[usize::from(low ^ byte)] ^ (crc >> 8)
    })
}

static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    let mut value = 0_u32;
    while index < table.len() {
        let mut crc = value;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[index] = crc;
        index += 1;
        value += 1;
    }
    table
}

#[cfg(test)]
mod tests;
