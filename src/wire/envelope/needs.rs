//! What a call needs, found by walking over its tools and messages.

use crate::model::{Need, Needs, Skip, Span, Ttl};
use crate::wire::scan::{Scanner, name};
use crate::wire::spelled;

/// Types of parts that a model must be able to look at.
const SEEN: [(&[u8], Need); 7] = [
    (b"\"image\"", Need::Images),
    (b"\"image_url\"", Need::Images),
    (b"\"input_image\"", Need::Images),
    (b"\"document\"", Need::Documents),
    (b"\"document_url\"", Need::Documents),
    (b"\"input_file\"", Need::Documents),
    (b"\"file\"", Need::Documents),
];

/// How the types of tools begin that the provider runs: Anthropic's, OpenAI's, xAI's, OpenRouter's
/// (platform.claude.com tool-reference, 2026-08; developers.openai.com tools, 2026-09). Searching for
/// tools is left out: it is done wherever the model is.
const SERVED: [&str; 10] = [
    "web_search",
    "web_fetch",
    "x_search",
    "code_execution",
    "code_interpreter",
    "file_search",
    "image_generation",
    "advisor",
    "mcp",
    "openrouter:",
];

/// How deep parts stand in parts: what a tool answered, in a message.
const MAX_PARTS: u32 = 3;

/// What was found so far.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    body: &'a [u8],
    pub(super) needs: Needs,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            needs: Needs::NONE,
        }
    }

    /// Walks over a list of tools, or over what stands there instead.
    pub(super) fn tools(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        self.list(scan, &mut |walk, scan| {
            walk.needs = walk.needs.with(Need::Tools);
            walk.members(scan, &mut |walk, scan, key| {
                let value = walk.marker(scan, key)?;
                if key == b"\"type\"" && is_served(value.of(walk.body)) {
                    walk.needs = walk.needs.with(Need::ServerTools);
                }
                Ok(())
            })
        })
    }

    /// Walks over the servers whose tools the provider calls.
    pub(super) fn servers(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        self.list(scan, &mut |walk, scan| {
            walk.needs = walk.needs.with(Need::ServerTools);
            scan.value().map(drop)
        })
    }

    /// Walks over messages, or over the parts of one.
    pub(super) fn parts(&mut self, scan: &mut Scanner<'a>) -> Result<(), Skip> {
        self.nested(scan, 0)
    }

    fn nested(&mut self, scan: &mut Scanner<'a>, depth: u32) -> Result<(), Skip> {
        self.list(scan, &mut |walk, scan| {
            walk.members(scan, &mut |walk, scan, key| {
                if matches!(key, b"\"content\"" | b"\"output\"") && depth < MAX_PARTS {
                    return walk.nested(scan, depth + 1);
                }
                let value = walk.marker(scan, key)?;
                if key == b"\"type\"" {
                    walk.part(value.of(walk.body));
                }
                Ok(())
            })
        })
    }

    fn part(&mut self, kind: &[u8]) {
        let mut seen = SEEN.iter();
        if let Some((_, need)) = seen.find(|(known, _)| *known == kind) {
            self.needs = self.needs.with(*need);
        }
    }

    /// Passes over a member, and looks at it if it is a marker.
    fn marker(&mut self, scan: &mut Scanner<'a>, key: &[u8]) -> Result<Span, Skip> {
        let value = scan.value()?;
        if key == b"\"cache_control\"" {
            self.lifetime(value.of(self.body));
        }
        Ok(value)
    }

    /// Looks at a marker.
    pub(super) fn lifetime(&mut self, marker: &[u8]) {
        if spelled::ttl(marker) == Ttl::OneHour {
            self.needs = self.needs.with(Need::OneHour);
        }
    }

    /// Calls `each` at every element; passes over what is no list.
    fn list(&mut self, scan: &mut Scanner<'a>, each: Each<'_, 'a>) -> Result<(), Skip> {
        if scan.peek() != Some(b'[') {
            return scan.value().map(drop);
        }
        scan.open(b'[')?;
        while scan.next_element()? {
            each(self, scan)?;
        }
        Ok(())
    }

    /// Calls `each` at the value of every member, whose key is given in its usual spelling.
    fn members(&mut self, scan: &mut Scanner<'a>, each: Member<'_, 'a>) -> Result<(), Skip> {
        if scan.peek() != Some(b'{') {
            return scan.value().map(drop);
        }
        scan.open(b'{')?;
        while let Some(key) = scan.next_key()? {
            let key = key.of(self.body);
            if key.contains(&b'\\') {
                let plain = format!("\"{}\"", name(key));
                each(self, scan, plain.as_bytes())?;
            } else {
                each(self, scan, key)?;
            }
        }
        Ok(())
    }
}

type Each<'f, 'a> = &'f mut dyn FnMut(&mut Walk<'a>, &mut Scanner<'a>) -> Result<(), Skip>;
type Member<'f, 'a> = &'f mut dyn FnMut(&mut Walk<'a>, &mut Scanner<'a>, &[u8]) -> Result<(), Skip>;

fn is_served(literal: &[u8]) -> bool {
    let kind = name(literal);
    SERVED.iter().any(|served| kind.starts_with(served))
}
