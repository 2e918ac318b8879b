//! How large a grammar may be. What is over a limit is an error when it is compiled.

/// Bytes of all files of one grammar, and of what its parameter entities expand to.
pub const GRAMMAR_BYTES: usize = 4 << 20;

/// Files of one grammar, included and imported ones too.
pub const FILES: usize = 128;

/// How deep elements of a schema, groups of a content model and entities in entities may be nested.
pub const DEPTH: usize = 128;

/// Places of one content model: each name and wildcard is one, as often as `minOccurs` and `maxOccurs` repeat it.
pub const PLACES: usize = 20_000;

/// Ways from one place of a content model to the next.
pub const WAYS: usize = 400_000;

/// Places of all content models of a grammar.
pub const ALL_PLACES: usize = 200_000;

/// Bytes of a compiled pattern.
pub const PATTERN_BYTES: usize = 1 << 20;

/// Types, elements and attributes of one schema, counted together.
pub const COMPONENTS: usize = 100_000;
