//! The chains of transformations of a group as one tree: what many chains begin with is done once for a value.

use seclang::ast::Transformation;

use super::rule::Link;
use crate::bytes::ByteSet;
use crate::transform;

/// Chains of one group at most; rules of further ones are not gated. A set of chains is then one word.
pub(crate) const CHAINS_LIMIT: usize = 128;

/// A set of chains, a bit each.
pub(crate) type ChainSet = u128;

/// One transformation in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The node before it; `None`: the value as it came.
    parent: Option<u32>,
    pub(crate) step: Transformation,
}

/// A chain of transformations, as the nodes on its way.
#[derive(Debug)]
struct Chain {
    steps: Vec<Transformation>,
    multi_match: bool,
    nodes: Vec<u32>,
}

/// The tree while it grows.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    nodes: Vec<Node>,
    chains: Vec<Chain>,
}

/// What the chains of a class make of a value.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) stops: Vec<Stop>,
    /// Chains that end in, or with `multiMatch` also look at, the value as it came.
    pub(crate) plain: ChainSet,
    /// All chains.
    pub(crate) all: ChainSet,
    /// Bytes without which no step changes a value.
    triggers: ByteSet,
    changes_empty: bool,
}

/// A node of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// The stop before it; `None`: the value as it came.
    pub(crate) parent: Option<u32>,
    pub(crate) step: Transformation,
    /// Bytes without which the step changes nothing.
    triggers: ByteSet,
    /// Chains that end here.
    pub(crate) ending: ChainSet,
    /// Chains with `multiMatch` that look at what comes out here if it changed.
    pub(crate) passing: ChainSet,
    /// This stop and those behind it, which come right after it.
    pub(crate) branch: Branch,
}

/// A part of the tree: a stop and all that descend from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Branch {
    /// The number of the first stop that does not belong to it.
    pub(crate) end: u32,
    /// Chains that end in it.
    pub(crate) ending: ChainSet,
    /// Bytes without which none of its steps changes a value.
    triggers: ByteSet,
    changes_empty: bool,
}

impl Chains {
    /// The number of the chain of a link; `None` where there are too many.
    pub(super) fn add(&mut self, link: &Link) -> Option<u8> {
        let same =
            |known: &Chain| known.steps == link.chain && known.multi_match == link.multi_match;
        if let Some(index) = self.chains.iter().position(same) {
            return u8::try_from(index).ok();
        }
        if self.chains.len() >= CHAINS_LIMIT {
            return None;
        }
        let mut nodes = Vec::new();
        let mut parent = None;
        for &step in &link.chain {
            let known = self
                .nodes
                .iter()
                .position(|node| node.parent == parent && node.step == step);
            let node = known.unwrap_or_else(|| {
                self.nodes.push(Node { parent, step });
                self.nodes.len() - 1
            }) as u32;
            nodes.push(node);
            parent = Some(node);
        }
        self.chains.push(Chain {
            steps: link.chain.clone(),
            multi_match: link.multi_match,
            nodes,
        });
        u8::try_from(self.chains.len() - 1).ok()
    }

    /// The way through the tree that takes in these chains.
    pub(super) fn walk(&self, chains: ChainSet) -> Walk {
        let mut walk = Walk {
            all: chains,
            ..Walk::default()
        };
        let mut stop_of: Vec<Option<u32>> = vec![None; self.nodes.len()];
        for (number, chain) in self.chains.iter().enumerate() {
            let bit: ChainSet = 1 << number;
            if chains & bit == 0 {
                continue;
            }
            if chain.multi_match || chain.nodes.is_empty() {
                walk.plain |= bit;
            }
            let mut parent = None;
            for (&node, &step) in chain.nodes.iter().zip(&chain.steps) {
                walk.triggers = walk.triggers.union(transform::triggers(step));
                walk.changes_empty |= transform::changes_empty(step);
                let place = &mut stop_of[node as usize];
                let stop = *place.get_or_insert_with(|| {
                    walk.stops.push(Stop {
                        parent,
                        step,
                        triggers: transform::triggers(step),
                        ending: 0,
                        passing: 0,
                        branch: Branch::default(),
                    });
                    walk.stops.len() as u32 - 1
                });
                if chain.multi_match {
                    walk.stops[stop as usize].passing |= bit;
                }
                parent = Some(stop);
            }
            if let (Some(last), false) = (parent, chain.multi_match) {
                walk.stops[last as usize].ending |= bit;
            }
        }
        walk.stops = in_branches(&walk.stops);
        walk
    }
}

/// The same stops, each with all that descend from it right behind it.
fn in_branches(stops: &[Stop]) -> Vec<Stop> {
    let mut ordered = Vec::new();
    place_below(stops, None, None, &mut ordered);
    ordered
}

/// Places the stops behind `parent`, which stands at `place` now, with their branches; what they come to.
fn place_below(
    stops: &[Stop],
    parent: Option<u32>,
    place: Option<u32>,
    ordered: &mut Vec<Stop>,
) -> Branch {
    let mut all = Branch::default();
    for (stop, number) in stops.iter().zip(0u32..) {
        if stop.parent != parent {
            continue;
        }
        let own = ordered.len();
        ordered.push(Stop {
            parent: place,
            ..*stop
        });
        // Chains are few.
        let mut branch = place_below(stops, Some(number), Some(own as u32), ordered);
        branch.end = ordered.len() as u32;
        branch.ending |= stop.ending;
        branch.triggers = branch.triggers.union(stop.triggers);
        branch.changes_empty |= transform::changes_empty(stop.step);
        ordered[own].branch = branch;
        all.ending |= branch.ending;
        all.triggers = all.triggers.union(branch.triggers);
        all.changes_empty |= branch.changes_empty;
    }
    all
}

impl Branch {
    /// Whether a value with these bytes leaves all of it as it came.
    pub(crate) fn is_idle(&self, presence: &ByteSet) -> bool {
        if presence.is_empty() {
            !self.changes_empty
        } else {
            !presence.intersects(&self.triggers)
        }
    }
}

impl Stop {
    /// Whether a value with these bytes leaves the step as it came.
    pub(crate) fn is_idle(&self, presence: &ByteSet) -> bool {
        if presence.is_empty() {
            !transform::changes_empty(self.step)
        } else {
            !presence.intersects(&self.triggers)
        }
    }
}

impl Walk {
    /// Whether a value with these bytes leaves every chain as it came.
    pub(crate) fn is_idle(&self, presence: &ByteSet) -> bool {
        if presence.is_empty() {
            !self.changes_empty
        } else {
            !presence.intersects(&self.triggers)
        }
    }
}
