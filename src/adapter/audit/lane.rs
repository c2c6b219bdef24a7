//! What one lane of a conversation has in the cache, as its usage shows.

use std::collections::VecDeque;
use std::time::Duration;

use super::compared::class;
use super::evidence::Evidence;
use super::turn::{History, Messages, Turn};
use crate::model::{Cause, Digest, Pattern, Place, Regime, Timestamp, Ttl, Usage};
use crate::provider::Model;

/// Fewer tokens than this are not missed: counters wobble by what a provider adds around blocks.
const NOISE: u64 = 64;
/// And no fewer than one in so many of what could have been read.
const NOISE_SHARE: u64 = 100;
/// Nor fewer than so many steps of a provider that counts in steps: the last ones are written late.
const STEPS: u64 = 4;
/// Requests of one lane whose ends are remembered; a rewind beyond them is a rewind to the start.
const LEVELS: usize = 4096;
/// How long services that cache by themselves keep an idle entry at the least.
const IDLE: Duration = Duration::from_secs(300);
/// How long entries live where the provider keeps them for a day.
const DAY: Duration = Duration::from_secs(86_400);

/// One lane: its last request, and how much every request before it left in the cache.
#[derive(Debug, Default)]
pub(super) struct Lane {
    last: Option<Last>,
    levels: VecDeque<Level>,
    /// The class of the entry at the end.
    ttl: Option<Ttl>,
}

#[derive(Debug)]
struct Last {
    at: Timestamp,
    /// When it had begun to answer.
    visible: Timestamp,
    model: Box<str>,
    input: u64,
    /// Tokens that it left in the cache.
    cached: u64,
    marked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    messages: usize,
    tokens: u64,
    digest: Digest,
}

/// What was found out about one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    /// Tokens that could have been read.
    pub(super) readable: Option<u64>,
    pub(super) miss: Option<(Cause, u64, Evidence)>,
    /// The earlier write that was read.
    pub(super) read: Option<Digest>,
    /// Where the prompts part.
    pub(super) place: Option<(Place, Option<Pattern>)>,
}

/// The figures of one request, all of them reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) input: u64,
    pub(super) read: u64,
    pub(super) written: u64,
}

impl Figures {
    /// `None` where the provider did not say what was read.
    pub(super) fn of(usage: &Usage) -> Option<Self> {
        Some(Self {
            input: usage.input()?,
            read: usage.read?,
            written: usage.written().unwrap_or(0),
        })
    }

    pub(super) const fn is_untouched(self) -> bool {
        self.read == 0 && self.written == 0
    }
}

/// How many tokens may be missing without anything being missed.
pub(super) fn noise(model: &Model, of: u64) -> u64 {
    NOISE
        .max(of / NOISE_SHARE)
        .max(model.granularity.saturating_mul(STEPS))
}

impl Lane {
    /// Whether nothing was sent in it before.
    pub(super) const fn is_new(&self) -> bool {
        self.last.is_none()
    }

    /// Explains a request that is not the first one.
    pub(super) fn explain(&self, turn: &Turn, figures: Figures, model: &Model) -> Finding {
        let Some(last) = &self.last else {
            return Finding::default();
        };
        let readable = last.cached.min(figures.input);
        let missed = readable.saturating_sub(figures.read);
        let mut finding = Finding {
            readable: Some(readable.max(figures.read)),
            read: self.found(turn, figures, model),
            ..Finding::default()
        };
        if missed > noise(model, readable) {
            let (cause, evidence) = self.cause(last, turn, figures, model);
            finding.miss = Some((cause, missed, evidence));
        }
        finding
    }

    fn cause(
        &self,
        last: &Last,
        turn: &Turn,
        figures: Figures,
        model: &Model,
    ) -> (Cause, Evidence) {
        if last.model != model.name {
            return (Cause::ModelChanged, Evidence::OtherModel);
        }
        if figures.is_untouched() && figures.input < model.limits.min_tokens {
            return (Cause::BelowMinimum, Evidence::Short);
        }
        let messages = match turn.history {
            History::Untold | History::Bodies => None,
            History::Messages(messages) => Some(messages),
        };
        if messages.is_some_and(|messages| messages.kept == 0 && messages.before > 0) {
            return (Cause::HistoryRewritten, Evidence::Compacted);
        }
        if last.marked && self.is_expired(last, turn, model) {
            return (Cause::Expired, silence(last, turn));
        }
        if messages.is_some_and(|messages| self.is_rewound(last, messages, figures, model)) {
            return (Cause::HistoryRewritten, Evidence::Rewound);
        }
        if is_timed(turn, last) && turn.at < last.visible {
            return (Cause::NotYetVisible, Evidence::Unanswered);
        }
        if !last.marked && model.limits.regime != Regime::Automatic {
            return (Cause::OwnMarkers, Evidence::NothingMarked);
        }
        let Some(messages) = messages else {
            return (Cause::Unknown, Evidence::NoPrompts);
        };
        appended(last, turn, figures, (messages, model))
    }

    fn is_expired(&self, last: &Last, turn: &Turn, model: &Model) -> bool {
        is_timed(turn, last) && turn.at.since(last.at) > lifetime(self.ttl, model)
    }

    /// Whether messages were taken back, and that cost more than what else was lost.
    fn is_rewound(&self, last: &Last, messages: Messages, figures: Figures, model: &Model) -> bool {
        if messages.kept >= messages.before {
            return false;
        }
        let shared = self.level(messages.kept).map_or(0, |level| level.tokens);
        let left = shared.saturating_sub(figures.read);
        let moved = last.cached.saturating_sub(shared.max(figures.read));
        left <= noise(model, shared) || moved >= left
    }

    /// The deepest level that this many messages still have.
    fn level(&self, messages: usize) -> Option<&Level> {
        let mut levels = self.levels.iter().rev();
        levels.find(|level| level.messages <= messages)
    }

    /// The write whose end was read.
    fn found(&self, turn: &Turn, figures: Figures, model: &Model) -> Option<Digest> {
        let kept = match turn.history {
            History::Untold | History::Bodies => usize::MAX,
            History::Messages(messages) => messages.kept,
        };
        let mut levels = self.levels.iter().rev();
        let level = levels.find(|level| {
            level.messages <= kept
                && level.tokens > 0
                && level.tokens <= figures.read.saturating_add(noise(model, level.tokens))
        })?;
        (figures.read > 0 && level.digest != Digest::default()).then_some(level.digest)
    }

    /// Takes in what a request left behind; `digest` names it.
    pub(super) fn push(&mut self, turn: &Turn, usage: &Usage, model: &Model, digest: Digest) {
        let Some(figures) = Figures::of(usage) else {
            return;
        };
        let (kept, now) = match turn.history {
            History::Untold | History::Bodies => (usize::MAX, self.levels.len() + 1),
            History::Messages(messages) => (messages.kept, messages.now),
        };
        while self
            .levels
            .back()
            .is_some_and(|level| level.messages > kept)
        {
            self.levels.pop_back();
        }
        if self.levels.len() >= LEVELS {
            self.levels.pop_front();
        }
        let (cached, marked) = left(figures, model);
        self.levels.push_back(Level {
            messages: now,
            tokens: cached,
            digest,
        });
        self.ttl = class(usage).or(self.ttl);
        self.last = Some(Last {
            at: turn.at,
            visible: turn.first_byte.unwrap_or(turn.ended),
            model: model.name.clone(),
            input: figures.input,
            cached,
            marked,
        });
    }
}

/// How long an entry of this class lives; one whose class is not known, as the model's row says.
pub(super) fn lifetime(class: Option<Ttl>, model: &Model) -> Duration {
    let automatic = model.limits.regime == Regime::Automatic;
    match class {
        Some(ttl) => ttl.duration(),
        None if automatic && model.day_retention => DAY,
        None => model.limits.ttl.duration(),
    }
}

/// Tokens that a request leaves in the cache, and whether it wrote or read any.
pub(super) const fn left(figures: Figures, model: &Model) -> (u64, bool) {
    let step = if model.granularity == 0 {
        1
    } else {
        model.granularity
    };
    let all = figures.input - figures.input % step;
    match model.limits.regime {
        Regime::Automatic => (all, true),
        // What was sent without being cached could have been.
        Regime::Breakpoints | Regime::Exact if figures.is_untouched() => (all, false),
        Regime::Breakpoints | Regime::Exact => (figures.read + figures.written, true),
    }
}

fn silence(last: &Last, turn: &Turn) -> Evidence {
    if turn.at.since(last.at) > Ttl::OneHour.duration() {
        Evidence::LongSilence
    } else {
        Evidence::Silence
    }
}

fn is_timed(turn: &Turn, last: &Last) -> bool {
    turn.at.as_micros() > 0 && last.at.as_micros() > 0
}

/// The cause where the log shows the same messages with others behind them.
fn appended(
    last: &Last,
    turn: &Turn,
    figures: Figures,
    (messages, model): (Messages, &Model),
) -> (Cause, Evidence) {
    if figures.input < last.input {
        return if messages.speaks && !model.keeps_thinking {
            (Cause::HistoryRewritten, Evidence::ThinkingDropped)
        } else {
            (Cause::HistoryRewritten, Evidence::Shortened)
        };
    }
    let limits = &model.limits;
    if limits.regime == Regime::Automatic {
        let idle = is_timed(turn, last) && turn.at.since(last.at) > IDLE;
        return if idle {
            (Cause::Lost, Evidence::ForgottenIdle)
        } else {
            (Cause::Lost, Evidence::ForgottenWarm)
        };
    }
    if limits.regime == Regime::Breakpoints && messages.positions > limits.lookback {
        return (Cause::Lookback, Evidence::TooFar);
    }
    if figures.read > noise(model, figures.input) {
        return (Cause::Lost, Evidence::FrontOnly);
    }
    (Cause::Unknown, Evidence::NothingRead)
}
