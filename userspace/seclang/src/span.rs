//! Where in which file something stands.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A file of a [`Sources`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(crate) u32);

/// A range of bytes of one file, end excluded. Files are smaller than 4 GiB by [`crate::limits::FILE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// From the start of this span to the end of `other`, which stands later in the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            end: other.end.max(self.start),
            ..self
        }
    }
}

/// A node of the tree and the text that it came from.
///
/// Two nodes are equal when their values are: a tree that was formatted and parsed again equals the first one, although
/// everything in it has moved.
#[derive(Clone, Copy, Debug)]
pub struct Spanned<T> {
    /// The node.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A node at a place.
    #[must_use]
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Arc<str>,
    line_starts: Vec<u32>,
}

impl Source {
    pub(crate) fn new(name: String, text: String) -> Self {
        let starts = text
            .bytes()
            .zip(1u32..)
            .filter_map(|(byte, next)| (byte == b'\n').then_some(next));
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self {
            name,
            text: text.into(),
            line_starts,
        }
    }

    /// The path, as the loader got it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Line and column, both from 1, of a byte offset. Columns count characters, as editors do.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_start(line);
        let before = self.text.get(start..offset as usize).unwrap_or("");
        (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        )
    }

    /// The text of a line (from 1) without its line end; empty if there is no such line.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        let start = self.line_start(line as usize);
        let rest = self.text.get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("")
    }

    fn line_start(&self, line: usize) -> usize {
        let start = line
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index));
        start.map_or(self.text.len(), |start| *start as usize)
    }
}

/// The files that a tree came from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(source);
        id
    }

    /// The file with this id. `None` only for an id of another table.
    #[must_use]
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.0 as usize)
    }

    /// All files, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// File, line and column of the start of a span, as messages and audit logs show it.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location<'_> {
        let Some(source) = self.get(span.file) else {
            return Location {
                file: "?",
                line: 0,
                column: 0,
            };
        };
        let (line, column) = source.line_column(span.start);
        Location {
            file: &source.name,
            line,
            column,
        }
    }

    /// The text under a span; empty when the span is of another table.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The path, as the loader got it.
    pub file: &'a str,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
