//! The engine's memory in process: bounded, shared between threads. What there is a million of is
//! packed, and so is what every request asks for many times; what is weighed by its bytes lies in moka
//! caches.

#[cfg(feature = "replay")]
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::buffers::Buffers;
use super::packed::{Lean, Packed};
use crate::economy::leader::{Leader, Shadow};
use crate::economy::{Behaviour, Returns, Stream};
use crate::engine::{Conversation, Memory, Trail};
use crate::ledger::history::{Learned, Maker, Node, Nodes, Passed, Prints};
use crate::model::{Digest, Timestamp};

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Bytes of request bodies kept, to read a conversation's next turn faster and to tell what
    /// changed since the last request of its route: seven eighths for the one, one for the other.
    pub body_bytes: u64,
    /// Prefixes remembered, about 70 bytes each: half of them such as came back, half such as did
    /// not yet. Twice as many of which only is known that they were sent, 24 bytes each, in a table
    /// that is rounded up to a power of two; and for every four of them a conversation, about 380
    /// bytes. A million take some 210 MB when all of this is full.
    pub prefixes: u64,
    /// Scopes and services with learned chances, up to about 80 kB each.
    pub scopes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            prefixes: 200_000,
            scopes: 1_000,
        }
    }
}

/// Bodies kept per conversation key: conversations that begin alike share one.
const PER_KEY: usize = 4;

/// Bodies of a key that together are worth being counted and let go at once.
const LARGE: usize = 64 << 10;

/// What is learned under each key.
type Shelf<V> = Arc<Packed<Arc<Mutex<V>>>>;

/// The memory of one process. Lost on exit, which costs money and never correctness.
#[derive(Clone, Debug)]
pub struct InProcess {
    nodes: Arc<Packed<Lean>>,
    /// Prefixes that came back: those that nobody repeats push none of them out.
    proven: Arc<Packed<Lean>>,
    prints: Arc<Mutex<Prints>>,
    learned: Shelf<Learned>,
    conversations: Cache<Digest, Arc<[Arc<Conversation>]>>,
    trails: Cache<Digest, Arc<Mutex<Trail>>>,
    behaviours: Shelf<Behaviour>,
    shadows: Arc<Packed<Shadow>>,
    leaders: Shelf<Leader>,
    streams: Arc<Packed<Stream>>,
    returns: Shelf<Returns>,
    buffers: Buffers,
}

impl InProcess {
    /// A memory of this size.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let weigh = |_: &Digest, kept: &Arc<[Arc<Conversation>]>| {
            let bytes: usize = kept.iter().map(|one| one.bytes()).sum();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let weigh_trail = |_: &Digest, trail: &Arc<Mutex<Trail>>| {
            u32::try_from(open(trail).bytes()).unwrap_or(u32::MAX)
        };
        let prints = usize::try_from(bounds.prefixes.saturating_mul(2)).unwrap_or(usize::MAX);
        let for_trails = bounds.body_bytes / 8;
        let for_turns = bounds.body_bytes - for_trails;
        Self {
            nodes: Arc::new(Packed::new(bounds.prefixes / 2)),
            proven: Arc::new(Packed::new(bounds.prefixes / 2)),
            prints: Arc::new(Mutex::new(Prints::new(prints))),
            learned: Arc::new(Packed::new(bounds.scopes)),
            conversations: recent(for_turns).weigher(weigh).build(),
            trails: recent(for_trails).weigher(weigh_trail).build(),
            behaviours: Arc::new(Packed::new(bounds.scopes)),
            shadows: Arc::new(Packed::new(bounds.prefixes / 8)),
            leaders: Arc::new(Packed::new(bounds.scopes)),
            streams: Arc::new(Packed::new(bounds.prefixes / 4)),
            returns: Arc::new(Packed::new(bounds.scopes)),
            buffers: Buffers::default(),
        }
    }

    /// What was seen, in the order of its keys; bodies are not history.
    #[cfg(feature = "replay")]
    pub(super) fn history(&self) -> History {
        let nodes = self.nodes.entries().into_iter();
        let nodes = nodes.chain(self.proven.entries());
        History {
            nodes: nodes.map(|(key, lean)| (key, lean.into())).collect(),
            prints: open(&self.prints).clone(),
            learned: opened(&self.learned),
            behaviours: opened(&self.behaviours),
            leaders: opened(&self.leaders),
            shadows: self.shadows.entries().into_iter().collect(),
            streams: self.streams.entries().into_iter().collect(),
            returns: opened(&self.returns),
        }
    }

    /// Puts the prefixes that were sent in place of those that are known; told for how many at most
    /// there is room.
    #[cfg(feature = "replay")]
    pub(super) fn put_prints(&self, stored: impl FnOnce(usize) -> Prints) {
        let mut prints = open(&self.prints);
        *prints = stored(prints.most());
    }
}

/// All that is remembered but bodies, by its keys.
#[cfg(feature = "replay")]
pub(super) struct History {
    pub(super) nodes: BTreeMap<Digest, Node>,
    pub(super) prints: Prints,
    pub(super) learned: BTreeMap<Digest, Learned>,
    pub(super) behaviours: BTreeMap<Digest, Behaviour>,
    pub(super) leaders: BTreeMap<Digest, Leader>,
    pub(super) shadows: BTreeMap<Digest, Shadow>,
    pub(super) streams: BTreeMap<Digest, Stream>,
    pub(super) returns: BTreeMap<Digest, Returns>,
}

#[cfg(feature = "replay")]
fn opened<V: Clone>(kept: &Shelf<V>) -> BTreeMap<Digest, V> {
    let kept = kept.entries().into_iter();
    kept.map(|(key, value)| (key, open(&value).clone()))
        .collect()
}

/// A cache that keeps what was used last. What is new here is what the next turn will ask for, so
/// an admission by frequency, moka's default, would turn away exactly the wrong entries.
fn recent<V: Clone + Send + Sync + 'static>(capacity: u64) -> CacheBuilder<V> {
    Cache::builder()
        .max_capacity(capacity)
        .eviction_policy(EvictionPolicy::lru())
}

/// What is behind the lock, whatever happened to the thread that held it.
fn open<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

type CacheBuilder<V> = moka::sync::CacheBuilder<Digest, V, Cache<Digest, V>>;

impl Default for InProcess {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Nodes for InProcess {
    fn node(&self, prefix: &Digest) -> Option<Node> {
        let known = self.proven.get(prefix);
        known.or_else(|| self.nodes.get(prefix)).map(Node::from)
    }

    fn put_node(&self, prefix: Digest, node: Node) {
        if node.visits > 1 {
            if node.visits == 2 {
                self.nodes.remove(&prefix);
            }
            self.proven.insert(prefix, node.into());
        } else {
            self.nodes.insert(prefix, node.into());
        }
    }

    fn pass(&self, path: &[u64], maker: Maker, now: Timestamp) -> Passed {
        open(&self.prints).pass(path, maker, now)
    }

    fn learned(&self, key: &Digest, look: &mut dyn FnMut(&Learned)) {
        match self.learned.get(key) {
            Some(learned) => look(&open(&learned)),
            None => look(&Learned::default()),
        }
    }

    fn learn(&self, key: Digest, change: &mut dyn FnMut(&mut Learned)) {
        let learned = self.learned.get_with(key, Arc::default);
        change(&mut open(&learned));
    }
}

impl Memory for InProcess {
    fn recall(&self, key: &Digest) -> Vec<Arc<Conversation>> {
        self.conversations
            .get(key)
            .map_or_else(Vec::new, |kept| kept.to_vec())
    }

    fn look_back(&self, key: &Digest, look: &mut dyn FnMut(&Trail)) {
        if let Some(trail) = self.trails.get(key) {
            look(&open(&trail));
        }
    }

    /// An entry is weighed when it is put in, so that it is put in again when its weight changed.
    fn follow(&self, key: Digest, change: &mut dyn FnMut(&mut Trail)) {
        let trail = self.trails.get_with(key, Arc::default);
        let (before, after) = {
            let mut trail = open(&trail);
            let before = trail.bytes();
            change(&mut trail);
            (before, trail.bytes())
        };
        if before != after {
            self.trails.insert(key, trail);
        }
    }

    fn behaviour(&self, key: &Digest, look: &mut dyn FnMut(&Behaviour)) {
        match self.behaviours.get(key) {
            Some(known) => look(&open(&known)),
            None => look(&Behaviour::default()),
        }
    }

    fn learn_behaviour(&self, key: Digest, change: &mut dyn FnMut(&mut Behaviour)) {
        let known = self.behaviours.get_with(key, Arc::default);
        change(&mut open(&known));
    }

    fn stream(&self, conversation: &Digest) -> Option<Stream> {
        self.streams.get(conversation)
    }

    fn put_stream(&self, conversation: Digest, stream: Stream) {
        self.streams.insert(conversation, stream);
    }

    fn returns(&self, key: &Digest, look: &mut dyn FnMut(&Returns)) {
        match self.returns.get(key) {
            Some(returns) => look(&open(&returns)),
            None => look(&Returns::default()),
        }
    }

    fn learn_returns(&self, key: Digest, change: &mut dyn FnMut(&mut Returns)) {
        let returns = self.returns.get_with(key, Arc::default);
        change(&mut open(&returns));
    }

    fn shadow(&self, conversation: &Digest) -> Option<Shadow> {
        self.shadows.get(conversation)
    }

    fn put_shadow(&self, conversation: Digest, shadow: Shadow) {
        self.shadows.insert(conversation, shadow);
    }

    fn leader(&self, key: &Digest, look: &mut dyn FnMut(&Leader)) {
        match self.leaders.get(key) {
            Some(leader) => look(&open(&leader)),
            None => look(&Leader::default()),
        }
    }

    fn learn_leader(&self, key: Digest, change: &mut dyn FnMut(&mut Leader)) {
        let leader = self.leaders.get_with(key, Arc::default);
        change(&mut open(&leader));
    }

    fn buffer(&self, capacity: usize) -> Vec<u8> {
        self.buffers.take(capacity)
    }

    fn lend(&self, buffer: Vec<u8>) -> Bytes {
        self.buffers.lend(buffer)
    }

    /// Puts the body first, in place of the one it continues.
    fn remember(&self, key: Digest, conversation: Arc<Conversation>) {
        let mut kept = self.recall(&key);
        kept.retain(|other| !continues(&conversation, other));
        kept.insert(0, conversation);
        kept.truncate(PER_KEY);
        let bytes: usize = kept.iter().map(|one| one.bytes()).sum();
        self.conversations.insert(key, kept.into());
        if bytes > LARGE {
            // What was replaced lives on in moka's log until that is worked off: dozens of bodies.
            self.conversations.run_pending_tasks();
        }
    }
}

/// Whether `later` extends the prompt of `earlier`, or repeats it.
fn continues(later: &Conversation, earlier: &Conversation) -> bool {
    let Some(last) = earlier.chain.len().checked_sub(1) else {
        return true;
    };
    later.root == earlier.root && later.chain.get(last) == earlier.chain.get(last)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::history::Spot;

    fn key(number: u64) -> Digest {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Digest::from_bytes(bytes)
    }

    fn small() -> InProcess {
        InProcess::new(Bounds {
            prefixes: 2_000,
            ..Bounds::default()
        })
    }

    #[test]
    fn a_flood_of_what_never_returns_pushes_out_nothing_that_did() {
        let memory = small();
        let at = Timestamp::from_secs_f64(9.0);
        let back = Node::seen_before(Spot::Later, Duration::from_secs(1), at);
        memory.put_node(key(1), back);
        for number in 2..50_000 {
            memory.put_node(key(number), Node::first_seen(Spot::ChatStart, at));
        }
        assert_eq!(memory.node(&key(1)), Some(back));
        assert_eq!(memory.node(&key(2)), None);
        assert!(memory.node(&key(49_999)).is_some());
    }

    #[cfg(feature = "replay")]
    #[test]
    fn history_is_everything_once_and_in_the_order_of_its_keys() {
        let memory = small();
        let at = Timestamp::from_secs_f64(9.0);
        for number in (0..900).rev() {
            memory.put_node(key(number), Node::first_seen(Spot::Inner, at));
        }
        let mut back = Node::first_seen(Spot::Inner, at);
        back.visits = 2;
        memory.put_node(key(7), back);
        assert_eq!(memory.nodes.get(&key(7)).map(Node::from), None);
        let nodes = memory.history().nodes;
        assert!(nodes.keys().copied().eq((0..900).map(key)));
        assert_eq!(nodes.get(&key(7)), Some(&back));
    }
}
