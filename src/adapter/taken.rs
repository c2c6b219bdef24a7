//! A body gathered as it arrives.

use std::mem;

use bytes::Bytes;

use crate::engine::Engine;

/// What was taken of a body: its one frame, or all of them in one buffer. A long body comes in many,
/// and kept as they came each of them would hold on to the buffer it was read into.
pub(super) struct Taken {
    engine: Engine,
    one: Bytes,
    all: Vec<u8>,
}

impl Taken {
    /// Nothing yet; the engine lends the buffer.
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            one: Bytes::new(),
            all: Vec::new(),
        }
    }

    /// Adds a frame, where `rest` bytes are expected behind it.
    pub(super) fn push(&mut self, data: Bytes, rest: usize) {
        if self.len() == 0 {
            self.one = data;
            return;
        }
        if self.all.is_empty() {
            self.all = self.engine.buffer(self.one.len() + data.len() + rest);
            self.all.extend_from_slice(&mem::take(&mut self.one));
        }
        self.all.extend_from_slice(&data);
    }

    pub(super) fn len(&self) -> usize {
        self.one.len() + self.all.len()
    }

    /// What was taken so far; nothing is left.
    pub(super) fn take(&mut self) -> Bytes {
        let empty = Self::new(&self.engine);
        mem::replace(self, empty).into_bytes()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.all.is_empty() {
            return self.one;
        }
        self.engine.lend(self.all)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::Settings;
    use crate::provider::Catalog;

    #[test]
    fn one_frame_is_not_copied_and_several_become_one() {
        let engine = Engine::new(Arc::new(Catalog::default()), Settings::default());
        let frame = Bytes::from_static(b"one");
        let mut taken = Taken::new(&engine);
        taken.push(Bytes::new(), 3);
        taken.push(frame.clone(), 0);
        assert_eq!(taken.len(), 3);
        assert_eq!(taken.into_bytes().as_ptr(), frame.as_ptr());
        let mut taken = Taken::new(&engine);
        for part in ["a", "", "bc", "d"] {
            taken.push(Bytes::from_static(part.as_bytes()), 1);
        }
        assert_eq!(taken.len(), 4);
        assert_eq!(taken.into_bytes(), "abcd");
    }
}
