//! Why a cache was not read: a closed list, the same in every report.

/// Why tokens that an earlier request had sent were not read from the cache, or why there was
/// nothing to read. Every miss has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the list is closed: every report must know every cause"
)]
pub enum Cause {
    /// No earlier request began like this one.
    FirstUse,
    /// The conversation went on with another model.
    ModelChanged,
    /// The account, workspace, endpoint, region, tenant or set of beta headers changed.
    ScopeChanged,
    /// A route sent it away from the backend that held its prefix.
    Hop,
    /// The same tools stand in another order.
    ToolsOrder,
    /// A tool's definition changed.
    ToolsSchema,
    /// Tools were added or removed.
    ToolsSet,
    /// The system prompt changed, other than by volatile text.
    SystemChanged,
    /// An earlier turn was edited, compacted or removed.
    HistoryRewritten,
    /// Text that differs from call to call (a clock, an id, a counter) stands in the prefix.
    Volatile,
    /// Images, or parameters that are part of the prefix (thinking, tool choice, effort), changed.
    Parameters,
    /// The entry's time to live had passed.
    Expired,
    /// More blocks were added than the provider looks back over.
    Lookback,
    /// The prefix is shorter than the model's minimum.
    BelowMinimum,
    /// The request that writes the prefix had not begun to answer yet.
    NotYetVisible,
    /// Nothing changed and nothing expired: the provider no longer had the entry.
    Lost,
    /// The caller's own markers stand where nothing can be read, or forbid it.
    OwnMarkers,
    /// None of the above can be shown.
    Unknown,
}

impl Cause {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 18] = [
        Self::FirstUse,
        Self::ModelChanged,
        Self::ScopeChanged,
        Self::Hop,
        Self::ToolsOrder,
        Self::ToolsSchema,
        Self::ToolsSet,
        Self::SystemChanged,
        Self::HistoryRewritten,
        Self::Volatile,
        Self::Parameters,
        Self::Expired,
        Self::Lookback,
        Self::BelowMinimum,
        Self::NotYetVisible,
        Self::Lost,
        Self::OwnMarkers,
        Self::Unknown,
    ];

    /// The name in the ledger, in labels and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstUse => "first_use",
            Self::ModelChanged => "model_changed",
            Self::ScopeChanged => "scope_changed",
            Self::Hop => "hop",
            Self::ToolsOrder => "tools_order",
            Self::ToolsSchema => "tools_schema",
            Self::ToolsSet => "tools_set",
            Self::SystemChanged => "system_changed",
            Self::HistoryRewritten => "history_rewritten",
            Self::Volatile => "volatile_text",
            Self::Parameters => "parameters_changed",
            Self::Expired => "ttl_expired",
            Self::Lookback => "lookback_exceeded",
            Self::BelowMinimum => "below_minimum",
            Self::NotYetVisible => "not_yet_visible",
            Self::Lost => "provider_lost_it",
            Self::OwnMarkers => "own_markers",
            Self::Unknown => "unknown",
        }
    }

    /// The cause of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// What it means, for a reader who sees it the first time.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::FirstUse => "no earlier request began like this one",
            Self::ModelChanged => "the conversation went on with another model",
            Self::Hop => "a route sent it away from the backend that held its prefix",
            Self::ScopeChanged => "account, endpoint, region, tenant or beta headers changed",
            Self::ToolsOrder => "the same tools stand in another order",
            Self::ToolsSchema => "a tool's definition changed",
            Self::ToolsSet => "tools were added or removed",
            Self::SystemChanged => "the system prompt changed",
            Self::HistoryRewritten => "an earlier turn was edited, compacted or removed",
            Self::Volatile => "text that differs from call to call stands in the prefix",
            Self::Parameters => "images or parameters that belong to the prefix changed",
            Self::Expired => "the entry's time to live had passed",
            Self::Lookback => "more blocks were added than the provider looks back over",
            Self::BelowMinimum => "the prefix is shorter than the model's minimum",
            Self::NotYetVisible => "the request that writes the prefix had not begun to answer",
            Self::Lost => "nothing changed or expired, and the provider had it no longer",
            Self::OwnMarkers => "the caller's own markers stand where nothing can be read",
            Self::Unknown => "none of the known causes can be shown",
        }
    }

    /// What to change.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::FirstUse => "nothing: a first request has nothing to read",
            Self::ModelChanged => "keep one model for one conversation",
            Self::Hop => {
                "nothing in the prompt: `cachewright explain ID` says why the route left, and `affinity` and `rank_worth` weigh it"
            }
            Self::ScopeChanged => "keep one account, endpoint and header set for one conversation",
            Self::ToolsOrder => "send tools in one order, or turn on the rule `tool_order`",
            Self::ToolsSchema => {
                "spell schemas one way, or turn on the rule `tool_keys`; keep changing text out of descriptions"
            }
            Self::ToolsSet => "send the whole set of tools from the first turn on",
            Self::SystemChanged => "move what changes behind the last breakpoint",
            Self::HistoryRewritten => "append instead of editing; compact when the cache is cold",
            Self::Volatile => {
                "move it to the end of the prompt, or turn on `split_volatile` or `move_volatile`"
            }
            Self::Parameters => "keep thinking, tool choice, effort and images as they were",
            Self::Expired => "use the one-hour class where turns are far apart",
            Self::Lookback => "mark the previous turn's end again, as mode `place` does",
            Self::BelowMinimum => "nothing, or put the stable parts of short prompts together",
            Self::NotYetVisible => "send one request first, and the others once it answers",
            Self::Lost => "nothing on your side; large prefixes may need several writes",
            Self::OwnMarkers => "set `markers = \"replace\"`, or move them to where prompts agree",
            Self::Unknown => "compare two requests with `cachewright explain A.json B.json`",
        }
    }

    /// Whether the user could have avoided it by a change of prompt or settings.
    #[must_use]
    pub const fn is_avoidable(self) -> bool {
        !matches!(
            self,
            Self::FirstUse | Self::Hop | Self::BelowMinimum | Self::Lost | Self::Unknown
        )
    }
}

/// What kind of text it is that differs from call to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Pattern {
    /// A date with a time of day, or a time since the epoch.
    Timestamp,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A UUID or ULID.
    Uuid,
    /// A number that counts up.
    Counter,
    /// A random token: hexadecimal, base64, an id with a prefix.
    Nonce,
    /// A path of a file system.
    Path,
    /// A line of git's: branch, commit, status.
    GitLine,
    /// The same members in a random order.
    Order,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Timestamp,
        Self::Date,
        Self::Time,
        Self::Uuid,
        Self::Counter,
        Self::Nonce,
        Self::Path,
        Self::GitLine,
        Self::Order,
    ];

    /// The name in the ledger and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Counter => "counter",
            Self::Nonce => "nonce",
            Self::Path => "path",
            Self::GitLine => "git_line",
            Self::Order => "random_order",
        }
    }

    /// The pattern of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        for pattern in Pattern::ALL {
            assert_eq!(Pattern::parse(pattern.as_str()), Some(pattern));
        }
        assert_eq!(Cause::parse("nonsense"), None);
    }
}
