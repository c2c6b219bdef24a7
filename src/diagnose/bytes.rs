//! Two spellings of one block: where they part, and excerpts of the place.

use std::borrow::Cow;

use super::compare::{Changed, Side, offset};
use crate::canon::{differing, same_but_for_order, same_but_for_volatile, text_span};
use crate::model::{Block, Form, Pattern, Span};

/// A block's JSON value without the caller's marker in it.
pub(super) struct Bare<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where the value begins in the body.
    start: u32,
    /// Where in the value something was left out, and how much.
    cut: Option<(u32, u32)>,
}

impl<'a> Bare<'a> {
    pub(super) fn of(body: &'a [u8], block: &Block) -> Self {
        let value = block.span.of(body);
        let inside = block.marker.map(|marker| marker.span).filter(|cut| {
            cut.start >= block.span.start && cut.end <= block.span.end && !cut.is_empty()
        });
        let Some(cut) = inside else {
            return Self {
                bytes: Cow::Borrowed(value),
                start: block.span.start,
                cut: None,
            };
        };
        let at = cut.start - block.span.start;
        let (head, tail) = value.split_at_checked(at as usize).unwrap_or((value, &[]));
        let tail = tail.get(cut.len() as usize..).unwrap_or_default();
        Self {
            bytes: Cow::Owned([head, tail].concat()),
            start: block.span.start,
            cut: Some((at, cut.len())),
        }
    }

    /// The byte of the block's value that this byte without the marker is.
    pub(super) fn within(&self, at: u32) -> u32 {
        match self.cut {
            Some((cut, len)) if at >= cut => at + len,
            _ => at,
        }
    }

    /// The same bytes as a span of the body.
    fn in_body(&self, span: Span) -> Span {
        let last = span.end.max(span.start + 1) - 1;
        let end = if span.is_empty() {
            self.within(span.start)
        } else {
            self.within(last) + 1
        };
        Span::new(self.start + self.within(span.start), self.start + end)
    }
}

/// How two spellings of a block part.
pub(super) struct Parting {
    /// The first byte of the later block's value that differs.
    pub(super) byte: u32,
    pub(super) before: Span,
    pub(super) after: Span,
    /// The volatile text around that byte.
    pub(super) pattern: Option<Pattern>,
    /// Whether nothing differs but volatile text or an order.
    pub(super) only: bool,
}

/// Finds where two spellings of a block part.
pub(super) fn parting(before: (&[u8], &Block), after: (&[u8], &Block)) -> Parting {
    let (old, new) = (Bare::of(before.0, before.1), Bare::of(after.0, after.1));
    let [from, to] = texts([before.1, after.1], [&old, &new]);
    let (one, other) = (from.of(&old.bytes), to.of(&new.bytes));
    let pairs = one.iter().zip(other);
    let at = pairs.take_while(|(one, other)| one == other).count();
    let ends = [one.len(), other.len()].map(|len| len - at);
    let tails = one.iter().rev().zip(other.iter().rev());
    let tail = tails
        .take(ends[0].min(ends[1]))
        .take_while(|(one, other)| one == other)
        .count();
    let reach = |base: Span, len: usize| {
        Span::new(
            base.start + offset(at),
            base.start + offset((len - tail).max(at)),
        )
    };
    let mut found = Parting {
        byte: new.within(to.start + offset(at)),
        before: old.in_body(reach(from, one.len())),
        after: new.in_body(reach(to, other.len())),
        pattern: None,
        only: false,
    };
    if one != other && same_but_for_order(&old.bytes, &new.bytes) {
        found.pattern = Some(Pattern::Order);
        found.only = true;
    } else if let Some(parted) = differing(one, other, at) {
        let place =
            |base: Span, span: Span| Span::new(base.start + span.start, base.start + span.end);
        found.before = old.in_body(place(from, parted.before));
        found.after = new.in_body(place(to, parted.after));
        found.pattern = Some(parted.pattern);
        found.only = same_but_for_volatile(one, other);
    }
    found
}

/// What is compared of both: their texts where one is a bare string and the other an object,
/// everything where they are spelled alike.
fn texts(blocks: [&Block; 2], bare: [&Bare<'_>; 2]) -> [Span; 2] {
    let whole = bare.map(|bare| Span::new(0, offset(bare.bytes.len())));
    let [one, other] = blocks.map(|block| block.form);
    if one == other {
        return whole;
    }
    debug_assert!(one == Form::Bare || other == Form::Bare);
    match bare.map(|bare| text_span(&bare.bytes)) {
        [Some(one), Some(other)] => [one, other],
        _ => whole,
    }
}

/// What stood at a changed place and what stands there now, a line of about `width` bytes each, as
/// JSON spells it; empty where nothing stood or stands.
///
/// This is prompt text: show it only to those who may read prompts.
#[must_use]
pub fn excerpts(
    changed: &Changed,
    earlier: &Side<'_>,
    later: &Side<'_>,
    width: usize,
) -> [Box<str>; 2] {
    let [from, to] = changed.frames;
    [
        excerpt(from.of(earlier.body), within(from, changed.before), width),
        excerpt(to.of(later.body), within(to, changed.after), width),
    ]
}

/// The part of the body that is this part of the frame.
const fn within(frame: Span, part: Span) -> Span {
    let start = part.start.saturating_sub(frame.start);
    Span::new(start, start + part.len())
}

fn excerpt(frame: &[u8], part: Span, width: usize) -> Box<str> {
    if part.is_empty() {
        return "".into();
    }
    let start = part.start as usize;
    let from = boundary(frame, start.saturating_sub(width / 3));
    let to = boundary(frame, (from + width).min(frame.len()));
    let text = frame.get(from..to).unwrap_or_default();
    let line: String = String::from_utf8_lossy(text)
        .chars()
        .map(|ch| if ch.is_control() { ' ' } else { ch })
        .collect();
    let head = if from > 0 { "…" } else { "" };
    let tail = if to < frame.len() { "…" } else { "" };
    format!("{head}{line}{tail}").into()
}

/// The start of the character that `at` lies in.
fn boundary(text: &[u8], at: usize) -> usize {
    let before = text.get(..=at.min(text.len())).unwrap_or(text);
    if at >= text.len() {
        return text.len();
    }
    let goes_on = |byte: &&u8| **byte & 0xC0 == 0x80;
    let back = before.iter().rev().take(4).take_while(goes_on).count();
    at - back.min(at)
}
