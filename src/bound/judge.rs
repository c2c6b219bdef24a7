//! A cache that follows every block, for traces that hold digests instead of text.
//!
//! Each block of each prefix has a class and an end of its own. A read reaches as far as all blocks
//! from the first one on are alive and an entry ends there; it renews the life of what it read, in
//! the class that each block was written with. So a deeper entry does not revive a shallower part
//! that has expired, which is the careful reading of providers' pages (economics.md, H1).

use std::time::Duration;

use super::trie::Trie;
use crate::model::{Timestamp, Tokens, Ttl, Usage};

/// One block of a prompt: what it is after what precedes it, and its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Identifies the content; equal prefixes are runs of equal ids within a scope.
    pub id: u128,
    /// Its tokens.
    pub tokens: u32,
}

impl Piece {
    /// A block of so many tokens.
    #[must_use]
    pub const fn new(id: u128, tokens: u32) -> Self {
        Self { id, tokens }
    }
}

/// One request as its prefixes are told apart.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Access<'a> {
    /// Everything outside the prompt that separates caches, as a number.
    pub scope: u64,
    /// When it was sent.
    pub at: Timestamp,
    /// When its answer began: what it writes can be read from then on.
    pub visible: Timestamp,
    /// Its blocks.
    pub blocks: &'a [Piece],
    /// Tokens behind the last block that nobody can read again.
    pub tail: Tokens,
}

impl<'a> Access<'a> {
    /// A request of these blocks, sent and answered at once.
    #[must_use]
    pub const fn new(scope: u64, at: Timestamp, blocks: &'a [Piece]) -> Self {
        Self {
            scope,
            at,
            visible: at,
            blocks,
            tail: 0,
        }
    }
}

/// What holds for a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent guesses about what providers do not say"
)]
pub struct Rules {
    /// Markers per request.
    pub max_breakpoints: usize,
    /// The shortest prefix that is cached, in tokens.
    pub min_tokens: Tokens,
    /// Positions searched back from a marker, the marker's own included, each block being one;
    /// `None` for all of them. `Some(1)` reads only where a marker stands exactly, as OpenAI does
    /// from GPT-5.6 on; the end that it sets by itself is a marker on the last block then.
    pub lookback: Option<usize>,
    /// Whether an entry revives what precedes it (hypothesis H1).
    pub revives: bool,
    /// Whether a marker below what was read makes an entry there, for nothing. Providers do not
    /// say, and that it makes none saves less.
    pub below: bool,
    /// Whether a read may end on any block that is alive, not only where an entry ends: the rule
    /// that published replays go by (economics.md §8), and kinder than any page of a provider.
    pub blocks: bool,
    /// How long a cache keeps, without markers and without a fee, every block up to the last; such
    /// caches decide by themselves. `None` where markers decide.
    pub implicit: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_breakpoints: 4,
            min_tokens: 0,
            lookback: None,
            revives: false,
            below: false,
            blocks: false,
            implicit: None,
        }
    }
}

/// What is known of one block.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// When it is gone; at the very end of its life it is.
    ends: Timestamp,
    /// From when on an entry that ends on it can be read, if one does.
    visible: Option<Timestamp>,
    /// The class it was written with; `None` where nobody paid for it.
    class: Option<Ttl>,
    /// Whether it was paid for and not read since.
    unread: bool,
}

impl Life {
    const NEVER: Self = Self {
        ends: Timestamp::from_micros(i64::MIN),
        visible: None,
        class: None,
        unread: false,
    };
}

/// A cache that follows every block.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    rules: Rules,
    trie: Trie,
    lives: Vec<Life>,
    wasted: Tokens,
}

impl Judge {
    /// An empty cache.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Serves a request with these markers and says what is billed. A marker is the index of the
    /// block at whose end it stands, and its class; markers come in the order of blocks. `None`
    /// when they are refused: too many, out of order, on no block, or a shorter class before a
    /// longer one. Requests must not go back in time.
    pub fn serve(&mut self, access: &Access<'_>, marks: &[(usize, Ttl)]) -> Option<Usage> {
        self.visit(access, marks, Use::Request)
    }

    /// Serves a request that is sent only to keep what it reads alive. It is billed as any other,
    /// but what it reads does not count as used.
    pub fn ping(&mut self, access: &Access<'_>, marks: &[(usize, Ttl)]) -> Option<Usage> {
        self.visit(access, marks, Use::Ping)
    }

    /// Tokens written that nobody has read, entries that are still alive not counted.
    #[must_use]
    pub fn wasted(&self, now: Timestamp) -> Tokens {
        let gone = self.lives.iter().enumerate();
        let gone = gone.filter(|(_, life)| life.unread && life.ends <= now);
        let tokens = gone.filter_map(|(node, _)| u32::try_from(node).ok());
        let tokens = tokens.map(|node| Tokens::from(self.trie.tokens(node)));
        self.wasted + tokens.sum::<Tokens>()
    }

    fn visit(
        &mut self,
        access: &Access<'_>,
        marks: &[(usize, Ttl)],
        purpose: Use,
    ) -> Option<Usage> {
        if !self.rules.allow(marks, access.blocks.len()) {
            return None;
        }
        let reach = match self.rules.implicit {
            Some(_) => access.blocks.len(),
            None => marks.last().map_or(0, |(at, _)| at + 1),
        };
        let blocks = access.blocks.get(..reach)?;
        let (path, nodes) = self.trie.walk(access.scope, blocks);
        self.lives.resize(nodes, Life::NEVER);
        let mut visit = Visit {
            rules: &self.rules,
            access,
            marks,
            path,
            lives: &mut self.lives,
            wasted: 0,
        };
        let hit = visit.hit();
        visit.renew(hit, purpose);
        let usage = visit.write(hit);
        self.wasted += visit.wasted;
        Some(usage)
    }
}

/// What a request is sent for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Request,
    Ping,
}

impl Rules {
    fn allow(&self, marks: &[(usize, Ttl)], blocks: usize) -> bool {
        let pairs = marks.iter().zip(marks.iter().skip(1));
        let mut pairs = pairs.map(|((at, ttl), (next, then))| at < next && ttl >= then);
        marks.len() <= self.max_breakpoints
            && pairs.all(|ordered| ordered)
            && marks.last().is_none_or(|(at, _)| *at < blocks)
    }
}

/// One request at the cache. Depths count blocks from the start.
struct Visit<'a> {
    rules: &'a Rules,
    access: &'a Access<'a>,
    marks: &'a [(usize, Ttl)],
    path: &'a [u32],
    lives: &'a mut [Life],
    wasted: Tokens,
}

impl Visit<'_> {
    /// How deep it reads.
    fn hit(&self) -> usize {
        let at = self.access.at;
        let mut marks = self.marks.iter().map(|(at, _)| *at).peekable();
        let (mut hit, mut tokens) = (0, 0);
        for (depth, (node, block)) in self.path.iter().zip(self.access.blocks).enumerate() {
            while marks.peek().is_some_and(|mark| *mark < depth) {
                marks.next();
            }
            tokens += Tokens::from(block.tokens);
            let life = self.lives.get(*node as usize).unwrap_or(&Life::NEVER);
            if life.ends <= at {
                if self.rules.revives {
                    continue;
                }
                break;
            }
            let found = life.visible.is_some_and(|visible| visible <= at);
            if found && tokens >= self.rules.min_tokens && self.looks(marks.peek(), depth) {
                hit = depth + 1;
            }
        }
        hit
    }

    /// Whether an entry on this block is looked up, `mark` being the first marker from there on.
    fn looks(&self, mark: Option<&usize>, depth: usize) -> bool {
        let near = |mark: &usize| self.rules.lookback.is_none_or(|most| mark - depth < most);
        self.rules.implicit.is_some() || mark.is_some_and(near)
    }

    fn renew(&mut self, hit: usize, purpose: Use) {
        let at = self.access.at;
        for node in self.path.iter().take(hit) {
            let Some(life) = self.lives.get_mut(*node as usize) else {
                continue;
            };
            let class = life.class.map(Ttl::duration).or(self.rules.implicit);
            life.ends = life.ends.max(at.plus(class.unwrap_or_default()));
            life.unread &= purpose == Use::Ping;
        }
        let below = self.marks.iter().take_while(|(at, _)| *at < hit);
        for (at, _) in below.filter(|_| self.rules.below) {
            self.end(*at);
        }
    }

    /// Writes from the hit up to the markers, and counts everything.
    fn write(&mut self, hit: usize) -> Usage {
        let mut usage = Usage::reported(self.access.tail, 0, 0, 0, 0);
        usage.output = None;
        let mut prefix = 0;
        let mut spans = self.spans(hit).into_iter().peekable();
        for (depth, block) in self.access.blocks.iter().enumerate() {
            let tokens = Tokens::from(block.tokens);
            prefix += tokens;
            while spans.peek().is_some_and(|(mark, _)| *mark < depth) {
                spans.next();
            }
            let kind = if depth < hit {
                &mut usage.read
            } else if let Some((mark, ttl)) = spans.peek().copied() {
                self.pay(depth, Some(ttl));
                if mark == depth || self.rules.blocks {
                    self.end(depth);
                }
                match ttl {
                    Ttl::FiveMinutes => &mut usage.write_5m,
                    Ttl::HalfHour => &mut usage.write_30m,
                    Ttl::OneHour => &mut usage.write_1h,
                }
            } else {
                if self.rules.implicit.is_some() {
                    self.pay(depth, None);
                    if prefix >= self.rules.min_tokens {
                        self.end(depth);
                    }
                }
                &mut usage.plain
            };
            *kind = Some(kind.unwrap_or(0) + tokens);
        }
        usage
    }

    /// Markers beyond the hit whose prefix is long enough.
    fn spans(&self, hit: usize) -> Vec<(usize, Ttl)> {
        let mut spans = Vec::new();
        let (mut from, mut prefix) = (0, 0);
        for (at, ttl) in self.marks {
            let more = self.access.blocks.get(from..=*at).unwrap_or_default();
            prefix += more
                .iter()
                .map(|block| Tokens::from(block.tokens))
                .sum::<Tokens>();
            from = at + 1;
            if *at >= hit && prefix >= self.rules.min_tokens {
                spans.push((*at, *ttl));
            }
        }
        spans
    }

    /// Writes one block. What is alive keeps the longer life, also where its writer's answer has
    /// not begun and it is paid for twice.
    fn pay(&mut self, depth: usize, class: Option<Ttl>) {
        let tokens = self
            .access
            .blocks
            .get(depth)
            .map_or(0, |block| block.tokens);
        let node = self.path.get(depth).copied().unwrap_or(u32::MAX);
        let Some(life) = self.lives.get_mut(node as usize) else {
            return;
        };
        if life.ends <= self.access.at {
            self.wasted += if life.unread { Tokens::from(tokens) } else { 0 };
            *life = Life::NEVER;
        } else if life.unread && class.is_some() {
            self.wasted += Tokens::from(tokens);
        }
        life.class = life.class.max(class);
        life.unread |= class.is_some();
        let length = class.map(Ttl::duration).or(self.rules.implicit);
        let ends = self.access.at.plus(length.unwrap_or_default());
        life.ends = life.ends.max(ends);
    }

    /// An entry ends on this block.
    fn end(&mut self, depth: usize) {
        let node = self.path.get(depth).copied().unwrap_or(u32::MAX);
        if let Some(life) = self.lives.get_mut(node as usize) {
            life.show(self.access);
        }
    }
}

impl Life {
    /// An entry ends here that this request made.
    fn show(&mut self, access: &Access<'_>) {
        let visible = access.visible.max(access.at);
        self.visible = Some(self.visible.map_or(visible, |known| known.min(visible)));
    }
}
