//! Text that was unquoted or joined from several lines and still knows where each byte came from.

use std::ops::Range;

use crate::span::{FileId, Span};

/// A text and, for each run of its bytes that is contiguous in the file, where that run begins.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    text: String,
    /// (offset in `text`, offset in the file), ascending.
    runs: Vec<(usize, u32)>,
    file: FileId,
    start: u32,
    end: u32,
}

impl Mapped {
    /// An empty text at a place.
    pub(crate) fn empty(file: FileId, at: u32) -> Self {
        Self {
            text: String::new(),
            runs: Vec::new(),
            file,
            start: at,
            end: at,
        }
    }

    /// Appends a character that stands at `at` in the file.
    pub(crate) fn push(&mut self, character: char, at: u32) {
        let follows = self.runs.last().is_some_and(|(offset, source)| {
            *source as usize + (self.text.len() - offset) == at as usize
        });
        if !follows {
            self.runs.push((self.text.len(), at));
        }
        if self.text.is_empty() {
            self.start = at;
        }
        self.text.push(character);
        self.end = at.saturating_add(u32::try_from(character.len_utf8()).unwrap_or(4));
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place of the whole.
    pub(crate) fn span(&self) -> Span {
        Span {
            file: self.file,
            start: self.start,
            end: self.end,
        }
    }

    /// The place of a part, given by offsets in the text.
    pub(crate) fn span_of(&self, range: &Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.source_offset(last).saturating_add(1),
            _ => start,
        };
        Span {
            file: self.file,
            start,
            end: end.max(start),
        }
    }

    /// A part of it; the range is clipped to the text and must lie on character boundaries, else the part is empty.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::empty(self.file, self.source_offset(range.start));
        for (offset, character) in self.text.get(range.clone()).unwrap_or("").char_indices() {
            part.push(character, self.source_offset(range.start + offset));
        }
        part
    }

    /// Without blanks at both ends.
    pub(crate) fn trimmed(&self) -> Self {
        let left = self.text.len() - self.text.trim_start().len();
        self.slice(left..left + self.text.trim().len())
    }

    /// What stands before and behind the first `separator`; nothing behind if there is none.
    pub(crate) fn split_once(&self, separator: char) -> (Self, Option<Self>) {
        match self.text.find(separator) {
            None => (self.clone(), None),
            Some(at) => (
                self.slice(0..at),
                Some(self.slice(at + separator.len_utf8()..self.text.len())),
            ),
        }
    }

    fn source_offset(&self, offset: usize) -> u32 {
        if offset >= self.text.len() {
            return self.end;
        }
        let run = self.runs.partition_point(|(start, _)| *start <= offset);
        match run.checked_sub(1).and_then(|index| self.runs.get(index)) {
            Some((start, source)) => {
                source.saturating_add(u32::try_from(offset - start).unwrap_or(u32::MAX))
            }
            None => self.start,
        }
    }
}
