//! Reads a body in one pass, or what is new in it since an earlier body of its conversation.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::message::{self, Message, fingerprint};
use super::opening::Opening;
use super::parameters::Parameters;
use super::{blocks, seal};
use crate::model::{Block, Keyring, Prompt, Section, Skip, Span, Thinking};
use crate::wire::earlier::{Element, Index, Member, closest, moved};
use crate::wire::scan::{Scanner, name, offset, unescape};
use crate::wire::{Reading, Recall, Remembered};

/// See [`Dialect::read`](crate::wire::Dialect::read).
pub(super) fn read(body: &Bytes, keyring: &Keyring, recall: Recall<'_>) -> Result<Reading, Skip> {
    if u32::try_from(body.len()).is_err() {
        return Err(Skip::TooLarge);
    }
    let mut reader = Reader::new(body, keyring);
    if let Some(opening) = Opening::find(body, keyring) {
        let candidates = recall(fingerprint(keyring, &opening.blocks));
        reader.opening = Some(opening);
        if let Some((earlier, shared)) = closest(body, candidates, keyring.seed()) {
            reader.resume(earlier, shared)?;
        }
    }
    reader.run()
}

/// What was read so far. Sections are kept apart, since the body's order is not the provider's.
#[derive(Debug)]
struct Reader<'a> {
    body: &'a [u8],
    keyring: &'a Keyring,
    scan: Scanner<'a>,
    tools: Vec<Block>,
    system: Vec<Block>,
    messages: Vec<Block>,
    index: Index,
    opening: Option<Opening>,
    earlier: Option<Arc<Remembered>>,
    place: Place,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the first byte.
    Start,
    /// After a member of the body.
    Members,
    /// Inside `messages`, whose key and value stand at these bytes.
    Messages(Span, u32),
}

impl<'a> Reader<'a> {
    fn new(body: &'a [u8], keyring: &'a Keyring) -> Self {
        Self {
            body,
            keyring,
            scan: Scanner::new(body),
            tools: Vec::new(),
            system: Vec::new(),
            messages: Vec::new(),
            index: Index {
                seed: keyring.seed(),
                ..Index::default()
            },
            opening: None,
            earlier: None,
            place: Place::Start,
        }
    }

    /// Takes over what ends within the first `shared` bytes, and goes on after it.
    fn resume(&mut self, earlier: Arc<Remembered>, shared: usize) -> Result<(), Skip> {
        let old = earlier.index();
        let mut end = None;
        for member in &old.members {
            // The byte after the value must be shared too: a number could go on.
            if (member.value.end as usize) < shared {
                self.take_over(&earlier, *member, (0, 0))?;
                end = Some(member.value.end as usize);
                continue;
            }
            let array = member.value.start as usize;
            if array < shared && is_messages(member.key.of(self.body)) {
                self.resume_messages(&earlier, *member, shared);
                end = None;
            }
            break;
        }
        if let Some(end) = end {
            self.scan = Scanner::after(self.body, end, 1);
            self.place = Place::Members;
        }
        if self.place != Place::Start {
            self.earlier = Some(earlier);
        }
        Ok(())
    }

    fn resume_messages(&mut self, earlier: &Remembered, member: Member, shared: usize) {
        let old = &earlier.index().messages;
        let whole = old.partition_point(|element| element.span.end as usize <= shared);
        let (kept, _) = old.split_at_checked(whole).unwrap_or((old, &[]));
        self.index.messages.reserve(old.len() + 8);
        self.index.messages.extend_from_slice(kept);
        let count = kept.last().map_or(0, |element| element.blocks as usize);
        let blocks = earlier.section(Section::Messages);
        self.messages.reserve(blocks.len() + 16);
        self.messages
            .extend_from_slice(blocks.get(..count).unwrap_or_default());
        self.scan = match kept.last() {
            Some(last) => Scanner::after(self.body, last.span.end as usize, 2),
            None => Scanner::inside(self.body, member.value.start as usize + 1, 2),
        };
        self.place = Place::Messages(member.key, member.value.start);
    }

    /// Takes over a member of an earlier body whose bytes stand here too, `from` there being `to`
    /// here.
    fn take_over(
        &mut self,
        earlier: &Remembered,
        member: Member,
        (from, to): (usize, usize),
    ) -> Result<(), Skip> {
        let key = moved(member.key, from, to);
        let value = moved(member.value, from, to);
        let shift = |block: &Block| {
            let mut block = *block;
            block.span = moved(block.span, from, to);
            if let Some(marker) = &mut block.marker {
                marker.span = moved(marker.span, from, to);
            }
            block
        };
        let name = self.begin(key)?;
        let blocks = |part: Section| earlier.section(part).iter().map(shift);
        match name.as_ref() {
            "tools" => self.tools.extend(blocks(Section::Tools)),
            "system" => self.system.extend(blocks(Section::System)),
            "messages" => {
                self.messages.extend(blocks(Section::Messages));
                let elements = earlier.index().messages.iter().map(|element| Element {
                    span: moved(element.span, from, to),
                    ..*element
                });
                self.index.messages.extend(elements);
            }
            _ => {}
        }
        self.index.members.push(Member { key, value });
        Ok(())
    }

    fn run(mut self) -> Result<Reading, Skip> {
        let tail = self.shared_tail();
        self.scan
            .check_text(tail.map_or(self.body.len(), |(_, here)| here))?;
        match self.place {
            Place::Start => self.open()?,
            Place::Members => {}
            Place::Messages(key, start) => {
                self.begin(key)?;
                self.elements(key, start)?;
            }
        }
        loop {
            let last = self.index.members.last();
            if let Some((there, here)) = tail
                && here == self.scan.position()
                && last.is_some_and(|member| is_messages(member.key.of(self.body)))
            {
                self.take_over_tail(there, here)?;
                break;
            }
            let Some(key) = self.scan.next_key()? else {
                self.scan.finish()?;
                break;
            };
            self.member(key)?;
        }
        self.complete()
    }

    /// Where `messages` ended in the earlier body, and where it must end here for everything after
    /// it to be the same bytes.
    fn shared_tail(&self) -> Option<(usize, usize)> {
        let earlier = self.earlier.as_ref()?;
        let members = &earlier.index().members;
        let messages = members
            .iter()
            .find(|member| is_messages(member.key.of(&earlier.body)))?;
        let there = messages.value.end as usize;
        let tail = earlier.body.get(there..)?;
        let here = self.body.len().checked_sub(tail.len())?;
        (here >= self.scan.position() && self.body.get(here..) == Some(tail))
            .then_some((there, here))
    }

    fn take_over_tail(&mut self, there: usize, here: usize) -> Result<(), Skip> {
        let Some(earlier) = self.earlier.clone() else {
            return Ok(());
        };
        let after = earlier.index().members.iter();
        for member in after.filter(|member| member.key.start as usize > there) {
            self.take_over(&earlier, *member, (there, here))?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Skip> {
        if self.scan.peek() != Some(b'{') {
            self.scan.value()?;
            self.scan.finish()?;
            return Err(Skip::NotARequest);
        }
        self.scan.open(b'{')
    }

    /// Names a member's key, which must not have stood before.
    fn begin(&self, key: Span) -> Result<Cow<'a, str>, Skip> {
        let found = name(key.of(self.body));
        let mut before = self.index.members.iter();
        if before.any(|member| name(member.key.of(self.body)) == found) {
            return Err(Skip::DuplicateKey);
        }
        Ok(found)
    }

    fn member(&mut self, key: Span) -> Result<(), Skip> {
        let name = self.begin(key)?;
        self.scan.peek();
        let start = offset(self.scan.position());
        match name.as_ref() {
            "messages" => {
                if self.scan.peek() != Some(b'[') {
                    return Err(Skip::NotARequest);
                }
                self.scan.open(b'[')?;
                return self.elements(key, start);
            }
            "tools" => self.tools = self.section(Section::Tools)?,
            "system" => self.system = self.section(Section::System)?,
            _ => drop(self.scan.value()?),
        }
        self.end(key, start);
        Ok(())
    }

    fn end(&mut self, key: Span, start: u32) {
        let value = Span::new(start, offset(self.scan.position()));
        self.index.members.push(Member { key, value });
    }

    /// The value of `tools` or `system`.
    fn section(&mut self, section: Section) -> Result<Vec<Block>, Skip> {
        let mut out = Vec::new();
        match (self.scan.peek(), section) {
            (Some(b'['), _) => {
                self.scan.open(b'[')?;
                while self.scan.next_element()? {
                    let draft = blocks::object(&mut self.scan, self.body, self.keyring, section)?;
                    out.push(draft.block);
                }
            }
            (Some(b'"'), Section::System) => {
                out.push(blocks::bare(&mut self.scan, self.body, self.keyring, section)?.block);
            }
            _ => {
                // An explicit null says what absence says; anything else is not understood.
                if self.scan.value()?.of(self.body) != b"null" {
                    return Err(Skip::NotARequest);
                }
            }
        }
        for (outer, block) in out.iter_mut().enumerate() {
            block.outer = offset(outer);
            seal(block, self.keyring, None);
        }
        Ok(out)
    }

    /// The rest of `messages`, up to its closing bracket.
    fn elements(&mut self, key: Span, start: u32) -> Result<(), Skip> {
        while self.scan.next_element()? {
            let message = self.message()?;
            let before = self.index.messages.last().is_some_and(|last| last.signed);
            self.index.messages.push(Element {
                span: message.span,
                blocks: offset(self.messages.len()),
                signed: message.signed || before,
            });
        }
        self.end(key, start);
        Ok(())
    }

    fn message(&mut self) -> Result<Message, Skip> {
        let outer = self.index.messages.len();
        self.scan.peek();
        let here = offset(self.scan.position());
        let opening = self
            .opening
            .take_if(|opening| opening.message.span.start == here);
        match opening {
            Some(opening) if outer == 0 => {
                self.messages.extend(opening.blocks);
                self.scan.jump(opening.message.span.end as usize);
                Ok(opening.message)
            }
            _ => message::message(
                &mut self.scan,
                self.body,
                self.keyring,
                outer,
                &mut self.messages,
            ),
        }
    }

    fn complete(self) -> Result<Reading, Skip> {
        let parameters = Parameters {
            body: self.body,
            keyring: self.keyring,
            members: &self.index.members,
        };
        parameters.value("messages").ok_or(Skip::NoMessages)?;
        let model = match parameters.value("model") {
            Some(literal) => unescape(literal).ok_or(Skip::NotARequest)?,
            None => Cow::Borrowed(""),
        };
        let first = self.index.messages.first();
        let first = first.map_or(0, |first| first.blocks as usize);
        let max_tokens = parameters.value("max_tokens").and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            digits.parse().ok()
        });
        let conversation = self.messages.get(..first).unwrap_or_default();
        let conversation = fingerprint(self.keyring, conversation);
        let mut prompt = Prompt {
            model: model.into(),
            auto_marker: parameters.auto_marker(),
            implicit: None,
            reserved: 0,
            // What invalidates what: platform.claude.com prompt-caching, 2026-08-22. Web search
            // and citations stand in blocks.
            system_salt: parameters.salt(&["speed"]),
            messages_salt: parameters.salt(&["tool_choice", "thinking", "output_config"]),
            thinking: match self.index.messages.last() {
                Some(last) if last.signed => Thinking::Signed,
                _ => parameters.thinking(),
            },
            stream: parameters.value("stream") == Some(b"true"),
            max_tokens,
            blocks: self.tools,
        };
        prompt
            .blocks
            .reserve_exact(self.system.len() + self.messages.len());
        prompt.blocks.extend(self.system);
        prompt.blocks.extend(self.messages);
        Ok(Reading {
            prompt,
            conversation,
            earlier: self.earlier,
            index: self.index,
        })
    }
}

fn is_messages(key: &[u8]) -> bool {
    key == br#""messages""#
}
