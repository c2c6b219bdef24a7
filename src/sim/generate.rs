//! Gemini's `generateContent`.

use xxhash_rust::xxh3::xxh3_128;

use super::block::{Kind, find};
use super::draft::{Draft, Members, Place};
use super::facts::Spelled;
use super::openai::given;
use super::piece::Speaker;
use super::read::number;
use super::rejection::Rejection;
use super::request::{Request, Section};
use super::scan::{items, members};
use super::{Ask, Body, draft};

/// Reads a body of `generateContent`, or of a cache to be created, which has the same parts.
pub(super) fn request(body: &Body<'_>, ask: &Ask<'_>) -> Result<Request, Rejection> {
    let fields = &body.fields;
    let model = draft::model(body.catalog, body.provider, (ask.model, Spelled::Generate));
    let mut draft = Draft::new(body.catalog, body.provider, &model, Spelled::Generate);
    draft.table.model = ask.model.into();
    let config = either(fields, b"generationConfig", b"generation_config");
    let config = config.and_then(members).unwrap_or_default();
    draft.table.max_tokens = number(&config, "maxOutputTokens")?;
    draft.table.facts.key = ask.affinity.map(|key| xxh3_128(key.as_bytes()));
    let system = either(fields, b"systemInstruction", b"system_instruction");
    let tools = given(fields, b"tools").filter(|raw| items(raw).is_some_and(|all| !all.is_empty()));
    let tool_config = either(fields, b"toolConfig", b"tool_config");
    if either(fields, b"cachedContent", b"cached_content").is_some() {
        let name = super::read::string(fields, "cachedContent")?;
        let name = name.or(super::read::string(fields, "cached_content")?);
        // What the model reads is the same with and without a cache.
        if let Some(prefix) = name.as_deref().and_then(|name| body.caches.prefix(name)) {
            draft.go_on_behind(prefix);
        }
        draft.table.facts.cached = name.map(Into::into);
        if system.is_some() || tools.is_some() || tool_config.is_some() {
            return Err(Rejection::invalid(
                "CachedContent can not be used with GenerateContent request setting \
                 system_instruction, tools or tool_config.\n\nProposed fix: move those values to \
                 CachedContent from GenerateContent request.",
            ));
        }
    }
    for (index, raw) in tools
        .and_then(items)
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        let tool = members(raw).ok_or_else(Rejection::not_json)?;
        let mut at = place(Section::Tools, Speaker::Nobody, (0, index));
        at.kind = Kind::Tool;
        draft.block(at, &tool);
    }
    if let Some(system) = system {
        content(&mut draft, system, (Section::System, 0))?;
    }
    let contents = given(fields, b"contents").and_then(items);
    let contents = contents.unwrap_or_default();
    for (index, raw) in contents.into_iter().enumerate() {
        content(&mut draft, raw, (Section::Messages, index))?;
    }
    if draft.table.len() == 0 {
        return Err(Rejection::invalid(
            "* GenerateContentRequest.contents: contents is not specified\n",
        ));
    }
    draft.finish()
}

/// The member by its JSON name or by its proto name; both are accepted.
pub(super) fn either<'a>(fields: &Members<'a>, json: &[u8], proto: &[u8]) -> Option<&'a [u8]> {
    given(fields, json).or_else(|| given(fields, proto))
}

fn place(section: Section, speaker: Speaker, (outer, inner): (usize, usize)) -> Place {
    Place {
        section,
        speaker,
        outer,
        inner,
        kind: Kind::Other,
        binary: false,
    }
}

/// Adds the parts of one content. A bare string is one text part in a system instruction.
fn content(
    draft: &mut Draft<'_>,
    raw: &[u8],
    (section, outer): (Section, usize),
) -> Result<(), Rejection> {
    let fields = members(raw).ok_or_else(Rejection::not_json)?;
    let speaker = match find(&fields, b"role") {
        Some(b"\"model\"") => Speaker::Assistant,
        _ if section == Section::System => Speaker::System,
        _ => Speaker::User,
    };
    let parts = given(&fields, b"parts").unwrap_or_default();
    let parts = match parts {
        one @ [b'{', ..] => vec![one],
        list => items(list).unwrap_or_default(),
    };
    for (inner, raw) in parts.into_iter().enumerate() {
        let part = members(raw).ok_or_else(Rejection::not_json)?;
        let has = |json: &[u8], proto: &[u8]| either(&part, json, proto).is_some();
        let mut at = place(section, speaker, (outer, inner));
        at.binary = has(b"inlineData", b"inline_data") || has(b"fileData", b"file_data");
        at.kind = match () {
            () if has(b"functionCall", b"function_call") => Kind::ToolUse,
            () if has(b"functionResponse", b"function_response") => Kind::ToolResult,
            () => Kind::Other,
        };
        draft.block(at, &part);
    }
    Ok(())
}
