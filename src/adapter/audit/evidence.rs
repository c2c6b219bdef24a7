//! What shows a cause: the sentence behind it in every report.

use crate::model::Cause;

/// What in the logs shows why an exchange missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The first request of its conversation.
    Opening,
    /// Two requests of one session started together.
    Together,
    /// The request before had not begun to answer.
    Unanswered,
    /// Another model than in the request before.
    OtherModel,
    /// None of the earlier messages was sent again.
    Compacted,
    /// The last of the earlier messages were not sent again.
    Rewound,
    /// The prompt became shorter although the log only appends.
    Shortened,
    /// The same, as the user spoke and the model keeps no thinking of earlier turns.
    ThinkingDropped,
    /// More time passed than the entry was written for, and no more than an hour.
    Silence,
    /// More time passed than any class of entries lives.
    LongSilence,
    /// So many blocks were added that the entry was out of reach.
    TooFar,
    /// Too short to be cached.
    Short,
    /// Requests of one conversation neither read nor wrote.
    NothingMarked,
    /// Only the front of the prompt was read, the messages were the same.
    FrontOnly,
    /// The service caches by itself, and forgot within five minutes.
    ForgottenWarm,
    /// The service caches by itself, and forgot after more than five minutes.
    ForgottenIdle,
    /// Nothing was read, and what would show why is not logged.
    NothingRead,
    /// No prompts are logged.
    NoPrompts,
    /// Both prompts are there and were compared.
    Compared,
    /// The ledger had named the cause.
    Booked,
}

impl Evidence {
    /// The name in JSON and CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Together => "together",
            Self::Unanswered => "unanswered",
            Self::OtherModel => "other_model",
            Self::Compacted => "compacted",
            Self::Rewound => "rewound",
            Self::Shortened => "shortened",
            Self::ThinkingDropped => "thinking_dropped",
            Self::Silence => "silence",
            Self::LongSilence => "long_silence",
            Self::TooFar => "too_far",
            Self::Short => "short",
            Self::NothingMarked => "nothing_marked",
            Self::FrontOnly => "front_only",
            Self::ForgottenWarm => "forgotten_warm",
            Self::ForgottenIdle => "forgotten_idle",
            Self::NothingRead => "nothing_read",
            Self::NoPrompts => "no_prompts",
            Self::Compared => "compared",
            Self::Booked => "booked",
        }
    }

    /// What was seen, in words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Opening => "the first request of a conversation",
            Self::Together => {
                "requests of one session started together: none could read what the others were writing"
            }
            Self::Unanswered => "sent before the request before it had begun to answer",
            Self::OtherModel => "another model than in the request before; caches are per model",
            Self::Compacted => {
                "none of the earlier messages was sent again: the conversation was compacted or cleared"
            }
            Self::Rewound => "the last messages were taken back and others sent in their place",
            Self::Shortened => {
                "the log only appends, yet the prompt became shorter: earlier content was left out, such as old tool results or thinking"
            }
            Self::ThinkingDropped => {
                "the user spoke again and the prompt became shorter: this model drops the thinking of earlier turns"
            }
            Self::Silence => {
                "more time passed since the request before than its entry lives, but less than an hour"
            }
            Self::LongSilence => {
                "more than an hour passed since the request before: no class of entries lives as long"
            }
            Self::TooFar => "more blocks were added at once than the provider looks back over",
            Self::Short => "too short to be cached",
            Self::NothingMarked => "nothing was written to the cache in the request before",
            Self::FrontOnly => {
                "tools and system prompt were read, the messages behind them were not, although the log only appends: the provider lost them, or the client changed what it does not log (reminders, thinking settings)"
            }
            Self::ForgottenWarm => {
                "the log only appends and the request before was less than five minutes ago: the service did not find its own entry, often on another machine"
            }
            Self::ForgottenIdle => {
                "the log only appends, after more than five idle minutes: the service promises no time"
            }
            Self::NothingRead => {
                "nothing was read; whether tools or system prompt changed cannot be told, they are not in these logs"
            }
            Self::NoPrompts => "these logs hold no prompts",
            Self::Compared => "both prompts are in the log and were compared",
            Self::Booked => "as the ledger booked it",
        }
    }

    /// Whether what was seen is in the way of things (of the client, the model or the day), so that
    /// little of it is the user's to save.
    #[must_use]
    pub const fn is_habit(self) -> bool {
        matches!(
            self,
            Self::Compacted | Self::LongSilence | Self::Shortened | Self::ThinkingDropped
        )
    }

    /// What to do, where that differs from the cause's general advice.
    #[must_use]
    pub const fn advice(self, cause: Cause) -> &'static str {
        match self {
            Self::Together => "start one sub-agent, and the others once it answers",
            Self::Compacted => {
                "compaction pays when the conversation goes on for long; clear instead of compacting where the old turns are not needed"
            }
            Self::Shortened => {
                "where you can set how the client prunes, let it prune seldom and much at once"
            }
            Self::ThinkingDropped => {
                "a model that keeps earlier thinking does not lose the cache here"
            }
            Self::Silence => {
                "use the one-hour class; `cachewright tune` says what it would have saved"
            }
            Self::LongSilence => {
                "nothing keeps an entry as long; compact or clear before you come back to a long conversation"
            }
            Self::NothingMarked => "turn caching on: put a breakpoint at the end of the prompt",
            Self::FrontOnly => {
                "little on your side; keep thinking settings as they are within a conversation"
            }
            Self::ForgottenWarm => {
                "send one `prompt_cache_key` per conversation, so that it stays on one machine"
            }
            Self::NothingRead => {
                "keep tools fixed within a session; record requests to see what changed"
            }
            Self::Opening
            | Self::Unanswered
            | Self::OtherModel
            | Self::Rewound
            | Self::TooFar
            | Self::Short
            | Self::ForgottenIdle
            | Self::NoPrompts
            | Self::Compared
            | Self::Booked => cause.advice(),
        }
    }
}
