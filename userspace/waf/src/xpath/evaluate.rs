//! Finding what a path means in a tree.

use super::tree::{Kind, Tree};
use super::{Axis, Comparison, Expression, Function, Name, Namespace, NodeTest, Path, Step};

/// A node, or an attribute of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    node: u32,
    /// From 1; 0 is the node itself.
    attribute: u32,
}

impl Item {
    const fn node(node: u32) -> Item {
        Item { node, attribute: 0 }
    }
}

enum Value {
    Nodes(Vec<Item>),
    Text(Vec<u8>),
    Number(f64),
    Truth(bool),
}

/// Where an expression stands: at which item, and at which place of how many.
#[derive(Clone, Copy)]
struct Context {
    item: Item,
    position: usize,
    last: usize,
}

struct Search<'a> {
    tree: &'a Tree,
    visited: u64,
    limit: u64,
}

pub(super) fn find(path: &Path, tree: &Tree, limit: u64) -> (Vec<Vec<u8>>, u64) {
    let mut search = Search {
        tree,
        visited: 0,
        limit,
    };
    let found = search.path(path, Item::node(0));
    let texts = found.into_iter().map(|item| search.text(item)).collect();
    (texts, search.visited)
}

impl<'a> Search<'a> {
    fn path(&mut self, path: &Path, from: Item) -> Vec<Item> {
        let start = if path.is_absolute {
            Item::node(0)
        } else {
            from
        };
        let mut items = vec![start];
        for step in &path.steps {
            let mut next = Vec::new();
            for item in items {
                next.extend(self.step(step, item));
            }
            next.sort_unstable();
            next.dedup();
            items = next;
        }
        items
    }

    fn step(&mut self, step: &Step, from: Item) -> Vec<Item> {
        let mut found = Vec::new();
        self.axis(step, from, &mut found);
        for predicate in &step.predicates {
            let last = found.len();
            let mut position = 0;
            found.retain(|&item| {
                position += 1;
                let context = Context {
                    item,
                    position,
                    last,
                };
                match self.value(predicate, context) {
                    // A number is a position.
                    Value::Number(number) => number == position as f64,
                    value => is_true(&value),
                }
            });
        }
        found
    }

    /// The items of an axis that pass the test, in the order of the axis.
    fn axis(&mut self, step: &Step, from: Item, out: &mut Vec<Item>) {
        let tree = self.tree;
        let Some(node) = tree.node(from.node) else {
            return;
        };
        let is_node = from.attribute == 0;
        let test = &step.test;
        match step.axis {
            Axis::Attribute => {
                if let (Kind::Element { attributes, .. }, true) = (&node.kind, is_node) {
                    for (attribute, number) in (0..attributes.len()).zip(1..) {
                        self.visited += 1;
                        if fits(test, Some(&attributes[attribute].0)) {
                            out.push(Item {
                                node: from.node,
                                attribute: number,
                            });
                        }
                    }
                }
            }
            Axis::Child if is_node => self.keep(test, node.children.iter().copied(), out),
            Axis::Descendant if is_node => {
                self.keep(test, from.node + 1..tree.end_of(from.node), out);
            }
            Axis::DescendantOrSelf if is_node => {
                self.keep(test, from.node..tree.end_of(from.node), out);
            }
            Axis::Itself | Axis::DescendantOrSelf => {
                if is_node {
                    self.keep(test, std::iter::once(from.node), out);
                } else if *test == NodeTest::Any {
                    out.push(from);
                }
            }
            Axis::Parent if !is_node => self.keep(test, std::iter::once(from.node), out),
            Axis::Parent if from.node > 0 => {
                self.keep(test, std::iter::once(node.parent), out);
            }
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let mut at = from.node;
                if step.axis == Axis::AncestorOrSelf || !is_node {
                    self.keep(test, std::iter::once(at), out);
                }
                while let Some(node) = tree.node(at).filter(|_| at > 0) {
                    at = node.parent;
                    self.keep(test, std::iter::once(at), out);
                }
            }
            Axis::FollowingSibling | Axis::PrecedingSibling if is_node && from.node > 0 => {
                let siblings = tree
                    .node(node.parent)
                    .map_or(&[][..], |node| &node.children);
                if step.axis == Axis::FollowingSibling {
                    let behind = siblings.iter().filter(|&&sibling| sibling > from.node);
                    self.keep(test, behind.copied(), out);
                } else {
                    let before = siblings.iter().filter(|&&sibling| sibling < from.node);
                    self.keep(test, before.rev().copied(), out);
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, test: &NodeTest, nodes: impl Iterator<Item = u32>, out: &mut Vec<Item>) {
        for number in nodes {
            self.visited += 1;
            if self.visited > self.limit {
                return;
            }
            let Some(node) = self.tree.node(number) else {
                continue;
            };
            let is_meant = match &node.kind {
                Kind::Document => *test == NodeTest::Any,
                Kind::Element { name, .. } => fits(test, Some(name)),
                Kind::Text(_) => fits(test, None),
            };
            if is_meant {
                out.push(Item::node(number));
            }
        }
    }

    fn text(&mut self, item: Item) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some((_, value)) = self.attribute(item) {
            text.extend_from_slice(value);
        } else {
            self.visited += u64::from(self.tree.end_of(item.node) - item.node);
            self.tree.text_of(item.node, &mut text);
        }
        text
    }

    fn attribute(&self, item: Item) -> Option<(&'a Name, &'a [u8])> {
        let Kind::Element { attributes, .. } = &self.tree.node(item.node)?.kind else {
            return None;
        };
        let (name, value) = attributes.get(item.attribute.checked_sub(1)? as usize)?;
        Some((name, value))
    }

    fn name(&self, item: Item) -> Option<&'a Name> {
        if let Some((name, _)) = self.attribute(item) {
            return Some(name);
        }
        match &self.tree.node(item.node)?.kind {
            Kind::Element { name, .. } => Some(name),
            _ => None,
        }
    }

    fn value(&mut self, expression: &Expression, context: Context) -> Value {
        match expression {
            Expression::Or(sides) => Value::Truth(
                is_true(&self.value(&sides[0], context))
                    || is_true(&self.value(&sides[1], context)),
            ),
            Expression::And(sides) => Value::Truth(
                is_true(&self.value(&sides[0], context))
                    && is_true(&self.value(&sides[1], context)),
            ),
            Expression::Compare(comparison, sides) => {
                let left = self.value(&sides[0], context);
                let right = self.value(&sides[1], context);
                Value::Truth(self.compare(*comparison, left, right))
            }
            Expression::Call(function, arguments) => self.call(*function, arguments, context),
            Expression::Literal(text) => Value::Text(text.as_bytes().to_vec()),
            Expression::Number(number) => Value::Number(*number),
            Expression::Path(path) => Value::Nodes(self.path(path, context.item)),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expression], context: Context) -> Value {
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.value(argument, context));
        }
        let mut values = values.into_iter();
        // What a function without an argument is asked about.
        let mut next = || {
            values
                .next()
                .unwrap_or_else(|| Value::Nodes(vec![context.item]))
        };
        match function {
            Function::Position => Value::Number(context.position as f64),
            Function::Last => Value::Number(context.last as f64),
            Function::True => Value::Truth(true),
            Function::False => Value::Truth(false),
            Function::Not => Value::Truth(!is_true(&next())),
            Function::Count => match next() {
                Value::Nodes(items) => Value::Number(items.len() as f64),
                _ => Value::Number(0.0),
            },
            Function::LocalName | Function::Name | Function::NamespaceUri => {
                let name = match next() {
                    Value::Nodes(items) => items.first().and_then(|&item| self.name(item)),
                    _ => None,
                };
                let text = name.map_or("", |name| match function {
                    Function::LocalName => name.local(),
                    Function::Name => &name.written,
                    _ => &name.namespace,
                });
                Value::Text(text.as_bytes().to_vec())
            }
            Function::String => Value::Text(self.as_text(next())),
            Function::StringLength => {
                let text = self.as_text(next());
                Value::Number(String::from_utf8_lossy(&text).chars().count() as f64)
            }
            Function::NormalizeSpace => {
                let text = self.as_text(next());
                let words: Vec<&[u8]> = text
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .collect();
                Value::Text(words.join(&b' '))
            }
            Function::Contains | Function::StartsWith => {
                let (text, part) = (next(), next());
                let (text, part) = (self.as_text(text), self.as_text(part));
                Value::Truth(if function == Function::StartsWith {
                    text.starts_with(&part)
                } else {
                    memchr::memmem::find(&text, &part).is_some()
                })
            }
        }
    }

    fn as_text(&mut self, value: Value) -> Vec<u8> {
        match value {
            Value::Nodes(items) => items.first().map_or_else(Vec::new, |&item| self.text(item)),
            Value::Text(text) => text,
            Value::Number(number) => number.to_string().into_bytes(),
            Value::Truth(truth) => truth.to_string().into_bytes(),
        }
    }

    /// A set of nodes compares as its texts do, each with each; one that fits is enough.
    fn compare(&mut self, comparison: Comparison, left: Value, right: Value) -> bool {
        if let (Value::Truth(_), _) | (_, Value::Truth(_)) = (&left, &right) {
            let sides = (f64::from(is_true(&left)), f64::from(is_true(&right)));
            return holds(comparison, sides.0, sides.1);
        }
        let is_number = |value: &Value| matches!(value, Value::Number(_));
        let by_number = is_number(&left) || is_number(&right);
        let (left, right) = (self.texts(left), self.texts(right));
        left.iter().any(|left| {
            right.iter().any(|right| {
                self.visited += 1;
                match comparison {
                    Comparison::Equal if !by_number => left == right,
                    Comparison::Unequal if !by_number => left != right,
                    _ => holds(comparison, number(left), number(right)),
                }
            })
        })
    }

    fn texts(&mut self, value: Value) -> Vec<Vec<u8>> {
        match value {
            Value::Nodes(items) => items.into_iter().map(|item| self.text(item)).collect(),
            value => vec![self.as_text(value)],
        }
    }
}

/// Whether a node of this name, or text, which has none, passes a test.
fn fits(test: &NodeTest, name: Option<&Name>) -> bool {
    match (test, name) {
        (NodeTest::Any, _) | (NodeTest::Text, None) => true,
        (NodeTest::Text, Some(_)) | (NodeTest::Name { .. }, None) => false,
        (NodeTest::Name { namespace, local }, Some(name)) => {
            let in_namespace = match namespace {
                None => true,
                Some(Namespace::None) => name.namespace.is_empty(),
                Some(Namespace::Uri(uri)) => **uri == name.namespace,
            };
            in_namespace && local.as_ref().is_none_or(|local| **local == *name.local())
        }
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Nodes(items) => !items.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::Truth(truth) => *truth,
    }
}

fn number(text: &[u8]) -> f64 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.trim().parse().unwrap_or(f64::NAN)
}

fn holds(comparison: Comparison, left: f64, right: f64) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::Unequal => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}
