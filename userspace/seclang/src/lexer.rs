//! Lines and words.
//!
//! A statement is a line with the lines that `\` joins to it. A word is bare, in `"..."` or in `'...'`; inside of quotes
//! `\` and the same quote are that quote, whatever stands before them, and every other backslash stays.

use crate::diagnostic::Problems;
use crate::limits;
use crate::mapped::Mapped;
use crate::problem::Problem;
use crate::span::{FileId, Span, Spanned};

/// What stands at the beginning of a line.
#[derive(Debug)]
pub(crate) enum Item {
    Comment(Spanned<String>),
    Statement(Statement),
    /// A line that is no statement; the problem has been added.
    Broken,
}

/// A directive and its arguments, not yet understood.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) name: Mapped,
    pub(crate) arguments: Vec<Mapped>,
    pub(crate) span: Span,
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    file: FileId,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A byte order mark at the start is passed over.
    pub(crate) fn new(text: &'a str, file: FileId) -> Self {
        let at = text.len() - text.trim_start_matches('\u{feff}').len();
        Self { text, file, at }
    }

    /// The next comment or statement; `None` at the end of the text.
    pub(crate) fn next(&mut self, problems: &mut Problems) -> Option<Item> {
        self.skip(|c| c.is_ascii_whitespace());
        let start = self.at;
        match self.peek()? {
            '#' => {
                let line = self.rest().lines().next().unwrap_or("");
                self.at += line.len();
                let text = line.trim_end();
                let span = self.span(start, start + text.len());
                Some(Item::Comment(Spanned::new(text.to_owned(), span)))
            }
            _ => Some(
                self.statement(start, problems)
                    .map_or(Item::Broken, Item::Statement),
            ),
        }
    }

    fn statement(&mut self, start: usize, problems: &mut Problems) -> Option<Statement> {
        let mut words: Vec<Mapped> = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('\n') => break,
                Some(_) => {}
            }
            // The name of a dataset is a word like any other; what stands behind it may be lines.
            let takes_lines = matches!(&words[..], [directive, _] if directive.text().eq_ignore_ascii_case("SecDataset"));
            match self.word(takes_lines) {
                Ok(word) => words.push(word),
                Err((span, Problem::UnclosedQuote('"'))) if self.may_stay_open(&words) => {
                    let remark = "the quote is not closed: the actions end with the line";
                    problems.remarks.push(Spanned::new(remark, span));
                    words.push(self.rest_of_line(span));
                }
                Err((span, problem)) => {
                    problems.add(span, problem);
                    self.recover();
                    return None;
                }
            }
            if self.at - start > limits::DIRECTIVE_BYTES {
                let limit = limits::DIRECTIVE_BYTES;
                let what = "bytes of one directive";
                problems.add(self.span(start, start), Problem::TooLarge { what, limit });
                self.recover();
                return None;
            }
        }
        let end = words.last().map_or(start, |word| word.span().end as usize);
        let mut words = words.into_iter();
        let name = words.next()?;
        Some(Statement {
            name,
            arguments: words.collect(),
            span: self.span(start, end),
        })
    }

    /// Whether a quote that is open at the end of the line can count as closed there, as it does in ModSecurity: round the actions of a
    /// rule, where the next line begins something else.
    fn may_stay_open(&self, words: &[Mapped]) -> bool {
        let is = |word: &Mapped, name: &str| word.text().eq_ignore_ascii_case(name);
        let holds_actions = match words {
            [directive] => is(directive, "SecAction"),
            [directive, _, _] => is(directive, "SecRule"),
            _ => false,
        };
        let next = self.rest().strip_prefix('\n').unwrap_or("");
        holds_actions && begins_statement(next)
    }

    /// What stands between an open quote and the place where it was found to be open.
    fn rest_of_line(&self, opening: Span) -> Mapped {
        let start = opening.start as usize + 1;
        let mut word = Mapped::empty(self.file, offset(start));
        let mut inner = Lexer {
            text: self.text.get(..self.at).unwrap_or(""),
            file: self.file,
            at: start,
        };
        while inner.skip_continuations().is_ok() {
            match inner.peek() {
                Some('\\') if inner.escapes('"') => inner.at += 1,
                Some(_) => {}
                None => break,
            }
            if let Some(c) = inner.peek() {
                inner.take(c, &mut word);
            }
        }
        word.trimmed()
    }

    fn word(&mut self, takes_lines: bool) -> Result<Mapped, (Span, Problem)> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some('`') if takes_lines => self.block(),
            _ => self.bare(),
        }
    }

    fn bare(&mut self) -> Result<Mapped, (Span, Problem)> {
        let mut word = Mapped::empty(self.file, offset(self.at));
        loop {
            self.skip_continuations()?;
            match self.peek() {
                Some(c) if !c.is_ascii_whitespace() => self.take(c, &mut word),
                _ => return Ok(word),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Mapped, (Span, Problem)> {
        let opening = self.span(self.at, self.at + 1);
        self.at += 1;
        let mut word = Mapped::empty(self.file, offset(self.at));
        loop {
            self.skip_continuations()?;
            match self.peek() {
                None | Some('\n') => return Err((opening, Problem::UnclosedQuote(quote))),
                Some(c) if c == quote => break,
                Some('\\') if self.escapes(quote) => {
                    self.at += 1;
                    self.take(quote, &mut word);
                }
                Some(c) => self.take(c, &mut word),
            }
        }
        let closing = self.span(self.at, self.at + 1);
        self.at += 1;
        self.skip_continuations()?;
        match self.peek() {
            Some(c) if !c.is_ascii_whitespace() => Err((closing, Problem::TextAfterQuote(quote))),
            _ => Ok(word),
        }
    }

    /// Lines between backticks, as they are.
    fn block(&mut self) -> Result<Mapped, (Span, Problem)> {
        let opening = self.span(self.at, self.at + 1);
        self.at += 1;
        let mut word = Mapped::empty(self.file, offset(self.at));
        loop {
            match self.peek() {
                None => return Err((opening, Problem::UnclosedQuote('`'))),
                Some('`') => break,
                Some(c) => self.take(c, &mut word),
            }
        }
        self.at += 1;
        Ok(word)
    }

    /// Passes over `\` and the line end behind it; in the middle of a text that is no backslash of the text.
    fn skip_continuations(&mut self) -> Result<(), (Span, Problem)> {
        while let Some(behind) = self.rest().strip_prefix('\\') {
            let line_end = behind.trim_start_matches([' ', '\t', '\r']);
            let between = behind.len() - line_end.len();
            if !(line_end.is_empty() || line_end.starts_with('\n')) {
                break;
            }
            if between > usize::from(behind.starts_with('\r')) {
                return Err((
                    self.span(self.at, self.at + 1),
                    Problem::BlankAfterContinuation,
                ));
            }
            self.at = (self.at + 1 + between + 1).min(self.text.len());
        }
        Ok(())
    }

    /// Passes over blanks and continuations between words.
    fn skip_blanks(&mut self) {
        loop {
            let before = self.at;
            self.skip(|c| c != '\n' && c.is_ascii_whitespace());
            if self.skip_continuations().is_err() || self.at == before {
                return;
            }
        }
    }

    /// Goes on at the next line that can begin a statement, so that one open quote is one error.
    fn recover(&mut self) {
        loop {
            self.skip(|c| c != '\n');
            if self.peek().is_none() {
                return;
            }
            self.at += 1;
            if begins_statement(self.rest()) {
                return;
            }
        }
    }

    fn escapes(&self, quote: char) -> bool {
        self.rest()
            .strip_prefix('\\')
            .is_some_and(|behind| behind.starts_with(quote))
    }

    fn take(&mut self, c: char, word: &mut Mapped) {
        word.push(c, offset(self.at));
        self.at += c.len_utf8();
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(wanted).len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            file: self.file,
            start: offset(start),
            end: offset(end.min(self.text.len())),
        }
    }
}

/// Whether the next line can begin a statement, or is none.
fn begins_statement(text: &str) -> bool {
    let line = text.lines().next().unwrap_or("").trim_ascii_start();
    let starts = |word: &str| {
        line.get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    line.is_empty() || line.starts_with('#') || starts("Sec") || starts("Include")
}

/// Files are shorter than 4 GiB by [`limits::FILE_BYTES`].
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
