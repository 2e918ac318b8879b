//! How large anything may be. What is over a limit is reported as an error; nothing is cut off silently.

/// Bytes of one file. A larger one is not parsed.
pub const FILE_BYTES: usize = 16 << 20;

/// Bytes of one data file of an operator. A larger one is not read.
pub const DATA_FILE_BYTES: usize = 64 << 20;
/// Bytes of the database of `SecGeoLookupDb`; a larger one is an error.
pub const PLACES_FILE_BYTES: usize = 256 << 20;

/// Bytes of a file of a DTD or schema. A larger one is not read.
pub const GRAMMAR_FILE_BYTES: usize = schema::limits::GRAMMAR_BYTES;

/// Files that one [`crate::load`] reads, data files not counted. Further ones are not read.
pub const FILES: usize = 4096;

/// How deep `Include` may be nested. A deeper one is not followed; this is also what ends a file that includes itself.
pub const INCLUDE_DEPTH: usize = 16;

/// Bytes of one directive with its continuation lines. A longer one is not parsed.
pub const DIRECTIVE_BYTES: usize = 256 << 10;

/// Rules of one tree, links of chains included. Parsing stops at the rule that is over it.
pub const RULES: usize = 200_000;

/// Links of one chain, the starter included. The rule is refused.
pub const CHAIN_LINKS: usize = 64;

/// Bytes of the name and key of a macro. A `%{` whose `}` is farther away is plain text.
pub const MACRO_BYTES: usize = 256;

/// Characters of a word that a message repeats. The rest of a longer one is cut off and marked with `…`.
pub const SHOWN_WORD: usize = 200;

/// Bytes of a selector in slashes or quotes. A longer one counts as one without an end.
pub const SELECTOR_BYTES: usize = 4096;

/// Targets of one rule, broken ones included. The rule is refused.
pub const TARGETS: usize = 1024;

/// Actions of one rule. The rule is refused.
pub const ACTIONS: usize = 1024;

/// The highest id of a rule.
pub const RULE_ID: u64 = i64::MAX as u64;

/// Errors that are reported; parsing ends behind the last one.
pub const DIAGNOSTICS: usize = 1000;
