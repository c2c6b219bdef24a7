//! The engine's memory in process: bounded moka caches, shared between threads.

#[cfg(feature = "replay")]
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::buffers::Buffers;
use crate::economy::{Returns, Stream};
use crate::engine::{Conversation, Memory, Trail};
use crate::ledger::history::{Learned, Node, Nodes};
use crate::model::Digest;

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Bytes of request bodies kept, to read a conversation's next turn faster and to tell what
    /// changed since the last request of its route: seven eighths for the one, one for the other.
    pub body_bytes: u64,
    /// Prefixes remembered, about 150 bytes each; and for every four of them a conversation, about
    /// 300 bytes.
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

/// The memory of one process. Lost on exit, which costs money and never correctness.
#[derive(Clone, Debug)]
pub struct InProcess {
    nodes: Cache<Digest, Node>,
    learned: Cache<Digest, Arc<Mutex<Learned>>>,
    conversations: Cache<Digest, Arc<[Arc<Conversation>]>>,
    trails: Cache<Digest, Arc<Mutex<Trail>>>,
    streams: Cache<Digest, Stream>,
    returns: Cache<Digest, Arc<Mutex<Returns>>>,
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
        let for_trails = bounds.body_bytes / 8;
        let for_turns = bounds.body_bytes - for_trails;
        Self {
            nodes: recent(bounds.prefixes).build(),
            learned: recent(bounds.scopes).build(),
            conversations: recent(for_turns).weigher(weigh).build(),
            trails: recent(for_trails).weigher(weigh_trail).build(),
            streams: recent(bounds.prefixes / 4).build(),
            returns: recent(bounds.scopes).build(),
            buffers: Buffers::default(),
        }
    }

    /// What was seen, in the order of its keys; bodies are not history.
    #[cfg(feature = "replay")]
    pub(super) fn history(&self) -> (BTreeMap<Digest, Node>, BTreeMap<Digest, Learned>) {
        let nodes = self.nodes.iter().map(|(prefix, node)| (*prefix, node));
        let learned = self.learned.iter().map(|(key, learned)| {
            let learned = learned.lock().unwrap_or_else(PoisonError::into_inner);
            (*key, learned.clone())
        });
        (nodes.collect(), learned.collect())
    }
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
        self.nodes.get(prefix)
    }

    fn put_node(&self, prefix: Digest, node: Node) {
        self.nodes.insert(prefix, node);
    }

    fn learned(&self, key: &Digest, look: &mut dyn FnMut(&Learned)) {
        match self.learned.get(key) {
            Some(learned) => look(&learned.lock().unwrap_or_else(PoisonError::into_inner)),
            None => look(&Learned::default()),
        }
    }

    fn learn(&self, key: Digest, change: &mut dyn FnMut(&mut Learned)) {
        let learned = self.learned.get_with(key, Arc::default);
        change(&mut learned.lock().unwrap_or_else(PoisonError::into_inner));
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
