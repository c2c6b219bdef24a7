//! What an exchange leaves behind: its row, what the history learns, and word for later requests.

use std::sync::Arc;

use super::Exchange;
use crate::engine::expected::{Expected, count, sum, to_f64, whole};
use crate::engine::judge::{Case, Scale, is_about};
use crate::engine::lineage::Held;
use crate::engine::miss::Inquest;
use crate::engine::trail::Turn;
use crate::ledger::Verdict;
use crate::ledger::history::{Entry, Node, Spot};
use crate::model::{Keyring, Limits, Money, PriceTier, Prices, Section, Timestamp, Ttl, Usage};
use crate::wire::Seen;

impl Exchange {
    /// What is known when the request is sent.
    pub(super) fn describe(&mut self, expected: &Expected, keyring: &Keyring) {
        let record = &mut self.record;
        record.estimated_input = sum(&expected.estimated);
        record.sections = expected.estimated.map(whole);
        record.predicted_read = Some(expected.lineage.predicted.map_or(0, |held| held.known()));
        record.breakpoints = count(expected.marks.len());
        record.breakpoints_placed = count(expected.placed);
        record.reshaped.clone_from(&expected.reshaped);
        record.arm = expected.arm;
        let (conversation, turn) = &expected.turn;
        record.lineage = Some(*conversation);
        record.choice = expected.choice.map(Box::new);
        let prompt = &turn.remembered.prompt;
        let [tools, system] = [Section::Tools, Section::System].map(|one| prompt.end_of(one));
        let end = |from: usize, end: usize| {
            let last = end.checked_sub(1).filter(|_| end > from)?;
            turn.prefix(keyring, last)
        };
        record.ends = [
            end(0, tools),
            end(tools, system),
            end(0, prompt.blocks.len()),
        ];
    }

    /// From now on later requests can read what this one wrote.
    pub(super) fn begin(&self, now: Timestamp) {
        let Some(expected) = &self.expected else {
            return;
        };
        let mut turn = Turn::clone(&expected.lineage.this);
        turn.began = Some(now);
        let turn = Arc::new(turn);
        let [route, _] = expected.lineage.keys;
        let (_, body) = &expected.turn;
        self.memory
            .follow(route, &mut |trail| trail.update(&turn, body));
    }

    /// Tells later requests what came of this one.
    pub(super) fn leave(&self, seen: &Seen) {
        let Some(expected) = &self.expected else {
            return;
        };
        let [route, conversation] = expected.lineage.keys;
        let (_, body) = &expected.turn;
        let mut turn = Turn::clone(&expected.lineage.this);
        turn.began = self.record.first_byte;
        if !(200..300).contains(&self.record.status) || seen.error.is_some() && self.usage.is_none()
        {
            self.memory.follow(route, &mut |trail| trail.forget(&turn));
            return;
        }
        turn.marks = expected.marks.as_slice().into();
        turn.input = self.usage.as_ref().and_then(Usage::input);
        turn.cached = self.usage.as_ref().and_then(|usage| {
            let read = usage.read?;
            Some(read.saturating_add(usage.written()?))
        });
        turn.response.clone_from(&seen.id);
        let outline = Arc::new(turn.in_outline());
        let turn = Arc::new(turn);
        self.memory
            .follow(route, &mut |trail| trail.update(&turn, body));
        self.memory
            .follow(conversation, &mut |trail| trail.update(&outline, body));
    }

    /// Says what came of the caching that was asked for.
    pub(super) fn judge(&mut self) {
        if self.record.verdict == Verdict::Refused {
            return;
        }
        self.record.verdict = match (&self.usage, &self.expected) {
            (None, _) if !(200..300).contains(&self.record.status) => Verdict::Failed,
            (_, None) => Verdict::Unread,
            (Some(_), Some(_)) if self.record.resent => Verdict::Refused,
            (None, Some(_)) => Verdict::Unreported,
            (Some(usage), Some(expected)) => {
                let case = self.case(usage, expected);
                self.record.breakpoints_honoured = case.honoured().map(count);
                case.verdict()
            }
        };
        if let Some(expected) = &self.expected {
            self.record.readable = Some(self.readable(expected));
        }
    }

    pub(super) fn scale(&self) -> Scale {
        Scale::of(self.usage.as_ref(), self.record.estimated_input)
    }

    pub(super) fn case<'a>(&self, usage: &'a Usage, expected: &'a Expected) -> Case<'a> {
        let scale = self.scale();
        let min_tokens = self
            .model
            .as_ref()
            .map_or(0, |model| model.limits.min_tokens);
        let predicted = expected.lineage.predicted;
        let tokens = |held: Held| held.billed.unwrap_or_else(|| scale.apply(held.tokens));
        // What turns out to be too short was never kept.
        let predicted = predicted.map(tokens).filter(|tokens| *tokens >= min_tokens);
        Case {
            usage,
            marks: &expected.marks,
            scale,
            predicted: predicted.unwrap_or(0),
            min_tokens,
        }
    }

    /// Billed tokens of what earlier requests had sent already and the provider could have kept.
    fn readable(&self, expected: &Expected) -> u64 {
        let usage = self.usage.as_ref();
        let tokens = self.sent_before(expected);
        let tokens = tokens.min(usage.and_then(Usage::input).unwrap_or(u64::MAX));
        let Some(model) = &self.model else {
            return tokens;
        };
        if tokens < model.limits.min_tokens {
            return 0;
        }
        tokens - tokens % model.granularity.max(1)
    }

    fn sent_before(&self, expected: &Expected) -> u64 {
        let lineage = &expected.lineage;
        let turns = lineage.turns.iter();
        let longest = turns.filter(|(shared, _)| *shared == lineage.shared);
        let whole = longest
            .clone()
            .filter_map(|(shared, turn)| (*shared == turn.outline.blocks).then_some(turn.input)?);
        if let Some(input) = whole.max() {
            return input;
        }
        let added = self.model.as_ref().map_or(0, |model| expected.added(model));
        let part = longest.filter_map(|(shared, turn)| turn.input_of(*shared, added));
        let scaled = || self.scale().apply(expected.tokens_of(lineage.shared));
        let tokens = part.max().unwrap_or_else(scaled);
        // An entry that ends where they part was read: that many tokens it has.
        let held = lineage.predicted;
        let ends = held.is_some_and(|held| held.block + 1 == lineage.shared);
        let read = self.usage.as_ref().and_then(|usage| usage.read);
        read.filter(|read| ends && read + tokens / 5 >= tokens)
            .unwrap_or(tokens)
    }

    /// What the model allows; what is assumed of an unknown one.
    pub(super) fn limits(&self) -> Limits {
        let model = self.model.as_ref();
        model.map_or(Limits::CONSERVATIVE, |model| model.limits)
    }

    /// Writes down what the provider should hold, or corrects it by what it reported.
    pub(super) fn enter(&self, usage: Option<&Usage>) {
        let Some(expected) = &self.expected else {
            return;
        };
        let cached = usage
            .is_none_or(|usage| usage.read.unwrap_or(0) > 0 || usage.written().unwrap_or(0) > 0);
        let downgraded = usage.is_some_and(|usage| self.case(usage, expected).is_downgraded());
        let limits = self.limits();
        for mark in &expected.marks {
            let known = self.memory.node(&mark.prefix);
            let mut node = known.unwrap_or_else(|| Node::first_seen(Spot::Branch, self.record.at));
            let asked = if downgraded {
                Ttl::FiveMinutes
            } else {
                mark.ttl
            };
            // A read refreshes an entry and leaves it its own class.
            let entry = match node.live_for(&limits.lives, self.record.at) {
                Some(entry) if usage.is_none() && !limits.renews => entry,
                Some(entry) if usage.is_none() => Entry::new(entry.ttl, self.record.at),
                _ => Entry::new(asked, self.record.at),
            };
            node.entry = cached.then_some(entry);
            self.memory.put_node(mark.prefix, node);
        }
    }

    #[expect(clippy::float_arithmetic, reason = "a share, never money")]
    pub(super) fn settle(&mut self, usage: &Usage) {
        let Some(expected) = &self.expected else {
            return;
        };
        let silent = usage.read == Some(0) && usage.written() == Some(0);
        let downgraded = self.case(usage, expected).is_downgraded();
        if downgraded {
            expected.pauses.ungranted(&*self.memory, self.record.at);
        }
        if silent || downgraded {
            self.enter(Some(usage));
        }
        let read = self.read_part(usage, expected);
        self.record.read_prefix = read.map(|held| held.prefix);
        if usage.written().unwrap_or(0) > 0 {
            // The premium was paid for what stands behind the part that was read.
            let below = read.map_or(0, |held| held.tokens);
            let written = expected.marks.iter().filter(|mark| mark.tokens > below);
            self.record.written = written
                .map(|mark| (mark.prefix, mark.ttl, mark.tokens - below))
                .collect();
        }
        if let Some(rented) = expected.rented.as_ref().filter(|one| one.used.is_none()) {
            let [_, service] = expected.keys;
            let share = to_f64(usage.read.unwrap_or(0)) / to_f64(rented.tokens.max(1));
            self.memory
                .learn(service, &mut |learned| learned.implicit.observe(share));
        }
        if let Some(reported) = usage.input() {
            let [scope, _] = expected.keys;
            let estimated = expected.estimated;
            self.memory.learn(scope, &mut |learned| {
                learned.calibration.observe(estimated, to_f64(reported));
            });
        }
    }

    /// The deepest live entry that is as long as what was read; the deepest of all where none is.
    fn read_part(&self, usage: &Usage, expected: &Expected) -> Option<Held> {
        let read = usage.read.filter(|read| *read > 0)?;
        let scale = self.scale();
        let lives = self.limits().lives;
        let live = expected.lineage.held.iter().rev();
        let live = live.filter(|held| held.entry.is_live_for(&lives, self.record.at));
        let fits = |held: &&Held| {
            let tokens = held.billed.unwrap_or_else(|| scale.apply(held.tokens));
            is_about(read, tokens)
        };
        let held = live.clone().find(fits).or_else(|| live.clone().next());
        held.copied()
    }

    /// The model's prices at this endpoint.
    pub(super) fn prices(&self) -> Option<Prices> {
        let model = self.model.as_ref()?;
        let prices = model.prices?;
        Some(if self.regional {
            prices.dearer_by(model.regional_percent)
        } else {
            prices
        })
    }

    /// What reading saved that pings had kept, against writing it again; `None` where they had kept
    /// nothing, or nothing was reported.
    fn kept_saved(&self, tier: &PriceTier, usage: &Usage) -> Option<Money> {
        let kept = self.expected.as_ref()?.kept?;
        let anyway = self.scale().apply(kept.anyway);
        let tokens = usage.read?.saturating_sub(anyway);
        Some((tier.write(kept.ttl) - tier.read).times(tokens))
    }

    /// Books what it cost, and what it missed; `reported` is the provider's own reason for that.
    pub(super) fn price(&mut self, reported: Option<&str>) {
        let Some(usage) = self.usage else { return };
        self.record.cost = usage.cost;
        let Some(model) = &self.model else { return };
        let tier = self
            .prices()
            .zip(usage.input())
            .map(|(prices, input)| *prices.tier(input));
        if let Some(tier) = &tier {
            self.record.cost = usage.cost.or_else(|| Some(tier.cost(&usage)));
            self.record.cost_without_caching = Some(tier.cost_without_caching(&usage));
            self.record.premium = tier.write_premium(&usage);
            self.record.kept_saved = self.kept_saved(tier, &usage);
        }
        let (Some(expected), Some(dialect)) = (&self.expected, self.dialect) else {
            return;
        };
        let inquest = Inquest {
            expected,
            usage,
            scale: self.scale(),
            model,
            dialect,
            prices: tier.as_ref(),
            reported,
            at: self.record.at,
            hopped: self
                .record
                .attempt
                .as_ref()
                .is_some_and(|one| one.hop.is_some()),
        };
        self.record.miss = inquest.miss();
    }
}
