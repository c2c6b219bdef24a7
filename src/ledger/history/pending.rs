//! What requests under way are writing: others can read it once these begin to be answered.

use std::time::Duration;

use crate::model::{Digest, Timestamp};

/// Prefixes kept; the oldest one goes.
const MOST: usize = 32;
/// An answer that has not begun by then is not counted on.
const PATIENCE: Duration = Duration::from_secs(20);

/// The prefixes that requests of one scope, none of which was answered yet, are writing.
#[derive(Clone, Debug, Default)]
pub struct Pending(Vec<(Digest, Timestamp)>);

impl Pending {
    /// A request that is sent now writes this prefix; whether no other one does.
    pub fn begin(&mut self, prefix: Digest, now: Timestamp) -> bool {
        if self.holds(&prefix, now) {
            return false;
        }
        self.0.insert(0, (prefix, now));
        self.0.truncate(MOST);
        true
    }

    /// The request that was sent `since` then is answered, or never will be.
    pub fn end(&mut self, prefix: &Digest, since: Timestamp) {
        self.0.retain(|known| *known != (*prefix, since));
    }

    /// Whether a request is writing this prefix whose answer may still begin.
    #[must_use]
    pub fn holds(&self, prefix: &Digest, now: Timestamp) -> bool {
        let counts = |at: Timestamp| at <= now && now.since(at) < PATIENCE;
        let mut known = self.0.iter();
        known.any(|(known, at)| known == prefix && counts(*at))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Keyring;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_secs_f64(seconds)
    }

    #[test]
    fn what_is_being_written_has_one_writer_until_it_is_answered_or_given_up() {
        let prefix = |n: u8| Keyring::new(b"test").scope(&[&[n]]);
        let mut pending = Pending::default();
        assert!(pending.begin(prefix(1), at(0.0)));
        assert!(!pending.begin(prefix(1), at(1.0)));
        // Only who writes it can say that it is answered.
        pending.end(&prefix(1), at(1.0));
        assert!(pending.holds(&prefix(1), at(2.0)) && !pending.holds(&prefix(2), at(2.0)));
        assert!(!pending.holds(&prefix(1), at(20.0)));
        pending.end(&prefix(1), at(0.0));
        assert!(pending.is_empty());
        for n in 0..200 {
            assert!(pending.begin(prefix(n), at(3.0)));
        }
        assert_eq!(pending.0.len(), MOST);
    }
}
