//! How caches that no marker decides behave, where the rows have no word for it.
//!
//! Source of all numbers without one of their own: the provider notes of 2026-11 and the recorded
//! traffic they cite (rig @b75850e and pydantic-ai @4fda3898, 2026-08). Undocumented lifetimes are
//! five minutes, the shortest that any provider documents.

use std::time::Duration;

/// How requests without a routing key are spread: `run` requests in a row go to one machine, then
/// as many to the next of `machines`. A stand-in for load balancing that is the same every time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) machines: u64,
    pub(super) run: u64,
}

impl Spread {
    const ONE: Self = Self {
        machines: 1,
        run: 1,
    };
}

/// Which prefixes of an earlier prompt can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Any, in steps of the granularity.
    Any,
    /// Those that ended on a prompt, or that two prompts turned out to share (DeepSeek: A+B and
    /// then A+C miss, A+D reads A).
    Units,
    /// Those of a prompt that was sent before as a whole, or that three requests had in common, and
    /// never the last few hundred tokens (Gemini: a repeat hits, a grown prompt misses at first;
    /// recorded tails of 270 to 900 tokens. How many sightings a shared prefix takes is assumed).
    Repeats,
}

/// How one provider's cache behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent habits, each of one provider"
)]
pub(super) struct Habit {
    /// How long an entry lives unused.
    pub(super) idle: Duration,
    /// How long it lives at most.
    pub(super) most: Option<Duration>,
    /// How long after the response has begun an entry can be read.
    pub(super) build: Duration,
    /// Where requests without a key go in Chat Completions and all formats but Responses.
    pub(super) spread: Spread,
    /// Where they go in Responses.
    pub(super) responses: Spread,
    /// Requests a minute that one prefix and key can take.
    pub(super) per_minute: Option<u32>,
    /// Tokens in front of every prompt that are always cached.
    pub(super) hidden: u64,
    pub(super) reach: Reach,
    /// Whether a miss is reported by leaving the count out.
    pub(super) silent: bool,
    /// Whether writes are counted.
    pub(super) writes: bool,
    /// Whether the last `cache_control` makes an explicit cache of five minutes, never refreshed
    /// (`OpenRouter` for Gemini, openrouter.ai prompt-caching, 2026-09-12).
    pub(super) last_marker: bool,
    /// Whether what is written is reported as read too (recorded 2026-08 of `OpenRouter` and Gemini:
    /// 2,161 read and 2,161 written of 2,168; the price was that of a read, and storage).
    pub(super) counted_twice: bool,
    /// Whether the `user` field steers requests where no key does.
    pub(super) by_user: bool,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

const PLAIN: Habit = Habit {
    idle: Duration::from_secs(5 * MINUTE),
    most: None,
    build: Duration::ZERO,
    spread: Spread::ONE,
    responses: Spread::ONE,
    per_minute: None,
    hidden: 0,
    reach: Reach::Any,
    silent: false,
    writes: false,
    last_marker: false,
    counted_twice: false,
    by_user: false,
};

/// Before GPT-5.6: 5 to 10 minutes idle, an hour at most, about 15 requests a minute
/// (developers.openai.com prompt-caching, 2026-09-23). Recorded without a key: Responses hit from
/// the third identical call on, Chat from the second.
const OPENAI: Habit = Habit {
    most: Some(Duration::from_secs(HOUR)),
    responses: Spread {
        machines: 2,
        run: 1,
    },
    per_minute: Some(15),
    ..PLAIN
};

/// Seconds to build, kept for hours to days (api-docs.deepseek.com, 2026-10).
const DEEPSEEK: Habit = Habit {
    idle: Duration::from_secs(2 * HOUR),
    build: Duration::from_secs(2),
    reach: Reach::Units,
    ..PLAIN
};

/// 192 tokens were cached on a cold call (recorded 2026-08).
const XAI: Habit = Habit {
    hidden: 192,
    ..PLAIN
};

/// Recorded: without a key the third identical call is the first to hit.
const MISTRAL: Habit = Habit {
    spread: Spread {
        machines: 2,
        run: 1,
    },
    responses: Spread {
        machines: 2,
        run: 1,
    },
    ..PLAIN
};

/// Two hours unused (console.groq.com prompt-caching, 2026). Recorded: the second call hit, the
/// third missed, and a miss has no details.
const GROQ: Habit = Habit {
    idle: Duration::from_secs(2 * HOUR),
    spread: Spread {
        machines: 2,
        run: 2,
    },
    responses: Spread {
        machines: 2,
        run: 2,
    },
    silent: true,
    ..PLAIN
};

/// Three to five minutes (`OpenRouter`'s word, 2026-09-12); Google documents none.
const GEMINI: Habit = Habit {
    idle: Duration::from_secs(3 * MINUTE),
    reach: Reach::Repeats,
    silent: true,
    ..PLAIN
};

const GEMINI_BY_MARKER: Habit = Habit {
    last_marker: true,
    counted_twice: true,
    ..GEMINI
};

/// Writes are billed by `prompt_cache_options.ttl` (platform tests of 2026-10-25).
const MOONSHOT: Habit = Habit {
    writes: true,
    ..PLAIN
};

/// An explicit entry is there when the response is complete (alibabacloud.com context-cache,
/// 2026-10-11); how long an answer takes is not known here, five seconds are assumed.
const QWEN: Habit = Habit {
    build: Duration::from_secs(5),
    ..PLAIN
};

/// The `user` field steers (docs.fireworks.ai prompt-caching, 2026).
const FIREWORKS: Habit = Habit {
    by_user: true,
    ..PLAIN
};

/// By provider. Gateways and clouds that resell models are found by the model instead.
const PROVIDERS: [(&str, &Habit); 11] = [
    ("openai", &OPENAI),
    ("azure", &OPENAI),
    ("deepseek", &DEEPSEEK),
    ("xai", &XAI),
    ("mistral", &MISTRAL),
    ("groq", &GROQ),
    ("gemini", &GEMINI),
    ("vertex", &GEMINI),
    ("moonshot", &MOONSHOT),
    ("qwen", &QWEN),
    ("fireworks", &FIREWORKS),
];

/// By how a model's name begins, wherever it is served.
const MODELS: [(&str, &Habit); 8] = [
    ("gpt-", &OPENAI),
    ("deepseek", &DEEPSEEK),
    ("grok", &XAI),
    ("mistral", &MISTRAL),
    ("gemini", &GEMINI_BY_MARKER),
    ("kimi", &MOONSHOT),
    ("qwen", &QWEN),
    ("o", &OPENAI),
];

/// What is known of the cache that serves `model` at `provider`.
pub(super) fn of(provider: &str, model: &str) -> &'static Habit {
    let model = model.rsplit('/').next().unwrap_or(model);
    let own = PROVIDERS.iter().find(|(name, _)| *name == provider);
    let other = || MODELS.iter().find(|(head, _)| model.starts_with(head));
    own.or_else(other).map_or(&PLAIN, |(_, habit)| habit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_comes_before_the_models_it_serves() {
        assert_eq!(of("groq", "openai/gpt-oss-20b"), &GROQ);
        assert_eq!(
            of("openrouter", "google/gemini-2.5-flash"),
            &GEMINI_BY_MARKER
        );
        assert_eq!(of("gemini", "gemini-2.5-flash"), &GEMINI);
        assert_eq!(of("anthropic", "claude-opus-4.8"), &PLAIN);
    }
}
