//! What single bytes mean to SQL.

/// What a token begins with, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Blanks, control characters and the no-break space of Latin-1.
    White,
    Word,
    Number,
    /// `'` and `"`
    Quote,
    /// `` ` ``
    Tick,
    /// A token by itself.
    Mark,
    /// An operator by itself.
    Operator,
    /// An operator of one, two or three bytes.
    LongOperator,
    Dash,
    Slash,
    Hash,
    Backslash,
    At,
    Dollar,
    Bracket,
    Other,
    /// `b'01'`
    BitString,
    /// `x'0f'`
    HexString,
    /// `e'...'`
    EscapeString,
    /// `n'...'` and `nq'(...)'`
    NationalString,
    /// `q'(...)'`
    QString,
    /// `u&'...'`
    UnicodeString,
}

const STARTS: [Start; 256] = {
    let mut starts = [Start::Word; 256];
    let mut byte = 0;
    while byte < 256 {
        starts[byte] = start_of(byte as u8);
        byte += 1;
    }
    starts
};

const fn start_of(byte: u8) -> Start {
    match byte {
        0..=b' ' | 0x7F | 0xA0 => Start::White,
        b'0'..=b'9' | b'.' => Start::Number,
        b'\'' | b'"' => Start::Quote,
        b'`' => Start::Tick,
        b'(' | b')' | b',' | b';' | b'{' | b'}' => Start::Mark,
        b'%' | b'+' | b'^' | b'~' => Start::Operator,
        b'!' | b'&' | b'*' | b':' | b'<' | b'=' | b'>' | b'|' => Start::LongOperator,
        b'-' => Start::Dash,
        b'/' => Start::Slash,
        b'#' => Start::Hash,
        b'\\' => Start::Backslash,
        b'@' => Start::At,
        b'$' => Start::Dollar,
        b'[' => Start::Bracket,
        b'?' | b']' => Start::Other,
        b'B' | b'b' => Start::BitString,
        b'X' | b'x' => Start::HexString,
        b'E' | b'e' => Start::EscapeString,
        b'N' | b'n' => Start::NationalString,
        b'Q' | b'q' => Start::QString,
        b'U' | b'u' => Start::UnicodeString,
        _ => Start::Word,
    }
}

pub(super) fn start(byte: u8) -> Start {
    STARTS[usize::from(byte)]
}

/// Bits of a byte.
const ENDS_WORD: u8 = 1;
const ENDS_VARIABLE: u8 = 2;
const WHITE: u8 = 4;
/// What a keyword may stand before, without a blank between them.
const SPLITS_WORD: u8 = 16;
/// A letter, a digit, `_` or half of a character: what a value of these alone holds is one or two harmless tokens.
const PLAIN: u8 = 8;

const TRAITS: [u8; 256] = {
    let mut traits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        traits[byte] = traits_of(byte as u8);
        byte += 1;
    }
    traits
};

const fn traits_of(byte: u8) -> u8 {
    match byte {
        0 | b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r' => ENDS_WORD | ENDS_VARIABLE | WHITE,
        0xA0 => ENDS_WORD | WHITE,
        b'<' | b'>' | b':' | b'\\' | b'?' | b'=' | b'@' | b'!' | b'#' | b'~' | b'+' | b'-'
        | b'*' | b'/' | b'&' | b'|' | b'^' | b'%' | b'(' | b')' | b',' | b'\'' | b';' | b'"' => {
            ENDS_WORD | ENDS_VARIABLE
        }
        b'[' | b']' | b'{' | b'}' => ENDS_WORD,
        b'`' => ENDS_VARIABLE | SPLITS_WORD,
        b'.' => SPLITS_WORD,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0xFF => PLAIN,
        _ => 0,
    }
}

fn has(byte: u8, traits: u8) -> bool {
    TRAITS[usize::from(byte)] & traits != 0
}

pub(super) fn is_white(byte: u8) -> bool {
    has(byte, WHITE)
}

pub(super) fn is_plain(byte: u8) -> bool {
    has(byte, PLAIN)
}

/// How long the word at the front is, and whether it has a byte in it that splits words.
pub(super) fn word(text: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    for (length, &byte) in text.iter().enumerate() {
        let traits = TRAITS[usize::from(byte)];
        if traits & ENDS_WORD != 0 {
            return (length, seen & SPLITS_WORD != 0);
        }
        seen |= traits;
    }
    (text.len(), seen & SPLITS_WORD != 0)
}

pub(super) fn splits_word(byte: u8) -> bool {
    has(byte, SPLITS_WORD)
}

pub(super) fn ends_variable(byte: u8) -> bool {
    has(byte, ENDS_VARIABLE)
}

/// How many bytes at the front are of a set. NUL belongs to every set: databases pass over it.
pub(super) fn span(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter()
        .position(|&byte| byte != 0 && !belongs(byte))
        .unwrap_or(text.len())
}

/// Where two bytes stand beside each other.
pub(super) fn find_pair(text: &[u8], first: u8, second: u8) -> Option<usize> {
    memchr::memchr_iter(first, text).find(|&at| text.get(at + 1) == Some(&second))
}
