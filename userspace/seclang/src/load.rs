//! Files: `Include`, and the data files that operators name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ast::{Directive, Document, OperatorKind, Setting, resolve};
use crate::diagnostic::Diagnostic;
use crate::limits;
use crate::parse::Parser;
use crate::problem::Problem;
use crate::span::{Span, Spanned};

/// Where files come from. [`crate::FsLoader`] takes them from the file system; tests and fuzzers bring their own.
pub trait Loader {
    /// The bytes of a file, up to `limit + 1` of them: one more than allowed says that the file is too large.
    ///
    /// # Errors
    /// What the system says, such as [`io::ErrorKind::NotFound`].
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// The files that a path or a pattern with `*`, `?` and `[...]` names, sorted by name; none is not an error.
    ///
    /// # Errors
    /// What the system says about a directory that cannot be listed.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// Loads the files that `patterns` name, in this order, and everything that they include.
///
/// In the tree each `Include` is replaced by what it names, so that the directives stand in the order in which they
/// apply. The data files of `@pmFromFile`, `@ipMatchFromFile`, `@validateDTD`, `@validateSchema` and `SecUnicodeMapFile` are read too, see
/// [`Document::data_file`]. Relative names in a file start at its directory; those of `patterns` are the loader's.
///
/// # Errors
/// Everything that is wrong, in the order of files and places, up to [`limits::DIAGNOSTICS`]: also files that are
/// missing, and patterns that find none.
pub fn load<P: AsRef<Path>>(
    patterns: &[P],
    loader: &dyn Loader,
) -> Result<Document, Vec<Diagnostic>> {
    let (document, problems) = load_partly(patterns, loader);
    if problems.is_empty() {
        Ok(document)
    } else {
        Err(problems)
    }
}

/// As [`load`], but gives what could be understood beside everything that is wrong: for those who look for further mistakes in it.
/// Nobody may run it.
pub fn load_partly<P: AsRef<Path>>(
    patterns: &[P],
    loader: &dyn Loader,
) -> (Document, Vec<Diagnostic>) {
    let mut run = Run::new(loader);
    let mut missing = Vec::new();
    for pattern in patterns {
        let pattern = pattern.as_ref();
        match run.find(pattern) {
            Ok(files) => {
                for file in files {
                    if let Err(problem) = run.file(&file, 0) {
                        missing.push(Diagnostic::of_file(file.display().to_string(), problem));
                    }
                }
            }
            Err(problem) => {
                missing.push(Diagnostic::of_file(pattern.display().to_string(), problem));
            }
        }
    }
    run.finish_partly(missing)
}

/// Parses a text as if it were the file `name`, and follows its `Include`s like [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_str(name: &str, text: &str, loader: &dyn Loader) -> Result<Document, Vec<Diagnostic>> {
    let mut run = Run::new(loader);
    let missing = match run.text(name.to_owned(), text.to_owned(), 0) {
        Ok(()) => Vec::new(),
        Err(problem) => vec![Diagnostic::of_file(name.to_owned(), problem)],
    };
    run.finish(missing)
}

struct Run<'a> {
    loader: &'a dyn Loader,
    parser: Parser,
    files: usize,
    data: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl<'a> Run<'a> {
    fn new(loader: &'a dyn Loader) -> Self {
        Self {
            loader,
            parser: Parser::default(),
            files: 0,
            data: BTreeMap::new(),
        }
    }

    fn finish(self, missing: Vec<Diagnostic>) -> Result<Document, Vec<Diagnostic>> {
        let (document, problems) = self.finish_partly(missing);
        if problems.is_empty() {
            Ok(document)
        } else {
            Err(problems)
        }
    }

    fn finish_partly(self, mut missing: Vec<Diagnostic>) -> (Document, Vec<Diagnostic>) {
        let data = self.data;
        let (mut document, found) = self.parser.finish_partly();
        document.data = data;
        document.comments.clear();
        missing.extend(found);
        (document, missing)
    }

    fn find(&self, pattern: &Path) -> Result<Vec<PathBuf>, Problem> {
        let files = self
            .loader
            .glob(pattern)
            .map_err(|error| unreadable(pattern, &error))?;
        if files.is_empty() {
            return Err(Problem::NoSuchFile(pattern.display().to_string()));
        }
        Ok(files)
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), Problem> {
        self.files += 1;
        if self.files > limits::FILES {
            let limit = limits::FILES;
            return Err(Problem::TooLarge {
                what: "files",
                limit,
            });
        }
        let limit = limits::FILE_BYTES;
        let bytes = self
            .loader
            .read(path, limit)
            .map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8(bytes).map_err(|_| Problem::NotUtf8)?;
        self.text(path.display().to_string(), text, depth)
    }

    fn text(&mut self, name: String, text: String, depth: usize) -> Result<(), Problem> {
        if text.len() > limits::FILE_BYTES {
            let limit = limits::FILE_BYTES;
            let what = "bytes of one file";
            return Err(Problem::TooLarge { what, limit });
        }
        let path = PathBuf::from(&name);
        let file = self.parser.add_source(name, text);
        for directive in self.parser.parse(file) {
            match &directive.value {
                Directive::Include(pattern) => {
                    self.include(&path, pattern, directive.span, depth, false);
                }
                Directive::IncludeOptional(pattern) => {
                    self.include(&path, pattern, directive.span, depth, true);
                }
                _ => {
                    self.read_data(&path, &directive);
                    self.parser.directives.push(directive);
                }
            }
        }
        Ok(())
    }

    fn include(&mut self, from: &Path, pattern: &str, span: Span, depth: usize, may_lack: bool) {
        if depth + 1 >= limits::INCLUDE_DEPTH {
            let limit = limits::INCLUDE_DEPTH;
            let what = "levels of Include";
            self.parser
                .problems
                .add(span, Problem::TooLarge { what, limit });
            return;
        }
        match self.find(&resolve(from, pattern)) {
            Ok(files) => {
                for file in files {
                    if let Err(problem) = self.file(&file, depth + 1) {
                        self.parser.problems.add(span, problem);
                    }
                }
            }
            Err(Problem::NoSuchFile(_)) if may_lack => {}
            Err(problem) => self.parser.problems.add(span, problem),
        }
    }

    fn read_data(&mut self, from: &Path, directive: &Spanned<Directive>) {
        match &directive.value {
            Directive::Rule(rule) => {
                for condition in rule.links().filter_map(|link| link.condition.as_ref()) {
                    let operator = &condition.operator;
                    if matches!(
                        operator.kind,
                        OperatorKind::PmFromFile | OperatorKind::IpMatchFromFile
                    ) {
                        let names = operator.argument.as_literal().unwrap_or("");
                        for name in names.split_ascii_whitespace() {
                            self.read_data_file(from, name, operator.span);
                        }
                    }
                    if matches!(
                        operator.kind,
                        OperatorKind::ValidateDtd | OperatorKind::ValidateSchema
                    ) {
                        let name = operator.argument.as_literal().unwrap_or("").trim();
                        self.read_grammar(from, name, operator.span);
                    }
                }
            }
            Directive::Setting(Setting::UnicodeMapFile { file, .. }) => {
                self.read_data_file(from, file, directive.span);
            }
            Directive::Setting(Setting::GeoLookupDb(file)) => {
                self.read_up_to(limits::PLACES_FILE_BYTES, from, file, directive.span);
            }
            _ => {}
        }
    }

    /// A DTD or schema, and what it may refer to. A file that it names and that cannot be read is no error here: who compiles the
    /// grammar knows whether it is needed.
    fn read_grammar(&mut self, from: &Path, name: &str, span: Span) {
        self.read_up_to(limits::GRAMMAR_FILE_BYTES, from, name, span);
        let mut next = vec![resolve(from, name)];
        let mut seen = 0;
        while let Some(path) = next.pop() {
            let Some(bytes) = self.data.get(&path) else {
                continue;
            };
            for path in schema::references(&path, bytes) {
                seen += 1;
                if self.data.contains_key(&path) || seen > schema::limits::FILES {
                    continue;
                }
                let limit = limits::GRAMMAR_FILE_BYTES;
                if let Ok(bytes) = self.loader.read(&path, limit)
                    && bytes.len() <= limit
                {
                    self.data.insert(path.clone(), bytes.into());
                    next.push(path);
                }
            }
        }
    }

    fn read_data_file(&mut self, from: &Path, name: &str, span: Span) {
        self.read_up_to(limits::DATA_FILE_BYTES, from, name, span);
    }

    fn read_up_to(&mut self, limit: usize, from: &Path, name: &str, span: Span) {
        let path = resolve(from, name);
        if self.data.contains_key(&path) {
            return;
        }
        match self.loader.read(&path, limit) {
            Ok(bytes) if bytes.len() > limit => {
                let what = "bytes of one data file";
                self.parser
                    .problems
                    .add(span, Problem::TooLarge { what, limit });
            }
            Ok(bytes) => {
                self.data.insert(path, bytes.into());
            }
            Err(error) => self.parser.problems.add(span, unreadable(&path, &error)),
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::Unreadable {
        path: path.display().to_string(),
        error: error.to_string(),
    }
}
