//! A problem and the place of it, made ready for people.

use std::fmt;
use std::ops::Range;

use crate::problem::Problem;
use crate::span::{Sources, Span, Spanned};

/// How many characters of a long line are shown.
const SHOWN: usize = 120;

/// An error in a SecLang text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the loader got it.
    pub file: String,
    /// From 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// From 1, in characters; 0 when the file as a whole is meant.
    pub column: u32,
    /// The line without its end; of a line with more than 120 characters the part round the place.
    pub line_text: String,
    /// The characters of `line_text`, from 0, that are meant; ends with it at the latest.
    pub caret: Range<usize>,
    /// What is wrong; its `Display` is the message.
    pub problem: Problem,
}

/// A place in a file as people are shown it: the line and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The line without its end; of a line with more than 120 characters the part round the place.
    pub line_text: String,
    /// The characters of `line_text`, from 0, that are meant; ends with it at the latest.
    pub caret: Range<usize>,
}

impl Excerpt {
    /// The place of a span.
    #[must_use]
    pub fn of(sources: &Sources, span: Span) -> Self {
        let place = sources.locate(span);
        let line = sources
            .get(span.file)
            .map_or("", |source| source.line(place.line));
        let length = span.end.saturating_sub(span.start);
        Self::at(line, place.line, place.column, length)
    }

    /// The place at a column (from 1, in characters) of a line that is given, `length` bytes long; what goes on in further lines is
    /// cut off.
    #[must_use]
    pub fn at(line_text: &str, line: u32, column: u32, length: u32) -> Self {
        let start = (column as usize).saturating_sub(1);
        let mut left = length as usize;
        let meant = line_text.chars().skip(start).take_while(|c| {
            let fits = c.len_utf8() <= left;
            left = left.saturating_sub(c.len_utf8());
            fits
        });
        let meant = meant.count();
        let skipped = if start < SHOWN * 3 / 4 {
            0
        } else {
            start - SHOWN / 2
        };
        let line_text: String = line_text.chars().skip(skipped).take(SHOWN).collect();
        let start = start - skipped;
        let end = (start + meant.max(1)).min(line_text.chars().count().max(start + 1));
        Self {
            line,
            column,
            caret: start..end,
            line_text,
        }
    }
}

/// The line with the place underlined.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self
            .line_text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let Range { start, end } = self.caret;
        let underline = "^".repeat(end - start);
        write!(
            f,
            " {number} | {shown}\n {margin} | {:start$}{underline}",
            ""
        )
    }
}

impl Diagnostic {
    pub(crate) fn new(sources: &Sources, span: Span, problem: Problem) -> Self {
        let excerpt = Excerpt::of(sources, span);
        Self {
            file: sources.locate(span).file.to_owned(),
            line: excerpt.line,
            column: excerpt.column,
            caret: excerpt.caret,
            line_text: excerpt.line_text,
            problem,
        }
    }

    /// A problem of a file as a whole.
    pub(crate) fn of_file(file: String, problem: Problem) -> Self {
        Self {
            file,
            line: 0,
            column: 0,
            line_text: String::new(),
            caret: 0..0,
            problem,
        }
    }

    /// What is wrong, in a sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        self.problem.remedy()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.problem)?;
        } else {
            write!(
                f,
                "{}:{}:{}: {}",
                self.file, self.line, self.column, self.problem
            )?;
            write!(f, "\n{}", self.excerpt())?;
        }
        if let Some(remedy) = self.remedy() {
            write!(f, "\n  = {remedy}")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// The place, without the file.
    #[must_use]
    pub fn excerpt(&self) -> Excerpt {
        Excerpt {
            line: self.line,
            column: self.column,
            line_text: self.line_text.clone(),
            caret: self.caret.clone(),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// Problems in the order in which they were found, up to [`crate::limits::DIAGNOSTICS`].
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<(Span, Problem)>,
    /// What was read although it is written wrongly.
    pub(crate) remarks: Vec<Spanned<&'static str>>,
}

impl Problems {
    pub(crate) fn add(&mut self, span: Span, problem: Problem) {
        if !self.is_full() {
            self.found.push((span, problem.clipped()));
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= crate::limits::DIAGNOSTICS
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// By file and place.
    pub(crate) fn into_diagnostics(mut self, sources: &Sources) -> Vec<Diagnostic> {
        self.found.sort_by_key(|(span, _)| (span.file, span.start));
        self.found
            .into_iter()
            .map(|(span, problem)| Diagnostic::new(sources, span, problem))
            .collect()
    }
}
