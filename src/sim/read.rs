//! From a body's bytes to a [`Request`], by a reader of the simulator's own.

use std::sync::Arc;

use serde::de::IgnoredAny;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::Ask;
use super::block::{self, find};
use super::draft::{self, Member, Members};
use super::facts::{Facts, Spelled};
use super::habits;
use super::piece::{Part, Piece, Pieces, Speaker};
use super::recall::Recall;
use super::rejection::Rejection;
use super::request::{Request, Section, Table};
use super::scan::{compact, each_member, members};
use crate::model::{Regime, Ttl};
use crate::provider::{Catalog, Model};

type Parts<'a> = (Vec<Member<'a>>, Vec<Arc<Piece>>);

/// Images, and documents that come as files, count this many tokens. The provider bills about
/// width × height / 750, at most about 1,600, and the pixels are not looked at here
/// (platform.claude.com vision, 2026-08).
pub(super) const IMAGE_TOKENS: u64 = 1600;

/// What is remembered of earlier bodies, to read the next one faster.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pieces: Pieces,
    recall: Recall,
}

/// Reads a call by the rows of `provider`. In the envelopes of clouds the path names the model.
pub(super) fn request(
    memory: &mut Memory,
    catalog: &Catalog,
    provider: &str,
    ask: &Ask<'_>,
) -> Result<Request, Rejection> {
    let (fields, messages) = split(memory, ask.body)?;
    scalars(&fields)?;
    let named = (!ask.model.is_empty()).then(|| ask.model.to_owned());
    let id = named.or(string(&fields, "model")?);
    let id = id.ok_or_else(|| Rejection::missing("model"))?;
    let model = draft::model(catalog, provider, (&id, Spelled::Messages));
    let automatic = block::marker(find(&fields, b"cache_control"))?;
    let mut draft = Draft::new(&model);
    draft.table.facts = Facts::new(Spelled::Messages, habits::of(provider, &model.name));
    draft.table.model = id.into();
    draft.table.stream = find(&fields, b"stream") == Some(b"true");
    draft.table.max_tokens = number(&fields, "max_tokens")?;
    let row = catalog.provider(provider);
    draft.table.automatic = row.is_none_or(|row| row.automatic_marker);
    // A coin flip where it was measured (maximhq/bifrost#6406, 2026-08-21); here it falls badly.
    draft.table.facts.cold =
        row.is_some_and(|row| row.messages_last) && messages.len() > 1 && !messages_last(ask.body);
    draft.table.facts.kind = Facts::kind(Spelled::Messages, ask.body);
    prewarm(&fields, draft.table.max_tokens)?;
    draft.read(&mut memory.pieces, &fields, &messages)?;
    Ok(draft.finish(automatic))
}

/// A request while it is put together.
struct Draft<'a> {
    model: &'a Model,
    table: Table,
    markers: Vec<(usize, Ttl)>,
    chain: u128,
    tokens: u64,
    /// Content that is hashed with the system prompt although it stands among the tools.
    web: Xxh3,
    images: u64,
    citations: bool,
}

impl<'a> Draft<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            table: Table::new(model),
            markers: Vec::new(),
            chain: link(0, &[b"model", model.name.as_bytes()]),
            tokens: 0,
            web: Xxh3::new(),
            images: 0,
            citations: false,
        }
    }

    fn read(
        &mut self,
        pieces: &mut Pieces,
        fields: &Members<'_>,
        messages: &[Arc<Piece>],
    ) -> Result<(), Rejection> {
        let part = |name: &str| find(fields, name.as_bytes()).filter(|raw| *raw != b"null");
        let tools = part("tools")
            .map(|raw| pieces.read(Part::Tools, raw))
            .transpose()?;
        let system = part("system")
            .map(|raw| pieces.read(Part::System, raw))
            .transpose()?;
        self.roles(messages)?;
        self.survey(tools.iter().chain(&system).chain(messages));

        let has_tools = tools.as_ref().is_some_and(|piece| !piece.blocks.is_empty());
        if let Some(piece) = tools {
            self.append(&piece, Section::Tools, 0, Keep::All);
        }
        self.enter_system(fields);
        if let Some(piece) = system {
            self.append(&piece, Section::System, 0, Keep::All);
        }
        self.enter_messages(fields);
        if has_tools {
            self.table.instructions = self.model.tool_instructions;
            self.tokens += self.model.tool_instructions;
        }
        let dropped = self.dropped(messages);
        for (index, piece) in messages.iter().enumerate() {
            let keep = if index < dropped {
                Keep::NoThinking
            } else {
                Keep::All
            };
            self.append(piece, Section::Messages, index, keep);
        }
        Ok(())
    }

    /// What any block changes for all: images and citations are switched for a whole request.
    fn survey<'p>(&mut self, pieces: impl Iterator<Item = &'p Arc<Piece>>) {
        for block in pieces.flat_map(|piece| &piece.blocks) {
            self.images += block.images;
            self.citations |= block.citations;
        }
    }

    /// The switches whose change loses system and messages (prompt caching, "What invalidates the
    /// cache", 2026-08-22). The schema of a structured answer is rendered there too
    /// (repost.aws, does bedrock include outputconfig in its prompt caching key).
    fn enter_system(&mut self, fields: &Members<'_>) {
        let web = self.web.digest128().to_le_bytes();
        let speed = plain(fields, b"speed", b"\"standard\"");
        let config = find(fields, b"output_config").and_then(members);
        let format = config.and_then(|config| find(&config, b"format"));
        let format = compact(format.unwrap_or_default());
        let citations = [u8::from(self.citations)];
        self.chain = link(self.chain, &[b"system", &web, speed, &citations, &format]);
    }

    /// The switches whose change loses messages only. The default effort spelled out equals an
    /// absent one; whether any image is there counts, not how many: a conversation that shows one
    /// screenshot per turn does hit in practice.
    fn enter_messages(&mut self, fields: &Members<'_>) {
        let raw = |name: &[u8]| compact(find(fields, name).unwrap_or_default());
        let config = find(fields, b"output_config").and_then(members);
        let effort = config.map_or(&b""[..], |config| plain(&config, b"effort", b"\"high\""));
        let images = [u8::from(self.images > 0)];
        self.chain = link(
            self.chain,
            &[
                b"messages",
                &raw(b"tool_choice"),
                &raw(b"thinking"),
                effort,
                &images,
            ],
        );
    }

    fn append(&mut self, piece: &Piece, section: Section, outer: usize, keep: Keep) {
        let role = [section as u8, piece.speaker as u8];
        for (inner, block) in piece.blocks.iter().enumerate() {
            let lost = keep == Keep::NoThinking && block.kind == block::Kind::Thinking;
            if block.kind == block::Kind::WebTool {
                self.web.update(&block.digest.to_le_bytes());
            } else if !lost {
                self.chain = extend(self.chain, role, block.digest);
            }
            if !lost {
                self.tokens += tokens(block, self.model);
                self.render(role, block);
            }
            if let Some(ttl) = block.marker {
                self.markers.push((self.table.len(), ttl));
            }
            let inner = (!piece.bare).then_some(inner);
            self.table
                .push(block, section, (outer, inner), (self.chain, self.tokens));
        }
    }

    /// The prompt for caches that match it token by token: the identity of each block in its length,
    /// so that what differs in a block differs from its start.
    fn render(&mut self, role: [u8; 2], block: &block::Block) {
        if self.model.limits.regime != Regime::Automatic {
            return;
        }
        let ruler = u64::from(self.model.bytes_per_ktok.max(1));
        let length = tokens(block, self.model) * ruler / 1000;
        let text = &mut self.table.facts.text.0;
        text.extend_from_slice(&role);
        let identity = block.digest.to_le_bytes().into_iter().cycle();
        text.extend(identity.take(usize::try_from(length).unwrap_or(0)));
        self.tokens = (text.len() as u64 * 1000).div_ceil(ruler);
    }

    /// The message before which thinking is dropped: where a model does not keep it, everything
    /// before the last message in which the user says something new.
    fn dropped(&self, messages: &[Arc<Piece>]) -> usize {
        if self.model.keeps_thinking {
            return 0;
        }
        let speaks = |piece: &Arc<Piece>| {
            let kinds = piece.blocks.iter().map(|block| block.kind);
            let mut new = kinds.filter(|kind| *kind != block::Kind::ToolResult);
            piece.speaker == Speaker::User && new.next().is_some()
        };
        messages.iter().rposition(speaks).unwrap_or(0)
    }

    fn roles(&self, messages: &[Arc<Piece>]) -> Result<(), Rejection> {
        let last = messages.len().saturating_sub(1);
        for (index, piece) in messages.iter().enumerate() {
            if piece.speaker == Speaker::System && !self.model.system_messages {
                return Err(Rejection::invalid(format!(
                    "messages.{index}: role 'system' is not supported on this model"
                )));
            }
            let may_be_empty = piece.speaker == Speaker::Assistant && index == last;
            if piece.blocks.is_empty() && !may_be_empty {
                return Err(Rejection::invalid(format!(
                    "messages.{index}: all messages must have non-empty content except for the \
                     optional final assistant message"
                )));
            }
        }
        Ok(())
    }

    fn finish(mut self, automatic: Option<Ttl>) -> Request {
        self.table.finish(self.model);
        Request::new(self.markers, automatic, Arc::new(self.table))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    All,
    NoThinking,
}

/// The members of the body without its messages, and the messages.
fn split<'a>(memory: &mut Memory, body: &'a [u8]) -> Result<Parts<'a>, Rejection> {
    let mut fields = Vec::new();
    let mut messages = None;
    each_member(body, |key, scanner| {
        if key == b"messages" {
            messages = Some(memory.recall.messages(&mut memory.pieces, scanner)?);
        } else {
            fields.push((key, scanner.value().ok_or_else(Rejection::not_json)?));
        }
        Ok(())
    })
    .ok_or_else(Rejection::not_json)??;
    match messages {
        None => Err(Rejection::missing("messages")),
        Some(messages) if messages.is_empty() => Err(Rejection::invalid(
            "messages: at least one message is required",
        )),
        Some(messages) => Ok((fields, messages)),
    }
}

/// Whether `messages` is the body's last member.
fn messages_last(body: &[u8]) -> bool {
    let mut last = None;
    let _read = each_member(body, |key, scanner| {
        last = Some(key);
        scanner.value().map(drop).ok_or(())
    });
    last == Some(b"messages")
}

/// Checks the members that are not read piece by piece.
fn scalars(fields: &Members<'_>) -> Result<(), Rejection> {
    fields
        .iter()
        .filter(|(key, _)| !matches!(*key, b"tools" | b"system"))
        .try_for_each(|(_, raw)| serde_json::from_slice::<IgnoredAny>(raw).map(drop))
        .map_err(|_| Rejection::not_json())
}

pub(super) fn string(fields: &Members<'_>, name: &str) -> Result<Option<String>, Rejection> {
    find(fields, name.as_bytes())
        .map(|raw| {
            let fix = |_| Rejection::invalid(format!("{name}: Input should be a valid string"));
            serde_json::from_slice(raw).map_err(fix)
        })
        .transpose()
}

/// The member with this name as a whole number; null is none.
pub(super) fn number(fields: &Members<'_>, name: &str) -> Result<Option<u64>, Rejection> {
    let fix = |_| Rejection::invalid(format!("{name}: Input should be a valid integer"));
    find(fields, name.as_bytes())
        .filter(|raw| *raw != b"null")
        .map(|raw| serde_json::from_slice(raw).map_err(fix))
        .transpose()
}

/// `max_tokens: 0` warms the cache and excludes what needs an answer (prompt caching, 2026-08-22;
/// the page lists the conditions and not the words).
fn prewarm(fields: &Members<'_>, max_tokens: Option<u64>) -> Result<(), Rejection> {
    if max_tokens != Some(0) {
        return Ok(());
    }
    let inner = |outer: &[u8], name: &[u8]| {
        let fields = find(fields, outer).and_then(members)?;
        find(&fields, name)
    };
    let refused = [
        (find(fields, b"stream") == Some(b"true"), "stream"),
        (
            inner(b"thinking", b"type") == Some(b"\"enabled\""),
            "thinking.type 'enabled'",
        ),
        (
            !matches!(inner(b"output_config", b"format"), None | Some(b"null")),
            "output_config.format",
        ),
        (
            matches!(
                inner(b"tool_choice", b"type"),
                Some(b"\"any\"" | b"\"tool\"")
            ),
            "a forced tool_choice",
        ),
    ];
    match refused.iter().find(|(found, _)| *found) {
        None => Ok(()),
        Some((_, what)) => Err(Rejection::invalid(format!(
            "max_tokens: 0 is not supported with {what}"
        ))),
    }
}

/// The raw value of a member, where the provider's default reads as absent.
fn plain<'a>(fields: &Members<'a>, name: &[u8], default: &[u8]) -> &'a [u8] {
    find(fields, name)
        .filter(|value| *value != default && *value != b"null")
        .unwrap_or_default()
}

fn tokens(block: &block::Block, model: &Model) -> u64 {
    let text = (block.bytes * 1000).div_ceil(u64::from(model.bytes_per_ktok.max(1)));
    text + block.images * IMAGE_TOKENS
}

/// The hash of a prefix that goes on with one block.
pub(super) fn extend(before: u128, [section, speaker]: [u8; 2], block: u128) -> u128 {
    let mut link = [0; 34];
    let (ends, role) = link.split_at_mut(32);
    let (left, right) = ends.split_at_mut(16);
    left.copy_from_slice(&before.to_le_bytes());
    right.copy_from_slice(&block.to_le_bytes());
    role.copy_from_slice(&[section, speaker]);
    xxh3_128(&link)
}

/// The hash of a prefix that goes on with `parts`, each preceded by its length.
pub(super) fn link(before: u128, parts: &[&[u8]]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&before.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
}
