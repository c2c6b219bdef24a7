//! Tool definitions: their order, their repetitions, and how each is spelled.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::json::{Node, is_space};
use super::{COMPACTED, Reshaped, Rule, Rules, SORTED, Spelling, owed_to};
use crate::model::{Block, Change, Prompt, Section, Span};

/// Types of tools that do not depend on their neighbours, without their date. A tool without a
/// type is a `custom` one (platform.claude.com, tool use, 2026-08).
const INDEPENDENT: &[&str] = &[
    "bash_",
    "code_execution_",
    "computer_",
    "memory_",
    "text_editor_",
    "web_fetch_",
    "web_search_",
];

/// Spells the tool definitions canonically, as one replacement for all that changes.
pub(super) fn reshape(body: &[u8], prompt: &Prompt, rules: Rules, into: &mut Reshaped) {
    let blocks = prompt
        .blocks
        .get(..prompt.end_of(Section::Tools))
        .unwrap_or_default();
    let Some(array) = Array::read(body, blocks, rules) else {
        return;
    };
    let spelling = Spelling::of(rules, Rule::ToolKeys);
    let mut tools: Vec<Tool<'_>> = blocks
        .iter()
        .map(|block| Tool::read(block.span.of(body), spelling))
        .collect();
    let mut changes = Vec::new();
    if let Some(why) = order_matters(blocks, &tools) {
        note_order(&tools, rules, why, into);
    } else {
        arrange(&mut tools, rules, &mut changes);
    }
    let with = array.write(&tools);
    if with == array.span.of(body) {
        return;
    }
    into.changes.append(&mut changes);
    for (at, tool) in tools.iter().enumerate() {
        let change = tool.what.map(|what| {
            Change::new(format!("/tools/{at}"), what).by(owed_to(rules, Rule::ToolKeys, what))
        });
        into.changes.extend(change);
    }
    if into.changes.is_empty() {
        let what = "whitespace between tools removed";
        let rule = owed_to(rules, Rule::ToolKeys, what);
        into.changes.push(Change::new("/tools", what).by(rule));
    }
    into.replacements.push((array.span, with));
}

/// Sorts and drops, as the rules say.
fn arrange(tools: &mut Vec<Tool<'_>>, rules: Rules, changes: &mut Vec<Change>) {
    if rules.has(Rule::ToolDuplicates) {
        let before = tools.len();
        drop_repeated(tools);
        let dropped = before - tools.len();
        if dropped > 0 {
            let what = format!("{dropped} repeated tools dropped");
            let rule = Rule::ToolDuplicates.as_str();
            changes.push(Change::new("/tools", what).by(rule));
        }
    }
    if rules.has(Rule::ToolOrder) && !tools.is_sorted_by(|a, b| a.compare(b).is_le()) {
        tools.sort_by(Tool::compare);
        let rule = Rule::ToolOrder.as_str();
        changes.push(Change::new("/tools", "sorted by name").by(rule));
    }
}

/// Keeps the first of tools that are the same.
fn drop_repeated(tools: &mut Vec<Tool<'_>>) {
    let mut seen = std::collections::BTreeSet::new();
    let first: Vec<bool> = tools
        .iter()
        .map(|tool| seen.insert(&tool.canonical))
        .collect();
    let mut first = first.into_iter();
    tools.retain(|_| first.next().unwrap_or(true));
}

/// Why the order of these tools must stay as it is, if it must.
fn order_matters(blocks: &[Block], tools: &[Tool<'_>]) -> Option<&'static str> {
    if blocks.iter().any(|block| block.marker.is_some()) {
        return Some("order kept: a marker of the caller closes a set of tools");
    }
    if let Some(why) = tools.iter().find_map(|tool| tool.pinned) {
        return Some(why);
    }
    let mut named: Vec<(&[u8], &[u8])> = tools
        .iter()
        .map(|tool| (&*tool.name, &*tool.canonical))
        .collect();
    named.sort_unstable();
    let rivals = named.windows(2).any(|pair| match pair {
        [(left, one), (right, other)] => left == right && one != other,
        _ => false,
    });
    rivals.then_some("order kept: different tools share a name")
}

/// Says that the order was kept, if a rule would have changed it.
fn note_order(tools: &[Tool<'_>], rules: Rules, why: &'static str, into: &mut Reshaped) {
    let sorted = tools.is_sorted_by(|left, right| left.compare(right).is_le());
    if rules.has(Rule::ToolOrder) && !sorted {
        into.notes.push(Change::new("/tools", why));
    }
    for (at, tool) in tools.iter().enumerate() {
        if tool.pinned == Some(UNREADABLE) {
            let pointer = format!("/tools/{at}");
            let why = "left alone: a key stands twice in one object";
            into.notes.push(Change::new(pointer, why));
        }
    }
}

const UNREADABLE: &str = "order kept: a tool cannot be read without a guess";

/// One tool definition.
struct Tool<'a> {
    /// How it will be sent.
    spelled: Cow<'a, [u8]>,
    /// How it would be spelled under all rules: its identity.
    canonical: Vec<u8>,
    name: Cow<'a, [u8]>,
    /// Why its place among the tools must stay as it is.
    pinned: Option<&'static str>,
    /// How `spelled` differs from what was sent.
    what: Option<&'static str>,
}

impl<'a> Tool<'a> {
    fn read(sent: &'a [u8], spelling: Spelling) -> Self {
        let Some(mut node) = Node::parse(sent) else {
            return Self::unreadable(sent);
        };
        let (name, pinned) = match node.member(b"name").and_then(Node::text) {
            Some(name) => (name, pinned(&node)),
            None => (Cow::default(), Some("order kept: a tool has no name")),
        };
        let mut compact = Vec::with_capacity(sent.len());
        node.write(&mut compact);
        let moved = node.sort_by(&by_rank);
        let mut canonical = Vec::with_capacity(compact.len());
        node.write(&mut canonical);
        let (spelled, what) = match spelling {
            Spelling::AsSent => (Cow::Borrowed(sent), "nothing"),
            Spelling::Sorted if moved => (Cow::Owned(canonical.clone()), SORTED),
            Spelling::Compact | Spelling::Sorted => (Cow::Owned(compact), COMPACTED),
        };
        let what = (*spelled != *sent).then_some(what);
        Self {
            spelled,
            canonical,
            name,
            pinned,
            what,
        }
    }

    fn unreadable(sent: &'a [u8]) -> Self {
        Self {
            spelled: Cow::Borrowed(sent),
            canonical: sent.to_vec(),
            name: Cow::default(),
            pinned: Some(UNREADABLE),
            what: None,
        }
    }

    /// By name, then by content, then by spelling, so that no two orders of one set differ.
    fn compare(&self, other: &Self) -> Ordering {
        self.name
            .cmp(&other.name)
            .then_with(|| self.canonical.cmp(&other.canonical))
            .then_with(|| self.spelled.cmp(&other.spelled))
    }
}

/// Why a named tool must keep its place, if it must.
fn pinned(tool: &Node<'_>) -> Option<&'static str> {
    if tool.member(b"cache_control").is_some() {
        return Some("order kept: a marker of the caller closes a set of tools");
    }
    if tool.member(b"defer_loading").is_some() {
        return Some("order kept: a tool is deferred");
    }
    let kind = tool.member(b"type")?.text().unwrap_or_default();
    let independent = *kind == *b"custom"
        || INDEPENDENT
            .iter()
            .any(|prefix| kind.starts_with(prefix.as_bytes()));
    (!independent).then_some("order kept: a tool may depend on its neighbours")
}

/// The order of keys at the top of a tool definition.
fn by_rank(left: &[u8], right: &[u8]) -> Ordering {
    (rank(left), left).cmp(&(rank(right), right))
}

const fn rank(key: &[u8]) -> u8 {
    match key {
        b"name" => 0,
        b"description" => 1,
        b"input_schema" => 2,
        _ => 3,
    }
}

/// The inside of the `tools` array, and what stands between its tools.
struct Array<'a> {
    span: Span,
    gaps: Vec<&'a [u8]>,
}

impl<'a> Array<'a> {
    /// `None` without tools, or if anything but commas and whitespace stands between them.
    fn read(body: &'a [u8], blocks: &[Block], rules: Rules) -> Option<Self> {
        let (first, last) = (blocks.first()?.span, blocks.last()?.span);
        let mut span = Span::new(first.start, last.end);
        let gaps = blocks.windows(2).map(|pair| match pair {
            [left, right] => Span::new(left.span.end, right.span.start).of(body),
            _ => &[],
        });
        let mut gaps: Vec<&[u8]> = gaps.collect();
        if !gaps.iter().all(|gap| is_comma(gap)) {
            return None;
        }
        if rules.has(Rule::ToolKeys) || rules.has(Rule::Whitespace) {
            let head = body.get(..span.start as usize)?.iter().rev();
            let tail = body.get(span.end as usize..)?.iter();
            span.start -= spaces(head)?;
            span.end += spaces(tail)?;
            gaps.fill(b",");
        }
        Some(Self { span, gaps })
    }

    fn write(&self, tools: &[Tool<'_>]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.span.len() as usize);
        let gaps = std::iter::once(&[][..]).chain(self.gaps.iter().copied());
        for (gap, tool) in gaps.zip(tools) {
            out.extend_from_slice(gap);
            out.extend_from_slice(&tool.spelled);
        }
        out
    }
}

/// How many of the next bytes are whitespace.
fn spaces<'b>(bytes: impl Iterator<Item = &'b u8>) -> Option<u32> {
    u32::try_from(bytes.take_while(|byte| is_space(**byte)).count()).ok()
}

fn is_comma(gap: &[u8]) -> bool {
    let mut signs = gap.iter().filter(|byte| !is_space(**byte));
    signs.next() == Some(&b',') && signs.next().is_none()
}
