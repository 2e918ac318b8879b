//! YAML text to a tree in which every node knows its place, with a bound on everything.
//!
//! What operators use is supported: block and flow style, comments, anchors and aliases. What only makes a
//! configuration ambiguous is refused: tags, several documents, keys that are not plain text, merge keys.

use crate::diagnostic::{Diagnostic, Kind, Span};
use granit_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::HashMap;
use std::rc::Rc;

/// Largest configuration file, in bytes. A larger one is refused before it is parsed.
pub const MAX_BYTES: usize = 8 << 20;

/// Most values in one document, each alias counted as often as it is used: this stops alias bombs.
pub const MAX_NODES: usize = 500_000;

/// Deepest nesting of lists and maps. Our own configuration needs 10.
pub const MAX_DEPTH: usize = 64;

/// A value of the document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
    /// How many values it stands for, with aliases expanded.
    weight: usize,
    /// How many lists and maps are nested in it, with aliases expanded.
    depth: usize,
}

/// What a value is. Scalars stay text: what they mean is up to the key they belong to.
#[derive(Debug)]
pub(crate) enum Value {
    Scalar { text: String, plain: bool },
    List(Vec<Rc<Node>>),
    Map(Vec<Pair>),
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) value: Rc<Node>,
}

impl Node {
    /// A quoted text, for what is read like a value but is a key.
    pub(crate) fn text(text: &str, span: Span) -> Self {
        Self {
            span,
            value: Value::Scalar {
                text: text.to_owned(),
                plain: false,
            },
            weight: 1,
            depth: 0,
        }
    }

    /// The map in which this scalar is the value of the only key.
    pub(crate) fn under(&self, key: &str) -> Self {
        let value = match &self.value {
            Value::Scalar { text, plain } => Value::Scalar {
                text: text.clone(),
                plain: *plain,
            },
            Value::List(_) | Value::Map(_) => Value::List(Vec::new()),
        };
        let value = Rc::new(Self {
            span: self.span,
            value,
            weight: 1,
            depth: 0,
        });
        let pair = Pair {
            key: key.to_owned(),
            span: self.span,
            value,
        };
        Self {
            span: self.span,
            value: Value::Map(vec![pair]),
            weight: 2,
            depth: 1,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(pairs) => pairs
                .iter()
                .find(|pair| pair.key == key)
                .map(|pair| &*pair.value),
            _ => None,
        }
    }

    /// The place of a key's value, or of the whole block where the key is left out.
    pub(crate) fn span_of(&self, key: &str) -> Span {
        self.get(key).map_or(self.span, |node| node.span)
    }

    /// How an error message calls this value. It never shows the text of a scalar: that could be a secret.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => "nothing",
                "true" | "false" => "a boolean",
                text if text.parse::<f64>().is_ok() => "a number",
                _ => "a text",
            },
            Value::Scalar { .. } => "a quoted text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Whether the key is there but its value is not.
    pub(crate) fn is_nothing(&self) -> bool {
        self.noun() == "nothing"
    }
}

/// A list or map that is not complete yet.
struct Open {
    span: Span,
    anchor: usize,
    kind: OpenKind,
    weight: usize,
    depth: usize,
}

enum OpenKind {
    List(Vec<Rc<Node>>),
    Map {
        pairs: Vec<Pair>,
        lines: HashMap<String, u32>,
        key: Option<(String, Span)>,
    },
}

/// Builds the tree, or says where the text is not what we read. Duplicate keys are reported and reading goes on.
///
/// # Errors
/// The first place where the text is no YAML, or reaches a limit: what follows cannot be trusted.
pub(crate) fn parse(
    text: &str,
    found: &mut Vec<Diagnostic>,
) -> Result<Option<Rc<Node>>, Diagnostic> {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        found,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        builder.take(event, place(span.start, span.end))?;
    }
    Ok(builder.root)
}

fn syntax(error: &granit_parser::ScanError) -> Diagnostic {
    let marker = *error.marker();
    let message = error.info();
    let remedy = match () {
        () if message.contains("tab") => "indent with spaces",
        () if message.contains("anchor") => "define the anchor with `&name` before `*name`",
        () => {
            "check the indentation, the quotes and the brackets at this place and on the line before"
        }
    };
    Diagnostic::error(
        Kind::Syntax,
        place(marker, marker),
        format!("this is not valid YAML: {message}"),
    )
    .remedy(remedy)
}

fn place(start: Marker, end: Marker) -> Span {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    // What goes over several lines is shown by its first character.
    let length = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        1
    };
    Span {
        line: number(start.line().max(1)),
        column: number(start.col()).saturating_add(1),
        length: number(length.max(1)),
    }
}

struct Builder<'a> {
    stack: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    found: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error(
                        Kind::Syntax,
                        span,
                        "a second document starts here",
                    )
                    .expected("one document in the file")
                    .remedy(
                        "remove the line `---`, or put the second document in a file of its own",
                    ));
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                no_tag(tag.is_some(), span)?;
                let plain = style == ScalarStyle::Plain;
                let node = Node {
                    span,
                    value: Value::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                    weight: 1,
                    depth: 0,
                };
                self.complete(Rc::new(node), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                no_tag(tag.is_some(), span)?;
                self.open(span, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                no_tag(tag.is_some(), span)?;
                let kind = OpenKind::Map {
                    pairs: Vec::new(),
                    lines: HashMap::new(),
                    key: None,
                };
                self.open(span, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, kind: OpenKind) -> Result<(), Diagnostic> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.stack.push(Open {
            span,
            anchor,
            kind,
            weight: 1,
            depth: 0,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Diagnostic> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let value = match open.kind {
            OpenKind::List(items) => Value::List(items),
            OpenKind::Map { pairs, .. } => Value::Map(pairs),
        };
        let node = Node {
            span: open.span,
            value,
            weight: open.weight,
            depth: open.depth,
        };
        self.complete(Rc::new(node), open.anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Diagnostic> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.add(node, span),
            None => Err(Diagnostic::error(
                Kind::Syntax,
                span,
                "this alias stands inside the value that it repeats",
            )
            .remedy("move the anchor to a value that is complete before the alias")),
        }
    }

    fn complete(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Diagnostic> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let span = node.span;
        self.add(node, span)
    }

    /// Puts a value into the list or map that is open. `span` is where it stands, which for an alias is not the node's own.
    fn add(&mut self, node: Rc<Node>, span: Span) -> Result<(), Diagnostic> {
        let levels = self.stack.len();
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.depth = open.depth.max(node.depth.saturating_add(1));
        if levels.saturating_add(node.depth) > MAX_DEPTH {
            return Err(too_deep(span));
        }
        if open.weight > MAX_NODES {
            return Err(Diagnostic::error(
                Kind::Limit,
                span,
                "the document is too large here, with its aliases expanded",
            )
            .expected(format!("at most {MAX_NODES} values")));
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { pairs, lines, key } => match key.take() {
                None => *key = Some(key_text(&node, span)?),
                Some((name, at)) => match lines.get(&name) {
                    Some(line) => self.found.push(
                        Diagnostic::error(
                            Kind::DuplicateKey,
                            at,
                            format!("the key `{name}` is written twice"),
                        )
                        .expected(format!("each key once; the first stands in line {line}"))
                        .remedy("remove one of the two"),
                    ),
                    None => {
                        lines.insert(name.clone(), at.line);
                        pairs.push(Pair {
                            key: name,
                            span: at,
                            value: node,
                        });
                    }
                },
            },
        }
        Ok(())
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(Kind::Limit, span, "lists and maps are nested too deep here")
        .expected(format!("at most {MAX_DEPTH} levels"))
}

fn no_tag(tagged: bool, span: Span) -> Result<(), Diagnostic> {
    if !tagged {
        return Ok(());
    }
    Err(
        Diagnostic::error(Kind::Syntax, span, "YAML tags (`!name`) are not supported")
            .remedy("remove the tag; quote the value if it starts with `!`"),
    )
}

fn key_text(node: &Node, span: Span) -> Result<(String, Span), Diagnostic> {
    match &node.value {
        Value::Scalar { text, plain: true } if text == "<<" => Err(Diagnostic::error(
            Kind::Syntax,
            span,
            "merge keys (`<<`) are not supported",
        )
        .remedy("repeat the whole block with an alias (`key: *name`), or write the keys out")),
        Value::Scalar { text, .. } if !text.is_empty() && text.len() <= 256 => {
            Ok((text.clone(), span))
        }
        _ => Err(
            Diagnostic::error(Kind::Syntax, span, "this cannot be a key")
                .expected("a short text, followed by `: ` and a value")
                .remedy("quote the value if it starts with `{`, `[` or `?`"),
        ),
    }
}
