//! Folds tokens: what makes no difference to an attack goes, until the first few tokens say what the value is.
//!
//! The rules and their order are libinjection's. They look at two tokens side by side, then at three, from `left` on; whatever
//! changes, they begin again further left.

use super::lexer::Lexer;
use super::token::{Kind, Token};
use super::words;
use crate::Fingerprint;

/// Words that are functions where a parenthesis follows, and names elsewhere.
const FUNCTIONS_BEFORE_PARENTHESIS: [&[u8]; 11] = [
    b"USER_ID",
    b"USER_NAME",
    b"DATABASE",
    b"PASSWORD",
    b"USER",
    b"CURRENT_USER",
    b"CURRENT_DATE",
    b"CURRENT_TIME",
    b"CURRENT_TIMESTAMP",
    b"LOCALTIME",
    b"LOCALTIMESTAMP",
];

/// What is left of a value.
#[derive(Debug)]
pub(super) struct Folded<'a> {
    tokens: [Token<'a>; Folder::SLOTS],
    count: usize,
}

impl<'a> Folded<'a> {
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        self.tokens.get(..self.count).unwrap_or_default()
    }

    fn one(token: Token<'a>) -> Self {
        Self {
            tokens: [token; Folder::SLOTS],
            count: 1,
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for token in self.tokens() {
            fingerprint.push(token.kind.letter());
        }
        fingerprint
    }
}

/// How a look at the next tokens ended.
enum Next {
    /// Something changed: look again.
    Again,
    /// Nothing to fold here.
    Nothing,
    /// The value is evil, whatever follows.
    Evil,
}

/// Tokens on their way to a fingerprint.
struct Folder<'l, 'a> {
    lexer: &'l mut Lexer<'a>,
    tokens: [Token<'a>; Folder::SLOTS],
    /// Tokens there are.
    count: usize,
    /// Tokens that are done.
    left: usize,
    more: bool,
    /// A comment behind the last token.
    comment: Option<Token<'a>>,
}

/// The first tokens of what `lexer` reads, folded.
pub(super) fn fold<'a>(lexer: &mut Lexer<'a>) -> Folded<'a> {
    let nothing = Token::new(Kind::Unknown, b"");
    let first = loop {
        // What stands before the first real token makes no difference.
        match lexer.next() {
            Some(token)
                if matches!(
                    token.kind,
                    Kind::Comment | Kind::LeftParenthesis | Kind::SqlType
                ) || token.is_unary() => {}
            Some(token) => break token,
            None => {
                return Folded {
                    count: 0,
                    ..Folded::one(nothing)
                };
            }
        }
    };
    let mut folder = Folder {
        lexer,
        tokens: [nothing; Folder::SLOTS],
        count: 1,
        left: 0,
        more: true,
        comment: None,
    };
    folder.set(0, first);
    folder.run();
    folder.finish()
}

impl<'a> Folder<'_, 'a> {
    /// Tokens of a fingerprint.
    const LIMIT: usize = Fingerprint::LIMIT;
    /// One more is read, to know what the last one means.
    const SLOTS: usize = Self::LIMIT + 1;

    fn at(&self, index: usize) -> Token<'a> {
        self.tokens
            .get(index)
            .copied()
            .unwrap_or(Token::new(Kind::Unknown, b""))
    }

    fn set(&mut self, index: usize, token: Token<'a>) {
        if let Some(slot) = self.tokens.get_mut(index) {
            *slot = token;
        }
    }

    fn set_kind(&mut self, index: usize, kind: Kind) {
        if let Some(slot) = self.tokens.get_mut(index) {
            slot.kind = kind;
        }
    }

    /// Takes tokens from the end and looks again from the first.
    fn drop_last(&mut self, tokens: usize) -> Next {
        self.count -= tokens.min(self.count);
        self.left = 0;
        Next::Again
    }

    /// Takes out the token behind the one at `left`, of three, and looks again from the first.
    fn drop_middle(&mut self) -> Next {
        self.set(self.left + 1, self.at(self.left + 2));
        self.drop_last(1)
    }

    /// Takes the last token and looks again one token further left.
    fn step_back(&mut self) -> Next {
        self.count -= 1;
        self.left = self.left.saturating_sub(1);
        Next::Again
    }

    fn run(&mut self) {
        loop {
            if self.count >= Self::LIMIT && self.is_expression() {
                if self.count > Self::LIMIT {
                    self.set(1, self.at(Self::LIMIT));
                    self.count = 2;
                } else {
                    self.count = 1;
                }
                self.left = 0;
            }
            if !self.more || self.left >= Self::LIMIT {
                self.left = self.count;
                return;
            }
            if !self.read(2) {
                self.left = self.count;
                continue;
            }
            match self.pair() {
                Next::Again => continue,
                Next::Nothing => {}
                Next::Evil => {
                    self.set(0, Token::new(Kind::Evil, b""));
                    self.left = 1;
                    self.comment = None;
                    return;
                }
            }
            if !self.read(3) {
                self.left = self.count;
                continue;
            }
            match self.triple() {
                Next::Nothing => self.left += 1,
                _ => continue,
            }
        }
    }

    /// Whether the first five tokens are arithmetic with a parenthesis, or a list: they count as their first.
    fn is_expression(&self) -> bool {
        use Kind as K;
        let kinds: [Kind; 5] = std::array::from_fn(|index| self.at(index).kind);
        matches!(
            kinds,
            [
                K::Number,
                K::Operator | K::Comma,
                K::LeftParenthesis,
                K::Number,
                K::RightParenthesis
            ] | [
                K::Bareword,
                K::Operator,
                K::LeftParenthesis,
                K::Bareword | K::Number,
                K::RightParenthesis
            ] | [
                K::Number,
                K::RightParenthesis,
                K::Comma,
                K::LeftParenthesis,
                K::Number
            ] | [
                K::Bareword,
                K::RightParenthesis,
                K::Operator,
                K::LeftParenthesis,
                K::Bareword
            ]
        )
    }

    /// Reads until there are `wanted` tokens from `left` on; comments are passed over. Whether there are.
    fn read(&mut self, wanted: usize) -> bool {
        while self.more && self.count <= Self::LIMIT && self.count < self.left + wanted {
            match self.lexer.next() {
                Some(token) if token.kind == Kind::Comment => self.comment = Some(token),
                Some(token) => {
                    self.comment = None;
                    self.set(self.count, token);
                    self.count += 1;
                }
                None => self.more = false,
            }
        }
        self.count >= self.left + wanted
    }

    /// Folds the two tokens from `left` on.
    fn pair(&mut self) -> Next {
        use Kind as K;
        let (a, b) = (self.at(self.left), self.at(self.left + 1));
        match (a.kind, b.kind) {
            // One string after the other is one; so are semicolons.
            (K::String, K::String) | (K::Semicolon, K::Semicolon) => {
                self.count -= 1;
                return Next::Again;
            }
            (K::Operator | K::Logic, kind) if kind == K::SqlType || b.is_unary() => {
                return self.drop_last(1);
            }
            (K::LeftParenthesis, _) if b.is_unary() => return self.step_back(),
            _ => {}
        }
        if let Some(merged) = merge(&a, &b) {
            self.set(self.left, merged);
            return self.step_back();
        }
        self.reread(a, b)
    }

    /// Folds the two tokens from `left` on where they are no phrase: many words mean something else before the token behind them.
    fn reread(&mut self, a: Token<'a>, b: Token<'a>) -> Next {
        use Kind as K;
        let (left, right) = (self.left, self.left + 1);
        match (a.kind, b.kind) {
            // A function, but a statement in Transact-SQL.
            (K::Semicolon, K::Function) if matches!(b.text, [b'I' | b'i', b'F' | b'f', ..]) => {
                self.set_kind(right, K::Tsql);
                Next::Again
            }
            (K::Bareword | K::Variable, K::LeftParenthesis)
                if a.is_one_of(&FUNCTIONS_BEFORE_PARENTHESIS) =>
            {
                self.set_kind(left, K::Function);
                Next::Again
            }
            (K::Keyword, kind) if a.is_one_of(&[b"IN", b"NOT IN"]) => {
                let is_operator = kind == K::LeftParenthesis;
                self.set_kind(
                    left,
                    if is_operator {
                        K::Operator
                    } else {
                        K::Bareword
                    },
                );
                Next::Again
            }
            (K::Operator, kind) if a.is_one_of(&[b"LIKE", b"NOT LIKE"]) => {
                if kind == K::LeftParenthesis {
                    self.set_kind(left, K::Function);
                }
                Next::Nothing
            }
            (
                K::SqlType,
                K::Bareword
                | K::Number
                | K::SqlType
                | K::LeftParenthesis
                | K::Function
                | K::Variable
                | K::String,
            ) => {
                self.set(left, b);
                self.drop_last(1)
            }
            (K::Collate, K::Bareword) => {
                // There are too many collations to list, but each has an underscore.
                let name = b.text.iter().take_while(|&&byte| byte != 0);
                if name.copied().any(|byte| byte == b'_') {
                    self.set_kind(right, K::SqlType);
                    self.left = 0;
                }
                Next::Nothing
            }
            (K::Backslash, _) if b.is_arithmetic() => {
                // Transact-SQL reads `\%1` as `0 % 1`.
                self.set_kind(left, K::Number);
                self.left = 0;
                Next::Again
            }
            (K::Backslash, _) => {
                self.set(left, b);
                self.drop_last(1)
            }
            (K::LeftParenthesis, K::LeftParenthesis)
            | (K::RightParenthesis, K::RightParenthesis) => self.drop_last(1),
            (K::LeftBrace, K::Bareword) if b.text.is_empty() => {
                // MySQL takes ``{``.``.id}`` for a column.
                Next::Evil
            }
            // `{name expression}` is the expression.
            (K::LeftBrace, K::Bareword) => self.drop_last(2),
            (_, K::RightBrace) => self.drop_last(1),
            _ => Next::Nothing,
        }
    }

    /// Folds the three tokens from `left` on.
    fn triple(&mut self) -> Next {
        use Kind as K;
        let (a, b, c) = (
            self.at(self.left),
            self.at(self.left + 1),
            self.at(self.left + 2),
        );
        match (a.kind, b.kind, c.kind) {
            (K::Number, K::Operator, K::Number) => self.drop_last(2),
            (K::Operator, kind, K::Operator) if kind != K::LeftParenthesis => self.drop_last(2),
            (K::Logic, _, K::Logic)
            | (K::Variable, K::Operator, K::Variable | K::Number | K::Bareword)
            | (K::Bareword | K::Number, K::Operator, K::Number | K::Bareword) => self.drop_last(2),
            (K::Bareword | K::Number | K::Variable | K::String, K::Operator, K::SqlType)
                if b.text == b"::" =>
            {
                self.drop_last(2)
            }
            (
                K::Bareword | K::Number | K::String | K::Variable,
                K::Comma,
                K::Number | K::Bareword | K::String | K::Variable,
            ) => self.drop_last(2),
            (K::Expression | K::Group | K::Comma, _, K::LeftParenthesis) if b.is_unary() => {
                self.drop_middle()
            }
            (
                K::Keyword | K::Expression | K::Group,
                _,
                K::Number | K::Bareword | K::Variable | K::String | K::Function,
            ) if b.is_unary() => self.drop_middle(),
            (K::Comma, _, K::Number | K::Bareword | K::Variable | K::String) if b.is_unary() => {
                // `1,-1` is `1`: the number goes to where the sign was and is read from there, once more tokens are there.
                self.set(self.left + 1, c);
                self.drop_last(3)
            }
            (K::Comma, _, K::Function) if b.is_unary() => self.drop_middle(),
            // `database.table` is a name as well.
            (K::Bareword, K::Dot, K::Bareword) => self.drop_last(2),
            (K::Expression, K::Dot, K::Bareword) => self.drop_middle(),
            (K::Function, K::LeftParenthesis, kind) if kind != K::RightParenthesis => {
                // A function without arguments is none where it has some.
                if a.is(b"USER") {
                    self.set_kind(self.left, K::Bareword);
                }
                Next::Nothing
            }
            _ => Next::Nothing,
        }
    }

    fn finish(mut self) -> Folded<'a> {
        if self.left < Self::LIMIT
            && let Some(comment) = self.comment
        {
            self.set(self.left, comment);
            self.left += 1;
        }
        let count = self.left.min(Self::LIMIT);
        // An open and empty backtick at the end comments out what follows.
        let last = self.at(count.saturating_sub(1));
        if count > 2
            && last.kind == Kind::Bareword
            && (last.open, last.close) == (b'`', 0)
            && last.text.is_empty()
        {
            self.set_kind(count - 1, Kind::Comment);
        }
        let folded = Folded {
            tokens: self.tokens,
            count,
        };
        match folded
            .tokens()
            .iter()
            .find(|token| token.kind == Kind::Evil)
        {
            Some(evil) => Folded::one(*evil),
            None => folded,
        }
    }
}

/// Two words that are one, such as `UNION` and `ALL`.
fn merge<'a>(a: &Token<'a>, b: &Token<'a>) -> Option<Token<'a>> {
    if !is_part_of_phrase(a.kind) || !(is_part_of_phrase(b.kind) || b.kind == Kind::Logic) {
        return None;
    }
    let (first, second) = (a.text, b.text);
    if !words::can_begin_phrase(first) {
        return None;
    }
    let mut phrase = [0; Token::TEXT_LIMIT];
    let phrase = phrase.get_mut(..first.len() + 1 + second.len())?;
    phrase.get_mut(..first.len())?.copy_from_slice(first);
    *phrase.get_mut(first.len())? = b' ';
    phrase.get_mut(first.len() + 1..)?.copy_from_slice(second);
    let (kind, text) = words::find(phrase)?;
    Some(Token::quoted(kind, text, a.open, a.close))
}

fn is_part_of_phrase(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Keyword
            | Kind::Bareword
            | Kind::Operator
            | Kind::Union
            | Kind::Function
            | Kind::Expression
            | Kind::Tsql
            | Kind::SqlType
    )
}
