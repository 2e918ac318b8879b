//! What SQL is made of, as far as an attack needs it.

/// What a token is. The discriminant is its letter in a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Keyword = b'k',
    Union = b'U',
    /// `GROUP BY`, `LIMIT`, `HAVING`
    Group = b'B',
    /// `SELECT`, `INSERT` and others that begin a statement or expression
    Expression = b'E',
    SqlType = b't',
    Function = b'f',
    /// A name of something, or a word that means nothing
    Bareword = b'n',
    Number = b'1',
    Variable = b'v',
    String = b's',
    Operator = b'o',
    Logic = b'&',
    Comment = b'c',
    Collate = b'A',
    LeftParenthesis = b'(',
    RightParenthesis = b')',
    LeftBrace = b'{',
    RightBrace = b'}',
    Dot = b'.',
    Comma = b',',
    Colon = b':',
    Semicolon = b';',
    /// A word that begins a statement in Transact-SQL
    Tsql = b'T',
    Unknown = b'?',
    /// What no harmless value has: a comment inside of a comment
    Evil = b'X',
    Backslash = b'\\',
}

impl Kind {
    /// The kind that a letter of the word list means.
    pub(super) const fn of_word(letter: u8) -> Option<Kind> {
        Some(match letter {
            b'k' => Kind::Keyword,
            b'U' => Kind::Union,
            b'B' => Kind::Group,
            b'E' => Kind::Expression,
            b't' => Kind::SqlType,
            b'f' => Kind::Function,
            b'n' => Kind::Bareword,
            b'1' => Kind::Number,
            b'v' => Kind::Variable,
            b'o' => Kind::Operator,
            b'&' => Kind::Logic,
            b'A' => Kind::Collate,
            b'T' => Kind::Tsql,
            _ => return None,
        })
    }

    pub(super) const fn letter(self) -> u8 {
        self as u8
    }
}

/// A piece of the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// The quote that opens and the one that closes it; 0 where there is none, so for a string that began before the value.
    pub(super) open: u8,
    pub(super) close: u8,
    /// Its first bytes, without quotes.
    pub(super) text: &'a [u8],
}

impl<'a> Token<'a> {
    /// Bytes of a token that count; nothing looks at what follows.
    pub(super) const TEXT_LIMIT: usize = 31;

    pub(super) fn new(kind: Kind, text: &'a [u8]) -> Self {
        Self::quoted(kind, text, 0, 0)
    }

    pub(super) fn quoted(kind: Kind, text: &'a [u8], open: u8, close: u8) -> Self {
        Self {
            kind,
            open,
            close,
            text: text.get(..Self::TEXT_LIMIT).unwrap_or(text),
        }
    }

    pub(super) fn is(&self, word: &[u8]) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_one_of(&self, words: &[&[u8]]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether it changes the sign or the truth of what follows.
    pub(super) fn is_unary(&self) -> bool {
        self.kind == Kind::Operator
            && match self.text {
                [b'+' | b'-' | b'!' | b'~'] | b"!!" => true,
                text => text.eq_ignore_ascii_case(b"NOT"),
            }
    }

    pub(super) fn is_arithmetic(&self) -> bool {
        self.kind == Kind::Operator && matches!(self.text, [b'*' | b'/' | b'-' | b'+' | b'%'])
    }
}
