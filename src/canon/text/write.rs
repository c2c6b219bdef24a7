//! Texts put back into the body.

use super::Editor;
use crate::canon::json::{Node, is_space, member_range};
use crate::model::{Block, Form, Span};

/// Members of a text block that say nothing beside its text.
const PLAIN: [&[u8]; 5] = [
    b"type",
    b"text",
    b"cache_control",
    b"prompt_cache_breakpoint",
    b"cachePoint",
];

/// One block with its new text.
#[derive(Debug)]
pub(super) struct Told {
    /// Its index.
    pub(super) at: usize,
    /// Where the content of its string stands.
    pub(super) span: Span,
    /// The new content.
    pub(super) text: Vec<u8>,
    /// Where that is cut.
    pub(super) cuts: Vec<usize>,
    /// Whether nothing is left of it.
    pub(super) gone: bool,
}

impl Told {
    /// What stands where, with `tail` in a block of its own behind a bare string.
    pub(super) fn replace(&self, editor: &Editor<'_>, tail: Option<&[u8]>) -> Vec<(Span, Vec<u8>)> {
        let Some(block) = editor.prompt.blocks.get(self.at) else {
            return Vec::new();
        };
        if self.gone {
            let gap = gap(editor, self.at);
            return gap.map(|gap| (gap, Vec::new())).into_iter().collect();
        }
        let open = editor.wording.seams.open;
        let mut pieces = self.pieces();
        if block.form == Form::Object {
            let mut out = Vec::new();
            let last = pieces.pop().unwrap_or_default();
            let before: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| [open.as_bytes(), b"\"", piece, b"\"},"].concat())
                .collect();
            if !before.is_empty() {
                out.push((Span::new(block.span.start, block.span.start), before));
            }
            if last != self.span.of(editor.body) {
                out.push((self.span, last.to_vec()));
            }
            return out;
        }
        pieces.extend(tail);
        if pieces.len() == 1 {
            return vec![(self.span, self.text.clone())];
        }
        let (before, after) = (editor.wording.seams.wrap)(editor.body, block);
        let between = format!("\"}},{open}\"");
        let mut with = format!("{before}\"").into_bytes();
        with.extend_from_slice(&pieces.join(between.as_bytes()));
        with.push(b'"');
        with.extend_from_slice(after.as_bytes());
        vec![(block.span, with)]
    }

    fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = Vec::with_capacity(self.cuts.len() + 1);
        let mut start = 0;
        for cut in self.cuts.iter().copied().chain([self.text.len()]) {
            pieces.push(self.text.get(start..cut).unwrap_or_default());
            start = cut;
        }
        pieces
    }
}

/// Where the value of a member of this block stands in the body.
pub(super) fn member(body: &[u8], block: &Block, key: &[u8]) -> Option<Span> {
    let found = member_range(block.span.of(body), key)?;
    let start = block.span.start + u32::try_from(found.start).ok()?;
    Some(Span::new(start, start + u32::try_from(found.len()).ok()?))
}

/// The content of a string literal.
pub(super) fn inside(body: &[u8], literal: Span) -> Option<Span> {
    let bytes = literal.of(body);
    let is_string = bytes.len() > 1 && bytes.starts_with(b"\"") && bytes.ends_with(b"\"");
    is_string.then(|| Span::new(literal.start + 1, literal.end - 1))
}

/// Whether a text block says nothing that its pieces would have to repeat.
pub(super) fn says_only_text(body: &[u8], block: &Block) -> bool {
    let node = Node::parse(block.span.of(body));
    let members = node.as_ref().and_then(Node::members);
    members.is_some_and(|members| {
        let mut keys = members.iter().map(|member| &*member.key);
        keys.all(|key| PLAIN.contains(&key))
    })
}

/// What goes when this block leaves its array: the block with one comma; `None` where it cannot.
pub(super) fn gap(editor: &Editor<'_>, at: usize) -> Option<Span> {
    let blocks = &editor.prompt.blocks;
    let here = blocks.get(at)?;
    let beside = |other: usize| {
        let other = blocks.get(other)?;
        (other.section == here.section && other.form == Form::Object).then_some(other)
    };
    let is_comma = |from: u32, to: u32| {
        let gap = Span::new(from, to).of(editor.body);
        let mut signs = gap.iter().filter(|byte| !is_space(**byte));
        signs.next() == Some(&b',') && signs.next().is_none()
    };
    if let Some(next) = beside(at + 1) {
        let fits = is_comma(here.span.end, next.span.start);
        return fits.then(|| Span::new(here.span.start, next.span.start));
    }
    let before = beside(at.checked_sub(1)?)?;
    // If the block before goes too, nothing would be left that the comma could go with.
    let stays = editor
        .told
        .iter()
        .all(|told| told.at + 1 != at || !told.gone);
    (stays && is_comma(before.span.end, here.span.start))
        .then(|| Span::new(before.span.end, here.span.end))
}
