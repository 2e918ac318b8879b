//! The prefilter's databases: many patterns in one pass over a value.

use std::sync::atomic::{AtomicU64, Ordering};

use hyperscan::SerializedDatabase as _;
use hyperscan::{
    BlockDatabase, BlockMode, Builder, HsError, Matching, Pattern, PatternFlags, Patterns,
};

use sha1::{Digest, Sha1};

use super::database_cache::DatabaseCache;
use crate::operator;
use crate::transform;

/// Something to look for, and what it is reported as.
pub(super) struct Expression {
    pattern: Pattern,
}

impl Expression {
    /// A regular expression of a rule.
    pub(super) fn of_pattern(source: &str, id: u32) -> Option<Expression> {
        Self::new(operator::for_hyperscan(source), PatternFlags::empty(), id)
    }

    /// A literal.
    pub(super) fn of_text(text: &[u8], caseless: bool, id: u32) -> Option<Expression> {
        let escaped: String = text.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let flags = if caseless {
            PatternFlags::CASELESS
        } else {
            PatternFlags::empty()
        };
        Self::new(escaped, flags, id)
    }

    fn new(expression: String, flags: PatternFlags, id: u32) -> Option<Expression> {
        let mut pattern = Pattern::with_flags(
            expression,
            flags | PatternFlags::DOTALL | PatternFlags::SINGLEMATCH,
        )
        .ok()?;
        pattern.id = Some(id as usize);
        Some(Expression { pattern })
    }

    /// Whether the library takes the expression: cheap, nothing is compiled.
    pub(super) fn is_accepted(&self) -> bool {
        self.pattern.info().is_ok()
    }
}

/// A compiled database.
pub(crate) struct Database {
    database: BlockDatabase,
    /// Unlike that of any other database of this process: what scratch memory goes by.
    serial: u64,
}

impl Database {
    /// Compiles expressions, or takes the database that was compiled of them before. Those that the library finds too large only now
    /// are given back by their ids, and are not in it.
    pub(super) fn compile(
        expressions: Vec<Expression>,
        cache: Option<&dyn DatabaseCache>,
    ) -> Result<(Option<Database>, Vec<u32>), hyperscan::Error> {
        let mut patterns: Patterns = expressions
            .into_iter()
            .map(|expression| expression.pattern)
            .collect();
        let mut refused = Vec::new();
        while !patterns.is_empty() {
            let key = cache.map(|_| key(&patterns));
            if let (Some(cache), Some(key)) = (cache, &key)
                && let Some(database) = cache
                    .load(key)
                    .and_then(|bytes| bytes.deserialize::<BlockMode>().ok())
            {
                return Ok((Some(Database::new(database)), refused));
            }
            match patterns.build::<BlockMode>() {
                Ok(database) => {
                    if let (Some(cache), Some(key)) = (cache, &key) {
                        cache.store(key, &database.serialize()?);
                    }
                    return Ok((Some(Database::new(database)), refused));
                }
                Err(error) => {
                    let Some(index) = offender(&error).filter(|&index| index < patterns.len())
                    else {
                        return Err(error);
                    };
                    let id = patterns.0.remove(index).id;
                    refused.extend(id.and_then(|id| u32::try_from(id).ok()));
                }
            }
        }
        Ok((None, refused))
    }

    fn new(database: BlockDatabase) -> Database {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Database {
            database,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Bytes of the database.
    pub(super) fn size(&self) -> usize {
        self.database.size().unwrap_or(0)
    }

    /// Calls `found` with the id of each expression that occurs in `value`.
    pub(crate) fn scan(
        &self,
        value: &[u8],
        scratches: &mut Scratches,
        mut found: impl FnMut(u32),
    ) -> Result<(), hyperscan::Error> {
        let scratch = scratches.get(self)?;
        self.database
            .scan(value, scratch, |id: u32, _: u64, _: u64, _: u32| {
                found(id);
                Matching::Continue
            })
    }
}

/// Stands for the expressions and the library. A database for another processor under the same key is refused by the library, and
/// compiled again.
fn key(patterns: &Patterns) -> String {
    let mut digest = Sha1::new();
    digest.update(hyperscan::version_str().to_bytes());
    for pattern in patterns.iter() {
        // Displayed with id and flags; no expression holds NUL.
        digest.update(pattern.to_string());
        digest.update([0]);
    }
    let mut text = Vec::new();
    transform::apply(
        seclang::ast::Transformation::HexEncode,
        &digest.finalize(),
        &mut text,
    );
    String::from_utf8_lossy(&text).into_owned()
}

/// The index of the expression that an error of the compiler is about.
fn offender(error: &hyperscan::Error) -> Option<usize> {
    match error {
        hyperscan::Error::Hyperscan(HsError::CompileError(error)) => error.expression(),
        _ => None,
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("serial", &self.serial)
            .field("size", &self.size())
            .finish()
    }
}

/// Databases for which a worker keeps scratch memory. When there are more, all are given up and made anew as they are needed: that
/// happens only as generations of rules go by.
const SCRATCHES_LIMIT: usize = 256;

/// The scratch memory of one worker, one piece a database.
#[derive(Default)]
pub(crate) struct Scratches(Vec<(u64, hyperscan::Scratch)>);

impl Scratches {
    fn get(&mut self, database: &Database) -> Result<&hyperscan::Scratch, hyperscan::Error> {
        let known = self
            .0
            .iter()
            .position(|(serial, _)| *serial == database.serial);
        let index = match known {
            Some(index) => index,
            None => {
                if self.0.len() >= SCRATCHES_LIMIT {
                    self.0.clear();
                }
                self.0
                    .push((database.serial, database.database.alloc_scratch()?));
                self.0.len() - 1
            }
        };
        Ok(&self.0[index].1)
    }
}

impl std::fmt::Debug for Scratches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scratches").field(&self.0.len()).finish()
    }
}
