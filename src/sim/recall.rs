//! Conversations that were read before: their bodies start alike, and what is alike is not read
//! again but compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::piece::{Part, Piece, Pieces};
use super::rejection::Rejection;
use super::scan::Scanner;

/// Bytes of message arrays that are kept; the conversation unused for longest goes first.
const BUDGET: usize = 64 << 20;

/// Bytes compared at a time.
const STRIDE: usize = 4096;

/// The last message array of each conversation, by the hash of its first message.
#[derive(Clone, Default)]
pub(super) struct Recall {
    runs: BTreeMap<u128, Run>,
    bytes: usize,
    turn: u64,
}

/// Prompt text stays out of debug output.
impl std::fmt::Debug for Recall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recall")
            .field("conversations", &self.runs.len())
            .field("bytes", &self.bytes)
            .finish()
    }
}

/// One array: its bytes from the bracket on, and where each message ends in them.
#[derive(Clone, Default)]
struct Run {
    raw: Vec<u8>,
    ends: Vec<usize>,
    pieces: Vec<Arc<Piece>>,
    turn: u64,
}

impl Recall {
    /// Reads the array of messages on which `scanner` stands.
    pub(super) fn messages(
        &mut self,
        pieces: &mut Pieces,
        scanner: &mut Scanner<'_>,
    ) -> Result<Vec<Arc<Piece>>, Rejection> {
        if !scanner.take(b'[') {
            return Err(Rejection::invalid("messages: Input should be a valid list"));
        }
        let start = scanner.at();
        if scanner.take(b']') {
            return Ok(Vec::new());
        }
        let first = scanner.value().ok_or_else(Rejection::not_json)?;
        let key = xxh3_128(first);
        let mut run = self.runs.remove(&key).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(run.raw.len());
        scanner.jump(start);
        run.resume(scanner);
        run.go_on(pieces, scanner)?;
        run.keep(start, scanner);
        let messages = run.pieces.clone();
        self.remember(key, run);
        Ok(messages)
    }

    fn remember(&mut self, key: u128, mut run: Run) {
        self.turn += 1;
        run.turn = self.turn;
        self.bytes += run.raw.len();
        self.runs.insert(key, run);
        while self.bytes > BUDGET {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.turn);
            let Some(key) = oldest.map(|(key, _)| *key) else {
                return;
            };
            let gone = self.runs.remove(&key).map_or(0, |run| run.raw.len());
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }
}

impl Run {
    /// Forgets what differs and steps over what does not.
    fn resume(&mut self, scanner: &mut Scanner<'_>) {
        let common = alike(&self.raw, scanner.rest());
        let known = self.ends.partition_point(|end| *end <= common);
        self.ends.truncate(known);
        self.pieces.truncate(known);
        let end = self.ends.last().copied().unwrap_or(0);
        self.raw.truncate(end);
        scanner.jump(scanner.at() + end);
    }

    /// Reads the messages that are new.
    fn go_on(&mut self, pieces: &mut Pieces, scanner: &mut Scanner<'_>) -> Result<(), Rejection> {
        let start = scanner.at() - self.raw.len();
        let mut more = self.pieces.is_empty() || scanner.take(b',');
        while more {
            let raw = scanner.value().ok_or_else(Rejection::not_json)?;
            let index = self.pieces.len();
            let located = |refused: Rejection| refused.within(&format!("messages.{index}"));
            let piece = pieces.read(Part::Message, raw).map_err(located)?;
            self.pieces.push(piece);
            self.ends.push(scanner.at() - start);
            more = scanner.take(b',');
        }
        scanner.expect(b']').ok_or_else(Rejection::not_json)
    }

    fn keep(&mut self, start: usize, scanner: &Scanner<'_>) {
        let new = scanner.since(start + self.raw.len());
        self.raw.extend_from_slice(new);
    }
}

/// How many bytes the two have in common from their start.
fn alike(left: &[u8], right: &[u8]) -> usize {
    let strides = left.chunks(STRIDE).zip(right.chunks(STRIDE));
    let same: usize = strides
        .take_while(|(left, right)| left == right)
        .map(|(left, _)| left.len())
        .sum();
    let left = left.get(same..).unwrap_or_default();
    let right = right.get(same..).unwrap_or_default();
    let bytes = left.iter().zip(right);
    same + bytes.take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(recall: &mut Recall, array: &str) -> usize {
        let mut scanner = Scanner::over(array.as_bytes());
        let read = recall.messages(&mut Pieces::default(), &mut scanner);
        assert!(scanner.end());
        read.expect("an array").len()
    }

    fn message(text: &str) -> String {
        format!(r#"{{"role":"user","content":"{text}"}}"#)
    }

    #[test]
    fn a_conversation_is_gone_on_with_rewritten_and_cut() {
        let mut recall = Recall::default();
        let long = "x".repeat(9000);
        let (a, b, c) = (message(&long), message("b"), message("b]"));
        let bytes = |recall: &Recall| recall.runs.values().map(|run| run.raw.len()).sum::<usize>();
        for (array, count) in [
            (format!("[{a}]"), 1),
            (format!("[{a}, {b}]"), 2),
            (format!("[{a}, {b}]"), 2),
            (format!("[{a},{c} , {b}]"), 3),
            (format!("[{a}, {c}]"), 2),
            (format!("[{a}]"), 1),
            (format!("[ {a} ]"), 1),
        ] {
            assert_eq!(ends(&mut recall, &array), count, "{count}");
            assert_eq!(recall.bytes, bytes(&recall));
        }
        assert_eq!(recall.runs.len(), 1);
    }

    #[test]
    fn common_bytes_are_counted_exactly() {
        for length in [0, 1, STRIDE - 1, STRIDE, STRIDE + 1, 3 * STRIDE] {
            let left = vec![1_u8; length];
            let mut right = left.clone();
            right.push(2);
            assert_eq!(alike(&left, &right), length);
            if let Some(last) = right.get_mut(length / 2) {
                *last = 9;
            }
            assert_eq!(alike(&left, &right), length / 2);
        }
    }
}
