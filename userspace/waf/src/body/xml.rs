//! XML: the text of the document as one value, each attribute as one, and what the paths of rules find.
//!
//! Rules reach the first two as `XML:/*` and `XML://@*`; for other paths the document is kept as a tree while it is read. No entity is loaded or expanded but the five that XML defines; a document that uses
//! another one is in error, since only its reader would know what it says.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use schema::{Attribute, Document};

use crate::store::Store;
use crate::transaction::{Pair, Parsed};
use crate::xpath::{Name, Tree, XPath};

/// How deep elements may be nested. A deeper document is in error.
const DEPTH_LIMIT: usize = 1024;

/// The path of the text of the document.
pub(crate) const TEXT: &str = "/*";
/// The path of all attributes.
pub(crate) const ATTRIBUTES: &str = "//@*";

/// What looking at one node costs, in bytes inspected.
pub(crate) const WORK_OF_A_VISIT: u64 = 16;

/// What reading a document is bounded by, and what is looked for in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XmlLimits<'a> {
    /// Attributes. A document with more is in error.
    pub(crate) attributes: usize,
    /// Paths that rules name besides [`TEXT`] and [`ATTRIBUTES`], as they are written.
    pub(crate) paths: &'a [(Box<str>, XPath)],
    /// Whether the document is kept as a whole, for grammars.
    pub(crate) keeps_document: bool,
    /// Nodes that all paths together may look at. Those beyond find nothing.
    pub(crate) visits: u64,
}

/// Reads one document, and says how many nodes its paths looked at. What was read before an error stays.
pub(crate) fn xml(
    body: &[u8],
    limits: XmlLimits<'_>,
    parsed: &mut Parsed,
    store: &mut Store,
) -> u64 {
    let mut reading = Reading {
        text: Vec::new(),
        attributes: Vec::new(),
        limit: limits.attributes,
        tree: (!limits.paths.is_empty()).then(Tree::default),
        scopes: Vec::new(),
        depth: 0,
        document: limits.keeps_document.then(Document::default),
    };
    match reading.read(body) {
        Ok(()) => parsed.document = reading.document.take(),
        Err(problem) => parsed.error = Some(format!("XML parsing error: {problem}")),
    }
    let mut add = |path: &str, value: &[u8]| {
        let key = store.push(path.as_bytes());
        let value = store.push(value);
        parsed.xml.push(Pair { key, value });
    };
    add(TEXT, &reading.text);
    reading
        .attributes
        .iter()
        .for_each(|value| add(ATTRIBUTES, value));
    let mut visits = 0;
    if let Some(tree) = &reading.tree {
        for (written, path) in limits.paths {
            let (found, visited) = path.find(tree, limits.visits.saturating_sub(visits));
            visits += visited;
            found.iter().for_each(|value| add(written, value));
        }
    }
    visits
}

type Outcome<T> = Result<T, Cow<'static, str>>;

/// What was read of a document so far.
struct Reading {
    text: Vec<u8>,
    attributes: Vec<Vec<u8>>,
    limit: usize,
    /// Made only where a path asks for it.
    tree: Option<Tree>,
    /// Prefixes, what they stand for, and the depth of the element that says so.
    scopes: Vec<(String, String, usize)>,
    depth: usize,
    /// Made only where a rule holds documents against a grammar.
    document: Option<Document>,
}

impl Reading {
    fn read(&mut self, body: &[u8]) -> Outcome<()> {
        if body.contains(&0) {
            // Not a byte of XML; a document in UTF-16 or UTF-32 is full of them, and is not read.
            return Err("the document holds NUL bytes".into());
        }
        // The reader wants text. Bytes that are not UTF-8 are read one by one as characters up to U+00FF, and written back as they were.
        let document = match std::str::from_utf8(body) {
            Ok(document) => Source {
                text: Cow::Borrowed(document),
                single_bytes: false,
            },
            Err(_) => Source {
                text: body.iter().map(|&byte| char::from(byte)).collect(),
                single_bytes: true,
            },
        };
        let mut reader = Reader::from_str(&document.text);
        let mut has_root = false;
        loop {
            let inside = self.depth > 0;
            let start = self.text.len();
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(element) => {
                    has_root = enter(has_root, self.depth)?;
                    self.begin(&element, &document)?;
                }
                Event::Empty(element) => {
                    has_root = enter(has_root, self.depth)?;
                    self.begin(&element, &document)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(content) if inside => document.write(&content, &mut self.text),
                Event::Text(content) if content.trim().is_empty() => {}
                Event::CData(content) if inside => document.write(&content, &mut self.text),
                Event::GeneralRef(reference) if inside => resolve(&reference, &mut self.text)?,
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err("there is text outside of the root element".into());
                }
                Event::Comment(_) | Event::PI(_) => {
                    if let Some(kept) = &mut self.document {
                        kept.markup();
                    }
                }
                Event::Decl(_) | Event::DocType(_) => {}
                Event::Eof => break,
            }
            if let Some(tree) = &mut self.tree {
                tree.text(&self.text[start..]);
            }
            if let Some(kept) = &mut self.document {
                kept.text(&document.read(&self.text[start..]));
            }
        }
        match (self.depth, has_root) {
            (0, true) => Ok(()),
            (0, false) => Err("there is no root element".into()),
            _ => Err("an element does not end".into()),
        }
    }

    fn begin(&mut self, element: &BytesStart<'_>, document: &Source<'_>) -> Outcome<()> {
        self.depth += 1;
        let mut named = Vec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if self.attributes.len() + 1 >= self.limit {
                return Err("there are more attributes than SecArgumentsLimit".into());
            }
            let value = value_of(&attribute.value, document)?;
            let key: &str = attribute.key.as_ref();
            // To a path, what declares a namespace is no attribute.
            let declares = key == "xmlns" || key.starts_with("xmlns:");
            if self.tree.is_some() || self.document.is_some() {
                named.push((key.to_owned(), value.clone()));
            }
            if !declares {
                self.attributes.push(value);
            }
        }
        if let Some(kept) = &mut self.document {
            let attributes = named.iter().map(|(name, value)| Attribute {
                name: name.clone(),
                value: document.read(value).into_owned(),
            });
            kept.enter(element.name().as_ref(), attributes.collect());
        }
        if self.tree.is_some() {
            self.begin_node(element.name().as_ref(), named);
        }
        Ok(())
    }

    /// Adds an element to the tree, its names with their namespaces.
    fn begin_node(&mut self, name: &str, named: Vec<(String, Vec<u8>)>) {
        let mut attributes = Vec::new();
        for (key, value) in named {
            // A declaration of a namespace is no attribute.
            let prefix = match key.as_str() {
                "xmlns" => Some(""),
                key => key.strip_prefix("xmlns:"),
            };
            match prefix {
                Some(prefix) => {
                    let uri = String::from_utf8_lossy(&value).into_owned();
                    self.scopes.push((prefix.to_owned(), uri, self.depth));
                }
                None => attributes.push((key, value)),
            }
        }
        let attributes = attributes
            .into_iter()
            .map(|(key, value)| {
                let namespace = match key.split_once(':') {
                    Some((prefix, _)) => self.namespace(prefix),
                    None => String::new(),
                };
                let name = Name {
                    written: key,
                    namespace,
                };
                (name, value)
            })
            .collect();
        let name = Name {
            namespace: self.namespace(name.split_once(':').map_or("", |(prefix, _)| prefix)),
            written: name.to_owned(),
        };
        if let Some(tree) = &mut self.tree {
            tree.enter(name, attributes);
        }
    }

    fn namespace(&self, prefix: &str) -> String {
        let known = self.scopes.iter().rev().find(|(known, ..)| known == prefix);
        known.map_or_else(String::new, |(_, uri, _)| uri.clone())
    }

    fn end(&mut self) {
        let depth = self.depth;
        self.scopes.retain(|(.., at)| *at < depth);
        self.depth = depth.saturating_sub(1);
        if let Some(tree) = &mut self.tree {
            tree.leave();
        }
        if let Some(kept) = &mut self.document {
            kept.leave();
        }
    }
}

struct Source<'a> {
    text: Cow<'a, str>,
    /// Whether each character stands for one byte.
    single_bytes: bool,
}

impl Source<'_> {
    fn write(&self, content: &str, out: &mut Vec<u8>) {
        if self.single_bytes {
            out.extend(
                content
                    .chars()
                    .filter_map(|letter| u8::try_from(letter).ok()),
            );
        } else {
            out.extend_from_slice(content.as_bytes());
        }
    }
}

impl Source<'_> {
    /// What was written of the document, as text again.
    fn read<'b>(&self, written: &'b [u8]) -> Cow<'b, str> {
        if self.single_bytes {
            written.iter().map(|&byte| char::from(byte)).collect()
        } else {
            String::from_utf8_lossy(written)
        }
    }
}

fn enter(has_root: bool, depth: usize) -> Outcome<bool> {
    if has_root && depth == 0 {
        return Err("there are two root elements".into());
    }
    if depth >= DEPTH_LIMIT {
        return Err("elements are nested too deep".into());
    }
    Ok(true)
}

/// The value of an attribute, its references resolved.
fn value_of(written: &str, document: &Source<'_>) -> Outcome<Vec<u8>> {
    let mut value = Vec::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('&') {
        document.write(before, &mut value);
        let (reference, after) = after
            .split_once(';')
            .ok_or("a reference in an attribute does not end")?;
        resolve(reference, &mut value)?;
        rest = after;
    }
    document.write(rest, &mut value);
    Ok(value)
}

/// Writes what `&reference;` stands for, in UTF-8.
fn resolve(reference: &str, out: &mut Vec<u8>) -> Outcome<()> {
    let letter = match reference {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = reference
                .strip_prefix('#')
                .ok_or("the document uses an entity of its own")?;
            schema::character(number).ok_or("a character reference is none")?
        }
    };
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}
