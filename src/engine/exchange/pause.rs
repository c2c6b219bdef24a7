//! The pause that begins when an exchange has ended.

use super::Exchange;
use crate::economy::{Stake, Stream};
use crate::engine::expected::to_f64;
use crate::engine::keep::{Idle, effective, ends, held};
use crate::engine::pauses::STEP;
use crate::model::{Digest, Rates, Stop, Timestamp, Tokens};

impl Exchange {
    /// What pings five minutes would be worth now: one hour is judged against that.
    #[expect(clippy::float_arithmetic, reason = "an expectation, never money")]
    fn plan(&self, stream: &mut Stream, held: Option<(Digest, Tokens, Tokens)>) {
        let (Some(expected), Some((_, tokens, _)), Some(_)) =
            (&self.expected, held, self.keep_alive)
        else {
            return;
        };
        let prices = self.prices();
        let tier = prices.as_ref().map(|prices| prices.tier(tokens));
        let rates = tier.map_or(Rates::USUAL, Rates::of);
        let seen = (&rates, stream.last(), tokens);
        let rates = effective(&*self.memory, &self.behaviour, seen);
        let odds = expected.pauses.odds(&*self.memory, stream, stream.last());
        let watch = Stake::whole(rates, tokens, STEP).watch(&odds);
        // Most pauses end before the first of them.
        let price = rates.read * to_f64(tokens) * odds.alive(STEP);
        expected.pauses.plan(&*self.memory, stream, (&watch, price));
    }

    /// The conversation was answered: its pause begins, and its prefix may be worth a ping.
    pub(super) fn pause(&mut self, now: Timestamp) {
        let Some(expected) = &self.expected else {
            return;
        };
        let pauses = expected.pauses;
        let known = self.memory.stream(&pauses.conversation);
        // A later request of the conversation is under way already.
        let Some(mut stream) = known.filter(|stream| stream.last() == self.record.at) else {
            return;
        };
        if !(200..300).contains(&self.record.status) {
            return;
        }
        stream.answer(now, self.stop);
        let held = held(&*self.memory, expected);
        (stream.held, stream.hour) = held.map_or((0, 0), |(_, held, hour)| (held, hour));
        stream.ends = ends(self.record.at, &self.limits());
        pauses.begin(&*self.memory, &stream);
        self.plan(&mut stream, held);
        self.memory.put_stream(pauses.conversation, stream);
        let tier = self
            .prices()
            .map(|prices| *prices.tier(self.record.estimated_input));
        let (Some(budget), Some(model), Some((prefix, tokens, _))) =
            (self.keep_alive, &self.model, held)
        else {
            return;
        };
        // An answer that was cut off is not what the caller goes on from.
        if !self.record.complete || self.stop == Some(Stop::Other) {
            return;
        }
        let idle = Idle {
            memory: &*self.memory,
            behaviour: self.behaviour,
            budget,
            tier,
            limits: model.limits,
            model: model.name.clone(),
            prefix,
            tokens,
            stream,
            pauses,
        };
        self.record.vigil = idle.vigil(now).map(Box::new);
    }
}
