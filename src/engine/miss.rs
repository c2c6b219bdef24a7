//! Why an exchange read less than it could have: gathers the facts that the diagnosis asks for.

use super::expected::Expected;
use super::judge::{Scale, is_about, share};
use super::kin::{Bond, Kin, nearest};
use super::lineage::{Held, is_in_reach, steps};
use super::trail::Turn;
use crate::diagnose::{
    Answer, Difference, Earlier, Facts, Other, Relation, Side, compare, diagnose, excerpts,
};
use crate::model::{Miss, PriceTier, Prompt, Regime, Section, Timestamp, Usage};
use crate::provider::Model;
use crate::wire::Dialect;

/// Bytes of an excerpt.
const WIDTH: usize = 80;

/// One finished exchange.
#[derive(Clone, Copy)]
pub(super) struct Inquest<'a> {
    pub(super) expected: &'a Expected,
    pub(super) usage: Usage,
    pub(super) scale: Scale,
    pub(super) model: &'a Model,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) prices: Option<&'a PriceTier>,
    /// The provider's own reason.
    pub(super) reported: Option<&'a str>,
    pub(super) at: Timestamp,
    /// Whether a route left a warm prefix for it.
    pub(super) hopped: bool,
}

impl Inquest<'_> {
    /// The miss, if anything was missed.
    pub(super) fn miss(&self) -> Option<Miss> {
        let read = self.usage.read?;
        if self.found_all(read) {
            return None;
        }
        let left = self.elsewhere().filter(|_| self.hopped);
        if let Some(earlier) = left {
            return diagnose(&self.facts().after(earlier));
        }
        let (_, here) = &self.expected.turn;
        match nearest(&self.expected.lineage, here) {
            Some(kin) if kin.bond == Bond::Conversation => self.after(&kin, read),
            kin => match self.elsewhere() {
                Some(earlier) => diagnose(&self.facts().after(earlier)),
                None => kin.map_or_else(
                    || diagnose(&self.facts()),
                    |kin| self.after_another(&kin, read),
                ),
            },
        }
    }

    /// Whether it goes on where an earlier request ended and read all of that.
    fn found_all(&self, read: u64) -> bool {
        let turns = &self.expected.lineage.turns;
        turns.iter().any(|(shared, turn)| {
            let whole = turn.outline.blocks > 0 && *shared == turn.outline.blocks;
            whole && turn.input.is_some_and(|input| read + 32 >= input)
        })
    }

    fn facts(&self) -> Facts<'_> {
        let mut facts = Facts::new(self.usage, self.model.limits);
        facts.estimated = self.expected.tokens_of(usize::MAX);
        facts.granularity = self.model.granularity;
        facts.placed_markers = self.expected.placed;
        facts.own_markers = self
            .expected
            .marks
            .len()
            .saturating_sub(self.expected.placed);
        facts.prices = self.prices;
        facts.reported = self.reported;
        facts
    }

    /// The conversation under another model, in another scope, or at the backend it was sent to
    /// before.
    fn elsewhere(&self) -> Option<Earlier<'static>> {
        let turn = self.expected.lineage.elsewhere.first()?;
        let this = &self.expected.lineage.this.outline;
        let mut earlier = Earlier::new(self.input_of(turn, turn.outline.blocks));
        // What the caller changed as well is not the route's doing.
        let (_, here) = &self.expected.turn;
        earlier.other = if self.hopped && turn.outline.begins_anywhere(here) {
            Other::Hop
        } else if turn.outline.account == this.account {
            Other::Model
        } else {
            Other::Scope
        };
        Some(earlier)
    }

    /// After a request of the same conversation.
    fn after(&self, kin: &Kin, read: u64) -> Option<Miss> {
        let (_, here) = &self.expected.turn;
        let (before, now) = (&kin.conversation.remembered, &here.remembered);
        let difference = self.compare((&before.body, &before.prompt), (&now.body, &now.prompt));
        let blocks = kin.turn.outline.blocks;
        let whole = difference.shared == blocks;
        let mut tokens = self.input_of(&kin.turn, blocks);
        let shared = if whole {
            tokens
        } else {
            self.input_of(&kin.turn, difference.shared)
        };
        if difference.relation != Relation::Differs && self.expected.placed > 0 {
            // What was not worth writing is not missed.
            tokens = kin.turn.cached.unwrap_or(tokens);
        }
        let earlier = Earlier::new(tokens).compared(&difference, shared.min(tokens));
        let mut facts = self.facts();
        facts.tolerance = match kin.turn.input {
            Some(_) if whole => 0,
            _ => shared / 20,
        };
        let miss = self.explain(facts, earlier, (difference.shared, read))?;
        let sides = [(&before.body, &before.prompt), (&now.body, &now.prompt)];
        Some(self.quoted(
            miss,
            &difference,
            sides.map(|(body, prompt)| (&**body, prompt)),
        ))
    }

    /// After a request of another conversation: only what stands before both is compared.
    fn after_another(&self, kin: &Kin, read: u64) -> Option<Miss> {
        let (_, here) = &self.expected.turn;
        let (before, now) = (&kin.conversation.remembered, &here.remembered);
        let (old, new) = (heading(&before.prompt), heading(&now.prompt));
        let difference = self.compare((&before.body, &old), (&now.body, &new));
        let opening = new.blocks.len();
        let changed = difference.relation == Relation::Differs;
        let reach = |blocks: usize| self.scale.apply(self.expected.tokens_of(blocks));
        let mut tokens = reach(opening);
        let shared = reach(difference.shared.min(opening));
        if !changed {
            tokens = shared;
            if self.expected.placed > 0 {
                let held = self.held(difference.shared, 0);
                let held = held.map_or(0, |held| self.tokens(held));
                tokens = held.max(self.pending(read).unwrap_or(0)).min(tokens);
            }
        }
        let earlier = Earlier::new(tokens).compared(&difference, shared.min(tokens));
        let mut facts = self.facts();
        // Tokens of a part are known by its share of the text only.
        facts.tolerance = if changed { tokens / 20 } else { tokens / 4 };
        let miss = self.explain(facts, earlier, (difference.shared, read))?;
        Some(self.quoted(
            miss,
            &difference,
            [(&*before.body, &old), (&*now.body, &new)],
        ))
    }

    /// Adds what is known of the entry, and names the miss.
    fn explain(
        &self,
        mut facts: Facts<'_>,
        mut earlier: Earlier<'_>,
        (shared, read): (usize, u64),
    ) -> Option<Miss> {
        let marks = &self.expected.marks;
        let held = self.held(shared, read);
        let pending = self.pending(read).is_some();
        if pending {
            earlier.answer = Answer::Pending;
        }
        facts.shared_markers = Some(0);
        if let Some(held) = held {
            let limits = &self.model.limits;
            if !pending {
                earlier.idle = Some(self.at.since(held.entry.since));
                earlier.ttl = Some(limits.lives.of(held.entry.ttl));
            }
            let (_, here) = &self.expected.turn;
            let prompt = &here.remembered.prompt;
            let reaching = marks
                .iter()
                .filter(|mark| is_in_reach(prompt, limits, &[**mark], held.block));
            facts.shared_markers = Some(reaching.count());
            let next = marks.iter().find(|mark| mark.block >= held.block);
            let distance = |to: usize| steps(prompt, limits, held.block, to);
            let next = next.filter(|_| limits.regime == Regime::Breakpoints);
            facts.positions = next.map(|mark| {
                distance(mark.block).unwrap_or_else(|| limits.lookback.saturating_add(1))
            });
        }
        diagnose(&facts.after(earlier))
    }

    /// The deepest entry on the first `shared` blocks that is longer than what was read.
    fn held(&self, shared: usize, read: u64) -> Option<Held> {
        let held = self.expected.lineage.held.iter().rev();
        let mut held = held.filter(|held| held.block < shared);
        held.find(|held| !is_about(read, self.tokens(**held)))
            .copied()
    }

    fn tokens(&self, held: Held) -> u64 {
        held.billed.unwrap_or_else(|| self.scale.apply(held.tokens))
    }

    /// Tokens of the longest shared prefix that was being written when this request was sent, where
    /// nothing that was there already held more than was read.
    fn pending(&self, read: u64) -> Option<u64> {
        let lineage = &self.expected.lineage;
        let lives = &self.model.limits.lives;
        let live = |held: &Held| {
            held.entry.is_live_for(lives, self.at) && !is_about(read, self.tokens(*held))
        };
        if lineage.held.iter().any(live) {
            return None;
        }
        let unseen = lineage
            .turns
            .iter()
            .filter(|(_, turn)| turn.began.is_none());
        let written = unseen.filter_map(|(shared, turn)| {
            let mut marks = turn.marks.iter().rev();
            let deepest = marks.find(|mark| mark.block < *shared)?;
            Some(self.scale.apply(self.expected.tokens_of(deepest.block + 1)))
        });
        written.max().filter(|tokens| !is_about(read, *tokens))
    }

    /// Billed tokens of the first blocks of an earlier request.
    fn input_of(&self, turn: &Turn, blocks: usize) -> u64 {
        turn.input_of(blocks, self.expected.added(self.model))
            .unwrap_or_else(|| {
                let (_, here) = &self.expected.turn;
                let all = here.remembered.prompt.blocks.len();
                let input = self.usage.input().unwrap_or(0);
                let part = |blocks: usize| u64::try_from(blocks).unwrap_or(u64::MAX);
                if blocks <= all {
                    self.scale.apply(self.expected.tokens_of(blocks))
                } else {
                    share(input, part(blocks), part(all))
                }
            })
    }

    fn compare(&self, before: (&[u8], &Prompt), now: (&[u8], &Prompt)) -> Difference {
        let [before, now] = self.sides([before, now]);
        compare(&before, &now)
    }

    fn sides<'s>(&'s self, both: [(&'s [u8], &'s Prompt); 2]) -> [Side<'s>; 2] {
        both.map(|(body, prompt)| {
            Side::new(body, prompt, self.dialect).with_model(&self.model.name)
        })
    }

    /// The miss with a line of what stood there and what stands there, where the user asked for it.
    fn quoted(&self, mut miss: Miss, difference: &Difference, both: [(&[u8], &Prompt); 2]) -> Miss {
        if !self.expected.excerpts {
            return miss;
        }
        let [before, now] = self.sides(both);
        if let (Some(place), Some(first)) = (&mut miss.place, difference.first()) {
            place.excerpts = Some(excerpts(first, &before, &now, WIDTH));
        }
        miss
    }
}

/// The prompt without its conversation.
fn heading(prompt: &Prompt) -> Prompt {
    let mut heading = prompt.clone();
    heading.blocks.truncate(prompt.end_of(Section::System));
    // Parameters that come with the conversation only.
    heading.messages_salt = crate::model::Fingerprint::default();
    heading
}
