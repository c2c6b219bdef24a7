//! Prefixes of many prompts, each block stored once below what precedes it.

use std::collections::BTreeMap;

use super::Piece;

/// No node.
const NONE: u32 = u32::MAX;

/// A block below what precedes it.
#[derive(Clone, Copy, Debug)]
struct Node {
    id: u128,
    parent: u32,
    /// The child that came first; most nodes have no other.
    child: u32,
    tokens: u32,
}

/// The start of one scope, and the nodes that were walked there last.
#[derive(Clone, Debug)]
struct Scope {
    root: u32,
    path: Vec<u32>,
}

/// All prefixes by scope. Nodes are numbers that stay what they are, counted from zero without gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// Children beyond the first, by parent and content.
    more: BTreeMap<(u32, u128), u32>,
    scopes: BTreeMap<u64, Scope>,
}

impl Trie {
    /// The nodes of these blocks, made where they are new, and how many nodes there are now.
    ///
    /// What the request before in this scope shares is compared block by block, without a search.
    pub(super) fn walk(&mut self, scope: u64, blocks: &[Piece]) -> (&[u32], usize) {
        let nodes = &mut self.nodes;
        let scope = self.scopes.entry(scope).or_insert_with(|| {
            let root = grow(nodes, NONE, &Piece::new(0, 0));
            Scope {
                root,
                path: Vec::new(),
            }
        });
        let known = scope.path.iter().zip(blocks);
        let same = known
            .take_while(|(node, block)| of(nodes, **node).is_some_and(|node| node.id == block.id))
            .count();
        scope.path.truncate(same);
        let mut at = scope.path.last().copied().unwrap_or(scope.root);
        for block in blocks.get(same..).unwrap_or_default() {
            at = step(nodes, &mut self.more, at, block);
            scope.path.push(at);
        }
        (&scope.path, self.nodes.len())
    }

    /// The node before this one; `None` at the start of a scope.
    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        let parent = of(&self.nodes, node)?.parent;
        (parent != NONE).then_some(parent)
    }

    /// Tokens of one block.
    pub(super) fn tokens(&self, node: u32) -> u32 {
        of(&self.nodes, node).map_or(0, |node| node.tokens)
    }

    /// How many nodes there are, starts of scopes included.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len()
    }
}

fn of(nodes: &[Node], node: u32) -> Option<&Node> {
    nodes.get(node as usize)
}

/// The child of `at` with this content.
fn step(
    nodes: &mut Vec<Node>,
    more: &mut BTreeMap<(u32, u128), u32>,
    at: u32,
    block: &Piece,
) -> u32 {
    let first = of(nodes, at).map_or(NONE, |node| node.child);
    if of(nodes, first).is_some_and(|node| node.id == block.id) {
        return first;
    }
    if first == NONE {
        let new = grow(nodes, at, block);
        if let Some(node) = nodes.get_mut(at as usize) {
            node.child = new;
        }
        return new;
    }
    *more
        .entry((at, block.id))
        .or_insert_with(|| grow(nodes, at, block))
}

/// Adds a node. Four billion blocks do not fit into memory, so numbers do not run out.
fn grow(nodes: &mut Vec<Node>, parent: u32, block: &Piece) -> u32 {
    let new = u32::try_from(nodes.len()).unwrap_or(NONE);
    nodes.push(Node {
        id: block.id,
        parent,
        child: NONE,
        tokens: block.tokens,
    });
    new
}
