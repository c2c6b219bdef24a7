//! One spelling for the many spellings of a model id.

/// The key under which a model's row is found: dates, versions, regions, vendors and ARNs are
/// taken off, dots are dashes, letters are lower case.
///
/// `None` for an application inference profile, whose ARN does not say which model it runs.
pub(super) fn key(id: &str) -> Option<String> {
    let lower = id.trim().to_ascii_lowercase();
    if lower.starts_with("arn:") && lower.contains("application-inference-profile/") {
        return None;
    }
    let tail = lower.rsplit('/').next().unwrap_or_default();
    let bare = without_vendor(tail);
    let cut = bare.split([':', '@', '[']).next().unwrap_or_default();
    let cut = cut.strip_suffix("-latest").unwrap_or(cut);
    // Only Bedrock writes versions, behind a vendor with a dot; elsewhere `-v3` is a name.
    let cut = match cut.rsplit_once('-') {
        Some((head, version)) if bare.len() < tail.len() && is_version(version) => head,
        _ => cut,
    };
    Some(without_date(cut).replace('.', "-"))
}

/// Whether an id names the free variant of a model (openrouter.ai, 2026-09): its prices are not
/// those of the model.
pub(super) fn is_free(id: &str) -> bool {
    id.to_ascii_lowercase().ends_with(":free")
}

/// Whether an id names an inference profile of one region.
pub(super) fn is_regional(id: &str) -> bool {
    let id = id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase();
    let mut regions = REGIONS.iter().filter(|region| **region != "global.");
    regions.any(|region| id.starts_with(region))
}

const REGIONS: [&str; 8] = [
    "us-gov.", "us.", "eu.", "apac.", "global.", "jp.", "au.", "ca.",
];

/// Vendors as Bedrock spells them (docs.aws.amazon.com/bedrock/latest/userguide/models-supported,
/// 2026-09). A list, because dots are part of other names: `gpt-4.1`.
const VENDORS: [&str; 16] = [
    "anthropic",
    "amazon",
    "openai",
    "meta",
    "mistral",
    "cohere",
    "deepseek",
    "qwen",
    "ai21",
    "google",
    "minimax",
    "moonshot",
    "moonshotai",
    "nvidia",
    "writer",
    "zai",
];

/// Regions stand before the vendor, as in `us.anthropic.` or `global.anthropic.` (Bedrock
/// inference profiles, docs.aws.amazon.com/bedrock/latest/userguide, 2026-09).
fn without_vendor(id: &str) -> &str {
    let local = REGIONS
        .iter()
        .find_map(|region| id.strip_prefix(region))
        .unwrap_or(id);
    VENDORS
        .iter()
        .find_map(|vendor| local.strip_prefix(vendor)?.strip_prefix('.'))
        .unwrap_or(local)
}

/// Takes `-20251101` or `-2024-08-06` off the end.
fn without_date(id: &str) -> &str {
    let digits = |text: &str, long: usize| {
        text.len() == long && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = id.rsplitn(4, '-');
    let (last, month, year) = (parts.next(), parts.next(), parts.next());
    let is_date = |text: &str| digits(text, 8) && text.starts_with("20");
    if let (Some(head), Some(day), Some(month), Some(year)) = (parts.next(), last, month, year)
        && digits(day, 2)
        && digits(month, 2)
        && digits(year, 4)
        && year.starts_with("20")
    {
        return head;
    }
    match id.rsplit_once('-') {
        Some((head, date)) if is_date(date) => head,
        _ => id,
    }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn every_documented_spelling_has_one_key() {
        let table = [
            ("claude-opus-4-5-20251101", "claude-opus-4-5"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
            ("claude-3-haiku-20240307", "claude-3-haiku"),
            (
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "claude-sonnet-4-5",
            ),
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "claude-sonnet-4-5",
            ),
            ("eu.anthropic.claude-opus-4-8", "claude-opus-4-8"),
            ("apac.anthropic.claude-haiku-4-5", "claude-haiku-4-5"),
            ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
            ("anthropic/claude-opus-4.6:thinking", "claude-opus-4-6"),
            ("claude-opus-4-1@20250805", "claude-opus-4-1"),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-4-8",
                "claude-opus-4-8",
            ),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6",
                "claude-sonnet-4-6",
            ),
            ("CLAUDE-FABLE-5[1m]", "claude-fable-5"),
            ("Claude-Opus-4.7", "claude-opus-4-7"),
            ("anthropic/claude-4.6-sonnet-20260217", "claude-4-6-sonnet"),
            ("us.amazon.nova-lite-v1:0", "nova-lite"),
            ("openai.gpt-5.6-luna", "gpt-5-6-luna"),
            ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1"),
            ("meta.llama3-3-70b-instruct-v1:0", "llama3-3-70b-instruct"),
            ("openai/gpt-4.1-nano", "gpt-4-1-nano"),
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("gpt-5.2-2025-12-11", "gpt-5-2"),
            ("gpt-4.1-mini-2025-04-14", "gpt-4-1-mini"),
            ("models/gemini-2.5-flash", "gemini-2-5-flash"),
            (
                "projects/p/locations/global/publishers/google/models/gemini-2.5-pro",
                "gemini-2-5-pro",
            ),
            ("google/gemini-2.0-flash-exp:free", "gemini-2-0-flash-exp"),
            ("gemini-3-flash-preview", "gemini-3-flash-preview"),
            ("accounts/fireworks/models/kimi-k2p6", "kimi-k2p6"),
            ("deepseek-v3", "deepseek-v3"),
            ("deepseek.v3-v1:0", "v3"),
            ("mistral-large-2512", "mistral-large-2512"),
            ("grok-4.3-20260701", "grok-4-3"),
            ("zai/GLM-5.2", "glm-5-2"),
            ("command-a-03-2025", "command-a-03-2025"),
            ("ft:gpt-4o-mini-2024-07-18:acme::x", "ft"),
        ];
        for (id, expected) in table {
            assert_eq!(key(id).as_deref(), Some(expected), "{id}");
        }
    }

    #[test]
    fn an_application_profile_names_no_model() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
        assert_eq!(key(arn), None);
    }
}
