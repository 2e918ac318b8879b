//! The prefilter's databases: many patterns in one pass over a value.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use hyperscan::SerializedDatabase as _;
use hyperscan::{
    BlockDatabase, BlockMode, Builder, HsError, Matching, Pattern, PatternFlags, Patterns,
};

use sha1::{Digest, Sha1};

use super::error::CompileOptions;
use crate::operator;
use crate::transform;

/// What stands between values that are scanned as one. Anchors are those of lines, so each value begins and ends at one; that values
/// hold it too, or that a match reaches over several of them, only makes for more to be tested.
pub(crate) const SEPARATOR: u8 = b'\n';

/// Something to look for, and what it is reported as.
pub(super) struct Expression {
    pattern: Pattern,
}

impl Expression {
    /// A regular expression of a rule.
    pub(super) fn of_pattern(source: &str, id: u32) -> Option<Expression> {
        let shortened = super::pattern::without_tail(source);
        let source = shortened.as_deref().unwrap_or(source);
        Self::new(operator::for_hyperscan(source), PatternFlags::empty(), id)
    }

    /// A regular expression that is written for the library already.
    pub(super) fn of_written(pattern: String, caseless: bool, id: u32) -> Option<Expression> {
        Self::new(pattern, case(caseless), id)
    }

    /// A literal.
    pub(super) fn of_text(text: &[u8], caseless: bool, id: u32) -> Option<Expression> {
        let mut escaped = String::with_capacity(text.len() * 4);
        for byte in text {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\x{byte:02x}");
        }
        Self::new(escaped, case(caseless), id)
    }

    fn new(expression: String, flags: PatternFlags, id: u32) -> Option<Expression> {
        let mut pattern = Pattern::with_flags(
            expression,
            flags | PatternFlags::DOTALL | PatternFlags::MULTILINE,
        )
        .ok()?;
        pattern.id = Some(id as usize);
        Some(Expression { pattern })
    }

    fn id(&self) -> u32 {
        // As it was given.
        self.pattern.id.map_or(0, |id| id as u32)
    }

    /// Whether the library takes the expression: cheap, nothing is compiled.
    fn is_accepted(&self) -> bool {
        self.pattern.info().is_ok()
    }
}

fn case(caseless: bool) -> PatternFlags {
    if caseless {
        PatternFlags::CASELESS
    } else {
        PatternFlags::empty()
    }
}

/// What became of expressions.
#[derive(Default)]
pub(super) struct Made {
    /// The database; `None` without an expression.
    pub(super) database: Option<Database>,
    /// Ids that are not in it, because the library does not take one of their expressions or finds it too large.
    pub(super) refused: Vec<u32>,
    /// Whether there should be a database, and it was neither kept nor compiled.
    pub(super) is_missing: bool,
}

/// A compiled database.
pub(crate) struct Database {
    database: BlockDatabase,
    /// Unlike that of any other database of this process: what scratch memory goes by.
    serial: u64,
    /// Gone when the database is: scratch memory for it is of no use then.
    alive: Arc<()>,
}

impl Database {
    /// Takes the database that was made of these expressions before, or compiles it if that is wanted.
    pub(super) fn make(
        expressions: Vec<Expression>,
        options: &CompileOptions,
    ) -> Result<Made, hyperscan::Error> {
        if expressions.is_empty() {
            return Ok(Made::default());
        }
        let cache = options.databases.as_deref();
        let key = cache.map(|_| key(&expressions)).unwrap_or_default();
        if let Some(made) = cache.and_then(|cache| kept(&cache.load(&key)?)) {
            return Ok(made);
        }
        if !options.compile_databases {
            return Ok(Made {
                refused: expressions.iter().map(Expression::id).collect(),
                is_missing: true,
                ..Made::default()
            });
        }
        let (database, refused) = compile(expressions)?;
        if let Some(cache) = cache {
            cache.store(&key, &to_keep(database.as_ref(), &refused)?);
        }
        Ok(Made {
            database: database.map(Database::new),
            refused,
            is_missing: false,
        })
    }

    fn new(database: BlockDatabase) -> Database {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Database {
            database,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            alive: Arc::default(),
        }
    }

    /// Bytes of the database.
    pub(super) fn size(&self) -> usize {
        self.database.size().unwrap_or(0)
    }

    /// Calls `found` with the id of each expression that occurs in `text`, and where an occurrence ends: at least once for each end.
    pub(crate) fn scan(
        &self,
        text: &[u8],
        scratches: &mut Scratches,
        mut found: impl FnMut(u32, usize),
    ) -> Result<(), hyperscan::Error> {
        let scratch = scratches.get(self)?;
        self.database
            .scan(text, scratch, |id: u32, _: u64, end: u64, _: u32| {
                found(id, usize::try_from(end).unwrap_or(usize::MAX));
                Matching::Continue
            })
    }
}

/// Compiles what the library takes, and gives back the ids of the rest.
fn compile(
    expressions: Vec<Expression>,
) -> Result<(Option<BlockDatabase>, Vec<u32>), hyperscan::Error> {
    let mut refused: Vec<u32> = expressions
        .iter()
        .filter(|expression| !expression.is_accepted())
        .map(Expression::id)
        .collect();
    let mut patterns: Patterns = expressions
        .into_iter()
        .filter(|expression| !refused.contains(&expression.id()))
        .map(|expression| expression.pattern)
        .collect();
    while !patterns.is_empty() {
        match patterns.build::<BlockMode>() {
            Ok(database) => return Ok((Some(database), refused)),
            Err(error) => {
                // Some are found too large only now. All expressions of the id go.
                let Some(id) = offender(&error)
                    .and_then(|index| patterns.0.get(index))
                    .and_then(|pattern| pattern.id)
                else {
                    return Err(error);
                };
                patterns.0.retain(|pattern| pattern.id != Some(id));
                refused.extend(u32::try_from(id).ok());
            }
        }
    }
    Ok((None, refused))
}

/// What is kept of a database: how many ids were refused, these ids, and the database as the library writes it, if there is one.
fn to_keep(database: Option<&BlockDatabase>, refused: &[u32]) -> Result<Vec<u8>, hyperscan::Error> {
    let count = refused.len() as u32;
    let mut kept = count.to_le_bytes().to_vec();
    kept.extend(refused.iter().flat_map(|id| id.to_le_bytes()));
    if let Some(database) = database {
        kept.extend_from_slice(&database.serialize()?);
    }
    Ok(kept)
}

/// Reads what was kept; `None` where the library does not take it.
fn kept(bytes: &[u8]) -> Option<Made> {
    let (count, rest) = bytes.split_first_chunk()?;
    let length = (u32::from_le_bytes(*count) as usize).checked_mul(size_of::<u32>())?;
    let (ids, database) = rest.split_at_checked(length)?;
    let (ids, _) = ids.as_chunks();
    let database = match database {
        [] => None,
        database => Some(Database::new(database.deserialize::<BlockMode>().ok()?)),
    };
    Some(Made {
        database,
        refused: ids.iter().copied().map(u32::from_le_bytes).collect(),
        is_missing: false,
    })
}

/// Stands for the expressions, the library and the processor that a database is made for.
fn key(expressions: &[Expression]) -> String {
    let mut digest = Sha1::new();
    digest.update(LAYOUT);
    digest.update(hyperscan::version_str().to_bytes());
    digest.update(processor());
    for expression in expressions {
        // No expression holds NUL.
        let pattern = &expression.pattern;
        digest.update(expression.id().to_le_bytes());
        digest.update(pattern.flags.bits().to_le_bytes());
        digest.update(&pattern.expression);
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

/// How entries are laid out; another number for another layout.
const LAYOUT: &[u8] = b"1\0";

/// What the library looks at when it compiles for the processor at hand.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = [
        std::arch::is_x86_feature_detected!("avx2"),
        std::arch::is_x86_feature_detected!("avx512bw"),
        std::arch::is_x86_feature_detected!("avx512vbmi"),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features: [bool; 0] = [];
    format!("{} {features:?}\0", std::env::consts::ARCH)
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

/// Databases for which a worker keeps scratch memory. When there are more, all are given up and made anew as they are needed.
const SCRATCHES_LIMIT: usize = 256;

/// The scratch memory of one worker, one piece a database.
#[derive(Default)]
pub(crate) struct Scratches(Vec<Piece>);

struct Piece {
    serial: u64,
    alive: Weak<()>,
    scratch: hyperscan::Scratch,
}

impl Scratches {
    fn get(&mut self, database: &Database) -> Result<&hyperscan::Scratch, hyperscan::Error> {
        let known = self
            .0
            .iter()
            .position(|piece| piece.serial == database.serial);
        let index = match known {
            Some(index) => index,
            None => {
                // What belongs to rules that went by goes when new ones come.
                self.0.retain(|piece| piece.alive.strong_count() > 0);
                if self.0.len() >= SCRATCHES_LIMIT {
                    self.0.clear();
                }
                self.0.push(Piece {
                    serial: database.serial,
                    alive: Arc::downgrade(&database.alive),
                    scratch: database.database.alloc_scratch()?,
                });
                self.0.len() - 1
            }
        };
        Ok(&self.0[index].scratch)
    }
}

impl std::fmt::Debug for Scratches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scratches").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DatabaseCache;
    use std::collections::HashMap;
    use std::sync::Mutex;

    #[derive(Debug, Default)]
    struct Shelf(Mutex<HashMap<String, Vec<u8>>>);

    impl DatabaseCache for Shelf {
        fn load(&self, key: &str) -> Option<Vec<u8>> {
            self.0.lock().unwrap().get(key).cloned()
        }

        fn store(&self, key: &str, database: &[u8]) {
            self.0
                .lock()
                .unwrap()
                .insert(key.to_owned(), database.to_vec());
        }
    }

    fn expressions(patterns: &[&str]) -> Vec<Expression> {
        let ids = patterns.iter().zip(0..);
        ids.filter_map(|(pattern, id)| Expression::of_pattern(pattern, id))
            .collect()
    }

    #[test]
    fn what_is_kept_tells_what_was_refused() {
        let shelf = Arc::new(Shelf::default());
        let mut options = CompileOptions {
            databases: Some(shelf.clone()),
            compile_databases: false,
            ..CompileOptions::default()
        };
        let patterns = ["union.{0,9}select", r"(a)\1", "script"];
        let missing = Database::make(expressions(&patterns), &options).unwrap();
        assert!(missing.is_missing && missing.database.is_none());
        assert_eq!(
            missing.refused,
            [0, 1, 2],
            "all are found by their bytes meanwhile"
        );
        options.compile_databases = true;
        let made = Database::make(expressions(&patterns), &options).unwrap();
        assert_eq!(
            (made.refused, made.is_missing),
            (vec![1], false),
            "a back reference is not scanned for"
        );
        options.compile_databases = false;
        let kept = Database::make(expressions(&patterns), &options).unwrap();
        assert_eq!((kept.refused, kept.is_missing), (vec![1], false));
        assert!(kept.database.is_some());
        // What the library does not take counts as not there.
        let damaged = |bytes: &mut Vec<u8>| bytes.truncate(20);
        shelf.0.lock().unwrap().values_mut().for_each(damaged);
        assert!(
            Database::make(expressions(&patterns), &options)
                .unwrap()
                .is_missing
        );
    }
}
