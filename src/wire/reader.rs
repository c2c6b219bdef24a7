//! Reads a body in one pass, or what is new in it since an earlier body of its conversation.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::earlier::{Element, Index, Member, Message, closest, moved};
use super::grammar::{Grammar, Source, Turn, in_system};
use super::opening::Opening;
use super::parameters::Parameters;
use super::prints::{fingerprint, seal};
use super::scan::{Scanner, name, offset, unescape};
use super::{Reading, Recall, Remembered};
use crate::model::{Block, Keyring, Section, Skip, Span, Thinking};

/// See [`Dialect::read`](super::Dialect::read).
pub(super) fn read<G: Grammar>(
    grammar: G,
    body: &Bytes,
    keyring: &Keyring,
    recall: Recall<'_>,
) -> Result<Reading, Skip> {
    if u32::try_from(body.len()).is_err() {
        return Err(Skip::TooLarge);
    }
    let mut reader = Reader::new(grammar, Source { body, keyring });
    if let Some(opening) = Opening::find(grammar, reader.source) {
        let candidates = recall(fingerprint(keyring, opening.blocks()));
        reader.opening = opening;
        if let Some((earlier, shared)) = closest(body, candidates, keyring.seed()) {
            reader.resume(earlier, shared)?;
        }
    }
    reader.run()
}

/// What was read so far. Sections are kept apart, since the body's order is not the provider's.
#[derive(Debug)]
struct Reader<'a, G> {
    grammar: G,
    body: &'a [u8],
    keyring: &'a Keyring,
    source: Source<'a>,
    scan: Scanner<'a>,
    tools: Vec<Block>,
    system: Vec<Block>,
    history: Vec<Block>,
    index: Index,
    opening: Opening,
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
    /// Inside the history, whose key and value stand at these bytes.
    History(Span, u32),
}

impl<'a, G: Grammar> Reader<'a, G> {
    fn new(grammar: G, source: Source<'a>) -> Self {
        let Source { body, keyring } = source;
        Self {
            grammar,
            body,
            keyring,
            source,
            scan: Scanner::new(body),
            tools: Vec::new(),
            system: Vec::new(),
            history: Vec::new(),
            index: Index {
                seed: keyring.seed(),
                ..Index::default()
            },
            opening: Opening::default(),
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
            if array < shared
                && member.key.of(self.body) == G::QUOTED
                && self.body.get(array) == Some(&b'[')
            {
                self.resume_history(&earlier, *member, shared);
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

    fn resume_history(&mut self, earlier: &Remembered, member: Member, shared: usize) {
        let old = &earlier.index().messages;
        let whole = old.partition_point(|element| element.span.end as usize <= shared);
        let (kept, _) = old.split_at_checked(whole).unwrap_or((old, &[]));
        self.index.messages.reserve(old.len() + 8);
        self.index.messages.extend_from_slice(kept);
        let count = kept.last().map_or(0, |element| element.blocks as usize);
        let (.., blocks) = earlier.parts();
        self.history.reserve(blocks.len() + 16);
        self.history
            .extend_from_slice(blocks.get(..count).unwrap_or_default());
        self.scan = match kept.last() {
            Some(last) => Scanner::after(self.body, last.span.end as usize, 2),
            None => Scanner::inside(self.body, member.value.start as usize + 1, 2),
        };
        self.place = Place::History(member.key, member.value.start);
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
        let (tools, system, history) = earlier.parts();
        match name.as_ref() {
            "tools" => self.tools.extend(tools.iter().map(shift)),
            name if Some(name) == G::SYSTEM => self.system.extend(system.iter().map(shift)),
            name if name == G::HISTORY => {
                self.history.extend(history.iter().map(shift));
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
            Place::History(key, start) => {
                self.begin(key)?;
                self.elements(key, start)?;
            }
        }
        loop {
            let last = self.index.members.last();
            if let Some((there, here)) = tail
                && here == self.scan.position()
                && last.is_some_and(|member| member.key.of(self.body) == G::QUOTED)
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

    /// Where the history ended in the earlier body, and where it must end here for everything after
    /// it to be the same bytes.
    fn shared_tail(&self) -> Option<(usize, usize)> {
        let earlier = self.earlier.as_ref()?;
        let members = &earlier.index().members;
        let history = members
            .iter()
            .find(|member| member.key.of(&earlier.body) == G::QUOTED)?;
        let there = history.value.end as usize;
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
            name if name == G::HISTORY => match self.scan.peek() {
                Some(b'[') => {
                    self.scan.open(b'[')?;
                    return self.elements(key, start);
                }
                Some(b'"') => self.text(key)?,
                _ => return Err(Skip::NotARequest),
            },
            "tools" => self.tools = self.section(Section::Tools)?,
            name if Some(name) == G::SYSTEM => self.system = self.section(Section::System)?,
            _ => drop(self.scan.value()?),
        }
        self.end(key, start);
        Ok(())
    }

    fn end(&mut self, key: Span, start: u32) {
        let value = Span::new(start, offset(self.scan.position()));
        self.index.members.push(Member { key, value });
    }

    /// A history that is a string.
    fn text(&mut self, key: Span) -> Result<(), Skip> {
        let mut block = self.grammar.history(self.source, &mut self.scan)?;
        // A key spelled otherwise would not be found again when the marker is placed.
        block.markable &= key.of(self.body) == G::QUOTED;
        seal(&mut block, self.keyring, None);
        self.index.messages.push(Element {
            span: block.span,
            blocks: 1,
            signed: false,
        });
        self.history.push(block);
        Ok(())
    }

    /// The value of `tools` or of the system prompt.
    fn section(&mut self, section: Section) -> Result<Vec<Block>, Skip> {
        let mut out = Vec::new();
        match (self.scan.peek(), section) {
            (Some(b'['), _) => {
                self.scan.open(b'[')?;
                while self.scan.next_element()? {
                    out.push(self.grammar.element(self.source, &mut self.scan, section)?);
                }
            }
            (Some(b'"'), Section::System) => {
                out.push(self.grammar.system(self.source, &mut self.scan)?);
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

    /// The rest of the history, up to its closing bracket.
    fn elements(&mut self, key: Span, start: u32) -> Result<(), Skip> {
        while self.scan.next_element()? {
            let message = self.message()?;
            let before = self.index.messages.last().is_some_and(|last| last.signed);
            self.index.messages.push(Element {
                span: message.span,
                blocks: offset(self.history.len()),
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
        if let Some((message, blocks)) = self.opening.at(outer, here) {
            self.history.extend(blocks);
            self.scan.jump(message.span.end as usize);
            return Ok(message);
        }
        let turn = Turn {
            outer,
            opening: in_system(self.history.last()),
        };
        let (source, scan) = (self.source, &mut self.scan);
        self.grammar.message(source, scan, turn, &mut self.history)
    }

    fn complete(self) -> Result<Reading, Skip> {
        let parameters = Parameters {
            body: self.body,
            keyring: self.keyring,
            members: &self.index.members,
        };
        parameters.value(G::HISTORY).ok_or(Skip::NoMessages)?;
        let model = match parameters.value("model") {
            Some(literal) => unescape(literal).ok_or(Skip::NotARequest)?,
            None => Cow::Borrowed(""),
        };
        // Conversations part in their first message behind the system prompt.
        let conversation = self.index.messages.iter().map(|one| one.blocks as usize);
        let opened = conversation
            .map(|end| self.history.get(..end).unwrap_or_default())
            .find(|blocks| !in_system(blocks.last()))
            .unwrap_or(&self.history);
        let conversation = fingerprint(self.keyring, opened);
        let mut prompt = self.grammar.prompt(&parameters);
        if self.index.messages.last().is_some_and(|last| last.signed) {
            prompt.thinking = Thinking::Signed;
        }
        prompt.model = model.into();
        prompt.blocks = self.tools;
        prompt
            .blocks
            .reserve_exact(self.system.len() + self.history.len());
        prompt.blocks.extend(self.system);
        prompt.blocks.extend(self.history);
        prompt.implicit = self.grammar.implicit(&parameters, &prompt);
        Ok(Reading {
            prompt,
            conversation,
            earlier: self.earlier,
            index: self.index,
        })
    }
}
