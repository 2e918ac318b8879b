//! A trie of path segments. Its leaves are ranks: a lookup looks for the lowest one that accepts the request.

use crate::path::{End, Pattern, Segment};

/// The rank of an entry: its place in the table's order of precedence.
pub(crate) type Rank = u32;
/// Higher than any rank.
pub(crate) const UNRANKED: Rank = Rank::MAX;
/// The place of a node in a [`Trie`].
pub(crate) type NodeId = u32;

/// Nodes of many tries, one for each host pattern.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

/// What is known after some segments of a path.
#[derive(Debug)]
struct Node {
    /// Children by literal segment, sorted.
    literals: Vec<(Box<[u8]>, NodeId)>,
    /// The child for any segment that is not empty.
    parameter: Option<NodeId>,
    /// The entries that end here: on the path's end, with a slash and anything behind, with either.
    exact: Vec<Rank>,
    below: Vec<Rank>,
    open: Vec<Rank>,
    /// The lowest rank here and further down.
    best: Rank,
}

impl Node {
    const fn new() -> Self {
        Self {
            literals: Vec::new(),
            parameter: None,
            exact: Vec::new(),
            below: Vec::new(),
            open: Vec::new(),
            best: UNRANKED,
        }
    }

    fn literal(&self, segment: &[u8]) -> Result<NodeId, usize> {
        let found = self
            .literals
            .binary_search_by(|(key, _)| (**key).cmp(segment));
        found.map(|place| self.literals[place].1)
    }
}

impl Trie {
    /// Adds an empty trie.
    pub(crate) fn root(&mut self) -> NodeId {
        self.nodes.push(Node::new());
        NodeId::try_from(self.nodes.len() - 1)
            .expect("a table has at most MAX_ENTRIES * MAX_SEGMENTS nodes")
    }

    /// Adds an entry. Entries must come in the order of their ranks.
    pub(crate) fn insert(&mut self, root: NodeId, pattern: &Pattern, rank: Rank) {
        let mut id = root;
        for segment in &pattern.segments {
            self.node(id).best = self.node(id).best.min(rank);
            id = self.child(id, segment);
        }
        let node = self.node(id);
        node.best = node.best.min(rank);
        match pattern.end {
            End::Exact => node.exact.push(rank),
            End::Below => node.below.push(rank),
            End::Open => node.open.push(rank),
        }
    }

    fn child(&mut self, id: NodeId, segment: &Segment) -> NodeId {
        match segment {
            Segment::Literal(bytes) => match self.node(id).literal(bytes) {
                Ok(child) => child,
                Err(place) => {
                    let child = self.root();
                    self.node(id).literals.insert(place, (bytes.clone(), child));
                    child
                }
            },
            Segment::Parameter => match self.node(id).parameter {
                Some(child) => child,
                None => {
                    let child = self.root();
                    self.node(id).parameter = Some(child);
                    child
                }
            },
        }
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    /// Shows `visitor` every entry of a trie that matches a path, the most specific paths first. `rest` is what follows
    /// the slash behind the node; nothing where the path has ended. Each node is visited at most once, and none whose
    /// ranks are all above what the visitor has found.
    pub(crate) fn walk(&self, id: NodeId, rest: Option<&[u8]>, visitor: &mut impl Visitor) {
        let Some(node) = self.nodes.get(id as usize) else {
            return;
        };
        if node.best >= visitor.found() {
            return;
        }
        match rest {
            None => visitor.visit(&node.exact),
            Some(rest) => {
                let (segment, rest) = match memchr::memchr(b'/', rest) {
                    Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
                    None => (rest, None),
                };
                if let Ok(child) = node.literal(segment) {
                    self.walk(child, rest, visitor);
                }
                if let (Some(child), false) = (node.parameter, segment.is_empty()) {
                    self.walk(child, rest, visitor);
                }
                visitor.visit(&node.below);
            }
        }
        visitor.visit(&node.open);
    }
}

/// Looks at the entries that match a path.
pub(crate) trait Visitor {
    /// The lowest rank found so far that accepts the request.
    fn found(&self) -> Rank;
    /// Entries that match the path, in order of rank.
    fn visit(&mut self, ranks: &[Rank]);
}
