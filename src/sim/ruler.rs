//! Where in the rendered prompt a token ends.

use super::request::Table;

/// Walks the prompt from its start.
pub(super) struct Ruler<'a> {
    table: &'a Table,
    next: usize,
}

impl<'a> Ruler<'a> {
    pub(super) const fn new(table: &'a Table) -> Self {
        Self { table, next: 0 }
    }

    /// How many bytes the first `tokens` tokens have. Must be asked in ascending order.
    pub(super) fn byte(&mut self, tokens: u64) -> usize {
        let bytes = if self.table.facts.counted {
            self.counted(tokens)
        } else {
            tokens * u64::from(self.table.bytes_per_ktok) / 1000
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Tokens of a block whose count is given are taken to be equally long.
    fn counted(&mut self, tokens: u64) -> u64 {
        loop {
            let Some(slot) = self.table.slot(self.next) else {
                return u64::MAX;
            };
            if tokens > slot.tokens {
                self.next += 1;
                continue;
            }
            let before = self.next.checked_sub(1);
            let before = before.and_then(|before| self.table.slot(before));
            let (start, first) = before.map_or((0, 0), |slot| (slot.tokens, slot.text_end));
            let share = (tokens - start) * (slot.text_end - first);
            return first + share / (slot.tokens - start).max(1);
        }
    }
}
