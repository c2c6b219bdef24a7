//! Requests for no output at all: only to fill a cache, or to keep it warm.

use axum::response::Response;
use serde_json::Value;

use super::routes::Call;
use super::target::Target;
use super::wish::Wish;
use super::world::World;

/// Refuses `max_tokens: 0` where the provider does: with what asks for output all the same
/// (platform.claude.com prompt-caching, 2026-08), and where nothing is said of it.
pub(super) fn refused(
    world: &World,
    call: &Call,
    (target, wish): (&Target, &Wish),
) -> Option<Response> {
    if wish.limit != Some(0) || target.dialect == "generate" {
        return None;
    }
    let row = world.options.catalog.provider(&target.provider);
    let allowed = row.and_then(|row| row.endpoint(target.dialect)?.ping) == Some(0);
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    let is = |pointer: &str, words: &[&str]| {
        let word = body.pointer(pointer).and_then(Value::as_str);
        word.is_some_and(|word| words.contains(&word))
    };
    let message = if !allowed {
        "max_tokens: must be greater than or equal to 1"
    } else if body.get("stream") == Some(&Value::Bool(true)) {
        "max_tokens: 0 is not supported with `stream`"
    } else if is("/thinking/type", &["enabled"]) {
        "max_tokens: 0 is not supported with `thinking.type: enabled`"
    } else if is("/tool_choice/type", &["any", "tool"]) {
        "max_tokens: 0 is not supported with a forced `tool_choice`"
    } else if body.pointer("/output_config/format").is_some() {
        "max_tokens: 0 is not supported with `output_config.format`"
    } else {
        return None;
    };
    Some(call.error(400, message))
}
