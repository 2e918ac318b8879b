//! A document as a tree, made while it is read.

/// A name with what its prefix stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    /// As it is written, prefix included.
    pub(crate) written: String,
    /// The URI of its namespace; empty where it is in none.
    pub(crate) namespace: String,
}

impl Name {
    pub(crate) fn local(&self) -> &str {
        let written = &self.written;
        written.split_once(':').map_or(written, |(_, local)| local)
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Document,
    Element {
        name: Name,
        attributes: Vec<(Name, Vec<u8>)>,
    },
    Text(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) parent: u32,
    pub(super) children: Vec<u32>,
}

/// A document. Its nodes are numbered in their order.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<Node>,
    open: u32,
}

impl Default for Tree {
    fn default() -> Self {
        let document = Node {
            kind: Kind::Document,
            parent: 0,
            children: Vec::new(),
        };
        Tree {
            nodes: vec![document],
            open: 0,
        }
    }
}

impl Tree {
    fn add(&mut self, kind: Kind) -> u32 {
        // Bodies are shorter than 4 GiB, and so are the numbers of their nodes.
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node {
            kind,
            parent: self.open,
            children: Vec::new(),
        });
        if let Some(parent) = self.nodes.get_mut(self.open as usize) {
            parent.children.push(number);
        }
        number
    }

    /// An element begins; what follows is inside of it.
    pub(crate) fn enter(&mut self, name: Name, attributes: Vec<(Name, Vec<u8>)>) {
        self.open = self.add(Kind::Element { name, attributes });
    }

    /// The element that is open ends.
    pub(crate) fn leave(&mut self) {
        self.open = self.node(self.open).map_or(0, |node| node.parent);
    }

    /// Text inside of the element that is open; pieces that follow each other are one.
    pub(crate) fn text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let last = self.nodes.last_mut();
        match last {
            Some(Node {
                kind: Kind::Text(known),
                parent,
                ..
            }) if *parent == self.open => known.extend_from_slice(text),
            _ => {
                self.add(Kind::Text(text.to_vec()));
            }
        }
    }

    pub(super) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    /// All text inside of a node, in order.
    pub(super) fn text_of(&self, number: u32, out: &mut Vec<u8>) {
        // Children follow their parent, so the inside of a node is one range.
        let end = self.end_of(number);
        let inside = self.nodes.get(number as usize..end as usize);
        for node in inside.unwrap_or_default() {
            if let Kind::Text(text) = &node.kind {
                out.extend_from_slice(text);
            }
        }
    }

    /// The number behind the last node inside of a node.
    pub(super) fn end_of(&self, number: u32) -> u32 {
        let mut last = number;
        while let Some(&child) = self.node(last).and_then(|node| node.children.last()) {
            last = child;
        }
        last + 1
    }
}
