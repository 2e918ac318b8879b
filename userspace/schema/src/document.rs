//! A document as its reader hands it over: elements with their attributes and texts, in order.

use std::ops::Range;

/// An attribute, its references resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name as it is written, prefix included.
    pub name: String,
    /// The value.
    pub value: String,
}

impl Attribute {
    /// The prefix that this attribute declares, empty for the default namespace.
    fn declares(&self) -> Option<&str> {
        match self.name.as_str() {
            "xmlns" => Some(""),
            name => name.strip_prefix("xmlns:"),
        }
    }
}

/// A document. It begins empty, and grows by [`Document::enter`], [`Document::text`] and [`Document::leave`].
#[derive(Debug, Default)]
pub struct Document {
    pub(crate) steps: Vec<Step>,
    pub(crate) elements: Vec<Element>,
    attributes: Vec<Attribute>,
    texts: String,
    /// Elements that are open.
    open: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An element begins, by its index.
    Enter(u32),
    /// Text, as a range of [`Document::texts`].
    Text(usize, usize),
    /// A comment or a processing instruction.
    Markup,
    Leave,
}

#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Range<usize>,
    parent: Option<u32>,
}

impl Document {
    /// An element begins; what follows is inside of it.
    pub fn enter(&mut self, name: &str, attributes: Vec<Attribute>) {
        let first = self.attributes.len();
        self.attributes.extend(attributes);
        // A body has far fewer than 2^32 elements.
        let index = u32::try_from(self.elements.len()).unwrap_or(u32::MAX);
        self.elements.push(Element {
            name: name.to_owned(),
            attributes: first..self.attributes.len(),
            parent: self.open.last().copied(),
        });
        self.open.push(index);
        self.steps.push(Step::Enter(index));
    }

    /// Text of the element that is open. Pieces that follow each other are one.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let start = self.texts.len();
        self.texts.push_str(text);
        match self.steps.last_mut() {
            Some(Step::Text(_, end)) if *end == start => *end = self.texts.len(),
            _ => self.steps.push(Step::Text(start, self.texts.len())),
        }
    }

    /// A comment or a processing instruction in the element that is open: what must be empty may not hold one.
    pub fn markup(&mut self) {
        if self.steps.last() != Some(&Step::Markup) {
            self.steps.push(Step::Markup);
        }
    }

    /// The element that is open ends.
    pub fn leave(&mut self) {
        if self.open.pop().is_some() {
            self.steps.push(Step::Leave);
        }
    }

    pub(crate) fn text_of(&self, start: usize, end: usize) -> &str {
        self.texts.get(start..end).unwrap_or_default()
    }

    pub(crate) fn element(&self, index: u32) -> Option<&Element> {
        self.elements.get(index as usize)
    }

    /// All attributes of an element, declarations of namespaces included.
    pub(crate) fn attributes(&self, element: &Element) -> &[Attribute] {
        self.attributes
            .get(element.attributes.clone())
            .unwrap_or_default()
    }

    /// The attributes of an element that declare no namespace.
    pub(crate) fn plain_attributes<'a>(
        &'a self,
        element: &'a Element,
    ) -> impl Iterator<Item = &'a Attribute> {
        let all = self.attributes(element).iter();
        all.filter(|attribute| attribute.declares().is_none())
    }

    /// What a prefix stands for in an element: empty where there is no default namespace, `None` where nobody declares it. With it,
    /// how many attributes were looked at.
    pub(crate) fn namespace(&self, element: u32, prefix: &str) -> (Option<&str>, usize) {
        match prefix {
            "xml" => return (Some("http://www.w3.org/XML/1998/namespace"), 1),
            "xmlns" => return (Some("http://www.w3.org/2000/xmlns/"), 1),
            _ => {}
        }
        let mut looked = 0;
        let mut at = self.element(element);
        while let Some(element) = at {
            for attribute in self.attributes(element) {
                looked += 1;
                if attribute.declares() == Some(prefix) {
                    return (Some(&attribute.value), looked);
                }
            }
            looked += 1;
            at = element.parent.and_then(|parent| self.element(parent));
        }
        (prefix.is_empty().then_some(""), looked)
    }
}

/// Prefix and local part of a name.
pub(crate) fn split(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}
