//! The pause that begins when an exchange has ended.

use super::Exchange;
use crate::engine::keep::{Idle, ends, held};
use crate::model::{Stop, Timestamp};

impl Exchange {
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
        let held = held(expected);
        stream.hour = held.map_or(0, |(_, _, hour)| hour);
        stream.ends = ends(self.record.at, &self.limits());
        self.memory.put_stream(pauses.conversation, stream);
        pauses.begin(&*self.memory, &stream);
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
