//! A block of the system prompt whose lines partly differ: those that do, moved to the end.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::canon::text_span;
use crate::model::{Block, Form, Keyring, Prompt, Role, Section, Span};
use crate::wire::{Dialect, Edit, Messages, splice};

/// Lines that all requests had in one block so far, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stable {
    lines: BTreeSet<u64>,
    known: bool,
    /// Requests that differed from one before them.
    pub(super) differed: u64,
    /// Bytes of the last text, and how many of them stood in lines that stay.
    bytes: [usize; 2],
}

impl Stable {
    /// Takes in two texts of one block that differ.
    pub(super) fn learn(&mut self, before: &[u8], after: &[u8]) {
        let hashes = |text| lines(text).map(|line| hash(text, line)).collect();
        let (one, other): (BTreeSet<u64>, BTreeSet<u64>) = (hashes(before), hashes(after));
        let both = one.intersection(&other).copied();
        self.lines = if self.known {
            both.filter(|line| self.lines.contains(line)).collect()
        } else {
            both.collect()
        };
        self.known = true;
        self.differed += 1;
        let stays = lines(after).filter(|line| self.lines.contains(&hash(after, line.clone())));
        self.bytes = [after.len(), stays.map(|line| line.len()).sum()];
    }

    /// Whether enough stays to be worth it, and something goes.
    pub(super) const fn is_worth_it(&self) -> bool {
        let [all, stays] = self.bytes;
        stays < all && stays >= all / 2
    }
}

/// Moves the lines of one block that differ to the end of the last user message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// The block's index in the system prompt.
    pub(super) outer: u32,
    pub(super) stable: Stable,
}

impl Shift {
    /// The body with these lines at its end; `None` where there is nothing to move, or nowhere.
    pub(super) fn apply(&self, body: &Bytes) -> Option<Bytes> {
        let reading = Messages.read(body, &Keyring::new(b"tune"), &mut |_| Vec::new());
        let prompt = reading.ok()?.prompt;
        let block = system(&prompt, self.outer)?;
        let text = inside(body, block)?;
        let content = text.of(body);
        let (mut stays, mut moves) = (Vec::new(), Vec::new());
        for line in lines(content) {
            let known = self.stable.lines.contains(&hash(content, line.clone()));
            let to = if known { &mut stays } else { &mut moves };
            to.push(content.get(line)?);
        }
        if moves.is_empty() || stays.iter().all(|line| line.trim_ascii().is_empty()) {
            return None;
        }
        let mut edits = vec![
            Edit::new(text, stays.join(&br"\n"[..])),
            at_end(body, &prompt, &moves.join(&br"\n"[..]))?,
        ];
        Some(Bytes::from(splice(body, &mut edits)))
    }
}

/// The edit that puts a text, escaped already, behind everything the user has said.
fn at_end(body: &[u8], prompt: &Prompt, text: &[u8]) -> Option<Edit> {
    const OPEN: &[u8] = br#"{"type":"text","text":"#;
    let last = prompt.blocks.last()?;
    if last.section != Section::Messages || last.role != Role::User {
        return None;
    }
    let more = [b",", OPEN, b"\"", text, b"\"}"].concat();
    Some(match last.form {
        Form::Object => Edit::insert(last.span.end, more),
        Form::Bare => {
            let wrapped = [b"[", OPEN, last.span.of(body), b"}", &more, b"]"].concat();
            Edit::new(last.span, wrapped)
        }
    })
}

/// A block of the system prompt by its index there.
fn system(prompt: &Prompt, outer: u32) -> Option<&Block> {
    let mut blocks = prompt.blocks.iter();
    blocks.find(|block| block.section == Section::System && block.outer == outer)
}

/// The content of a text block's string, as a span of the body.
pub(super) fn inside(body: &[u8], block: &Block) -> Option<Span> {
    let text = text_span(block.span.of(body))?;
    let start = block.span.start;
    Some(Span::new(start + text.start, start + text.end))
}

/// The lines of a text as JSON spells it.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let start = from?;
        let mut at = start;
        while let Some(byte) = text.get(at) {
            match (byte, text.get(at + 1)) {
                (b'\\', Some(b'n')) => {
                    from = Some(at + 2);
                    return Some(start..at);
                }
                (b'\\', _) => at += 2,
                _ => at += 1,
            }
        }
        from = None;
        Some(start..text.len())
    })
}

fn hash(text: &[u8], line: Range<usize>) -> u64 {
    xxh3_64(text.get(line).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(user: &str, question: &str) -> Bytes {
        let text = format!(
            r#"{{"system":"You help.\nUser: {user}\nBe \"kind\".\\n","messages":[{{"role":"user","content":{question}}}]}}"#
        );
        Bytes::from(text)
    }

    #[test]
    fn lines_that_differ_go_to_the_end() {
        let text = |body: &Bytes| {
            let read = Messages.read(body, &Keyring::new(b"tune"), &mut |_| Vec::new());
            let prompt = read.unwrap().prompt;
            let block = *system(&prompt, 0).unwrap();
            inside(body, &block).unwrap().of(body).to_vec()
        };
        let (one, other) = (
            body("ann", "\"q\""),
            body("bob", r#"[{"type":"text","text":"q"}]"#),
        );
        let mut stable = Stable::default();
        stable.learn(&text(&one), &text(&other));
        assert!(stable.is_worth_it());
        let shift = Shift { outer: 0, stable };
        assert_eq!(
            shift.apply(&one).unwrap(),
            r#"{"system":"You help.\nBe \"kind\".\\n","messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"User: ann"}]}]}"#
        );
        assert_eq!(
            shift.apply(&other).unwrap(),
            r#"{"system":"You help.\nBe \"kind\".\\n","messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"User: bob"}]}]}"#
        );
        let same = shift.apply(&Bytes::from_static(
            br#"{"system":"You help.","messages":[{"role":"user","content":"q"}]}"#,
        ));
        assert_eq!(same, None);
    }

    #[test]
    fn a_text_without_lines_in_common_is_left_alone() {
        let mut stable = Stable::default();
        stable.learn(b"all of it a", b"all of it b");
        assert!(!stable.is_worth_it());
    }
}
