//! Responses, as `OpenAI` and those who speak its dialect read it.

use super::block::{Kind, find};
use super::draft::{Draft, Member, Members, Place};
use super::facts::Spelled;
use super::openai::{given, model_of};
use super::piece::Speaker;
use super::read::number;
use super::rejection::Rejection;
use super::request::{Request, Section};
use super::scan::{items, members};
use super::{Ask, Body};

/// Reads a body of Responses.
pub(super) fn request(body: &Body<'_>, ask: &Ask<'_>) -> Result<Request, Rejection> {
    let fields = &body.fields;
    let at = (ask.model, Spelled::Responses);
    let (model, id) = model_of(body.catalog, body.provider, fields, at)?;
    let mut draft = Draft::new(body.catalog, body.provider, &model, Spelled::Responses);
    draft.table.model = id.into();
    draft.table.max_tokens = number(fields, "max_output_tokens")?;
    draft.settings(fields, ask.affinity)?;
    tools(&mut draft, fields)?;
    if let Some(text) = given(fields, b"instructions") {
        draft.block(
            place(Section::System, Speaker::System, 0),
            &text_block(text),
        );
        draft.place_marker(None, (true, "instructions"))?;
        draft.end_message(Section::System);
    }
    let input = given(fields, b"input");
    match input {
        Some(text @ [b'"', ..]) => {
            draft.before_messages(fields);
            draft.block(
                place(Section::Messages, Speaker::User, 0),
                &text_block(text),
            );
            draft.end_message(Section::Messages);
        }
        Some(list) => read_items(&mut draft, fields, list)?,
        None if given(fields, b"previous_response_id").is_some() => {}
        None => {
            return Err(Rejection::invalid("Missing required parameter: 'input'."));
        }
    }
    draft.finish()
}

fn read_items(draft: &mut Draft<'_>, fields: &Members<'_>, list: &[u8]) -> Result<(), Rejection> {
    let wrong = || Rejection::invalid("Invalid type for 'input': expected a string or an array.");
    let list: Option<Vec<_>> = items(list)
        .ok_or_else(wrong)?
        .into_iter()
        .map(members)
        .collect();
    let list = list.ok_or_else(wrong)?;
    let kinds: Vec<Item> = list.iter().map(|item| Item::of(item)).collect();
    let opening = kinds.iter().take_while(|kind| **kind == Item::Developer);
    let opening = opening.count();
    for (index, item) in list.iter().enumerate() {
        if index == opening {
            draft.before_messages(fields);
        }
        let section = if index < opening {
            Section::System
        } else {
            Section::Messages
        };
        let kind = kinds.get(index).copied().unwrap_or(Item::Other);
        read_item(draft, item, (index, kind, section))?;
        let more = kinds.get(index + 1) == Some(&Item::Output);
        let ends = match kind {
            Item::User => true,
            Item::Output => !more,
            Item::Developer => section == Section::System,
            Item::Call | Item::Other => false,
        };
        if ends {
            draft.end_message(section);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Developer,
    User,
    Call,
    Output,
    Other,
}

impl Item {
    fn of(item: &Members<'_>) -> Self {
        match (find(item, b"role"), find(item, b"type")) {
            (Some(b"\"system\"" | b"\"developer\""), _) => Self::Developer,
            (Some(b"\"user\""), _) => Self::User,
            (Some(_), _) => Self::Other,
            (None, Some(kind)) if kind.ends_with(b"_output\"") => Self::Output,
            (None, Some(kind)) if kind.ends_with(b"_call\"") => Self::Call,
            (None, _) => Self::Other,
        }
    }
}

fn place(section: Section, speaker: Speaker, outer: usize) -> Place {
    Place {
        section,
        speaker,
        outer,
        inner: 0,
        kind: Kind::Other,
        binary: false,
    }
}

/// Text as it is rendered, whatever its part is called.
fn text_block(text: &[u8]) -> [Member<'_>; 2] {
    [(b"text", text), (b"type", b"\"text\"")]
}

fn tools(draft: &mut Draft<'_>, fields: &Members<'_>) -> Result<(), Rejection> {
    let list = given(fields, b"tools").and_then(items).unwrap_or_default();
    for (index, raw) in list.into_iter().enumerate() {
        let path = format!("tools[{index}]");
        let mut tool = members(raw)
            .ok_or_else(|| Rejection::invalid(format!("Invalid type for '{path}'.")))?;
        let marker = draft.take_marker(&mut tool, &path)?;
        let mut at = place(Section::Tools, Speaker::Nobody, 0);
        (at.inner, at.kind) = (index, Kind::Tool);
        draft.block(at, &tool);
        draft.place_marker(marker, (true, &path))?;
    }
    Ok(())
}

fn read_item(
    draft: &mut Draft<'_>,
    item: &Members<'_>,
    (index, kind, section): (usize, Item, Section),
) -> Result<(), Rejection> {
    let speaker = match kind {
        Item::Developer => Speaker::System,
        Item::User => Speaker::User,
        Item::Output => Speaker::Nobody,
        Item::Call | Item::Other => Speaker::Assistant,
    };
    let mut at = place(section, speaker, index);
    at.kind = match kind {
        Item::Call => Kind::ToolUse,
        Item::Output => Kind::ToolResult,
        Item::Developer | Item::User | Item::Other => Kind::Other,
    };
    let refused = matches!(kind, Item::Call | Item::Other);
    let holder: &[u8] = if kind == Item::Output {
        b"output"
    } else {
        b"content"
    };
    // Ids and states of stored items are not part of the prompt.
    let skipped = [&b"role"[..], b"id", b"status", b"type", holder];
    let mut rest: Vec<_> = item
        .iter()
        .copied()
        .filter(|(key, value)| !skipped.contains(key) && *value != b"null")
        .collect();
    let content = given(item, holder);
    if let Some(text @ [b'"', ..]) = content {
        rest.extend(text_block(text));
        draft.block(at, &rest);
        return draft.place_marker(None, (refused, ""));
    }
    let parts = content.and_then(items).unwrap_or_default();
    if parts.is_empty() {
        draft.block(at, &rest);
        return draft.place_marker(None, (refused, ""));
    }
    let holder = String::from_utf8_lossy(holder);
    for raw in parts {
        let path = format!("input[{index}].{holder}[{}]", at.inner);
        let mut part = members(raw)
            .ok_or_else(|| Rejection::invalid(format!("Invalid type for '{path}'.")))?;
        let marker = draft.take_marker(&mut part, &path)?;
        at.binary = is_binary(&part);
        if let Some(text) = find(&part, b"text").filter(|_| !at.binary) {
            part = text_block(text).to_vec();
        }
        part.append(&mut rest);
        draft.block(at, &part);
        draft.place_marker(marker, (refused, &path))?;
        at.inner += 1;
    }
    Ok(())
}

fn is_binary(part: &Members<'_>) -> bool {
    matches!(
        find(part, b"type"),
        Some(
            b"\"input_image\""
                | b"\"input_file\""
                | b"\"input_audio\""
                | b"\"computer_screenshot\""
        )
    )
}
