//! The tree of prefixes as nested lists, for keyboards, screen readers and pages without scripts.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::flame::{KINDS, add, size};
use super::format::{count, percent, ratio};
use super::time::chip;
use crate::ledger::Kinds;

/// Children that one node shows; the rest is in the report's other forms.
const CHILDREN: usize = 20;

#[derive(Debug, Default)]
struct Node<'a> {
    kinds: Kinds,
    children: BTreeMap<&'a str, Self>,
}

pub(super) fn list(paths: &[(Vec<String>, Kinds)]) -> Markup {
    let mut root = Node::default();
    for (path, kinds) in paths {
        let mut node = &mut root;
        add(&mut node.kinds, kinds);
        for part in path {
            node = node.children.entry(part).or_default();
            add(&mut node.kinds, kinds);
        }
    }
    let whole = tokens(&root.kinds);
    html! { ul { (children(&root, whole)) } }
}

fn children(node: &Node<'_>, whole: u64) -> Markup {
    let mut sorted: Vec<_> = node.children.iter().collect();
    sorted.sort_by_key(|(_, child)| std::cmp::Reverse(size(&child.kinds)));
    html! {
        @for (name, child) in sorted.iter().take(CHILDREN) {
            li {
                @if child.children.is_empty() {
                    (line(name, child, whole))
                } @else {
                    details { summary { (line(name, child, whole)) } ul { (children(child, whole)) } }
                }
            }
        }
        @if sorted.len() > CHILDREN { li { (sorted.len() - CHILDREN) " smaller ones" } }
    }
}

fn line(name: &str, node: &Node<'_>, whole: u64) -> Markup {
    let Kinds { read, write, plain } = node.kinds;
    html! {
        span.node { bdi { (name) } }
        span.amount { (count(tokens(&node.kinds))) " tokens, " (percent(ratio(tokens(&node.kinds), whole))) }
        span.kinds {
            @for ((kind, shade), part) in KINDS.into_iter().zip([read, write, plain]) {
                @if part > 0 { span { (chip(shade)) (kind) " " (count(part)) } " " }
            }
        }
    }
}

fn tokens(kinds: &Kinds) -> u64 {
    u64::try_from(size(kinds)).unwrap_or(u64::MAX)
}
