//! Files that the configuration names. A relative path is relative to the folder of the configuration file.

use crate::diagnostic::{Diagnostic, Kind, Span};
use crate::document::Node;
use crate::environment::FileKind;
use crate::reader::{Bad, Reader, shortened};
use crate::setting::{Book, Setting};
use serde_json::{Value as Json, json};
use std::io;
use std::path::{Path, PathBuf};

/// Most files that the patterns of one list may find.
pub const MAX_FILES: usize = 10_000;

/// A path; whether something stands there is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

/// A file that is read: it was there and readable when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The absolute path, or one relative to the working folder if the configuration's own path is.
    pub path: PathBuf,
    /// Where it was written.
    pub span: Span,
}

/// A file that is written: its folder was there when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// The absolute path, or one relative to the working folder if the configuration's own path is.
    pub path: PathBuf,
    /// Where it was written.
    pub span: Span,
}

/// Files by pattern: `*` and `?` in the last part of the path, such as `rules/*.conf`. What they find is sorted by
/// name, so that `REQUEST-901-*` stands before `REQUEST-942-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The pattern, with its folder.
    pub pattern: PathBuf,
    /// What it found when the configuration was read, at most [`MAX_FILES`].
    pub found: Vec<PathBuf>,
    /// Where it was written.
    pub span: Span,
}

impl Reader<'_> {
    fn resolve(&self, text: &str) -> Result<PathBuf, Bad> {
        match text {
            "" => Err(Bad::new(
                "found an empty path",
                "write the path, or remove the key",
            )),
            text if text.len() > 4096 || text.chars().any(char::is_control) => Err(Bad::new(
                format!("`{}` is not a path", shortened(text)),
                "at most 4096 bytes, no control characters",
            )),
            text if text.starts_with("~/") => Err(Bad::new(
                "`~` is not expanded here",
                "write the whole path, or one relative to this file",
            )),
            text => Ok(self.folder.join(text)),
        }
    }

    fn path<T: Setting>(&mut self, node: &Node) -> Option<PathBuf> {
        let text = self.text::<T>(node)?;
        match self.resolve(text) {
            Ok(path) => Some(path),
            Err(bad) => {
                self.report(
                    Diagnostic::error(Kind::BadValue, node.span, bad.found)
                        .expected(T::expects())
                        .remedy(bad.remedy),
                );
                None
            }
        }
    }

    fn no_file(&mut self, span: Span, path: &Path, what: &str, error: &io::Error) {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound if path.is_absolute() => {
                "create it, or correct the path".to_owned()
            }
            io::ErrorKind::NotFound => {
                "create it, or correct the path: it is relative to the folder of this configuration"
                    .to_owned()
            }
            io::ErrorKind::PermissionDenied => "let the user that runs bascule read it".to_owned(),
            io::ErrorKind::IsADirectory => "name a file in it".to_owned(),
            _ => String::new(),
        };
        let found = format!(
            "the {what} `{}` cannot be used: {}",
            path.display(),
            reason(error)
        );
        self.report(Diagnostic::error(Kind::File, span, found).remedy(remedy));
    }
}

impl Reader<'_> {
    /// The files that a pattern finds, sorted by name; none is no error here.
    fn find(&mut self, span: Span, folder: &Path, pattern: &str) -> Option<Vec<PathBuf>> {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let mut names = match self.env.find(folder, pattern) {
            Ok(names) => names,
            Err(error) => {
                self.no_file(span, folder, "folder", &error);
                return None;
            }
        };
        if names.len() > MAX_FILES {
            let found = format!("the pattern finds {} files", names.len());
            self.report(
                Diagnostic::error(Kind::Limit, span, found)
                    .expected(format!("at most {MAX_FILES}")),
            );
            return None;
        }
        names.sort_unstable();
        Some(names.into_iter().map(|name| folder.join(name)).collect())
    }
}

/// An I/O error in words that do not depend on the system's language and numbers, where we have them.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "it is not a folder".to_owned(),
        _ => error.to_string(),
    }
}

fn path_schema() -> Json {
    json!({ "type": "string", "minLength": 1 })
}

impl Setting for FilePath {
    fn expects() -> String {
        "a path".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.path::<Self>(node).map(Self)
    }

    fn schema(_: &mut Book) -> Json {
        path_schema()
    }

    fn json(&self) -> Json {
        self.0.to_string_lossy().into()
    }
}

impl Setting for InputFile {
    fn expects() -> String {
        "the path of a file".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = reader.path::<Self>(node)?;
        if let Err(error) = reader.env.expect(&path, FileKind::File) {
            reader.no_file(node.span, &path, "file", &error);
            return None;
        }
        Some(Self {
            path,
            span: node.span,
        })
    }

    fn schema(_: &mut Book) -> Json {
        path_schema()
    }

    fn json(&self) -> Json {
        self.path.to_string_lossy().into()
    }
}

impl Setting for OutputFile {
    fn expects() -> String {
        "the path of a file in a folder that exists".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = reader.path::<Self>(node)?;
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => Path::new("/"),
        };
        if let Err(error) = reader.env.expect(folder, FileKind::Folder) {
            reader.no_file(node.span, folder, "folder", &error);
            return None;
        }
        Some(Self {
            path,
            span: node.span,
        })
    }

    fn schema(_: &mut Book) -> Json {
        path_schema()
    }

    fn json(&self) -> Json {
        self.path.to_string_lossy().into()
    }
}

impl Setting for Files {
    fn expects() -> String {
        "the path of a file, or a pattern such as `rules/*.conf`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text::<Self>(node)?;
        let (folder, name) = text
            .rsplit_once('/')
            .map_or(("", text), |(folder, name)| (folder, name));
        if !name.contains(['*', '?']) && !folder.contains(['*', '?']) {
            let file = InputFile::read(node, reader)?;
            return Some(Self {
                pattern: file.path.clone(),
                found: vec![file.path],
                span: node.span,
            });
        }
        let pattern = reader.path::<Self>(node)?;
        if folder.contains(['*', '?']) {
            reader.report(
                Diagnostic::error(
                    Kind::BadValue,
                    node.span,
                    "found `*` or `?` in the name of a folder",
                )
                .expected(Self::expects())
                .remedy("write one pattern for each folder"),
            );
            return None;
        }
        let folder = pattern.parent().unwrap_or(Path::new("."));
        let found = reader.find(node.span, folder, name)?;
        Some(Self {
            pattern,
            found,
            span: node.span,
        })
    }

    fn schema(_: &mut Book) -> Json {
        path_schema()
    }

    fn json(&self) -> Json {
        self.pattern.to_string_lossy().into()
    }
}
