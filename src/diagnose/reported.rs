//! The provider's own reasons, as causes.

use crate::model::Cause;

/// Reasons of Anthropic's `diagnostics.cache_miss_reason.type` (platform.claude.com cache
/// diagnostics, 2026-09-23) and of OpenAI's `prompt_cache_diagnostics.reason`
/// (developers.openai.com prompt-caching, 2026-10-01). Those that say nothing about the prompt
/// (`previous_message_not_found`, `comparison_response_not_found`, `unavailable`) are not here.
const REASONS: [(&str, Cause); 11] = [
    ("model_changed", Cause::ModelChanged),
    ("system_changed", Cause::SystemChanged),
    ("tools_changed", Cause::ToolsSchema),
    ("messages_changed", Cause::HistoryRewritten),
    ("input_changed", Cause::HistoryRewritten),
    ("context_compacted", Cause::HistoryRewritten),
    ("prompt_cache_key_changed", Cause::ScopeChanged),
    ("service_tier_changed", Cause::ScopeChanged),
    ("text_format_changed", Cause::Parameters),
    ("reasoning_effort_changed", Cause::Parameters),
    ("verbosity_changed", Cause::Parameters),
];

/// The cause that a provider's reason stands for; `None` where the reason says nothing about it.
#[must_use]
pub fn reported(reason: &str) -> Option<Cause> {
    REASONS
        .into_iter()
        .find(|(name, _)| *name == reason)
        .map(|(_, cause)| cause)
}

/// Merges what was found here with what the provider says.
///
/// Where nothing could be shown here, the provider's word is taken. A cause of ours that is as good
/// or finer stays: the provider says that the tools changed, we say which and how.
pub(super) fn merge(ours: Cause, reason: Option<&str>) -> Cause {
    match (ours, reason.and_then(reported)) {
        (Cause::Unknown | Cause::Lost, Some(theirs)) => theirs,
        _ => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_speaks_where_we_cannot() {
        for ours in [Cause::Unknown, Cause::Lost] {
            assert_eq!(merge(ours, Some("system_changed")), Cause::SystemChanged);
            assert_eq!(merge(ours, Some("unavailable")), ours);
            assert_eq!(merge(ours, Some("a_new_reason")), ours);
            assert_eq!(merge(ours, None), ours);
        }
        assert_eq!(
            merge(Cause::Volatile, Some("system_changed")),
            Cause::Volatile
        );
        assert_eq!(
            merge(Cause::ToolsOrder, Some("tools_changed")),
            Cause::ToolsOrder
        );
    }
}
