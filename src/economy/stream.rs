//! One conversation as a stream of requests.

use std::time::Duration;

use super::{Flatten, Input, Overtaken, Signs, Tape};
use crate::model::{Money, Stop, Timestamp, Tokens, Ttl};

/// What a request adds to its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// When it was sent.
    pub at: Timestamp,
    /// What it ended with.
    pub input: Input,
    /// Its tokens.
    pub tokens: Tokens,
    /// Those of them that the request before it had as well.
    pub shared: Tokens,
}

impl Asked {
    /// A request of so many tokens, of which the one before had `shared`.
    #[must_use]
    pub const fn new(at: Timestamp, input: Input, tokens: Tokens, shared: Tokens) -> Self {
        Self {
            at,
            input,
            tokens,
            shared,
        }
    }
}

/// What a conversation began as: kinds are told apart where lifetime classes are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kind {
    /// Whether its first request offered tools.
    pub tools: bool,
    /// How long that was: below 8,000, 20,000 and 80,000 tokens, or longer.
    pub size: u8,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// The kind of a conversation that begins with so many tokens, with tools or without.
    #[must_use]
    pub fn of(tokens: Tokens, tools: usize) -> Self {
        let above = [8_000, 20_000, 80_000].map(|edge| u8::from(tokens >= edge));
        Self {
            tools: tools > 0,
            size: above.iter().sum(),
        }
    }

    /// Whether it is an agent that begins with much.
    #[must_use]
    pub const fn is_long_agent(self) -> bool {
        self.tools && self.size >= 2
    }

    /// Its place among the kinds.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.size.min(3)) + if self.tools { 4 } else { 0 }
    }
}

/// What is remembered of one conversation: plain values, below 200 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stream {
    /// Its first request.
    began: Timestamp,
    /// Its last request.
    last: Timestamp,
    /// When the last answer ended.
    answered: Option<Timestamp>,
    /// The pause before the last request.
    last_gap: Option<Duration>,
    stop: Option<Stop>,
    input: Input,
    requests: u32,
    /// Pauses longer than five minutes so far, and those of them that ended within the hour.
    pauses: u16,
    returns: u16,
    tokens: Tokens,
    fresh: Tokens,
    /// The class that was settled for what is new.
    pub class: Option<Ttl>,
    /// Tokens of the prefix that should be kept.
    pub held: Tokens,
    /// Those of them that are kept with one hour.
    pub hour: Tokens,
    /// When the part with one hour, and the part behind it, expire if nobody reads them.
    pub ends: [Timestamp; 2],
    /// Pings that five minutes would be worth in this pause.
    pub planned: u32,
    /// The kind of conversation that it began as; see [`Kind`].
    pub kind: Kind,
    /// Pings since the last request.
    pub pings: u32,
    /// What was spent on its pings.
    pub spent: Money,
}

impl Stream {
    /// Takes in a request; the pause that it ended, with what was known when that began.
    pub fn request(&mut self, asked: &Asked) -> Option<(Signs, Duration)> {
        let ended = (self.requests > 0).then(|| (self.signs(), asked.at.since(self.last)));
        match ended {
            Some((_, gap)) => {
                self.last_gap = Some(gap);
                let long = gap > Ttl::FiveMinutes.duration();
                self.pauses = self.pauses.saturating_add(u16::from(long));
                let returned = long && gap <= Ttl::OneHour.duration();
                self.returns = self.returns.saturating_add(u16::from(returned));
            }
            None => self.began = asked.at,
        }
        self.last = self.last.max(asked.at);
        self.answered = None;
        self.stop = None;
        self.input = asked.input;
        self.requests = self.requests.saturating_add(1);
        self.tokens = asked.tokens;
        self.fresh = asked.tokens.saturating_sub(asked.shared);
        self.pings = 0;
        ended
    }

    /// The last request was answered.
    pub const fn answer(&mut self, at: Timestamp, stop: Option<Stop>) {
        self.answered = Some(at);
        self.stop = stop;
    }

    /// What is known of the pause after the last request.
    #[must_use]
    pub fn signs(&self) -> Signs {
        Signs {
            stop: self.stop,
            input: self.input,
            requests: self.requests,
            age: self.last.since(self.began),
            last_gap: self.last_gap,
            pauses: u32::from(self.pauses),
            returns: u32::from(self.returns),
            tokens: self.tokens,
            fresh: self.fresh,
            overtaken: None,
        }
    }

    /// Whether the session has gone on elsewhere since this conversation's last request, where
    /// `latest` is the conversation that it went on in.
    #[must_use]
    pub fn overtaken(&self, latest: &Self) -> Option<Overtaken> {
        let is_longer = latest.tokens.saturating_mul(5) >= self.tokens.saturating_mul(4);
        let by = if is_longer {
            Overtaken::Longer
        } else {
            Overtaken::Shorter
        };
        (latest.last > self.last).then_some(by)
    }

    /// Requests so far.
    #[must_use]
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// When the last request was sent.
    #[must_use]
    pub const fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether nothing was asked yet.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.requests == 0
    }

    /// Whether all of its prefix should still be there at `now`.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        let [hour, rest] = self.ends;
        let end = if self.held > self.hour { rest } else { hour };
        now < end
    }

    /// When the last answer ended; `None` while it is still being given.
    #[must_use]
    pub const fn answered(&self) -> Option<Timestamp> {
        self.answered
    }
}

impl Flatten for Stream {
    fn pass(&mut self, tape: &mut Tape) {
        const STOPS: [Option<Stop>; 5] = [
            None,
            Some(Stop::ToolUse),
            Some(Stop::EndTurn),
            Some(Stop::Length),
            Some(Stop::Other),
        ];
        const INPUTS: [Input; 3] = [Input::Other, Input::Text, Input::ToolResult];
        const CLASSES: [Option<Ttl>; 4] = [
            None,
            Some(Ttl::FiveMinutes),
            Some(Ttl::HalfHour),
            Some(Ttl::OneHour),
        ];
        tape.time(&mut self.began);
        tape.time(&mut self.last);
        tape.time_if(&mut self.answered);
        tape.span_if(&mut self.last_gap);
        tape.one_of(&mut self.stop, &STOPS);
        tape.one_of(&mut self.input, &INPUTS);
        tape.whole(&mut self.requests);
        tape.whole(&mut self.pauses);
        tape.whole(&mut self.returns);
        for tokens in [
            &mut self.tokens,
            &mut self.fresh,
            &mut self.held,
            &mut self.hour,
        ] {
            tape.whole(tokens);
        }
        tape.one_of(&mut self.class, &CLASSES);
        self.ends.iter_mut().for_each(|end| tape.time(end));
        tape.whole(&mut self.planned);
        tape.one_of(&mut self.kind.tools, &[false, true]);
        tape.whole(&mut self.kind.size);
        tape.whole(&mut self.pings);
        tape.money(&mut self.spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Timestamp {
        Timestamp::from_secs_f64(secs)
    }

    fn asked(secs: f64, tokens: Tokens, shared: Tokens) -> Asked {
        Asked::new(at(secs), Input::ToolResult, tokens, shared)
    }

    #[test]
    fn a_stream_is_small() {
        assert!(size_of::<Stream>() < 200, "{}", size_of::<Stream>());
    }

    #[test]
    fn a_request_ends_the_pause_with_the_signs_of_its_beginning() {
        let mut stream = Stream::default();
        assert_eq!(stream.request(&asked(0.0, 1_000, 0)), None);
        stream.answer(at(5.0), Some(Stop::EndTurn));
        let (signs, gap) = stream.request(&asked(600.0, 1_500, 1_000)).unwrap();
        assert_eq!(gap, Duration::from_secs(600));
        assert_eq!((signs.stop, signs.requests), (Some(Stop::EndTurn), 1));
        let now = stream.signs();
        assert_eq!((now.stop, now.fresh, now.returns), (None, 500, 1));
        assert_eq!(now.age, Duration::from_secs(600));
    }
}
