//! What can be wrong with a text, in words that a rule author can act on.

use std::fmt;

/// A kind of word of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// The first word of a line.
    Directive,
    /// A target or the name in a macro.
    Variable,
    /// Behind `@`.
    Operator,
    /// Behind `t:`.
    Transformation,
    /// In an action list.
    Action,
    /// Behind `ctl:`.
    CtlOption,
    /// What `setvar`, `expirevar` and `initcol` write to.
    Collection,
}

impl fmt::Display for WordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directive => "directive",
            Self::Variable => "variable",
            Self::Operator => "operator",
            Self::Transformation => "transformation",
            Self::Action => "action",
            Self::CtlOption => "ctl option",
            Self::Collection => "collection",
        })
    }
}

/// What is wrong. `Display` says what was found and what was expected, [`Problem::remedy`] what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A word that the language does not know.
    UnknownName {
        /// What it should have been.
        kind: WordKind,
        /// The word.
        word: String,
        /// The known word that resembles it most.
        closest: Option<&'static str>,
    },
    /// A word that the language knows and that is refused here.
    Refused {
        /// What it is.
        kind: WordKind,
        /// The word.
        word: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A quote that is still open at the end of the line.
    UnclosedQuote(char),
    /// Something directly behind a closing quote.
    TextAfterQuote(char),
    /// Blanks between `\` and the end of the line.
    BlankAfterContinuation,
    /// Too few or too many arguments.
    ArgumentCount {
        /// The directive.
        directive: String,
        /// What it takes.
        expected: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A value that does not fit.
    BadValue {
        /// Whose value.
        of: String,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Nothing behind the colon or no colon.
    MissingValue {
        /// Whose value.
        of: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A value where none belongs.
    UnexpectedValue(String),
    /// Nothing between two separators of a target list.
    EmptyTarget,
    /// `VARIABLE:` without a key.
    EmptySelector,
    /// A selector on a variable that is one value.
    SelectorOnScalar(&'static str),
    /// `/regex` without its end.
    UnclosedSelector,
    /// `&` or `!` where only a plain target may stand.
    PlainTargetOnly,
    /// A rule that only excludes.
    NothingInspected,
    /// `%{...%{...}}`
    NestedMacro,
    /// A rule without an id.
    MissingId,
    /// An id that another rule has.
    DuplicateId {
        /// The id.
        id: u64,
        /// Where the other rule stands.
        first: String,
    },
    /// An action that may stand only once in a list.
    Twice(&'static str),
    /// An action of the starter on a later link.
    OnChainedRule(String),
    /// `chain` and then no rule.
    ChainWithoutNext,
    /// `SecDefaultAction` without something that it must hold.
    DefaultActionLacks(&'static str),
    /// `SecDefaultAction` with something that it must not hold.
    DefaultActionHolds(String),
    /// A second `SecDefaultAction` for a phase.
    DefaultActionTwice {
        /// The phase.
        phase: u8,
        /// Where the first one stands.
        first: String,
    },
    /// `SecRuleUpdateActionById` with an action that cannot be changed.
    UpdateHolds(String),
    /// Something is over a limit of [`crate::limits`].
    TooLarge {
        /// What.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A file is not UTF-8.
    NotUtf8,
    /// A file cannot be read.
    Unreadable {
        /// The path.
        path: String,
        /// What the system says.
        error: String,
    },
    /// No file has this name or fits this pattern.
    NoSuchFile(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { kind, word, .. } => write!(f, "unknown {kind} `{word}`"),
            Self::Refused { kind, word, .. } => write!(f, "the {kind} `{word}` is not supported"),
            Self::UnclosedQuote(quote) => write!(f, "the quote {quote} is not closed on this line"),
            Self::TextAfterQuote(quote) => {
                write!(f, "text directly behind the closing quote {quote}")
            }
            Self::BlankAfterContinuation => {
                f.write_str("blanks between `\\` and the end of the line")
            }
            Self::ArgumentCount {
                directive,
                expected,
                found,
            } => write!(f, "{directive} takes {expected}, found {found}"),
            Self::BadValue {
                of,
                expected,
                found,
            } => write!(f, "{of} takes {expected}, found `{found}`"),
            Self::MissingValue { of, expected } => {
                write!(f, "{of} takes {expected}, found nothing")
            }
            Self::UnexpectedValue(of) => write!(f, "{of} takes no value"),
            Self::EmptyTarget => f.write_str("empty target"),
            Self::EmptySelector => f.write_str("nothing behind the colon of the variable"),
            Self::SelectorOnScalar(name) => write!(f, "{name} is one value and takes no selector"),
            Self::UnclosedSelector => {
                f.write_str("the selector begins like a regular expression and has no end")
            }
            Self::PlainTargetOnly => {
                f.write_str("only a variable and its selector may stand here, no `!` or `&`")
            }
            Self::NothingInspected => f.write_str("the rule only excludes and inspects nothing"),
            Self::NestedMacro => f.write_str("a macro inside of a macro"),
            Self::MissingId => f.write_str("the rule has no id"),
            Self::DuplicateId { id, first } => {
                write!(f, "rule id {id} is used twice, first at {first}")
            }
            Self::Twice(action) => write!(f, "`{action}` stands twice"),
            Self::OnChainedRule(action) => write!(f, "`{action}` on a chained rule"),
            Self::ChainWithoutNext => f.write_str("`chain` is not followed by a rule"),
            Self::DefaultActionLacks(what) => write!(f, "SecDefaultAction needs {what}"),
            Self::DefaultActionHolds(action) => write!(f, "`{action}` cannot be a default action"),
            Self::DefaultActionTwice { phase, first } => {
                write!(
                    f,
                    "second SecDefaultAction for phase {phase}, the first is at {first}"
                )
            }
            Self::UpdateHolds(action) => write!(f, "`{action}` of a rule cannot be changed"),
            Self::TooLarge { what, limit } => write!(f, "{what}: more than {limit}"),
            Self::NotUtf8 => f.write_str("the file is not UTF-8"),
            Self::Unreadable { path, error } => write!(f, "cannot read {path}: {error}"),
            Self::NoSuchFile(pattern) => write!(f, "no file `{pattern}`"),
        }
    }
}

impl Problem {
    /// What to do about it, as a sentence without a full stop.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let fixed = match self {
            Self::UnknownName { closest, .. } => {
                return closest.map(|name| format!("did you mean `{name}`?"));
            }
            Self::Refused { reason, .. } => reason,
            Self::UnclosedQuote('"') => {
                "close it, or end the line with `\\` to go on in the next one"
            }
            Self::UnclosedQuote(_) => "close it before the double quote that ends the list",
            Self::TextAfterQuote(quote) => {
                return Some(format!(
                    "write a quote inside of quotes as `\\{quote}`, or put a blank between"
                ));
            }
            Self::BlankAfterContinuation => "remove the blanks, or the `\\`",
            Self::ArgumentCount { .. } => "put an argument that holds blanks in double quotes",
            Self::UnexpectedValue(_) => "remove the colon and what follows it",
            Self::EmptyTarget => "remove the separator, or name a variable",
            Self::EmptySelector => "name a key, or remove the colon",
            Self::SelectorOnScalar(_) => "remove the colon and the selector",
            Self::UnclosedSelector => {
                "end it with `/`, and put the target list in double quotes if it holds blanks"
            }
            Self::PlainTargetOnly => "remove the sign",
            Self::NothingInspected => "add a target without `!`",
            Self::NestedMacro => "store the inner one with setvar first",
            Self::MissingId => "add an id of your own range, such as `id:1001`",
            Self::DuplicateId { .. } => "give one of them another id, or load the file once",
            Self::Twice(_) => "remove one of them",
            Self::OnChainedRule(_) => "move it to the first rule of the chain",
            Self::ChainWithoutNext => {
                "put the SecRule that belongs to it directly behind it, or remove `chain`"
            }
            Self::DefaultActionLacks(_) => "write for instance `phase:2,log,auditlog,pass`",
            Self::DefaultActionHolds(_) => "put it on the rules themselves",
            Self::DefaultActionTwice { .. } => "keep one of them",
            Self::UpdateHolds(_) => "remove it here, or load a rule of your own instead",
            Self::TooLarge { .. } => "split it up",
            Self::NotUtf8 => "save it as UTF-8; write other bytes in patterns as `\\xHH`",
            Self::NoSuchFile(_) => {
                "relative names start at the directory of the file that names them"
            }
            Self::BadValue { .. } | Self::MissingValue { .. } | Self::Unreadable { .. } => {
                return None;
            }
        };
        Some(fixed.to_owned())
    }

    /// With the words of the text cut to what a message shows.
    pub(crate) fn clipped(mut self) -> Self {
        match &mut self {
            Self::UnknownName { word, .. } | Self::Refused { word, .. } => clip(word),
            Self::BadValue { of, found, .. } => {
                clip(of);
                clip(found);
            }
            Self::MissingValue { of: word, .. }
            | Self::UnexpectedValue(word)
            | Self::OnChainedRule(word)
            | Self::DefaultActionHolds(word)
            | Self::ArgumentCount {
                directive: word, ..
            }
            | Self::NoSuchFile(word)
            | Self::Unreadable { path: word, .. } => clip(word),
            _ => {}
        }
        self
    }
}

fn clip(word: &mut String) {
    if let Some((end, _)) = word.char_indices().nth(crate::limits::SHOWN_WORD) {
        word.truncate(end);
        word.push('…');
    }
}
