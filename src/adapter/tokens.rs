//! Exact token counts by OpenAI's o200k vocabulary: a prior for the estimator, off the request path.
//!
//! Counting runs at about 10 MB/s and loading the vocabulary takes a quarter of a second and 48 MB
//! (measured 2026-08, one core of a Zen 4), so counting belongs on a blocking thread, and every
//! block is counted once. Claude's own tokenizer is not published; billed usage corrects the rest.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use serde::Deserialize;
use tiktoken_rs::o200k_base_singleton;
use tokio::runtime::Handle;

use crate::model::{Block, BlockKind, CountTokens, Form, Tokens};

/// Blocks whose counts are remembered, about 100 bytes each.
const REMEMBERED: u64 = 100_000;

/// What one image costs at most: longer edges are scaled down to this
/// (platform.claude.com vision, 2026-08).
const IMAGE: Tokens = 1600;

/// The longest unbroken run, in bytes, that is counted as a whole. The merge loop is quadratic in
/// it; each cut costs at most one token.
const RUN: usize = 1024;

/// Counts by o200k, remembering every block by its fingerprint. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Tiktoken {
    counts: Cache<u128, Tokens>,
}

impl Tiktoken {
    /// A counter that has counted nothing yet; the vocabulary is loaded by the first count.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Cache::new(REMEMBERED),
        }
    }

    /// Counts blocks on a blocking thread of the current tokio runtime. Without a runtime nothing
    /// is counted, and `false` says so: the request path never pays for it.
    #[must_use]
    pub fn count_later(&self, blocks: Vec<(Block, Bytes)>) -> bool {
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        let counter = self.clone();
        // Nobody waits for the counts; whoever needs them looks them up.
        drop(runtime.spawn_blocking(move || {
            for (block, content) in &blocks {
                counter.count(block, content);
            }
        }));
        true
    }

    /// This counter as what the estimator takes.
    #[must_use]
    pub fn shared(self) -> Arc<dyn CountTokens> {
        Arc::new(self)
    }
}

impl Default for Tiktoken {
    fn default() -> Self {
        Self::new()
    }
}

impl CountTokens for Tiktoken {
    fn count(&self, block: &Block, content: &[u8]) -> Tokens {
        if block.kind == BlockKind::Image {
            return IMAGE;
        }
        self.counts
            .get_with(block.fingerprint.0, || tokens_in(&text_of(block, content)))
    }

    fn known(&self, block: &Block) -> Option<Tokens> {
        self.counts.get(&block.fingerprint.0)
    }

    fn count_soon(&self, blocks: Vec<(Block, Bytes)>) {
        // Without a runtime the estimate by length has to do.
        let _counting = self.count_later(blocks);
    }
}

/// The member of a text block that the model reads.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// What the model reads of a block: the text of text blocks, and the JSON of everything else.
fn text_of<'a>(block: &Block, content: &'a [u8]) -> Cow<'a, str> {
    let text = match (block.form, block.kind) {
        (Form::Bare, _) => serde_json::from_slice::<String>(content)
            .ok()
            .map(Cow::Owned),
        (Form::Object, BlockKind::Text) => serde_json::from_slice::<Text<'a>>(content)
            .ok()
            .map(|block| block.text),
        (Form::Object, _) => None,
    };
    text.unwrap_or_else(|| String::from_utf8_lossy(content))
}

fn tokens_in(text: &str) -> Tokens {
    let vocabulary = o200k_base_singleton();
    let counts = pieces(text).map(|piece| vocabulary.count_ordinary(piece) as Tokens);
    counts.sum()
}

/// The text in pieces: cut only inside runs of [`RUN`] bytes without a change between blank and
/// not blank.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(first_cut(rest));
        rest = after;
        Some(piece)
    })
}

fn first_cut(text: &str) -> usize {
    let mut run = (0, false);
    for (at, letter) in text.char_indices() {
        let blank = letter.is_whitespace();
        if at == 0 || blank != run.1 {
            run = (at, blank);
        } else if at - run.0 >= RUN {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fingerprint, Role, Section, Span};

    fn block(kind: BlockKind, form: Form, fingerprint: u128) -> Block {
        let span = Span::new(0, 0);
        let mut block = Block::at(Section::Messages, Role::User, kind, span);
        block.form = form;
        block.fingerprint = Fingerprint(fingerprint);
        block
    }

    fn plainly(text: &str) -> Tokens {
        o200k_base_singleton().encode_ordinary(text).len() as Tokens
    }

    #[test]
    fn counts_are_those_of_the_vocabulary() {
        let code = include_str!("tokens.rs");
        for text in ["hello world", code, "日本語のテキスト", "  \n\n\t x", ""] {
            assert_eq!(tokens_in(text), plainly(text));
        }
    }

    #[test]
    fn a_text_block_counts_as_the_text_it_stands_for() {
        let counter = Tiktoken::new();
        let text = "line one\nline \"two\" é";
        let bare = serde_json::to_vec(text).unwrap();
        let object =
            serde_json::to_vec(&serde_json::json!({"type": "text", "text": text})).unwrap();
        let bare = counter.count(&block(BlockKind::Text, Form::Bare, 1), &bare);
        let object = counter.count(&block(BlockKind::Text, Form::Object, 2), &object);
        assert_eq!((bare, object), (plainly(text), plainly(text)));
    }

    #[test]
    fn a_pathological_run_is_cut_and_nearly_right() {
        let run = "a".repeat(64 << 10);
        assert!(pieces(&run).all(|piece| piece.len() <= RUN));
        let text = format!("some words before {}\nand after", "xyzw".repeat(1000));
        let (counted, exact) = (tokens_in(&text), plainly(&text));
        assert!(counted.abs_diff(exact) <= 4, "{counted} for {exact}");
        let blank = " ".repeat(10 * RUN);
        assert_eq!(pieces(&blank).map(str::len).sum::<usize>(), blank.len());
        assert_eq!(pieces(&"é".repeat(RUN)).count(), 2);
    }

    #[test]
    fn a_block_is_counted_once() {
        let counter = Tiktoken::new();
        let known = block(BlockKind::Text, Form::Bare, 7);
        assert_eq!(counter.known(&known), None);
        let first = counter.count(&known, b"\"some text to count\"");
        assert_eq!(counter.known(&known), Some(first));
        // Were it counted again, other content would count otherwise.
        assert_eq!(counter.count(&known, b"\"x\""), first);
    }

    #[test]
    fn an_image_is_not_counted_by_its_bytes() {
        let image = block(BlockKind::Image, Form::Object, 1);
        assert_eq!(Tiktoken::new().count(&image, &[b'A'; 100_000]), IMAGE);
    }

    #[test]
    fn without_a_runtime_nothing_is_counted() {
        let block = block(BlockKind::Text, Form::Bare, 1);
        assert!(!Tiktoken::new().count_later(vec![(block, Bytes::from_static(b"\"x\""))]));
    }

    #[test]
    fn with_a_runtime_blocks_are_counted_beside_it() {
        let counter = Tiktoken::new();
        let block = block(BlockKind::Text, Form::Bare, 1);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            assert!(counter.count_later(vec![(block, Bytes::from_static(b"\"hello\""))]));
            // The one blocking thread comes to this only after the job before it.
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        });
        assert_eq!(counter.known(&block), Some(1));
    }
}
