//! The text of a DTD, with what parameter entities stand for in their places.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::files::{Files, beside, is_remote};
use crate::limits;
use crate::problem::{Problem, ProblemKind};
use crate::text::{begins_name, decode, in_name, is_blank};

/// A parameter entity.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    Text(String),
    /// In a file, as the file at hand names it.
    File(PathBuf),
    /// At an address.
    Remote(String),
}

struct Frame {
    letters: Vec<char>,
    at: usize,
    /// Files have names and lines; entities are reported where they stand.
    file: Option<(PathBuf, usize)>,
    entity: Option<String>,
}

pub(super) struct Input<'a> {
    files: &'a Files,
    frames: Vec<Frame>,
    pub(super) entities: HashMap<String, Entity>,
    /// Bytes that were read and expanded.
    bytes: usize,
}

type Outcome<T> = Result<T, Problem>;

impl<'a> Input<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Input {
            files,
            frames: Vec::new(),
            entities: HashMap::new(),
            bytes: 0,
        }
    }

    /// Goes on in a file, then where it is now.
    pub(super) fn open(&mut self, path: &Path, entity: Option<String>) -> Outcome<()> {
        let missing = || ProblemKind::Missing(path.display().to_string());
        let Some(bytes) = self.files.get(path) else {
            return Err(match self.frames.is_empty() {
                true => Problem {
                    file: path.display().to_string(),
                    line: 1,
                    kind: missing(),
                },
                false => self.problem(missing()),
            });
        };
        let at = |kind| Problem {
            file: path.display().to_string(),
            line: 1,
            kind,
        };
        let text = decode(bytes).map_err(at)?;
        let mut letters: Vec<char> = text.chars().collect();
        let mut line = 1;
        // A declaration of the encoding is no part of the text.
        if text.starts_with("<?xml") && text.chars().nth(5).is_some_and(is_blank) {
            let end = letters.windows(2).position(|pair| pair == ['?', '>']);
            let head = letters.drain(..end.map_or(0, |end| end + 2));
            line += head.filter(|&letter| letter == '\n').count();
        }
        self.push(Frame {
            letters,
            at: 0,
            file: Some((path.to_owned(), line)),
            entity,
        })
    }

    fn push(&mut self, frame: Frame) -> Outcome<()> {
        self.bytes += frame.letters.len();
        if self.bytes > limits::GRAMMAR_BYTES {
            return Err(self.problem(ProblemKind::Limit {
                what: "bytes in one grammar",
                limit: limits::GRAMMAR_BYTES,
            }));
        }
        if self.frames.len() >= limits::DEPTH {
            return Err(self.problem(ProblemKind::Limit {
                what: "entities inside of entities",
                limit: limits::DEPTH,
            }));
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Something that is wrong here.
    pub(super) fn problem(&self, kind: ProblemKind) -> Problem {
        let file = self
            .frames
            .iter()
            .rev()
            .find_map(|frame| frame.file.as_ref());
        Problem {
            file: file.map_or_else(String::new, |(path, _)| path.display().to_string()),
            line: file.map_or(1, |(_, line)| *line),
            kind,
        }
    }

    pub(super) fn expected<T>(&self, expected: &'static str) -> Outcome<T> {
        let found: String = self.ahead().take(20).collect();
        let found = if found.is_empty() {
            "the end of the file".to_owned()
        } else {
            format!("`{}`", found.replace(char::is_control, " "))
        };
        Err(self.problem(ProblemKind::Syntax { expected, found }))
    }

    /// The file at hand.
    pub(super) fn path(&self) -> &Path {
        let file = self
            .frames
            .iter()
            .rev()
            .find_map(|frame| frame.file.as_ref());
        file.map_or(Path::new(""), |(path, _)| path)
    }

    fn ahead(&self) -> impl Iterator<Item = char> + '_ {
        let frame = self.frames.last();
        let rest = frame.and_then(|frame| frame.letters.get(frame.at..));
        rest.unwrap_or_default().iter().copied()
    }

    /// The next letter of the text at hand; behind its end, of what it was expanded in.
    pub(super) fn peek(&mut self) -> Option<char> {
        loop {
            if let Some(letter) = self.ahead().next() {
                return Some(letter);
            }
            if self.frames.len() <= 1 {
                return None;
            }
            self.frames.pop();
        }
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        if let Some(frame) = self.frames.last_mut() {
            frame.at += 1;
            if letter == '\n'
                && let Some((_, line)) = &mut frame.file
            {
                *line += 1;
            }
        }
        Some(letter)
    }

    /// Whether the text goes on with a word, which is passed over then. A word does not reach over the end of an entity.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        self.peek();
        let follows = {
            let mut ahead = self.ahead();
            word.chars().all(|letter| ahead.next() == Some(letter))
        };
        if !follows {
            return false;
        }
        for _ in word.chars() {
            self.next();
        }
        true
    }

    /// Passes over blanks, and goes into the entities that are referred to. Whether there was any of it.
    pub(super) fn blanks(&mut self) -> Outcome<bool> {
        let mut any = false;
        while let Some(letter) = self.peek() {
            if is_blank(letter) {
                self.next();
            } else if letter == '%' && self.ahead().nth(1).is_some_and(begins_name) {
                self.next();
                self.refer()?;
            } else {
                break;
            }
            any = true;
        }
        Ok(any)
    }

    /// As [`Input::blanks`], where there must be some.
    pub(super) fn some_blanks(&mut self) -> Outcome<()> {
        if self.blanks()? {
            Ok(())
        } else {
            self.expected("a blank")
        }
    }

    pub(super) fn name(&mut self) -> Outcome<String> {
        if !self.peek().is_some_and(begins_name) {
            return self.expected("a name");
        }
        Ok(self.token_letters())
    }

    pub(super) fn token(&mut self) -> Outcome<String> {
        if !self.peek().is_some_and(in_name) {
            return self.expected("a word");
        }
        Ok(self.token_letters())
    }

    fn token_letters(&mut self) -> String {
        let token: String = self.ahead().take_while(|&letter| in_name(letter)).collect();
        for _ in token.chars() {
            self.next();
        }
        token
    }

    /// Behind `%`: goes on in the text of the entity, a blank on each side.
    fn refer(&mut self) -> Outcome<()> {
        let name = self.name()?;
        if !self.takes(";") {
            return self.expected("; behind the name of an entity");
        }
        self.guard(&name)?;
        match self.entity(&name)? {
            Entity::Text(text) => {
                let mut letters = vec![' '];
                letters.extend(text.chars());
                letters.push(' ');
                self.push(Frame {
                    letters,
                    at: 0,
                    file: None,
                    entity: Some(name),
                })
            }
            Entity::File(path) => self.open(&path, Some(name)),
            Entity::Remote(address) => Err(self.remote(&address)),
        }
    }

    /// An entity must not hold itself.
    fn guard(&self, name: &str) -> Outcome<()> {
        let inside = |frame: &Frame| frame.entity.as_deref() == Some(name);
        if self.frames.iter().any(inside) {
            return Err(self.problem(ProblemKind::Circular {
                what: "entity",
                name: name.to_owned(),
            }));
        }
        Ok(())
    }

    fn entity(&self, name: &str) -> Outcome<Entity> {
        self.entities.get(name).cloned().ok_or_else(|| {
            self.problem(ProblemKind::Unknown {
                what: "parameter entity",
                name: name.to_owned(),
            })
        })
    }

    fn remote(&self, address: &str) -> Problem {
        self.problem(ProblemKind::Unsupported(format!(
            "the entity at `{address}`: nothing is fetched, so it has to be in a file; it"
        )))
    }

    /// A text in quotes as it stands.
    pub(super) fn quoted(&mut self) -> Outcome<String> {
        let Some(quote) = self.peek().filter(|letter| ['"', '\''].contains(letter)) else {
            return self.expected("a text in quotes");
        };
        self.next();
        let depth = self.frames.len();
        let mut text = String::new();
        loop {
            let next = self.ahead().next();
            match next {
                Some(letter) if letter == quote => {
                    self.next();
                    return Ok(text);
                }
                Some(letter) => {
                    self.next();
                    text.push(letter);
                }
                None => return self.expected("the quote that ends a text"),
            }
            debug_assert_eq!(self.frames.len(), depth);
        }
    }

    /// The text of an entity: parameter entities and characters that it refers to in their places.
    pub(super) fn entity_value(&mut self) -> Outcome<String> {
        let written = self.quoted()?;
        let mut out = String::new();
        self.expand(&written, &mut out, 0)?;
        Ok(out)
    }

    fn expand(&mut self, written: &str, out: &mut String, depth: usize) -> Outcome<()> {
        if depth > limits::DEPTH {
            return Err(self.problem(ProblemKind::Limit {
                what: "entities inside of entities",
                limit: limits::DEPTH,
            }));
        }
        let mut rest = written;
        while let Some(at) = rest.find(['%', '&']) {
            let (before, reference) = rest.split_at(at);
            self.bytes += before.len();
            out.push_str(before);
            if self.bytes > limits::GRAMMAR_BYTES {
                return Err(self.problem(ProblemKind::Limit {
                    what: "bytes in one grammar",
                    limit: limits::GRAMMAR_BYTES,
                }));
            }
            let is_parameter = reference.starts_with('%');
            let inside = reference.get(1..).unwrap_or_default();
            let Some((name, behind)) = inside.split_once(';') else {
                return self.expected("; behind the name of an entity");
            };
            rest = behind;
            if is_parameter {
                self.guard(name)?;
                match self.entity(name)? {
                    Entity::Text(text) => self.expand(&text, out, depth + 1)?,
                    Entity::File(path) => {
                        return Err(self.problem(ProblemKind::Unsupported(format!(
                            "the file `{}` inside of the text of an entity",
                            path.display()
                        ))));
                    }
                    Entity::Remote(address) => return Err(self.remote(&address)),
                }
            } else if let Some(letter) = name.strip_prefix('#').and_then(character) {
                out.push(letter);
            } else {
                // General entities stay for who reads the document.
                out.push('&');
                out.push_str(name);
                out.push(';');
            }
        }
        self.bytes += rest.len();
        out.push_str(rest);
        Ok(())
    }

    /// Where an entity or notation is, as it is declared: `SYSTEM "…"`, `PUBLIC "…" "…"`.
    pub(super) fn external(&mut self, is_public: bool, may_lack: bool) -> Outcome<Option<Entity>> {
        if is_public {
            self.some_blanks()?;
            self.quoted()?;
        }
        let blank = self.blanks()?;
        if may_lack && self.peek() == Some('>') {
            return Ok(None);
        }
        if !blank {
            return self.expected("a blank");
        }
        let name = self.quoted()?;
        Ok(Some(if is_remote(&name) {
            Entity::Remote(name)
        } else {
            Entity::File(beside(self.path(), &name))
        }))
    }
}

/// The character that `&#number;` names, in decimal or behind an `x` in hexadecimal digits (XML 1.0, 4.1); `None` where it names none.
#[must_use]
pub fn character(number: &str) -> Option<char> {
    let number = match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    number
        .ok()
        .and_then(char::from_u32)
        .filter(|&letter| letter != '\0')
}
