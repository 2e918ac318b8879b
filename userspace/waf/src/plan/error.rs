//! How rules are compiled, and why they are not.

use std::sync::Arc;

use seclang::ast::RuleId;

use super::database_cache::DatabaseCache;
use super::rule::Place;
use crate::operator::{NetworkError, PhraseError, PlacesError, RegexError, TemplateError};
use crate::xpath::XPathError;

/// What a caller chooses when rules are compiled.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Whether values are filtered before the exact engine sees them. Off gives the same verdicts, slowly: it is what tests compare with.
    pub gates: bool,
    /// Steps of one pattern on one value, instead of `SecPcreMatchLimit`.
    pub match_limit: Option<u64>,
    /// Bytes that one transaction may have inspected, counted once for each transformation, scan and exact test; a pattern that
    /// passes its match limit counts as [`crate::WORK_OF_AN_EXCEEDED_LIMIT`]. At it the transaction ends with
    /// [`crate::EngineError::WorkLimit`].
    pub work_limit_bytes: u64,
    /// What becomes of a transaction that the engine could not inspect to its end.
    pub on_engine_error: FailureMode,
    /// Where the prefilter's databases are kept between runs; without, they are compiled each time.
    pub databases: Option<Arc<dyn DatabaseCache>>,
    /// Whether a database that is not kept is compiled, which takes seconds. Off: its rules are found by their bytes alone, with the
    /// same verdicts, and [`crate::RuleSet::lacks_databases`] says so.
    pub compile_databases: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            gates: true,
            match_limit: None,
            work_limit_bytes: 64 << 20,
            on_engine_error: FailureMode::Closed,
            databases: None,
            compile_databases: true,
        }
    }
}

/// Which way the engine fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureMode {
    /// The transaction is refused: [`crate::Intervention::Fail`].
    #[default]
    Closed,
    /// The transaction goes on; the error stands in the audit record.
    Open,
}

/// A rule or directive that the engine cannot run as it is written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {}{kind}", .rule.map_or_else(String::new, |id| format!("rule {id}: ")))]
pub struct CompileError {
    /// The rule, where it is one.
    pub rule: Option<RuleId>,
    /// File and line.
    pub place: Place,
    /// What is wrong.
    pub kind: CompileErrorKind,
}

impl CompileError {
    /// The databases of all rules could not be made.
    pub(super) fn of_prefilter(problem: String) -> CompileError {
        let place = Place {
            file: "prefilter".into(),
            line: 0,
            column: 0,
            length: 0,
        };
        CompileError {
            rule: None,
            place,
            kind: CompileErrorKind::Prefilter(problem),
        }
    }
}

/// What is wrong with a rule or directive.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileErrorKind {
    /// A word of the language that this engine does not carry out.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A word of the language that is refused with a reason of its own: what, and what to do instead.
    #[error("{0} is not supported")]
    Refused(&'static str, &'static str),
    /// A regular expression.
    #[error(transparent)]
    Pattern(RegexError),
    /// Phrases of `@pm` and its kin.
    #[error(transparent)]
    Phrases(PhraseError),
    /// The path of `@restpath`.
    #[error(transparent)]
    Template(TemplateError),
    /// The argument of `@validateNid`.
    #[error("`{0}` does not begin with a nation; expected cl or us and a pattern")]
    Nation(String),
    /// The path of a target.
    #[error(transparent)]
    XPath(XPathError),
    /// One path with two meanings.
    #[error("another rule has the XPath `{0}` with another xmlns or in another case")]
    AmbiguousXPath(String),
    /// The file of `SecUnicodeMapFile`.
    #[error("`{0}` has no map of that code page")]
    UnicodeMap(String),
    /// `SecUploadKeepFiles` or `SecTmpSaveUploadedFiles`.
    #[error("uploads are not stored")]
    Uploads,
    /// The file of `SecGeoLookupDb`.
    #[error(transparent)]
    Places(PlacesError),
    /// The DTD or schema of `@validateDTD` or `@validateSchema`, which is sound and not carried out.
    #[error(transparent)]
    Grammar(schema::Problem),
    /// An address or network.
    #[error(transparent)]
    Network(NetworkError),
    /// The argument of `@validateByteRange`.
    #[error(
        "`{0}` is not a list of bytes; expected numbers from 0 to 255 and ranges, such as 9,10,32-126"
    )]
    ByteRange(String),
    /// A data file that the loader did not read.
    #[error("the data file `{0}` was not loaded")]
    DataFile(String),
    /// A `SecDataset` that is not defined.
    #[error("there is no SecDataset `{0}` before this rule")]
    Dataset(String),
    /// Two rules of one number.
    #[error("the id {0} is already taken by the rule at {1}")]
    DuplicateId(RuleId, Place),
    /// The databases of the prefilter could not be built.
    #[error("the prefilter does not compile: {0}")]
    Prefilter(String),
}

impl CompileErrorKind {
    /// What to do about it, as a sentence without a full stop.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => {
                "take the rule out (SecRuleRemoveById before the end of the files does) or write it otherwise"
            }
            Self::Refused(_, remedy) => remedy,
            Self::Pattern(_) | Self::Template(_) => {
                "patterns are those of PCRE2; `\\` before a sign takes it as it is"
            }
            Self::Phrases(_) => "phrases are separated by blanks; bytes are written `|41 42|`",
            Self::XPath(_) => {
                "paths are those of XPath 1.0 with predicates and functions on strings; prefixes are named by xmlns"
            }
            Self::AmbiguousXPath(_) => "give the prefix another name in one of the two rules",
            Self::UnicodeMap(_) => {
                "the code page stands at the beginning of a line, pairs such as 00a1:21 behind it"
            }
            Self::Uploads => {
                "write Off; FILES_TMP_CONTENT holds what was uploaded, and a scanner has its place behind the proxy"
            }
            Self::Places(_) => "it reads files that end in .mmdb, of cities or of countries",
            Self::Grammar(_) => {
                "write that part of it otherwise; DTDs, XML Schema 1.0 and JSON Schema are read from files beside the rules"
            }
            Self::Nation(_) => {
                "write a pattern with @verifySSN, @verifyCPF or @verifySVNR for other nations"
            }
            Self::Network(_) => {
                "addresses and prefixes are separated by commas: 192.0.2.0/24,2001:db8::1"
            }
            Self::ByteRange(_) => "write numbers and ranges separated by commas",
            Self::DataFile(_) => "put it beside the rule file that names it, readable for bascule",
            Self::Dataset(_) => "define it with SecDataset before the rule",
            Self::DuplicateId(..) => {
                "ids are unique over all files: give one of them another, or load the file once"
            }
            Self::Prefilter(_) => "this is a fault of bascule; with the rule file it can be found",
        }
    }
}

/// Something that is loaded and does not do what its author may expect.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {text}")]
pub struct Notice {
    /// File and line.
    pub place: Place,
    /// What does not happen, and why.
    pub text: String,
}
