//! Blocks of the system prompt and of the conversation: edited, added, removed.

use super::bytes::parting;
use super::compare::{Changed, List, Side, offset};
use crate::model::{Block, BlockKind, Cause, Pattern, Place, Section, Span};

/// How far ahead blocks are searched for the place where both go on alike.
const AHEAD: usize = 64;

/// Notes what changed in one section.
pub(super) fn changes<'a>(earlier: &Side<'a>, later: &Side<'a>, section: Section, list: &mut List) {
    let (old, new) = (earlier.section(section), later.section(section));
    let mut walk = Walk {
        earlier,
        later,
        section,
        at: [old.0, new.0],
    };
    let (mut before, mut after) = (old.1, new.1);
    loop {
        let pairs = before.iter().zip(after);
        let same = pairs.take_while(|(a, b)| a.fingerprint == b.fingerprint);
        let same = same.count();
        before = before.get(same..).unwrap_or_default();
        after = after.get(same..).unwrap_or_default();
        walk.at = walk.at.map(|at| at + same);
        // What a conversation has more, or less, at its end is no change of what was there.
        let open = section == Section::Messages;
        if open && (before.is_empty() || after.is_empty()) || before.is_empty() && after.is_empty()
        {
            return;
        }
        let Some([gone, come]) = resync(before, after) else {
            // From here on nothing is alike. Of a conversation the first place says it all.
            let most = if open { 1 } else { usize::MAX };
            let cut = |blocks: &'a [Block]| blocks.get(..most).unwrap_or(blocks);
            walk.note(cut(before), cut(after), list);
            return;
        };
        let (out, rest) = before.split_at_checked(gone).unwrap_or((before, &[]));
        before = rest;
        let (into, rest) = after.split_at_checked(come).unwrap_or((after, &[]));
        after = rest;
        walk.note(out, into, list);
    }
}

/// How many blocks to pass over on both sides until they go on alike.
fn resync(before: &[Block], after: &[Block]) -> Option<[usize; 2]> {
    let most = (before.len().min(AHEAD)) + (after.len().min(AHEAD));
    for sum in 1..most {
        for gone in sum.saturating_sub(AHEAD)..=sum.min(AHEAD) {
            let come = sum - gone;
            if let (Some(one), Some(other)) = (before.get(gone), after.get(come))
                && one.fingerprint == other.fingerprint
            {
                return Some([gone, come]);
            }
        }
    }
    None
}

struct Walk<'a> {
    earlier: &'a Side<'a>,
    later: &'a Side<'a>,
    section: Section,
    /// Indices of the next blocks.
    at: [usize; 2],
}

impl Walk<'_> {
    /// Notes that `out` stood where `into` stands.
    fn note(&mut self, out: &[Block], into: &[Block], list: &mut List) {
        let paired = out.len().min(into.len());
        for (one, other) in out.iter().zip(into) {
            list.push(self.edited(one, other));
            self.at = self.at.map(|at| at + 1);
        }
        for one in out.iter().skip(paired) {
            list.push(self.removed(one));
            self.at[0] += 1;
        }
        for other in into.iter().skip(paired) {
            list.push(self.added(other));
            self.at[1] += 1;
        }
    }

    fn edited(&self, one: &Block, other: &Block) -> Changed {
        let parting = parting((self.earlier.body, one), (self.later.body, other));
        let pictures = is_picture(one) || is_picture(other);
        // A clock in the system prompt breaks it whatever else changed behind; an earlier turn
        // that was written anew may begin with a clock as well.
        let volatile = parting.pattern.filter(|pattern| {
            *pattern != Pattern::Order && (parting.only || self.section == Section::System)
        });
        let cause = match volatile {
            _ if pictures => Cause::Parameters,
            Some(_) => Cause::Volatile,
            None => self.rewritten(),
        };
        let order = parting.pattern.filter(|one| *one == Pattern::Order);
        Changed {
            cause,
            pattern: volatile.or(order).filter(|_| !pictures),
            place: self.place(parting.byte),
            before: parting.before,
            after: parting.after,
            frames: [one.span, other.span],
        }
    }

    fn removed(&self, one: &Block) -> Changed {
        let [old, new] = self.at;
        let pointer = self.earlier.dialect.pointer(self.earlier.prompt, old);
        Changed {
            cause: self.cause_of(one),
            pattern: None,
            place: Place::new(self.section, offset(new), 0, pointer),
            before: one.span,
            after: Span::default(),
            frames: [one.span, Span::default()],
        }
    }

    fn added(&self, other: &Block) -> Changed {
        Changed {
            cause: self.cause_of(other),
            pattern: None,
            place: self.place(0),
            before: Span::default(),
            after: other.span,
            frames: [Span::default(), other.span],
        }
    }

    fn place(&self, byte: u32) -> Place {
        let [_, new] = self.at;
        let pointer = self.later.dialect.pointer(self.later.prompt, new);
        Place::new(self.section, offset(new), byte, pointer)
    }

    fn cause_of(&self, block: &Block) -> Cause {
        if is_picture(block) {
            Cause::Parameters
        } else {
            self.rewritten()
        }
    }

    const fn rewritten(&self) -> Cause {
        match self.section {
            Section::Tools | Section::System => Cause::SystemChanged,
            Section::Messages => Cause::HistoryRewritten,
        }
    }
}

fn is_picture(block: &Block) -> bool {
    block.kind == BlockKind::Image
}
