//! Bedrock's Converse, and Nova's own body with markers inside the blocks.
//!
//! Placement errors are word for word what third parties saw (strands PR#3677, opencode#36517,
//! aws-sdk-java-v2#6277, hermes#97281, litellm#39210; 2026-04 to 2026-08).

use super::block::{Kind, find};
use super::draft::{Draft, Member, Members, Place};
use super::facts::Spelled;
use super::openai::given;
use super::piece::Speaker;
use super::read::number;
use super::rejection::{Rejection, Unmarkable};
use super::request::{Request, Section};
use super::scan::{compact, items, members};
use super::{Ask, Body, draft};
use crate::model::{Regime, Ttl};

const POINT: &[u8] = b"cachePoint";

/// Reads a body of Converse.
pub(super) fn request(body: &Body<'_>, ask: &Ask<'_>) -> Result<Request, Rejection> {
    let fields = &body.fields;
    if ask.model.is_empty() {
        return Err(Rejection::invalid(
            "The provided model identifier is invalid.",
        ));
    }
    let model = draft::model(body.catalog, body.provider, (ask.model, Spelled::Converse));
    let mut draft = Draft::new(body.catalog, body.provider, &model, Spelled::Converse);
    draft.table.model = ask.model.into();
    let inference = given(fields, b"inferenceConfig").and_then(members);
    let inference = inference.unwrap_or_default();
    draft.table.max_tokens =
        number(&inference, "maxTokens")?.or(number(&inference, "max_new_tokens")?);
    let config = given(fields, b"toolConfig").and_then(members);
    let config = config.unwrap_or_default();
    let choice = compact(given(&config, b"toolChoice").unwrap_or_default());
    // Recorded on Nova Lite: another tool choice wrote everything anew (pydantic-ai, 2026-08).
    let nova = !model.limits.marks_tools;
    if nova {
        draft.switch(&[b"toolChoice", &choice]);
    }
    tools(&mut draft, &config)?;
    for (inner, raw) in list(fields, b"system").into_iter().enumerate() {
        let at = place(Section::System, Speaker::Nobody, (0, inner));
        element(&mut draft, raw, at)?;
    }
    let more = given(fields, b"additionalModelRequestFields").unwrap_or_default();
    let tool_choice = if nova { &b""[..] } else { &choice };
    draft.switch(&[b"messages", tool_choice, &compact(more)]);
    let messages = list(fields, b"messages");
    if messages.is_empty() {
        return Err(Rejection::invalid(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        ));
    }
    for (outer, raw) in messages.into_iter().enumerate() {
        message(&mut draft, raw, outer)?;
    }
    draft.finish()
}

fn list<'a>(fields: &Members<'a>, name: &[u8]) -> Vec<&'a [u8]> {
    given(fields, name).and_then(items).unwrap_or_default()
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

fn tools(draft: &mut Draft<'_>, config: &Members<'_>) -> Result<(), Rejection> {
    for (index, raw) in list(config, b"tools").into_iter().enumerate() {
        let tool = members(raw).ok_or_else(Rejection::not_json)?;
        if !draft.model.limits.marks_tools && find(&tool, POINT).is_some() {
            return Err(Rejection::invalid(format!(
                "Malformed input request: #/toolConfig/tools/{index}: extraneous key [cachePoint] \
                 is not permitted, please reformat your input and try again."
            )));
        }
        let mut at = place(Section::Tools, Speaker::Nobody, (0, index));
        at.kind = Kind::Tool;
        element(draft, raw, at)?;
        if !draft.model.limits.marks_tools {
            draft.forbid(Unmarkable::ToolOfNova(index));
        }
    }
    Ok(())
}

fn message(draft: &mut Draft<'_>, raw: &[u8], outer: usize) -> Result<(), Rejection> {
    let fields = members(raw).ok_or_else(Rejection::not_json)?;
    let speaker = match find(&fields, b"role") {
        Some(b"\"assistant\"") => Speaker::Assistant,
        _ => Speaker::User,
    };
    let content = list(&fields, b"content");
    for (inner, raw) in content.into_iter().enumerate() {
        let at = place(Section::Messages, speaker, (outer, inner));
        element(draft, raw, at)?;
    }
    Ok(())
}

/// Adds one element of a list: a block, a marker, or (Nova's own body) a block with a marker in it.
fn element(draft: &mut Draft<'_>, raw: &[u8], mut at: Place) -> Result<(), Rejection> {
    let mut block = members(raw).ok_or_else(Rejection::not_json)?;
    let point = given(&block, POINT);
    block.retain(|(key, _)| *key != POINT);
    if point.is_some() && block.is_empty() && at.section != Section::Tools && at.inner == 0 {
        supported(draft)?;
        return Err(Rejection::invalid("There is nothing available to cache."));
    }
    if !block.is_empty() {
        let reason = describe(draft, &block, &mut at)?;
        draft.block(at, &block);
        if let Some(reason) = reason {
            draft.forbid(reason);
        }
    }
    let Some(point) = point else { return Ok(()) };
    supported(draft)?;
    draft.mark(ttl(point)?);
    Ok(())
}

/// What the block is, and why no marker can follow it.
fn describe(
    draft: &Draft<'_>,
    block: &[Member<'_>],
    at: &mut Place,
) -> Result<Option<Unmarkable>, Rejection> {
    let Some((key, value)) = block.first().copied() else {
        return Ok(None);
    };
    Ok(match key {
        b"reasoningContent" => {
            at.kind = Kind::Thinking;
            Some(Unmarkable::Reasoning)
        }
        b"toolUse" => {
            at.kind = Kind::ToolUse;
            None
        }
        b"toolResult" => {
            at.kind = Kind::ToolResult;
            no_point_inside(value, (at.outer, at.inner))?;
            let refused = !draft.model.limits.marks_results;
            refused.then_some(Unmarkable::ResultOfNova)
        }
        b"image" | b"video" | b"audio" => {
            at.binary = true;
            None
        }
        b"document" => {
            let fields = members(value).unwrap_or_default();
            let text = matches!(
                find(&fields, b"format"),
                Some(b"\"csv\"" | b"\"txt\"" | b"\"md\"" | b"\"html\"" | b"\"docx\"" | b"\"xlsx\"")
            );
            at.binary = true;
            text.then_some(Unmarkable::TextDocument)
        }
        _ => None,
    })
}

fn no_point_inside(result: &[u8], (outer, inner): (usize, usize)) -> Result<(), Rejection> {
    let fields = members(result).unwrap_or_default();
    let content = list(&fields, b"content");
    let found = content
        .iter()
        .position(|item| members(item).is_some_and(|item| find(&item, POINT).is_some()));
    match found {
        None => Ok(()),
        // The service model has no such member there; the words were not recorded.
        Some(index) => Err(Rejection::invalid(format!(
            "Malformed input request: #/messages/{outer}/content/{inner}/toolResult/content/\
             {index}: extraneous key [cachePoint] is not permitted, please reformat your input and \
             try again."
        ))),
    }
}

/// A model without caching refuses any marker.
fn supported(draft: &Draft<'_>) -> Result<(), Rejection> {
    if draft.model.limits.known && draft.regime() == Regime::Breakpoints {
        Ok(())
    } else {
        Err(Rejection::no_caching())
    }
}

fn ttl(point: &[u8]) -> Result<Ttl, Rejection> {
    let fields = members(point).unwrap_or_default();
    match given(&fields, b"ttl") {
        None | Some(b"\"5m\"") => Ok(Ttl::FiveMinutes),
        Some(b"\"1h\"") => Ok(Ttl::OneHour),
        Some(_) => Err(Rejection::invalid(
            "Value at 'cachePoint.ttl' failed to satisfy constraint: Member must satisfy enum value \
             set: [5m, 1h]",
        )),
    }
}
