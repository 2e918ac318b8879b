//! The operators that compare text with text; all of them with regard to case.

use memchr::memmem;

/// How a value is compared with the operator's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    /// `@contains`, `@strmatch`
    Contains,
    /// `@containsWord`
    ContainsWord,
    /// `@streq`
    Equals,
    /// `@beginsWith`
    BeginsWith,
    /// `@endsWith`
    EndsWith,
    /// `@within`: the argument contains the value; an empty value is within anything.
    Within,
}

impl Comparison {
    pub(crate) fn holds(self, value: &[u8], argument: &[u8]) -> bool {
        match self {
            Self::Contains => memmem::find(value, argument).is_some(),
            Self::ContainsWord => contains_word(value, argument),
            Self::Equals => value == argument,
            Self::BeginsWith => value.starts_with(argument),
            Self::EndsWith => value.ends_with(argument),
            Self::Within => memmem::find(argument, value).is_some(),
        }
    }
}

/// Whether `word` occurs with no letter beside it (ModSecurity asks for no more).
fn contains_word(value: &[u8], word: &[u8]) -> bool {
    if word.is_empty() {
        return true;
    }
    let in_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    (0..value.len()).any(|at| {
        value[at..].starts_with(word)
            && !in_word(at.checked_sub(1).and_then(|before| value.get(before)))
            && !in_word(value.get(at + word.len()))
    })
}
