//! A schema file as a tree.

use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::document::split;
use crate::limits;
use crate::problem::{Problem, ProblemKind};
use crate::text::{decode, is_blank};

/// The namespace of the language.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// A schema file without its annotations.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) file: PathBuf,
    pub(super) nodes: Vec<Node>,
    scopes: Vec<Scope>,
}

#[derive(Debug)]
pub(super) struct Node {
    /// The local name; of elements of other namespaces it begins with `{`.
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<usize>,
    pub(super) parent: usize,
    pub(super) line: usize,
    scope: usize,
}

#[derive(Debug)]
struct Scope {
    prefix: String,
    uri: String,
    before: Option<usize>,
}

impl Node {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Tree {
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Tree, Problem> {
        let problem = |line, kind| Problem {
            file: path.display().to_string(),
            line,
            kind,
        };
        let text = decode(bytes).map_err(|kind| problem(1, kind))?;
        let mut reading = Reading {
            tree: Tree {
                file: path.to_owned(),
                nodes: Vec::new(),
                scopes: vec![Scope {
                    prefix: "xml".to_owned(),
                    uri: "http://www.w3.org/XML/1998/namespace".to_owned(),
                    before: None,
                }],
            },
            open: Vec::new(),
            passed: 0,
        };
        let mut reader = Reader::from_str(&text);
        let (mut line, mut counted) = (1, 0);
        loop {
            let event = reader.read_event();
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let before = line;
            let piece = text.as_bytes().get(counted..at).unwrap_or_default();
            line += piece.iter().filter(|&&byte| byte == b'\n').count();
            counted = at.max(counted);
            let event =
                event.map_err(|error| problem(line, ProblemKind::Malformed(error.to_string())))?;
            // Text ends where an element begins, so that its first line is the last one of the text before.
            let kind = match event {
                Event::Start(element) => reading.begin(&element, before, false),
                Event::Empty(element) => reading.begin(&element, before, true),
                Event::End(_) => {
                    reading.end();
                    Ok(())
                }
                Event::Text(text) => reading.text(&text),
                Event::CData(text) => reading.text(&text),
                Event::Eof => break,
                _ => Ok(()),
            };
            kind.map_err(|kind| problem(before, kind))?;
        }
        if !reading.open.is_empty() || reading.tree.nodes.is_empty() {
            let kind = ProblemKind::Malformed("its root element does not end".to_owned());
            return Err(problem(line, kind));
        }
        Ok(reading.tree)
    }

    pub(super) fn problem(&self, node: usize, kind: ProblemKind) -> Problem {
        Problem {
            file: self.file.display().to_string(),
            line: self.nodes.get(node).map_or(1, |node| node.line),
            kind,
        }
    }

    /// What a prefix stands for at a node; empty where there is no default namespace.
    pub(super) fn namespace(&self, node: usize, prefix: &str) -> Option<&str> {
        let scope = self.nodes.get(node).map_or(0, |node| node.scope);
        self.uri(scope, prefix)
    }

    fn uri(&self, scope: usize, prefix: &str) -> Option<&str> {
        let mut at = Some(scope);
        while let Some(scope) = at.and_then(|at| self.scopes.get(at)) {
            if scope.prefix == prefix {
                return Some(&scope.uri);
            }
            at = scope.before;
        }
        prefix.is_empty().then_some("")
    }
}

struct Reading {
    tree: Tree,
    open: Vec<usize>,
    /// How many elements of an annotation are open.
    passed: usize,
}

impl Reading {
    fn begin(
        &mut self,
        element: &BytesStart<'_>,
        line: usize,
        is_empty: bool,
    ) -> Result<(), ProblemKind> {
        if self.passed > 0 {
            self.passed += usize::from(!is_empty);
            return Ok(());
        }
        self.check_limits()?;
        let parent = self.open.last().copied();
        let mut scope = parent
            .and_then(|parent| self.tree.nodes.get(parent))
            .map_or(0, |parent| parent.scope);
        let mut written = Vec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| ProblemKind::Malformed(error.to_string()))?;
            let key: &str = attribute.key.as_ref();
            let value = value(&attribute.value)?;
            let prefix = match key {
                "xmlns" => Some(""),
                key => key.strip_prefix("xmlns:"),
            };
            match prefix {
                Some(prefix) => {
                    self.tree.scopes.push(Scope {
                        prefix: prefix.to_owned(),
                        uri: value,
                        before: Some(scope),
                    });
                    scope = self.tree.scopes.len() - 1;
                }
                None => written.push((key.to_owned(), value)),
            }
        }
        let (prefix, local) = split(element.name().into_inner());
        let local = local.to_owned();
        let name = match self.tree.uri(scope, prefix) {
            Some(XSD) => local,
            Some(uri) => format!("{{{uri}}}{local}"),
            None => {
                return Err(ProblemKind::Malformed(format!(
                    "the prefix `{prefix}` is not declared"
                )));
            }
        };
        if name == "annotation" {
            self.passed = usize::from(!is_empty);
            return Ok(());
        }
        // What other namespaces say of a component is for others.
        written.retain(|(name, _)| !name.contains(':'));
        let number = self.tree.nodes.len();
        self.tree.nodes.push(Node {
            name,
            attributes: written,
            children: Vec::new(),
            parent: parent.unwrap_or(number),
            line,
            scope,
        });
        if let Some(parent) = parent.and_then(|parent| self.tree.nodes.get_mut(parent)) {
            parent.children.push(number);
        }
        if !is_empty {
            self.open.push(number);
        }
        Ok(())
    }

    /// Whether another element may begin.
    fn check_limits(&self) -> Result<(), ProblemKind> {
        let what = |what, limit| Err(ProblemKind::Limit { what, limit });
        if self.open.len() >= limits::DEPTH {
            return what("elements inside of elements", limits::DEPTH);
        }
        if self.tree.nodes.len() >= limits::COMPONENTS {
            return what("elements in one schema file", limits::COMPONENTS);
        }
        if self.open.is_empty() && !self.tree.nodes.is_empty() {
            return Err(ProblemKind::Malformed(
                "there are two root elements".to_owned(),
            ));
        }
        Ok(())
    }

    fn end(&mut self) {
        if self.passed > 0 {
            self.passed -= 1;
        } else {
            self.open.pop();
        }
    }

    fn text(&self, text: &str) -> Result<(), ProblemKind> {
        if self.passed > 0 || text.chars().all(is_blank) {
            return Ok(());
        }
        Err(ProblemKind::Syntax {
            expected: "an element",
            found: format!("the text `{}`", crate::work::shown(text.trim())),
        })
    }
}

/// The value of an attribute, its references resolved and its blanks spaces.
fn value(written: &str) -> Result<String, ProblemKind> {
    let mut out = String::new();
    let mut rest = written;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(&before.replace(is_blank, " "));
        let (name, behind) = behind.split_once(';').ok_or_else(|| {
            ProblemKind::Malformed("a reference in an attribute does not end".to_owned())
        })?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => name
                .strip_prefix('#')
                .and_then(crate::dtd::character)
                .ok_or_else(|| {
                    ProblemKind::Unsupported(format!("the entity `&{name};` in a schema"))
                })?,
        });
        rest = behind;
    }
    out.push_str(&rest.replace(is_blank, " "));
    Ok(out)
}
