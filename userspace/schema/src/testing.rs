//! Documents of tests, read from text.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::{Attribute, Document, Finding, Work};

pub(crate) fn document(text: &str) -> Document {
    let mut document = Document::default();
    let mut reader = Reader::from_str(text);
    let begin = |document: &mut Document, element: &BytesStart<'_>| {
        let attributes = element.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let name: &str = attribute.key.as_ref();
            Attribute {
                name: name.to_owned(),
                value: attribute.value.to_string(),
            }
        });
        document.enter(element.name().as_ref(), attributes.collect());
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => begin(&mut document, &element),
            Event::Empty(element) => {
                begin(&mut document, &element);
                document.leave();
            }
            Event::End(_) => document.leave(),
            Event::Text(text) => document.text(&text),
            Event::Comment(_) => document.markup(),
            Event::Eof => return document,
            _ => {}
        }
    }
}

/// What is wrong with a document, empty where nothing is.
pub(crate) fn wrong(
    check: impl Fn(&Document, &mut Work) -> Result<(), Finding>,
    text: &str,
) -> String {
    let outcome = check(&document(text), &mut Work::of(10_000_000));
    outcome
        .err()
        .map_or_else(String::new, |finding| finding.to_string())
}
