//! XML: the text of the document as one value, and each attribute as one.
//!
//! Rules reach them as `XML:/*` and `XML://@*`. No entity is loaded or expanded but the five that XML defines; a document that uses
//! another one is in error, since only its reader would know what it says.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::store::Store;
use crate::transaction::{Pair, Parsed};

/// How deep elements may be nested. A deeper document is in error.
const DEPTH_LIMIT: usize = 1024;

/// The path of the text of the document.
pub(crate) const TEXT: &str = "/*";
/// The path of all attributes.
pub(crate) const ATTRIBUTES: &str = "//@*";

/// Reads one document. With more attributes than `attributes_limit` it is in error. What was read before an error stays.
pub(crate) fn xml(body: &[u8], attributes_limit: usize, parsed: &mut Parsed, store: &mut Store) {
    let mut text = Vec::new();
    let outcome = read(body, attributes_limit, &mut text, parsed, store);
    let key = store.push(TEXT.as_bytes());
    let value = store.push(&text);
    parsed.xml.insert(0, Pair { key, value });
    if let Err(problem) = outcome {
        parsed.error = Some(format!("XML parsing error: {problem}"));
    }
}

type Outcome<T> = Result<T, Cow<'static, str>>;

fn read(
    body: &[u8],
    attributes_limit: usize,
    text: &mut Vec<u8>,
    parsed: &mut Parsed,
    store: &mut Store,
) -> Outcome<()> {
    if body.contains(&0) {
        // Not a byte of XML; a document in UTF-16 or UTF-32 is full of them, and is not read.
        return Err("the document holds NUL bytes".into());
    }
    // The reader wants text. Bytes that are not UTF-8 are read one by one as characters up to U+00FF, and written back as they were.
    let document = match std::str::from_utf8(body) {
        Ok(document) => Document {
            text: Cow::Borrowed(document),
            single_bytes: false,
        },
        Err(_) => Document {
            text: body.iter().map(|&byte| char::from(byte)).collect(),
            single_bytes: true,
        },
    };
    let mut reader = Reader::from_str(&document.text);
    let mut depth = 0;
    let mut has_root = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                has_root = enter(has_root, depth)?;
                depth += 1;
                attributes(&start, &document, attributes_limit, parsed, store)?;
            }
            Event::Empty(start) => {
                has_root = enter(has_root, depth)?;
                attributes(&start, &document, attributes_limit, parsed, store)?;
            }
            Event::End(_) => depth -= 1,
            Event::Text(content) if depth > 0 => document.write(&content, text),
            Event::Text(content) if content.trim().is_empty() => {}
            Event::CData(content) if depth > 0 => document.write(&content, text),
            Event::GeneralRef(reference) if depth > 0 => resolve(&reference, text)?,
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                return Err("there is text outside of the root element".into());
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => break,
        }
    }
    match (depth, has_root) {
        (0, true) => Ok(()),
        (0, false) => Err("there is no root element".into()),
        _ => Err("an element does not end".into()),
    }
}

struct Document<'a> {
    text: Cow<'a, str>,
    /// Whether each character stands for one byte.
    single_bytes: bool,
}

impl Document<'_> {
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

fn enter(has_root: bool, depth: usize) -> Outcome<bool> {
    if has_root && depth == 0 {
        return Err("there are two root elements".into());
    }
    if depth >= DEPTH_LIMIT {
        return Err("elements are nested too deep".into());
    }
    Ok(true)
}

fn attributes(
    start: &BytesStart<'_>,
    document: &Document<'_>,
    limit: usize,
    parsed: &mut Parsed,
    store: &mut Store,
) -> Outcome<()> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        // The first entry will be the text.
        if parsed.xml.len() >= limit {
            return Err("there are more attributes than SecArgumentsLimit".into());
        }
        let mut value = Vec::new();
        let mut rest: &str = &attribute.value;
        while let Some((before, after)) = rest.split_once('&') {
            document.write(before, &mut value);
            let (reference, after) = after
                .split_once(';')
                .ok_or("a reference in an attribute does not end")?;
            resolve(reference, &mut value)?;
            rest = after;
        }
        document.write(rest, &mut value);
        let key = store.push(ATTRIBUTES.as_bytes());
        let value = store.push(&value);
        parsed.xml.push(Pair { key, value });
    }
    Ok(())
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
            let number = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            number
                .ok()
                .and_then(char::from_u32)
                .filter(|&letter| letter != '\0')
                .ok_or("a character reference is none")?
        }
    };
    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}
