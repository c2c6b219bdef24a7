//! Chat Completions, as `OpenAI` and those who speak its dialect read it.

use super::block::{Kind, find};
use super::draft::{Draft, Members, Place};
use super::facts::Spelled;
use super::openai::{given, model_of};
use super::piece::Speaker;
use super::read::number;
use super::rejection::Rejection;
use super::request::{Request, Section};
use super::scan::{items, members};
use super::{Ask, Body};

/// Reads a body of Chat Completions.
pub(super) fn request(body: &Body<'_>, ask: &Ask<'_>) -> Result<Request, Rejection> {
    let fields = &body.fields;
    let at = (ask.model, Spelled::Chat);
    let (model, id) = model_of(body.catalog, body.provider, fields, at)?;
    let mut draft = Draft::new(body.catalog, body.provider, &model, Spelled::Chat);
    draft.table.model = id.into();
    draft.table.max_tokens =
        number(fields, "max_completion_tokens")?.or(number(fields, "max_tokens")?);
    draft.settings(fields, ask.affinity)?;
    tools(&mut draft, fields)?;
    let messages = given(fields, b"messages").and_then(items);
    let messages =
        messages.ok_or_else(|| Rejection::invalid("Missing required parameter: 'messages'."))?;
    let messages: Option<Vec<_>> = messages.into_iter().map(members).collect();
    let messages = messages.ok_or_else(|| Rejection::invalid("Invalid type for 'messages[0]'."))?;
    if messages.is_empty() {
        return Err(Rejection::invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an \
             empty array instead.",
        ));
    }
    let roles: Vec<Role> = messages.iter().map(|fields| Role::of(fields)).collect();
    let opening = roles.iter().take_while(|role| **role == Role::Developer);
    let opening = opening.count();
    for (index, message) in messages.iter().enumerate() {
        if index == opening {
            draft.before_messages(fields);
        }
        let section = if index < opening {
            Section::System
        } else {
            Section::Messages
        };
        let role = roles.get(index).copied().unwrap_or(Role::Other);
        read_message(&mut draft, message, (index, role, section))?;
        let more = roles.get(index + 1) == Some(&Role::Tool);
        let ends = match role {
            Role::User => true,
            Role::Tool => !more,
            Role::Developer => section == Section::System,
            Role::Other => false,
        };
        if ends {
            draft.end_message(section);
        }
    }
    draft.finish()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Developer,
    User,
    Tool,
    Other,
}

impl Role {
    fn of(message: &Members<'_>) -> Self {
        match find(message, b"role") {
            Some(b"\"system\"" | b"\"developer\"") => Self::Developer,
            Some(b"\"user\"") => Self::User,
            Some(b"\"tool\"" | b"\"function\"") => Self::Tool,
            _ => Self::Other,
        }
    }

    const fn speaker(self) -> Speaker {
        match self {
            Self::Developer => Speaker::System,
            Self::User => Speaker::User,
            Self::Tool => Speaker::Nobody,
            Self::Other => Speaker::Assistant,
        }
    }
}

/// Tool definitions, the older `functions` too.
fn tools(draft: &mut Draft<'_>, fields: &Members<'_>) -> Result<(), Rejection> {
    let list = given(fields, b"tools").or_else(|| given(fields, b"functions"));
    let list = list.and_then(items).unwrap_or_default();
    for (index, raw) in list.into_iter().enumerate() {
        let mut tool = members(raw)
            .ok_or_else(|| Rejection::invalid(format!("Invalid type for 'tools[{index}]'.")))?;
        let path = format!("tools[{index}]");
        let marker = draft.take_marker(&mut tool, &path)?;
        let place = Place {
            section: Section::Tools,
            speaker: Speaker::Nobody,
            outer: 0,
            inner: index,
            kind: Kind::Tool,
            binary: false,
        };
        draft.block(place, &tool);
        draft.place_marker(marker, (true, &path))?;
    }
    Ok(())
}

/// Adds the blocks of one message: its parts, then its tool calls. Members beside them, such as a
/// name, belong to its first block.
fn read_message(
    draft: &mut Draft<'_>,
    message: &Members<'_>,
    (index, role, section): (usize, Role, Section),
) -> Result<(), Rejection> {
    let known = [&b"role"[..], b"content", b"tool_calls", b"cache_control"];
    let rest = message.iter().copied();
    let mut rest: Vec<_> = rest
        .filter(|(key, value)| !known.contains(key) && *value != b"null")
        .collect();
    let mut place = Place {
        section,
        speaker: role.speaker(),
        outer: index,
        inner: 0,
        kind: if role == Role::Tool {
            Kind::ToolResult
        } else {
            Kind::Other
        },
        binary: false,
    };
    let refused = role == Role::Other;
    let content = given(message, b"content");
    if let Some(text @ [b'"', ..]) = content {
        rest.extend([(&b"text"[..], text), (b"type", b"\"text\"")]);
        draft.block(place, &rest);
        draft.place_marker(None, (refused, ""))?;
        rest.clear();
        place.inner += 1;
    }
    for raw in content.and_then(items).unwrap_or_default() {
        let path = format!("messages[{index}].content[{}]", place.inner);
        let mut part = members(raw)
            .ok_or_else(|| Rejection::invalid(format!("Invalid type for '{path}'.")))?;
        let marker = draft.take_marker(&mut part, &path)?;
        place.binary = !matches!(
            find(&part, b"type"),
            Some(b"\"text\"" | b"\"refusal\"" | b"\"thinking\"")
        );
        part.append(&mut rest);
        draft.block(place, &part);
        draft.place_marker(marker, (refused, &path))?;
        place.inner += 1;
    }
    (place.binary, place.kind) = (false, Kind::ToolUse);
    let calls = given(message, b"tool_calls").and_then(items);
    for raw in calls.unwrap_or_default() {
        let mut call = members(raw).unwrap_or_default();
        call.append(&mut rest);
        draft.block(place, &call);
        draft.place_marker(None, (true, ""))?;
        place.inner += 1;
    }
    if !rest.is_empty() {
        place.kind = Kind::Other;
        draft.block(place, &rest);
        draft.place_marker(None, (refused, ""))?;
    }
    Ok(())
}
