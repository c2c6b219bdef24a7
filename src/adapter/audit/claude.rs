//! Sessions as Claude Code leaves them on disk.
//!
//! One line per event. A response is several lines with the same message id, one per block, each
//! repeating the usage; it is counted once, with the largest counts. Lines name their parent, so
//! that the history of a request is a path from the root: where a later request's path leaves the
//! earlier one's, history was taken back, and a new root without its predecessor is a compaction.
//! Copies of a response in other files, of resumed sessions and of sub-agents, are not counted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::book::Book;
use super::files::fault;
use super::spoken::{Spoken, look};
use super::turn::{Ending, History, Messages, Place, Turn};
use crate::model::{Timestamp, Usage};

/// Lines of one file whose place in the history is remembered.
const LINES: usize = 1 << 18;
/// Responses that are still being written at the same time, one per lane.
const OPEN: usize = 256;

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "members of the log")]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uuid: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "parentUuid")]
    parent: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "sessionId")]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "agentId")]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "requestId")]
    request: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cwd: Option<Cow<'a, str>>,
    #[serde(default, rename = "isSidechain")]
    side: bool,
    #[serde(default, rename = "isApiErrorMessage")]
    failed: bool,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    usage: Option<Counts>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Classes>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Classes {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Counts {
    fn usage(self) -> Usage {
        let total = self.cache_creation_input_tokens;
        let mut usage = Usage {
            plain: self.input_tokens,
            read: self.cache_read_input_tokens,
            write_5m: total,
            output: self.output_tokens,
            ..Usage::default()
        };
        if let Some(classes) = self.cache_creation {
            let hour = classes.ephemeral_1h_input_tokens;
            let rest = total.map(|total| total.saturating_sub(hour.unwrap_or(0)));
            // The total is what was billed, whatever the classes leave out.
            usage.write_5m = rest.or(classes.ephemeral_5m_input_tokens);
            usage.write_1h = hour;
        }
        usage
    }
}

/// Reads the files of one coding agent.
#[derive(Default)]
pub(super) struct Claude {
    /// Lines by the digest of their name.
    lines: BTreeMap<u64, Node>,
    /// The last request of each lane, by its root.
    lanes: BTreeMap<Arc<str>, Tip>,
    open: Vec<(Arc<str>, Open)>,
}

#[derive(Clone)]
struct Node {
    parent: u64,
    depth: usize,
    lane: Arc<str>,
    at: Timestamp,
    spoken: Spoken,
}

#[derive(Clone, Copy)]
struct Tip {
    /// The last line of the prompt.
    prompt: u64,
}

/// A response that may go on.
struct Open {
    id: Box<str>,
    /// The last line of its prompt.
    prompt: u64,
    first_byte: Timestamp,
    ended: Timestamp,
    place: Place,
    model: Arc<str>,
    usage: Usage,
    copy: bool,
}

impl Reader for Claude {
    fn line(&mut self, book: &mut Book, text: &[u8]) -> Result<(), String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(|error| fault(&error))?;
        let at = line.timestamp.as_deref().map(time).transpose()?;
        let at = at.unwrap_or_default();
        let parent = line.parent.as_deref().map_or(0, name);
        let node = self.node(&line, parent, at);
        if line.kind.as_deref() == Some("assistant") {
            self.answer(book, &line, parent, (&node, at))?;
        }
        if let Some(uuid) = line.uuid.as_deref()
            && self.lines.len() < LINES
        {
            self.lines.insert(name(uuid), node);
        }
        Ok(())
    }

    fn end(&mut self, book: &mut Book) {
        for (lane, open) in std::mem::take(&mut self.open) {
            self.book(book, &lane, open);
        }
    }
}

impl Claude {
    fn node(&self, line: &Line<'_>, parent: u64, at: Timestamp) -> Node {
        let before = self.lines.get(&parent);
        let lane = match (&line.agent, before) {
            (Some(agent), _) => Arc::from(&**agent),
            (None, Some(before)) if line.side => Arc::clone(&before.lane),
            // Older versions do not name sub-agents: their root does.
            (None, None) if line.side => Arc::from(line.uuid.as_deref().unwrap_or_default()),
            (None, _) => Arc::from(""),
        };
        Node {
            parent,
            depth: before.map_or(1, |before| before.depth + 1),
            lane,
            at,
            spoken: line
                .message
                .map_or_else(Spoken::default, |message| look(message.get())),
        }
    }

    fn answer(
        &mut self,
        book: &mut Book,
        line: &Line<'_>,
        parent: u64,
        (node, at): (&Node, Timestamp),
    ) -> Result<(), String> {
        let Some(message) = line.message else {
            return Err("an answer without a message".to_owned());
        };
        let message: Message<'_> =
            serde_json::from_str(message.get()).map_err(|error| fault(&error))?;
        let (Some(counts), Some(model)) = (message.usage, message.model.as_deref()) else {
            return Ok(());
        };
        // What the client says itself was never billed.
        if line.failed || model == "<synthetic>" {
            return Ok(());
        }
        let named = message.id.as_deref().or(line.request.as_deref());
        let id = named.or(line.uuid.as_deref()).unwrap_or_default();
        let usage = counts.usage();
        let lane = Arc::clone(&node.lane);
        let place = self.open.iter().position(|(one, _)| *one == lane);
        if let Some(place) = place
            && let Some((_, open)) = self.open.get_mut(place)
        {
            if *open.id == *id {
                open.usage = most(open.usage, usage);
                open.ended = open.ended.max(at);
                return Ok(());
            }
            let (_, open) = self.open.remove(place);
            self.book(book, &lane, open);
        }
        // A copy is not booked, yet the conversation goes on from it.
        let copy = !book.is_new(&["message", id]);
        if self.open.len() >= OPEN {
            let (lane, open) = self.open.remove(0);
            self.book(book, &lane, open);
        }
        let open = Open {
            id: id.into(),
            prompt: parent,
            first_byte: at,
            ended: at,
            place: Place {
                session: Arc::from(line.session.as_deref().unwrap_or_default()),
                lane: Arc::clone(&lane),
                route: Arc::from(project(line.cwd.as_deref().unwrap_or_default())),
                tenant: Arc::from(""),
            },
            model: Arc::from(model),
            usage,
            copy,
        };
        self.open.push((lane, open));
        Ok(())
    }

    fn book(&mut self, book: &mut Book, lane: &Arc<str>, open: Open) {
        let prompt = self.lines.get(&open.prompt);
        let at = prompt.map_or(open.first_byte, |node| node.at.min(open.first_byte));
        let history = prompt.map_or(History::Untold, |node| {
            History::Messages(self.messages(lane, open.prompt, node))
        });
        let turn = Turn {
            at,
            first_byte: Some(open.first_byte),
            ended: open.ended,
            place: open.place,
            provider: Arc::from("anthropic"),
            dialect: "messages",
            model: open.model,
            regional: false,
            status: 200,
            ending: Ending::Whole,
            usage: Some(open.usage),
            history,
            sent: None,
        };
        if open.copy {
            book.seen(&turn);
        } else {
            book.turn(&turn);
        }
        let tip = Tip {
            prompt: open.prompt,
        };
        self.lanes.insert(Arc::clone(lane), tip);
    }

    /// How far the path to this prompt runs along the one of the lane's request before.
    fn messages(&self, lane: &Arc<str>, prompt: u64, node: &Node) -> Messages {
        let last = self.lanes.get(lane).map(|tip| tip.prompt);
        let mut messages = Messages {
            now: node.depth,
            ..Messages::default()
        };
        let Some(before) = last.and_then(|last| self.lines.get(&last)) else {
            self.add(prompt, 0, &mut messages);
            return messages;
        };
        messages.before = before.depth;
        messages.kept = self.common(last.unwrap_or(0), prompt);
        self.add(prompt, messages.kept, &mut messages);
        messages
    }

    /// The depth at which two paths part.
    fn common(&self, one: u64, other: u64) -> usize {
        let (mut one, mut other) = (one, other);
        loop {
            let (Some(left), Some(right)) = (self.lines.get(&one), self.lines.get(&other)) else {
                return 0;
            };
            if one == other {
                return left.depth;
            }
            if left.depth >= right.depth {
                one = left.parent;
            }
            if right.depth >= left.depth {
                other = right.parent;
            }
        }
    }

    /// What stands on the path behind this depth.
    fn add(&self, prompt: u64, kept: usize, messages: &mut Messages) {
        let mut at = prompt;
        let mut all = Spoken::default();
        while let Some(node) = self.lines.get(&at)
            && node.depth > kept
        {
            all.append(node.spoken);
            at = node.parent;
        }
        messages.positions = all.positions;
        messages.speaks = all.speaks;
        messages.bytes = all.bytes;
    }
}

/// Counts of a stream are running totals.
fn most(one: Usage, other: Usage) -> Usage {
    Usage {
        plain: one.plain.max(other.plain),
        read: one.read.max(other.read),
        write_5m: one.write_5m.max(other.write_5m),
        write_30m: None,
        write_1h: one.write_1h.max(other.write_1h),
        output: one.output.max(other.output),
        cost: None,
    }
}

fn name(uuid: &str) -> u64 {
    // Zero is the parent of roots.
    xxhash_rust::xxh3::xxh3_64(uuid.as_bytes()).max(1)
}

/// The last part of a path, whatever system it is from.
pub(super) fn project(path: &str) -> &str {
    let path = path.trim_end_matches(['/', '\\']);
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A moment as RFC 3339 writes it.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let moment: jiff::Timestamp = text
        .parse()
        .map_err(|_| "a time that is not RFC 3339".to_owned())?;
    Ok(Timestamp::from_micros(moment.as_microsecond()))
}
