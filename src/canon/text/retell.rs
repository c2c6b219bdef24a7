//! What the rules make of one text: nonces dropped, clocks rounded, lines moved away, and where it
//! is cut. All on the string's content as it stands in the body, escapes unresolved.

use super::clock::rounded;
use super::lines::{lines, unit};
use super::nonce::is_dropped;
use super::{Rule, Rules, Wording, volatile};
use crate::model::Pattern;

/// A text without its volatile lines and with it is worth two blocks when the stable part has at
/// least this many bytes: a quarter of the lowest minimum there is (1,024 tokens of four bytes).
/// What is shorter neither lifts a prefix over a minimum nor earns a slot.
pub(super) const STABLE: usize = 1024;

/// How often a text is looked at again, since what is taken away changes what stands side by side.
const ROUNDS: usize = 8;

/// A text as the rules want it.
#[derive(Debug)]
pub(super) struct Retold {
    pub(super) text: Vec<u8>,
    /// Lines that stand elsewhere now.
    pub(super) moved: Vec<Vec<u8>>,
    /// The rules that changed it.
    pub(super) rules: Rules,
    /// Whether something volatile stands in too long a sentence to be moved.
    pub(super) stuck: bool,
}

/// Applies the rules for the words of one text. `rules` are those that may act on it.
pub(super) fn retell(text: &[u8], rules: Rules, wording: &Wording<'_>) -> Retold {
    let mut retold = Retold::of(text);
    for _ in 0..ROUNDS {
        let mut changed = false;
        if rules.has(Rule::DropNonce) {
            changed |= retold.drop_nonces(wording);
        }
        if rules.has(Rule::QuantiseClock) {
            changed |= retold.quantise(wording);
        }
        if rules.has(Rule::MoveVolatile) {
            changed |= retold.move_away();
        }
        if !changed {
            break;
        }
    }
    retold
}

impl Retold {
    /// The text as it is.
    pub(super) fn of(text: &[u8]) -> Self {
        Self {
            text: text.to_vec(),
            moved: Vec::new(),
            rules: Rules::NONE,
            stuck: false,
        }
    }

    fn drop_nonces(&mut self, wording: &Wording<'_>) -> bool {
        let all = lines(&self.text);
        let dropped = all.iter().filter(|line| {
            let line = self.text.get((*line).clone()).unwrap_or_default();
            is_dropped(line, wording.nonces)
        });
        let units: Vec<_> = dropped
            .map(|line| unit_of_line(&self.text, &all, line.clone()))
            .collect();
        self.cut_out(units, Rule::DropNonce)
    }

    fn quantise(&mut self, wording: &Wording<'_>) -> bool {
        let mut out = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for found in volatile(&self.text) {
            let (start, end) = (found.span.start as usize, found.span.end as usize);
            if !matches!(found.pattern, Pattern::Timestamp | Pattern::Time) {
                continue;
            }
            let Some(round) = rounded(found.span.of(&self.text), wording.clock_step) else {
                continue;
            };
            out.extend_from_slice(self.text.get(copied..start).unwrap_or_default());
            out.extend_from_slice(&round);
            copied = end;
        }
        if copied == 0 {
            return false;
        }
        out.extend_from_slice(self.text.get(copied..).unwrap_or_default());
        self.text = out;
        self.rules = self.rules.with(Rule::QuantiseClock);
        true
    }

    fn move_away(&mut self) -> bool {
        let all = lines(&self.text);
        let mut units: Vec<_> = volatile(&self.text)
            .iter()
            .map(|found| {
                let span = found.span.start as usize..found.span.end as usize;
                unit(&self.text, &all, span)
            })
            .collect();
        units.dedup();
        let many = units.len();
        units.retain(super::lines::Unit::is_short);
        self.stuck = units.len() < many;
        let texts = units.iter().filter_map(|unit| {
            let line = self.text.get(unit.text.clone())?;
            Some(line.trim_ascii().to_vec())
        });
        let texts: Vec<Vec<u8>> = texts.collect();
        let cut = self.cut_out(units.into_iter().map(|unit| unit.whole), Rule::MoveVolatile);
        if cut {
            self.moved.extend(texts);
        }
        cut
    }

    fn cut_out(
        &mut self,
        ranges: impl IntoIterator<Item = std::ops::Range<usize>>,
        rule: Rule,
    ) -> bool {
        let mut out = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for range in ranges {
            let kept = self.text.get(copied..range.start.max(copied));
            out.extend_from_slice(kept.unwrap_or_default());
            copied = range.end.max(copied);
        }
        if copied == 0 {
            return false;
        }
        out.extend_from_slice(self.text.get(copied..).unwrap_or_default());
        self.text = out;
        self.rules = self.rules.with(rule);
        true
    }
}

fn unit_of_line(
    text: &[u8],
    all: &[std::ops::Range<usize>],
    line: std::ops::Range<usize>,
) -> std::ops::Range<usize> {
    let last = line.end == text.len() && !text.ends_with(br"\n");
    let above = all
        .iter()
        .find(|one| one.end == line.start)
        .filter(|_| last);
    let from = above.map_or(line.start, |above| {
        let bytes = text.get(above.clone()).unwrap_or_default();
        let bare = bytes.strip_suffix(br"\n").unwrap_or(bytes);
        above.start + bare.strip_suffix(br"\r").unwrap_or(bare).len()
    });
    from..line.end
}

/// Where a text is cut so that its stable parts stand in blocks of their own; in order.
pub(super) fn cuts(text: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut pieces: Vec<_> = std::iter::once(0..text.len()).collect();
    // What a piece shows when it stands alone may differ from what the whole showed, so every piece
    // is looked at until none is cut.
    while let Some(piece) = pieces.pop() {
        let part = text.get(piece.clone()).unwrap_or_default();
        let here = cuts_of(part);
        let mut start = piece.start;
        for cut in here.iter().map(|cut| piece.start + cut) {
            pieces.push(start..cut);
            start = cut;
        }
        if !here.is_empty() {
            found.extend(here.iter().map(|cut| piece.start + cut));
            pieces.push(start..piece.end);
        }
    }
    found.sort_unstable();
    found
}

fn cuts_of(text: &[u8]) -> Vec<usize> {
    if text.len() < STABLE {
        return Vec::new();
    }
    let all = lines(text);
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for found in volatile(text) {
        let span = found.span.start as usize..found.span.end as usize;
        let around = unit(text, &all, span.clone());
        let part = if around.is_short() {
            around.text.start..around.whole.end.max(around.text.end)
        } else {
            span
        };
        match runs.last_mut() {
            Some(last) if part.start < last.end + STABLE => last.end = last.end.max(part.end),
            _ => runs.push(part),
        }
    }
    let mut cuts = Vec::new();
    let mut last = 0;
    for run in &runs {
        if run.start >= last + STABLE {
            cuts.push(run.start);
        }
        if run.end + STABLE <= text.len() {
            cuts.push(run.end);
        }
        last = run.end;
    }
    cuts.dedup();
    cuts
}
