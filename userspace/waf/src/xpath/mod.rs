//! XPath 1.0, as far as rules use it: location paths with predicates, and the functions on strings, names and positions.

mod evaluate;
mod parse;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use tree::{Name, Tree};

/// An axis of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Attribute,
    Itself,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
}

/// Which nodes of an axis are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum NodeTest {
    /// `node()`
    Any,
    /// `text()`
    Text,
    /// `name`, `*`, `prefix:name`, `prefix:*`; `None` is any name, and the namespace of any is asked for by `*` alone.
    Name {
        namespace: Option<Namespace>,
        local: Option<Box<str>>,
    },
}

/// What namespace a name is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Namespace {
    /// Names without a prefix: in none.
    None,
    /// What the prefix stands for by `xmlns`.
    Uri(Box<str>),
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    axis: Axis,
    test: NodeTest,
    predicates: Vec<Expression>,
}

/// A location path.
#[derive(Clone, Debug, PartialEq)]
struct Path {
    /// From the document, not from the node at hand.
    is_absolute: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Contains,
    Count,
    False,
    Last,
    LocalName,
    Name,
    NamespaceUri,
    NormalizeSpace,
    Not,
    Position,
    StartsWith,
    String,
    StringLength,
    True,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Or(Box<[Expression; 2]>),
    And(Box<[Expression; 2]>),
    Compare(Comparison, Box<[Expression; 2]>),
    Call(Function, Vec<Expression>),
    Literal(Box<str>),
    Number(f64),
    Path(Path),
}

/// A compiled path of a rule's target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct XPath(Path);

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the XPath `{path}` cannot be read at `{at}`: expected {expected}")]
pub struct XPathError {
    /// The path.
    path: String,
    /// What stands where reading ended.
    at: String,
    /// What could have stood there.
    expected: &'static str,
}

impl XPath {
    /// Reads a path. `prefix` says what the prefixes of names stand for, by `xmlns`.
    pub(crate) fn read(
        path: &str,
        prefix: &dyn Fn(&str) -> Option<String>,
    ) -> Result<XPath, XPathError> {
        parse::read(path, prefix).map(XPath)
    }

    /// The texts of the nodes that the path means, in the order of the document, and the number of nodes that were looked at. With
    /// more of these than `limit` the answer is what was found so far.
    pub(crate) fn find(&self, tree: &Tree, limit: u64) -> (Vec<Vec<u8>>, u64) {
        evaluate::find(&self.0, tree, limit)
    }
}
