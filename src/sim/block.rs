//! One block of a request: its identity, its size, its marker.

use xxhash_rust::xxh3::Xxh3;

use super::rejection::{Rejection, Unmarkable};
use super::scan::{compact, items, members};
use crate::model::Ttl;

/// What a block is, as far as the provider's cache cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tool,
    /// Web search or web fetch: switching it on or off keeps the tools and loses the rest.
    WebTool,
    ToolUse,
    ToolResult,
    Thinking,
    Other,
}

/// One block as it was read. It holds no prompt text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Hash of the content: members in the order of their keys, without the marker and without
    /// whitespace between tokens.
    pub(super) digest: u128,
    /// Bytes of that content, images and other binary data left out.
    pub(super) bytes: u64,
    /// Images and binary documents in it.
    pub(super) images: u64,
    pub(super) kind: Kind,
    pub(super) marker: Option<Ttl>,
    pub(super) unmarkable: Option<Unmarkable>,
    /// Whether an image stands in it; the presence of any in a request is part of the key.
    pub(super) citations: bool,
}

type Member<'a> = (&'a [u8], &'a [u8]);

/// A bare string is one text block.
pub(super) fn bare_text(string: &[u8]) -> Block {
    let members: [Member<'_>; 2] = [(b"text", string), (b"type", b"\"text\"")];
    let mut block = identify(&members);
    block.unmarkable = is_empty(string).then_some(Unmarkable::EmptyText);
    block
}

/// Reads a content block. Errors carry a path that starts behind the block's own.
pub(super) fn content(raw: &[u8]) -> Result<Block, Rejection> {
    let mut members = sorted(raw)?;
    let marker = marker(take(&mut members, b"cache_control"))?;
    let name = find(&members, b"type").ok_or_else(|| Rejection::missing("type"))?;
    let mut block = identify(&members);
    block.marker = marker;
    match name {
        b"\"text\"" => {
            let text = find(&members, b"text").ok_or_else(|| Rejection::missing("text.text"))?;
            block.unmarkable = is_empty(text).then_some(Unmarkable::EmptyText);
        }
        b"\"thinking\"" => {
            block.kind = Kind::Thinking;
            block.unmarkable = Some(Unmarkable::Thinking);
        }
        b"\"redacted_thinking\"" => {
            block.kind = Kind::Thinking;
            block.unmarkable = Some(Unmarkable::RedactedThinking);
        }
        b"\"tool_use\"" => block.kind = Kind::ToolUse,
        b"\"tool_result\"" => {
            block.kind = Kind::ToolResult;
            nested(&mut block, &members, "tool_result")?;
        }
        b"\"image\"" => binary(&mut block),
        b"\"document\"" => {
            block.citations = cites(&members);
            match find(&members, b"source") {
                Some(source) if is_binary(source) => binary(&mut block),
                _ => {}
            }
        }
        b"\"search_result\"" => {
            block.citations = cites(&members);
            nested(&mut block, &members, "search_result")?;
        }
        _ => {}
    }
    Ok(block)
}

/// Reads a tool definition.
pub(super) fn tool(raw: &[u8]) -> Result<Block, Rejection> {
    let mut members = sorted(raw)?;
    let marker = marker(take(&mut members, b"cache_control"))?;
    let mut block = identify(&members);
    block.marker = marker;
    let name = find(&members, b"type").unwrap_or_default();
    let web = name.starts_with(b"\"web_search_") || name.starts_with(b"\"web_fetch_");
    block.kind = if web { Kind::WebTool } else { Kind::Tool };
    if find(&members, b"defer_loading") == Some(b"true") {
        block.unmarkable = Some(Unmarkable::DeferredTool);
    }
    Ok(block)
}

/// Reads `cache_control`; an absent or null one is no marker.
pub(super) fn marker(raw: Option<&[u8]>) -> Result<Option<Ttl>, Rejection> {
    let raw = match raw {
        None | Some(b"null") => return Ok(None),
        Some(raw) => raw,
    };
    let fields = members(raw).ok_or_else(|| {
        Rejection::invalid("cache_control: Input should be a valid dictionary or object")
    })?;
    if find(&fields, b"type") != Some(b"\"ephemeral\"") {
        return Err(Rejection::invalid(
            "cache_control: Input tag found using 'type' does not match any of the expected tags: \
             'ephemeral'",
        ));
    }
    match find(&fields, b"ttl") {
        None | Some(b"null" | b"\"5m\"") => Ok(Some(Ttl::FiveMinutes)),
        Some(b"\"1h\"") => Ok(Some(Ttl::OneHour)),
        Some(_) => Err(Rejection::invalid(
            "cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
        )),
    }
}

pub(super) fn find<'a>(members: &[Member<'a>], key: &[u8]) -> Option<&'a [u8]> {
    members
        .iter()
        .rfind(|(name, _)| *name == key)
        .map(|(_, value)| *value)
}

fn take<'a>(members: &mut Vec<Member<'a>>, key: &[u8]) -> Option<&'a [u8]> {
    let value = find(members, key);
    members.retain(|(name, _)| *name != key);
    value
}

fn sorted(raw: &[u8]) -> Result<Vec<Member<'_>>, Rejection> {
    let mut members = members(raw).ok_or_else(Rejection::not_json)?;
    // The provider reads a block into fields of known names: their order is not part of it.
    members.sort_by_key(|(key, _)| *key);
    Ok(members)
}

pub(super) fn identify(members: &[Member<'_>]) -> Block {
    let mut hasher = Xxh3::new();
    let mut bytes = 2_u64;
    for (key, value) in members {
        let value = compact(value);
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(&value);
        // Two quotes, a colon and a comma stand around each member.
        bytes += (key.len() + value.len() + 4) as u64;
    }
    Block {
        digest: hasher.digest128(),
        bytes: bytes.saturating_sub(1),
        images: 0,
        kind: Kind::Other,
        marker: None,
        unmarkable: None,
        citations: false,
    }
}

fn binary(block: &mut Block) {
    block.bytes = 0;
    block.images = 1;
}

fn is_binary(source: &[u8]) -> bool {
    let kind = members(source).and_then(|fields| find(&fields, b"type"));
    matches!(kind, Some(b"\"base64\"" | b"\"url\"" | b"\"file\""))
}

/// Looks into the blocks inside a block: images weigh a constant, and markers are refused there.
fn nested(block: &mut Block, members: &[Member<'_>], name: &str) -> Result<(), Rejection> {
    let inner = find(members, b"content").unwrap_or_default();
    for (index, item) in items(inner).unwrap_or_default().into_iter().enumerate() {
        let Some(fields) = super::scan::members(item) else {
            continue;
        };
        if !matches!(find(&fields, b"cache_control"), None | Some(b"null")) {
            return Err(Rejection::invalid(format!(
                "{name}.content.{index}.cache_control: Extra inputs are not permitted"
            )));
        }
        if find(&fields, b"type") == Some(b"\"image\"") {
            block.bytes = block.bytes.saturating_sub(compact(item).len() as u64);
            block.images += 1;
        }
    }
    Ok(())
}

fn cites(members: &[Member<'_>]) -> bool {
    let fields = find(members, b"citations").and_then(super::scan::members);
    fields.is_some_and(|fields| find(&fields, b"enabled") == Some(b"true"))
}

fn is_empty(string: &[u8]) -> bool {
    string == b"\"\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Block {
        content(text.as_bytes()).expect("a block")
    }

    #[test]
    fn identity_is_the_content_without_marker_order_of_fields_and_whitespace() {
        let plain = read(r#"{"type":"text","text":"a b"}"#);
        let marked =
            read(r#"{ "text" : "a b", "cache_control":{"type":"ephemeral"}, "type":"text" }"#);
        assert_eq!(plain.digest, marked.digest);
        assert_eq!(plain.bytes, marked.bytes);
        assert_eq!(plain.digest, bare_text(b"\"a b\"").digest);
        assert_eq!(plain.bytes, 28);
        assert_ne!(plain.digest, read(r#"{"type":"text","text":"ab"}"#).digest);
    }

    #[test]
    fn key_order_inside_inputs_and_schemas_is_content() {
        let a = read(r#"{"type":"tool_use","id":"t","name":"n","input":{"a":1,"b":2}}"#);
        let b = read(r#"{"type":"tool_use","id":"t","name":"n","input":{"b":2,"a":1}}"#);
        assert_ne!(a.digest, b.digest);
    }

    #[test]
    fn images_weigh_a_constant() {
        let inner = r#"{"type":"image","source":{"type":"base64","data":"AAAA"}}"#;
        assert_eq!((read(inner).bytes, read(inner).images), (0, 1));
        let result = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{inner}]}}"#);
        let empty = read(r#"{"type":"tool_result","tool_use_id":"t","content":[]}"#);
        let result = read(&result);
        assert_eq!((result.bytes, result.images), (empty.bytes, 1));
    }
}
