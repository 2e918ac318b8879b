//! What is shown: text for people on a terminal, JSON for programs.

use crate::failure::Failure;
use serde::Serialize;
use std::io::{self, Write};

/// Where results go. Notes and failures go to the standard error, so that results can be piped.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows a result: as JSON where that was asked for, else as the text.
    pub(crate) fn result(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if !self.json {
            return self.text(&text());
        }
        let mut json = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        json.push('\n');
        self.text(&json)
    }

    /// Writes text as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Something to know beside the result; not shown to programs.
    pub(crate) fn note(&self, text: &str) {
        if !self.json && !text.is_empty() {
            // Where not even this can be written, nobody is there to be told.
            let _ = writeln!(io::stderr(), "{}", text.trim_end());
        }
    }

    /// Why it failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            let text = format!("{:#}\n", failure.json());
            let _ = self.text(&text);
        } else {
            let _ = writeln!(io::stderr(), "{}", failure.text().trim_end());
        }
    }
}

/// Columns under headings, two spaces apart.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&headings.map(str::to_owned), widths);
    for row in rows {
        text.push_str(&line(row, widths));
    }
    text
}

fn line<const N: usize>(cells: &[String; N], widths: [usize; N]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&format!("{cell:width$}  "));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["a".to_owned(), "böse".to_owned(), String::new()],
            ["long".to_owned(), "b".to_owned(), "c".to_owned()],
        ];
        assert_eq!(
            table(["X", "Y", "Z"], &rows),
            "X     Y     Z\na     böse\nlong  b     c\n"
        );
    }
}
