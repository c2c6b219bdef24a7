//! Links to images and documents that are signed for a time: another prompt in every call.

use serde_json::Value;

use super::Code;
use super::ground::Ground;

/// Parameters of a query that sign a link (S3, CloudFront, Google, Azure).
const SIGNED: [&str; 5] = [
    "X-Amz-Signature=",
    "X-Goog-Signature=",
    "&Signature=",
    "?Signature=",
    "&sig=",
];

pub(super) fn check(ground: &mut Ground<'_>) {
    let mut links = Vec::new();
    for name in ["system", "messages", "input", "contents"] {
        if let Some(value) = ground.json.get(name) {
            walk(value, &format!("/{name}"), &mut links);
        }
    }
    let end = ground.history_end();
    for pointer in links {
        let Some(block) = ground.block_at(&pointer) else {
            continue;
        };
        let behind = end.checked_sub(1).map_or(0, |last| ground.up_to(last));
        let tokens = behind.saturating_sub(ground.before(block));
        let mut spot = ground.at(block, 0);
        spot.pointer = pointer;
        let message = "a signed link stands here, which changes whenever it is signed anew";
        ground.find_costly(Code::ExpiringLink, spot, message, tokens);
    }
}

fn walk(value: &Value, pointer: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let pointer = format!("{pointer}/{key}");
                match value.as_str() {
                    Some(text) if is_link(key) && SIGNED.iter().any(|sign| text.contains(sign)) => {
                        out.push(pointer);
                    }
                    _ => walk(value, &pointer, out),
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{pointer}/{at}"), out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_link(key: &str) -> bool {
    matches!(key, "url" | "image_url" | "file_url" | "fileUri" | "uri")
}
