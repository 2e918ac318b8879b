//! The file that holds the keys' hashes: JSON Lines, so that a key is one line to `grep`, `diff` and append.
//!
//! ```text
//! {"format":"bascule-keys","version":1,"prefix":"bsk"}
//! {"id":"k-7f3a","hash":"sha256:9c56…","consumer":"acme","created":"2026-03-01T12:00:00Z","scopes":["orders:read"]}
//! ```
//!
//! The first line names the format. Each other line is a [`KeyRecord`]; empty lines are allowed, unknown or repeated
//! members are not.

use crate::api_key::{ApiKey, BadPrefix, KeyHash, RANDOM_BYTES, is_prefix};
use crate::{civil_time, encoding, identity};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::SystemTime;
use types::Secret;

/// The most keys in a file; a file with more is refused.
pub const KEYS_LIMIT: usize = 1_000_000;
/// The longest line in bytes; a longer one is refused.
pub const LINE_LIMIT_BYTES: usize = 16 * 1024;
/// The longest id or consumer in bytes.
pub const NAME_LIMIT_BYTES: usize = 256;

/// What a key file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The prefix of all keys of this store.
    pub prefix: String,
    /// The keys, in the order of the file.
    pub records: Vec<KeyRecord>,
}

/// What is known of one key. The key itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The name of the key for people and logs; unique.
    pub id: String,
    /// The hash of the key; unique.
    pub hash: KeyHash,
    /// Who holds it.
    pub consumer: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// From when on it is refused, in seconds since 1970.
    pub expires: Option<u64>,
    /// When it was revoked, in seconds since 1970: refused for ever.
    pub revoked: Option<u64>,
    /// Refused until it is switched on again.
    pub disabled: bool,
    /// Its place in the consumer's pair.
    pub slot: Option<Slot>,
    /// What it may be used for.
    pub scopes: Vec<String>,
}

/// A consumer's pair of keys, so that one is replaced while the other works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The first key.
    Primary,
    /// The second key.
    Secondary,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    version: u32,
    prefix: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    id: String,
    hash: String,
    consumer: String,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<Slot>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
}

const FORMAT: &str = "bascule-keys";
const VERSION: u32 = 1;

/// Where a key file is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct KeyFileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: KeyFileProblem,
}

/// What is wrong with a line of a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileProblem {
    /// The first line is missing or another one.
    #[error(
        r#"expected {{"format":"bascule-keys","version":1,"prefix":"<prefix>"}} first; is this a key file?"#
    )]
    NoHeader,
    /// A newer program wrote it.
    #[error("expected version 1, found {0}; a newer bascule wrote this file")]
    Version(u32),
    /// The prefix is none.
    #[error(transparent)]
    Prefix(#[from] BadPrefix),
    /// The line is longer than [`LINE_LIMIT_BYTES`].
    #[error("the line is longer than {LINE_LIMIT_BYTES} bytes")]
    LineTooLong,
    /// There are more than [`KEYS_LIMIT`] keys.
    #[error("the file has more than {KEYS_LIMIT} keys; split it into several stores")]
    TooManyKeys,
    /// The line is no record.
    #[error("expected a key record, found something else at column {column}: {message}")]
    Record {
        /// The column in bytes, from 1.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// The hash has another form.
    #[error("expected hash as sha256:<64 lower-case hexadecimal digits>")]
    Hash,
    /// A time has another form.
    #[error("expected {0} as a time in UTC such as 2026-03-01T12:00:00Z")]
    Time(&'static str),
    /// An id or a consumer is empty, too long or has control characters.
    #[error("expected {0} to be 1 to {NAME_LIMIT_BYTES} bytes without control characters")]
    Name(&'static str),
    /// A scope is none.
    #[error(
        "expected scopes of visible ASCII characters without spaces, quotes and backslashes (RFC 6749, 3.3)"
    )]
    Scope,
    /// The id stands in the file before.
    #[error("id {0:?} is already used above; ids are unique")]
    DuplicateId(String),
    /// The hash stands in the file before.
    #[error("the same key is already listed above; remove one of the two lines")]
    DuplicateHash,
    /// Two keys that are neither revoked nor disabled share a slot.
    #[error("consumer {consumer:?} already has a live key in slot {slot:?}; revoke that one first")]
    SlotTaken {
        /// Whose pair.
        consumer: String,
        /// Which of the pair.
        slot: Slot,
    },
}

impl KeyFile {
    /// An empty file for keys with this prefix.
    ///
    /// # Errors
    /// [`BadPrefix`]
    pub fn new(prefix: &str) -> Result<Self, BadPrefix> {
        if !is_prefix(prefix) {
            return Err(BadPrefix);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            records: Vec::new(),
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// The first line that is wrong. The error never repeats a hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let mut lines = bytes
            .split(|&byte| byte == b'\n')
            .enumerate()
            .map(|(index, line)| (index + 1, line.strip_suffix(b"\r").unwrap_or(line)))
            .filter(|(_, line)| !line.trim_ascii().is_empty());
        let at = |line| move |problem| KeyFileError { line, problem };

        let (number, header) = lines
            .next()
            .ok_or_else(|| at(1)(KeyFileProblem::NoHeader))?;
        let prefix = parse_header(header).map_err(at(number))?;
        let mut file = Self {
            prefix,
            records: Vec::new(),
        };
        let mut unique = Unique::default();
        for (number, line) in lines {
            let record = parse_record(line).map_err(at(number))?;
            unique.admit(&record).map_err(at(number))?;
            if file.records.len() == KEYS_LIMIT {
                return Err(at(number)(KeyFileProblem::TooManyKeys));
            }
            file.records.push(record);
        }
        Ok(file)
    }

    /// Writes the file. What was read is written back record by record.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let header = HeaderLine {
            format: FORMAT.to_owned(),
            version: VERSION,
            prefix: self.prefix.clone(),
        };
        push_line(&mut text, &header);
        for record in &self.records {
            push_line(&mut text, &RecordLine::from(record));
        }
        text
    }

    /// Makes a new key and adds its record. The key is returned once and kept nowhere.
    ///
    /// `random` comes from the system's generator.
    ///
    /// # Errors
    /// Where the record would make the file one that [`KeyFile::parse`] refuses; the file is then as before.
    pub fn issue(
        &mut self,
        key: NewKey,
        random: &[u8; RANDOM_BYTES],
        now: SystemTime,
    ) -> Result<Secret, KeyFileProblem> {
        let secret = ApiKey::generate(&self.prefix, random)?;
        let record = KeyRecord {
            id: key.id,
            hash: KeyHash::of(secret.expose()),
            consumer: key.consumer,
            created: civil_time::unix_seconds(now),
            expires: key.expires.map(civil_time::unix_seconds),
            revoked: None,
            disabled: false,
            slot: key.slot,
            scopes: key.scopes,
        };
        record.check()?;
        if self.records.len() >= KEYS_LIMIT {
            return Err(KeyFileProblem::TooManyKeys);
        }
        let mut unique = Unique::default();
        for known in &self.records {
            unique.admit(known)?;
        }
        unique.admit(&record)?;
        self.records.push(record);
        Ok(secret)
    }

    /// Revokes a key. Returns whether there is a key with that id; one that is revoked already keeps its time.
    pub fn revoke(&mut self, id: &str, now: SystemTime) -> bool {
        let Some(record) = self.records.iter_mut().find(|record| record.id == id) else {
            return false;
        };
        record.revoked.get_or_insert(civil_time::unix_seconds(now));
        true
    }
}

/// What a new key is for.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// The name of the key; unique in the file.
    pub id: String,
    /// Who will hold it.
    pub consumer: String,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// Its place in the consumer's pair.
    pub slot: Option<Slot>,
    /// What it may be used for.
    pub scopes: Vec<String>,
}

impl KeyRecord {
    /// Whether the key is neither revoked nor switched off. It may have expired.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.revoked.is_none() && !self.disabled
    }

    fn check(&self) -> Result<(), KeyFileProblem> {
        let is_name = |text: &str| {
            (1..=NAME_LIMIT_BYTES).contains(&text.len()) && !text.contains(char::is_control)
        };
        if !is_name(&self.id) {
            return Err(KeyFileProblem::Name("id"));
        }
        if !is_name(&self.consumer) {
            return Err(KeyFileProblem::Name("consumer"));
        }
        if !self
            .scopes
            .iter()
            .all(|scope| identity::is_scope_token(scope))
        {
            return Err(KeyFileProblem::Scope);
        }
        Ok(())
    }
}

/// What must not stand in a file twice.
#[derive(Default)]
struct Unique {
    ids: HashSet<String>,
    hashes: HashSet<[u8; 32]>,
    slots: HashSet<(String, Slot)>,
}

impl Unique {
    fn admit(&mut self, record: &KeyRecord) -> Result<(), KeyFileProblem> {
        if !self.ids.insert(record.id.clone()) {
            return Err(KeyFileProblem::DuplicateId(record.id.clone()));
        }
        if !self.hashes.insert(*record.hash.as_bytes()) {
            return Err(KeyFileProblem::DuplicateHash);
        }
        if let Some(slot) = record.slot.filter(|_| record.is_live())
            && !self.slots.insert((record.consumer.clone(), slot))
        {
            let consumer = record.consumer.clone();
            return Err(KeyFileProblem::SlotTaken { consumer, slot });
        }
        Ok(())
    }
}

fn parse_header(line: &[u8]) -> Result<String, KeyFileProblem> {
    let header: HeaderLine = serde_json::from_slice(line).map_err(|_| KeyFileProblem::NoHeader)?;
    if header.format != FORMAT {
        return Err(KeyFileProblem::NoHeader);
    }
    if header.version != VERSION {
        return Err(KeyFileProblem::Version(header.version));
    }
    if !is_prefix(&header.prefix) {
        return Err(BadPrefix.into());
    }
    Ok(header.prefix)
}

fn parse_record(line: &[u8]) -> Result<KeyRecord, KeyFileProblem> {
    if line.len() > LINE_LIMIT_BYTES {
        return Err(KeyFileProblem::LineTooLong);
    }
    let line: RecordLine =
        serde_json::from_slice(line).map_err(|error| KeyFileProblem::Record {
            column: error.column(),
            message: expectation(&error),
        })?;
    let hash = line
        .hash
        .strip_prefix("sha256:")
        .and_then(encoding::unhex32)
        .map(KeyHash::from_bytes)
        .ok_or(KeyFileProblem::Hash)?;
    let time = |name, text: &str| civil_time::parse(text).ok_or(KeyFileProblem::Time(name));
    let record = KeyRecord {
        hash,
        created: time("created", &line.created)?,
        expires: line
            .expires
            .as_deref()
            .map(|text| time("expires", text))
            .transpose()?,
        revoked: line
            .revoked
            .as_deref()
            .map(|text| time("revoked", text))
            .transpose()?,
        id: line.id,
        consumer: line.consumer,
        disabled: line.disabled,
        slot: line.slot,
        scopes: line.scopes,
    };
    record.check()?;
    Ok(record)
}

/// What `serde_json` expected, without the position that it appends.
fn expectation(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

impl From<&KeyRecord> for RecordLine {
    fn from(record: &KeyRecord) -> Self {
        Self {
            id: record.id.clone(),
            hash: format!("sha256:{}", encoding::hex(record.hash.as_bytes())),
            consumer: record.consumer.clone(),
            created: civil_time::format(record.created),
            expires: record.expires.map(civil_time::format),
            revoked: record.revoked.map(civil_time::format),
            disabled: record.disabled,
            slot: record.slot,
            scopes: record.scopes.clone(),
        }
    }
}

fn push_line(text: &mut String, line: &impl Serialize) {
    // Strings, numbers and lists of strings: neither the serialiser nor writing to a String can fail.
    if let Ok(json) = serde_json::to_string(line) {
        let _ = writeln!(text, "{json}");
    }
}

#[cfg(test)]
mod tests;
