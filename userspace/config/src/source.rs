//! The text of a configuration, and how a finding is shown with the line it is about.

use crate::diagnostic::{Diagnostic, Span};
use std::fmt;
use std::sync::Arc;

/// Widest part of a line that is shown, in characters; longer lines are cut around the caret.
const MAX_SHOWN: usize = 140;

/// The text of a configuration, kept to show the lines that a finding is about.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    masked: Arc<[Hidden]>,
}

/// A part of a line that is not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hidden {
    line: u32,
    start: u32,
    end: u32,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may hold a secret that somebody wrote out by mistake.
        write!(f, "Source({})", self.name)
    }
}

impl Source {
    /// Keeps a text. What is `masked` is never shown: secrets that somebody wrote out.
    pub(crate) fn new(name: &str, text: &str, masked: Vec<Span>) -> Self {
        let hide = |span: Span| {
            // What goes over several lines has the length 1: of that, the rest of its line is hidden.
            let end = if span.length == 1 {
                u32::MAX
            } else {
                span.column.saturating_add(span.length)
            };
            Hidden {
                line: span.line,
                start: span.column,
                end,
            }
        };
        let mut masked: Vec<Hidden> = masked.into_iter().map(hide).collect();
        masked.sort_unstable();
        // The last one that begins before a column decides, so each reaches as far as those before it.
        let mut reach = Hidden {
            line: 0,
            start: 0,
            end: 0,
        };
        for hidden in &mut masked {
            if hidden.line == reach.line {
                hidden.end = hidden.end.max(reach.end);
            }
            reach = *hidden;
        }
        Self {
            name: name.into(),
            text: text.into(),
            masked: masked.into(),
        }
    }

    /// The name of the file, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn is_hidden(&self, line: u32, column: u32) -> bool {
        let after = self
            .masked
            .partition_point(|hidden| (hidden.line, hidden.start) <= (line, column));
        let last = after
            .checked_sub(1)
            .and_then(|index| self.masked.get(index));
        last.is_some_and(|hidden| hidden.line == line && column < hidden.end)
    }

    /// The part of a line that is shown, how far the caret stands from its start, and how many carets there are.
    fn cut(&self, span: Span) -> Option<(String, usize, usize)> {
        let line = nth_line(&self.text, span.line)?;
        let total = line.chars().count();
        let column = usize::try_from(span.column.saturating_sub(1))
            .unwrap_or(0)
            .min(total);
        let first = if total <= MAX_SHOWN {
            0
        } else {
            column.saturating_sub(MAX_SHOWN / 2)
        };
        let last = total.min(first.saturating_add(MAX_SHOWN));
        let window = line
            .get(byte_of_char(line, first)..)?
            .chars()
            .take(last - first);
        let columns = u32::try_from(first).unwrap_or(u32::MAX).saturating_add(1)..;
        let shown: String = columns
            .zip(window)
            .map(|(at, c)| {
                if self.is_hidden(span.line, at) {
                    '*'
                } else {
                    printable(c)
                }
            })
            .collect();
        let (start, end) = (
            if first > 0 { "... " } else { "" },
            if last < total { " ..." } else { "" },
        );
        let before = column - first + start.len();
        let length = usize::try_from(span.length).unwrap_or(1);
        Some((
            format!("{start}{}{end}", shown.trim_end()),
            before,
            length.min(last.saturating_sub(column)).max(1),
        ))
    }

    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, diagnostic: &Diagnostic) -> fmt::Result {
        let Diagnostic { span, .. } = diagnostic;
        write!(f, "{}", diagnostic.severity.name())?;
        if !diagnostic.path.is_empty() {
            write!(f, ": {}", clean(&diagnostic.path))?;
        }
        writeln!(f, ": {}", clean(&diagnostic.found))?;
        let margin = span.line.to_string().len();
        let name = clean(&self.name);
        match self.cut(*span) {
            Some((shown, before, carets)) => {
                writeln!(f, "{:margin$}--> {name}:{}:{}", "", span.line, span.column)?;
                writeln!(f, "{:margin$} |", "")?;
                writeln!(f, "{} | {shown}", span.line)?;
                writeln!(f, "{:margin$} | {:before$}{:^<carets$}", "", "", "")?;
            }
            None => writeln!(f, "{:margin$}--> {name}", "")?,
        }
        if !diagnostic.expected.is_empty() {
            writeln!(
                f,
                "{:margin$} = expected: {}",
                "",
                clean(&diagnostic.expected)
            )?;
        }
        if !diagnostic.remedy.is_empty() {
            writeln!(f, "{:margin$} = remedy: {}", "", clean(&diagnostic.remedy))?;
        }
        Ok(())
    }
}

/// Where a character begins. Long lines are nearly always ASCII, where nothing has to be counted.
fn byte_of_char(line: &str, number: usize) -> usize {
    if line.is_ascii() {
        return number.min(line.len());
    }
    line.char_indices()
        .nth(number)
        .map_or(line.len(), |(at, _)| at)
}

/// A character that a terminal shows as one, and does not obey.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn clean(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// A line of a text, counted from 1, with the line breaks of YAML: LF, CR LF, and CR alone.
pub(crate) fn nth_line(text: &str, number: u32) -> Option<&str> {
    let mut rest = text;
    for _ in 1..number {
        let at = rest.find(['\n', '\r'])?;
        let (_, tail) = rest.split_at(at);
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(1..))?;
    }
    let line = rest.split(['\n', '\r']).next()?;
    (number > 0).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::{Source, nth_line};
    use crate::diagnostic::Span;

    #[test]
    fn lines_end_as_in_yaml() {
        let text = "a\nb\r\nc\rd\n";
        let lines: Vec<_> = (0..7).map(|number| nth_line(text, number)).collect();
        assert_eq!(
            lines,
            [
                None,
                Some("a"),
                Some("b"),
                Some("c"),
                Some("d"),
                Some(""),
                None
            ]
        );
    }

    #[test]
    fn what_is_masked_stays_hidden_where_masks_overlap() {
        let text = "x: { secret: hunter2, b: c }";
        let span = |column, length| Span {
            line: 1,
            column,
            length,
        };
        for masks in [
            vec![span(14, 7)],
            vec![span(14, 7), span(15, 2)],
            vec![span(15, 2), span(14, 7)],
        ] {
            let (shown, before, carets) = Source::new("f", text, masks).cut(span(14, 7)).unwrap();
            assert_eq!(shown, "x: { secret: *******, b: c }");
            assert_eq!((before, carets), (13, 7));
        }
        let (shown, ..) = Source::new("f", text, vec![span(14, 1), span(23, 1)])
            .cut(span(1, 1))
            .unwrap();
        assert_eq!(shown, "x: { secret: ***************");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}NEEDLE{}", "a".repeat(5000), "b".repeat(5000));
        let (shown, before, carets) = Source::new("f", &text, Vec::new())
            .cut(Span {
                line: 1,
                column: 5001,
                length: 6,
            })
            .unwrap();
        assert!(shown.len() < 160 && shown.starts_with("... ") && shown.ends_with(" ..."));
        assert_eq!(shown.get(before..before + carets), Some("NEEDLE"));
    }
}
