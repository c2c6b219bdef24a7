//! Buffers for bodies as they arrive and as they are sent, used again once nobody holds them.
//!
//! A fresh megabyte costs more in page faults than in copying (measured 2026-11 on a virtual
//! machine: 560 µs against 90 µs), and it would be paid on every turn.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of buffers kept at rest: as much as sixteen long requests at once ask for.
const KEPT: usize = 20 << 20;
/// Smaller ones come from the allocator without a page fault.
const SMALLEST: usize = 32 << 10;
/// Larger ones are rare, and would be held for nothing.
const LARGEST: usize = 8 << 20;

/// Buffers at rest. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Buffers {
    /// An empty buffer for at least `capacity` bytes.
    pub(super) fn take(&self, capacity: usize) -> Vec<u8> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle.iter().position(|buffer| buffer.capacity() >= capacity);
        match fitting.filter(|_| capacity >= SMALLEST) {
            Some(at) => idle.swap_remove(at),
            // A conversation grows: the buffer serves its next turns as well.
            None if capacity >= SMALLEST => Vec::with_capacity(capacity + capacity / 4),
            None => Vec::with_capacity(capacity),
        }
    }

    /// The bytes of a buffer, which comes back when the last reference to them is dropped.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        if !(SMALLEST..=LARGEST).contains(&buffer.capacity()) {
            return Bytes::from(buffer);
        }
        Bytes::from_owner(Lent {
            buffer,
            home: self.clone(),
        })
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        // Prompt text does not outlive its request: the length goes, and with it all access.
        buffer.clear();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(buffer);
        let mut bytes: usize = idle.iter().map(Vec::capacity).sum();
        while bytes > KEPT {
            bytes -= idle.remove(0).capacity();
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffers(..)")
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_reader_is_gone() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(100_000);
        buffer.extend_from_slice(b"body");
        let place = buffer.as_ptr();
        let sent = buffers.lend(buffer);
        let retry = sent.clone();
        drop(sent);
        assert_eq!(&retry[..], b"body");
        assert_eq!(buffers.idle.lock().unwrap().len(), 0);
        drop(retry);
        let again = buffers.take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        let fitting = KEPT / 1_000_000;
        for _ in 0..3 {
            let lent = (0..30).map(|_| buffers.lend(Vec::with_capacity(1_000_000)));
            drop(lent.collect::<Vec<Bytes>>());
        }
        drop(buffers.lend(Vec::with_capacity(LARGEST + 1)));
        drop(buffers.lend(vec![1; 10]));
        let idle = buffers.idle.lock().unwrap();
        assert_eq!(idle.len(), fitting);
        assert!(idle.iter().all(|buffer| buffer.capacity() == 1_000_000));
    }
}
