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
    Some(without_version(cut).replace('.', "-"))
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

/// Regions stand before the vendor, as in `us.anthropic.` or `global.anthropic.` (Bedrock
/// inference profiles, docs.aws.amazon.com/bedrock/latest/userguide, 2026-09).
fn without_vendor(id: &str) -> &str {
    let local = REGIONS
        .iter()
        .find_map(|region| id.strip_prefix(region))
        .unwrap_or(id);
    local.strip_prefix("anthropic.").unwrap_or(local)
}

fn without_version(id: &str) -> &str {
    let id = id.strip_suffix("-latest").unwrap_or(id);
    let id = match id.rsplit_once('-') {
        Some((head, version)) if is_version(version) => head,
        _ => id,
    };
    match id.rsplit_once('-') {
        Some((head, date)) if is_date(date) => head,
        _ => id,
    }
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.starts_with("20") && text.bytes().all(|b| b.is_ascii_digit())
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
