//! Strings, in all the ways in which databases quote them.

use super::super::bytes::{find_pair, span};
use super::super::token::{Kind, Token};
use super::Lexer;

impl<'a> Lexer<'a> {
    /// A string up to the quote that is neither behind a backslash nor doubled. `skip` bytes stand before the text; with none the
    /// string began before the value.
    pub(super) fn string(&mut self, skip: usize, quote: u8) -> Token<'a> {
        let body = self.body(skip);
        let open = if skip > 0 { quote } else { 0 };
        let mut from = 0;
        while let Some(found) = memchr::memchr(quote, body.get(from..).unwrap_or_default()) {
            let end = from + found;
            let text = body.get(..end).unwrap_or_default();
            let backslashes = text.iter().rev().take_while(|&&byte| byte == b'\\').count();
            if backslashes % 2 == 1 {
                from = end + 1;
            } else if body.get(end + 1) == Some(&quote) {
                from = end + 2;
            } else {
                self.at += skip + end + 1;
                return Token::quoted(Kind::String, text, open, quote);
            }
        }
        self.unclosed(body, open)
    }

    /// What stands behind the opening quote.
    fn body(&self, skip: usize) -> &'a [u8] {
        self.rest().get(skip..).unwrap_or_default()
    }

    fn unclosed(&mut self, body: &'a [u8], open: u8) -> Token<'a> {
        self.at = self.value.len();
        Token::quoted(Kind::String, body, open, 0)
    }

    /// A string behind `skip` bytes up to where `end` is found, which is `end_length` long.
    fn enclosed(
        &mut self,
        skip: usize,
        end: Option<usize>,
        end_length: usize,
        quote: u8,
    ) -> Token<'a> {
        let body = self.body(skip);
        match end {
            Some(end) => {
                self.at += skip + end + end_length;
                let text = body.get(..end).unwrap_or_default();
                Token::quoted(Kind::String, text, quote, quote)
            }
            None => self.unclosed(body, quote),
        }
    }

    pub(super) fn escape_string(&mut self) -> Token<'a> {
        match self.rest() {
            [_, b'\'', _, ..] => self.string(2, b'\''),
            _ => self.word(),
        }
    }

    pub(super) fn unicode_string(&mut self) -> Token<'a> {
        if !matches!(self.rest(), [_, b'&', b'\'', ..]) {
            return self.word();
        }
        self.at += 2;
        let token = self.string(1, b'\'');
        Token {
            open: b'u',
            close: if token.close == b'\'' { b'u' } else { 0 },
            ..token
        }
    }

    pub(super) fn national_string(&mut self) -> Token<'a> {
        match self.rest() {
            [_, b'\'', _, ..] => self.escape_string(),
            _ => self.q_string(1),
        }
    }

    /// Oracle's `q'[...]'`, behind `skip` bytes: the byte after the quote says what ends it.
    pub(super) fn q_string(&mut self, skip: usize) -> Token<'a> {
        let close = match self.body(skip) {
            &[b'q' | b'Q', b'\'', open @ b'!'..=0x7F, ..] => match open {
                b'(' => b')',
                b'[' => b']',
                b'{' => b'}',
                b'<' => b'>',
                other => other,
            },
            _ => return self.word(),
        };
        let end = find_pair(self.body(skip + 3), close, b'\'');
        self.enclosed(skip + 3, end, 2, b'q')
    }

    /// `b'01'`, `x'0f'`: a number in quotes, else a word.
    pub(super) fn digits(&mut self, belongs: impl Fn(u8) -> bool) -> Token<'a> {
        if let [_, b'\'', body @ ..] = self.rest()
            && !body.is_empty()
        {
            let length = span(body, belongs);
            if body.get(length) == Some(&b'\'') {
                return self.take(Kind::Number, length + 3);
            }
        }
        self.word()
    }

    /// `$1,000.00`, PostgreSQL's `$$...$$` and `$name$...$name$`, or a word.
    pub(super) fn dollar(&mut self) -> Token<'a> {
        let body = self.body(1);
        if body.is_empty() {
            return self.take(Kind::Bareword, 1);
        }
        let number = span(body, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'.' | b',')
        });
        if number > 0 {
            if number == 1 && body.first() == Some(&b'.') {
                return self.word();
            }
            return self.take(Kind::Number, 1 + number);
        }
        if body.first() == Some(&b'$') {
            let end = find_pair(self.body(2), b'$', b'$');
            return self.enclosed(2, end, 2, b'$');
        }
        let name = span(body, |byte| byte.is_ascii_alphabetic());
        if name == 0 || body.get(name) != Some(&b'$') {
            return self.take(Kind::Bareword, 1);
        }
        let mark = self.rest().get(..name + 2).unwrap_or_default();
        let end = memchr::memmem::find(self.body(name + 2), mark);
        self.enclosed(name + 2, end, name + 2, b'$')
    }
}
