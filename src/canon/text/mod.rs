//! Text that differs from call to call: rounded, dropped, moved behind every breakpoint, or split
//! off. Each rule is asked for by name; a text that no rule touches keeps its bytes.
//!
//! What is moved goes to the end of the last user message, where no marker may stand: the next turn
//! of the conversation does not repeat it, so a prefix that ended behind it would never be read.
//! Everything before it is the caller's own history, the same in every turn.

mod clock;
mod lines;
mod nonce;
mod retell;
mod tools;
mod write;

use std::time::Duration;

use super::{CLOCK_STEP, History, Reshaped, Rule, Rules, volatile};
use crate::model::{
    Block, BlockKind, Change, Ending, Form, Prompt, Role, Seams, Section, Span, Thinking,
};

use retell::{Retold, cuts, retell};
use write::Told;

/// What is wanted of the texts of one request.
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct Wording<'a> {
    /// The rules in force; those that spell tools do nothing here.
    pub rules: Rules,
    /// What is known about the turns before this request.
    pub history: History,
    /// To what clocks are rounded down; it must divide a day.
    pub clock_step: Duration,
    /// How lines begin that may be dropped.
    pub nonces: &'a [Box<str>],
    /// How the body's dialect takes texts.
    pub seams: &'a Seams,
    /// The JSON pointer of a block.
    pub pointer: &'a dyn Fn(usize) -> String,
}

impl<'a> Wording<'a> {
    /// These rules with default steps, no nonces, and nothing known of earlier turns.
    #[must_use]
    pub const fn new(rules: Rules, seams: &'a Seams, pointer: &'a dyn Fn(usize) -> String) -> Self {
        Self {
            rules,
            history: History::Unknown,
            clock_step: CLOCK_STEP,
            nonces: &[],
            seams,
            pointer,
        }
    }
}

/// What stands around lines that were moved; the same in every call.
pub(super) const MOVED: [&str; 2] = [
    r"<system-context>\nThese lines belong to the system prompt and hold as of this message:\n",
    r"\n</system-context>",
];

/// Applies the rules for text: what changes from call to call is rounded, dropped, moved to the end
/// of the prompt, or split off.
///
/// `prompt` must have been read from `body`. Pure, and idempotent as [`canonicalize`] is; to be
/// applied before it, since it may change what tools say.
///
/// [`canonicalize`]: super::canonicalize
#[must_use]
pub fn reword(body: &[u8], prompt: &Prompt, wording: &Wording<'_>) -> Reshaped {
    let mut reshaped = Reshaped::default();
    if wording.rules.and(Rules::TEXT) == Rules::NONE {
        return reshaped;
    }
    if prompt.thinking == Thinking::Signed && wording.history == History::Unknown {
        let why = "left alone: signed thinking is bound to what was sent before";
        reshaped.notes.push(Change::new("", why));
        return reshaped;
    }
    let mut editor = Editor {
        body,
        prompt,
        wording,
        told: Vec::new(),
        moved: Vec::new(),
        reshaped,
    };
    editor.tools();
    editor.system();
    editor.opening();
    editor.write();
    reshaped = editor.reshaped;
    reshaped.replacements.sort_by_key(|(span, _)| *span);
    reshaped
}

/// One request being reworded.
struct Editor<'a> {
    body: &'a [u8],
    prompt: &'a Prompt,
    wording: &'a Wording<'a>,
    /// Blocks whose text changes, in order.
    told: Vec<Told>,
    /// Lines that stand at the end now.
    moved: Vec<Vec<u8>>,
    reshaped: Reshaped,
}

impl Editor<'_> {
    /// The rules in force where nothing can be moved to.
    fn rules(&self) -> Rules {
        match self.wording.seams.end {
            Some(_) => self.wording.rules,
            None => self.wording.rules.without(Rule::MoveVolatile),
        }
    }

    fn system(&mut self) {
        let prompt = self.prompt;
        let (from, to) = (
            prompt.end_of(Section::Tools),
            prompt.end_of(Section::System),
        );
        for at in from..to {
            let Some((block, text)) = self.text(at) else {
                continue;
            };
            if self.rules() != self.wording.rules && !volatile(text.of(self.body)).is_empty() {
                let why = "nothing moved: the request does not end with the user";
                let pointer = (self.wording.pointer)(at);
                self.reshaped.notes.push(Change::new(pointer, why));
            }
            let retold = retell(text.of(self.body), self.rules(), self.wording);
            self.take(at, block, (text, retold));
        }
    }

    /// The first message is where services put their templates; only splitting leaves its text.
    fn opening(&mut self) {
        let start = self.prompt.end_of(Section::System);
        let outer = self.prompt.blocks.get(start).map(|block| block.outer);
        let blocks = self.prompt.blocks.iter().enumerate().skip(start);
        let first = blocks.take_while(|(_, block)| Some(block.outer) == outer);
        let users: Vec<usize> = first
            .filter(|(_, block)| block.role == Role::User)
            .map(|(at, _)| at)
            .collect();
        for at in users {
            let Some((block, text)) = self.text(at) else {
                continue;
            };
            let retold = Retold::of(text.of(self.body));
            self.take(at, block, (text, retold));
        }
    }

    /// The text block at `at`, and the content of its string.
    fn text(&self, at: usize) -> Option<(Block, Span)> {
        let block = self.prompt.blocks.get(at)?;
        if block.kind != BlockKind::Text {
            return None;
        }
        let span = match block.form {
            Form::Bare => block.span,
            Form::Object => write::member(self.body, block, b"text")?,
        };
        write::inside(self.body, span).map(|inside| (*block, inside))
    }

    fn take(&mut self, at: usize, block: Block, (span, mut retold): (Span, Retold)) {
        let pointer = (self.wording.pointer)(at);
        if retold.stuck {
            let why = "left alone: what changes stands in too long a sentence to be moved";
            self.reshaped.notes.push(Change::new(pointer.clone(), why));
        }
        let emptied = retold.rules != Rules::NONE && retold.text.trim_ascii().is_empty();
        if emptied && !self.can_go(at, &block) {
            let why = "left alone: nothing but what changes stands here";
            self.reshaped.notes.push(Change::new(pointer, why));
            return;
        }
        let cuts = if self.splits(&block) {
            cuts(&retold.text)
        } else {
            Vec::new()
        };
        if !cuts.is_empty() {
            retold.rules = retold.rules.with(Rule::SplitVolatile);
        }
        if retold.rules == Rules::NONE {
            return;
        }
        for rule in Rule::ALL.into_iter().filter(|rule| retold.rules.has(*rule)) {
            let what = match rule {
                Rule::SplitVolatile => format!("split into {} blocks", cuts.len() + 1),
                Rule::MoveVolatile => format!("{} lines moved to the end", retold.moved.len()),
                Rule::QuantiseClock => "times rounded".to_owned(),
                Rule::DropNonce => "listed lines dropped".to_owned(),
                Rule::ToolOrder
                | Rule::ToolDuplicates
                | Rule::ToolKeys
                | Rule::InputKeys
                | Rule::Whitespace => continue,
            };
            self.reshaped
                .changes
                .push(Change::new(pointer.clone(), what));
        }
        self.reshaped.rules = self.reshaped.rules.or(retold.rules);
        self.moved.append(&mut retold.moved);
        self.told.push(Told {
            at,
            span,
            text: retold.text,
            cuts,
            gone: emptied,
        });
    }

    /// Whether this block's text may stand in several blocks. Where lines move, what is left of the
    /// volatile ones could not be moved, and would be once it stood alone.
    fn splits(&self, block: &Block) -> bool {
        let moves = block.section == Section::System && self.rules().has(Rule::MoveVolatile);
        self.wording.rules.has(Rule::SplitVolatile)
            && !moves
            && block.markable
            && (block.form == Form::Bare || write::says_only_text(self.body, block))
    }

    /// Whether the block at `at` can leave its array: one of its neighbours stays.
    fn can_go(&self, at: usize, block: &Block) -> bool {
        block.marker.is_none() && block.form == Form::Object && write::gap(self, at).is_some()
    }

    /// Turns what was found into replacements.
    fn write(&mut self) {
        let end = self.ending();
        let wrapped = matches!(self.wording.seams.end, Some(Ending::Wrap)).then(|| {
            let last = self.prompt.blocks.len().saturating_sub(1);
            if self.told.iter().all(|told| told.at != last) && end.is_some() {
                let text = self.prompt.blocks.get(last);
                let span = text.and_then(|block| write::inside(self.body, block.span));
                self.told.extend(span.map(|span| Told {
                    at: last,
                    span,
                    text: span.of(self.body).to_vec(),
                    cuts: Vec::new(),
                    gone: false,
                }));
            }
            last
        });
        for told in std::mem::take(&mut self.told) {
            let tail = end.as_deref().filter(|_| Some(told.at) == wrapped);
            let replacements = told.replace(self, tail);
            self.reshaped.replacements.extend(replacements);
        }
        if let (Some(text), Some(Ending::Insert { at, before, after })) =
            (&end, &self.wording.seams.end)
        {
            let mut with = before.clone().into_bytes();
            with.extend_from_slice(text);
            with.extend_from_slice(after.as_bytes());
            self.reshaped.replacements.push((Span::new(*at, *at), with));
        }
    }

    /// What was moved, as the content of one string.
    fn ending(&self) -> Option<Vec<u8>> {
        if self.moved.is_empty() {
            return None;
        }
        let [before, after] = MOVED;
        let mut text = before.as_bytes().to_vec();
        text.extend_from_slice(&self.moved.join(&br"\n"[..]));
        text.extend_from_slice(after.as_bytes());
        Some(text)
    }
}
