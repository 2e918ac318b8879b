//! Cuts a value into tokens, as databases of several makes would.

mod quoted;

use super::bytes::{Start, ends_variable, find_pair, is_white, span, splits_word, start, word};
use super::token::{Kind, Token};
use super::words;

/// Whose comments count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `--` begins a comment whatever follows; `#` is an operator.
    Ansi,
    /// `--` begins a comment before a blank alone; `#` begins one.
    Mysql,
}

/// A value on its way to tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    pub(super) value: &'a [u8],
    at: usize,
    /// The quote of the string that is open where the value begins.
    quote: Option<u8>,
    dialect: Dialect,
    /// Tokens so far, comments too.
    pub(super) tokens: usize,
    /// Whether the other dialect would have read a comment otherwise.
    pub(super) is_ambiguous: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(value: &'a [u8], quote: Option<u8>, dialect: Dialect) -> Self {
        Self {
            value,
            at: 0,
            quote,
            dialect,
            tokens: 0,
            is_ambiguous: false,
        }
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let token = match self.quote.take() {
            Some(quote) => self.string(0, quote),
            None => self.token()?,
        };
        self.tokens += 1;
        Some(token)
    }

    fn rest(&self) -> &'a [u8] {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// The next `length` bytes as a token.
    fn take(&mut self, kind: Kind, length: usize) -> Token<'a> {
        let rest = self.rest();
        self.at += length.min(rest.len());
        Token::new(kind, rest.get(..length).unwrap_or(rest))
    }

    fn token(&mut self) -> Option<Token<'a>> {
        while let &[byte, ..] = self.rest() {
            return Some(match start(byte) {
                Start::White => {
                    self.at += 1;
                    continue;
                }
                Start::Word => self.word(),
                Start::Number => self.number(),
                Start::Quote => self.string(1, byte),
                Start::Tick => self.tick(),
                Start::Mark => self.take(mark(byte), 1),
                Start::Operator => self.take(Kind::Operator, 1),
                Start::LongOperator => self.operator(),
                Start::Dash => self.dash(),
                Start::Slash => self.slash(),
                Start::Hash => self.hash(),
                Start::Backslash => self.backslash(),
                Start::At => self.variable(),
                Start::Dollar => self.dollar(),
                Start::Bracket => self.bracket(),
                Start::Other => self.take(Kind::Unknown, 1),
                Start::BitString => self.digits(|byte| matches!(byte, b'0' | b'1')),
                Start::HexString => self.digits(|byte| byte.is_ascii_hexdigit()),
                Start::EscapeString => self.escape_string(),
                Start::NationalString => self.national_string(),
                Start::QString => self.q_string(0),
                Start::UnicodeString => self.unicode_string(),
            });
        }
        None
    }

    fn operator(&mut self) -> Token<'a> {
        let rest = self.rest();
        if rest.starts_with(b"<=>") {
            return self.take(Kind::Operator, 3);
        }
        match rest {
            &[_] => self.take(Kind::Operator, 1),
            &[byte, ..] => match rest.get(..2).and_then(words::kind) {
                Some(kind) => self.take(kind, 2),
                None if byte == b':' => self.take(Kind::Colon, 1),
                None => self.take(Kind::Operator, 1),
            },
            [] => self.take(Kind::Operator, 0),
        }
    }

    /// A comment to the end of the line.
    fn line_comment(&mut self) -> Token<'a> {
        let rest = self.rest();
        match memchr::memchr(b'\n', rest) {
            Some(end) => {
                let token = self.take(Kind::Comment, end);
                self.at += 1;
                token
            }
            None => self.take(Kind::Comment, rest.len()),
        }
    }

    fn dash(&mut self) -> Token<'a> {
        match self.rest() {
            [_, b'-'] => self.line_comment(),
            &[_, b'-', next, ..] if is_white(next) => self.line_comment(),
            [_, b'-', ..] if self.dialect == Dialect::Ansi => {
                self.is_ambiguous = true;
                self.line_comment()
            }
            _ => self.take(Kind::Operator, 1),
        }
    }

    fn hash(&mut self) -> Token<'a> {
        self.is_ambiguous = true;
        match self.dialect {
            Dialect::Mysql => self.line_comment(),
            Dialect::Ansi => self.take(Kind::Operator, 1),
        }
    }

    /// `/* ... */`. One that holds another is read in different ways, and `/*!` is code to MySQL: both are evil.
    fn slash(&mut self) -> Token<'a> {
        let Some(body) = self.rest().strip_prefix(b"/*") else {
            return self.take(Kind::Operator, 1);
        };
        let end = find_pair(body, b'*', b'/');
        // The `*` of the end counts: with a `/` before it, it opens another.
        let inside = end.and_then(|end| body.get(..=end)).unwrap_or_default();
        let is_evil = body.first() == Some(&b'!') || find_pair(inside, b'/', b'*').is_some();
        let kind = if is_evil { Kind::Evil } else { Kind::Comment };
        self.take(kind, 2 + end.map_or(body.len(), |end| end + 2))
    }

    /// `\N` is MySQL's NULL.
    fn backslash(&mut self) -> Token<'a> {
        match self.rest() {
            [_, b'N', ..] => self.take(Kind::Number, 2),
            _ => self.take(Kind::Backslash, 1),
        }
    }

    /// A name in brackets, as SQL Server has it.
    fn bracket(&mut self) -> Token<'a> {
        let rest = self.rest();
        let length = memchr::memchr(b']', rest).map_or(rest.len(), |end| end + 1);
        self.take(Kind::Bareword, length)
    }

    pub(super) fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let (front, behind) = rest
            .split_at_checked(Token::TEXT_LIMIT)
            .unwrap_or((rest, &[]));
        let (length, is_split) = word(front);
        let text = front.get(..length).unwrap_or(front);
        if is_split {
            // `SELECT.1` and ``SELECT`column` `` begin with a keyword. What follows is not looked at: it may be long, and begin so again.
            for (at, _) in text
                .iter()
                .enumerate()
                .filter(|(_, byte)| splits_word(**byte))
            {
                match text.get(..at).and_then(words::kind) {
                    None | Some(Kind::Bareword) => {}
                    Some(kind) => return self.take(kind, at),
                }
            }
        }
        let more = if length < front.len() {
            0
        } else {
            word(behind).0
        };
        let kind = if more > 0 { None } else { words::kind(text) };
        self.take(kind.unwrap_or(Kind::Bareword), length + more)
    }

    /// A name in backticks; MySQL calls functions by such names as well.
    fn tick(&mut self) -> Token<'a> {
        let mut token = self.string(1, b'`');
        token.kind = match words::kind(token.text) {
            Some(Kind::Function) => Kind::Function,
            _ => Kind::Bareword,
        };
        token
    }

    /// `@name`, `@@name`, and either with the name in quotes.
    fn variable(&mut self) -> Token<'a> {
        self.at += 1;
        if self.rest().first() == Some(&b'@') {
            self.at += 1;
        }
        let rest = self.rest();
        match rest.first() {
            Some(b'`') => Token {
                kind: Kind::Variable,
                ..self.tick()
            },
            Some(&quote @ (b'\'' | b'"')) => Token {
                kind: Kind::Variable,
                ..self.string(1, quote)
            },
            _ => {
                let length = rest.iter().position(|&byte| ends_variable(byte));
                self.take(Kind::Variable, length.unwrap_or(rest.len()))
            }
        }
    }

    /// A number as databases of any make write it.
    fn number(&mut self) -> Token<'a> {
        let rest = self.rest();
        let digits_at = |at: usize| span_of_digits(rest.get(at..).unwrap_or_default());
        if let &[b'0', base @ (b'x' | b'X' | b'b' | b'B'), ..] = rest {
            let digits = rest.get(2..).unwrap_or_default();
            let length = match base {
                b'x' | b'X' => span(digits, |byte| byte.is_ascii_hexdigit()),
                _ => span(digits, |byte| matches!(byte, b'0' | b'1')),
            };
            let kind = match length {
                0 => Kind::Bareword,
                _ => Kind::Number,
            };
            return self.take(kind, 2 + length);
        }
        let mut length = digits_at(0);
        if rest.get(length) == Some(&b'.') {
            length += 1;
            length += digits_at(length);
            if length == 1 {
                return self.take(Kind::Dot, 1);
            }
        }
        let mut kind = Kind::Number;
        if let Some(b'e' | b'E') = rest.get(length) {
            length += 1;
            if let Some(b'+' | b'-') = rest.get(length) {
                length += 1;
            }
            // MySQL passes over an exponent without digits: `1.e(1)` is a word before a bracket.
            match digits_at(length) {
                0 => kind = Kind::Bareword,
                digits => length += digits,
            }
        }
        // Oracle's suffix, also right before UNION.
        if let Some(b'd' | b'D' | b'f' | b'F') = rest.get(length)
            && rest
                .get(length + 1)
                .is_none_or(|&next| is_white(next) || matches!(next, b';' | b'u' | b'U'))
        {
            length += 1;
        }
        self.take(kind, length)
    }
}

fn mark(byte: u8) -> Kind {
    match byte {
        b'(' => Kind::LeftParenthesis,
        b')' => Kind::RightParenthesis,
        b'{' => Kind::LeftBrace,
        b'}' => Kind::RightBrace,
        b',' => Kind::Comma,
        _ => Kind::Semicolon,
    }
}

fn span_of_digits(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len())
}
