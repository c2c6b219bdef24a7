//! What the engine remembers between requests, behind one trait so that the core owns no lock.

use std::sync::Arc;

use bytes::Bytes;

use super::trail::Trail;
use crate::economy::leader::{Leader, Shadow};
use crate::economy::{Behaviour, Returns, Stream};
use crate::ledger::history::{Learned, Node, Nodes};
use crate::model::{Digest, Fingerprint, Keyring};
use crate::wire::Remembered;

/// The last body of a conversation, with the prefix chain that was computed for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conversation {
    /// The body and what was read from it.
    pub remembered: Arc<Remembered>,
    /// The digest before the first block: the scope and the model.
    pub root: Digest,
    /// The fingerprint of the blocks up to and including each one.
    pub chain: Vec<Fingerprint>,
}

impl Conversation {
    /// Binds a body to its chain.
    #[must_use]
    pub const fn new(remembered: Arc<Remembered>, root: Digest, chain: Vec<Fingerprint>) -> Self {
        Self {
            remembered,
            root,
            chain,
        }
    }

    /// The digest of the prefix that ends with `block`.
    #[must_use]
    pub fn prefix(&self, keyring: &Keyring, block: usize) -> Option<Digest> {
        let blocks = self.chain.get(block)?;
        Some(keyring.extend(self.root, *blocks))
    }

    /// Bytes held, roughly: the bound of the store counts these.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks = self.chain.len();
        self.remembered.body.len()
            + blocks * (size_of::<crate::model::Block>() + size_of::<Fingerprint>())
    }
}

/// What the engine remembers. Implementations are bounded, shared, and may forget at any time.
pub trait Memory: Nodes {
    /// Recent bodies of one conversation, most recent first.
    fn recall(&self, key: &Digest) -> Vec<Arc<Conversation>>;

    /// Keeps the last body of a conversation.
    fn remember(&self, key: Digest, conversation: Arc<Conversation>);

    /// Shows the recent requests under this key; empty when there are none.
    fn look_back(&self, key: &Digest, look: &mut dyn FnMut(&Trail));

    /// Changes the recent requests under this key. What one caller changes no other misses: they
    /// tell parallel requests apart.
    fn follow(&self, key: Digest, change: &mut dyn FnMut(&mut Trail));

    /// What is known of this conversation as a stream of requests.
    fn stream(&self, _conversation: &Digest) -> Option<Stream> {
        None
    }

    /// Keeps what is known of a conversation.
    fn put_stream(&self, _conversation: Digest, _stream: Stream) {}

    /// Shows the pauses that were seen under this key; empty when there are none.
    fn returns(&self, _key: &Digest, look: &mut dyn FnMut(&Returns)) {
        look(&Returns::default());
    }

    /// Changes the pauses that were seen under this key. Lost updates are tolerated.
    fn learn_returns(&self, _key: Digest, _change: &mut dyn FnMut(&mut Returns)) {}

    /// Shows how the provider under this key was seen to behave; a behaviour of which nothing is known
    /// when there is none.
    fn behaviour(&self, _key: &Digest, look: &mut dyn FnMut(&Behaviour)) {
        look(&Behaviour::default());
    }

    /// Changes what is known of the provider under this key.
    fn learn_behaviour(&self, _key: Digest, _change: &mut dyn FnMut(&mut Behaviour)) {}

    /// How this conversation would fare under each variant of the decisions.
    fn shadow(&self, _conversation: &Digest) -> Option<Shadow> {
        None
    }

    /// Keeps how a conversation would fare.
    fn put_shadow(&self, _conversation: Digest, _shadow: Shadow) {}

    /// Shows which variant leads under this key.
    fn leader(&self, _key: &Digest, look: &mut dyn FnMut(&Leader)) {
        look(&Leader::default());
    }

    /// Changes which variant leads under this key. Lost updates are tolerated.
    fn learn_leader(&self, _key: Digest, change: &mut dyn FnMut(&mut Leader)) {
        change(&mut Leader::default());
    }

    /// An empty buffer for a body of `capacity` bytes.
    fn buffer(&self, capacity: usize) -> Vec<u8> {
        Vec::with_capacity(capacity)
    }

    /// The body in its buffer; a memory that reuses buffers gets it back this way.
    fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from(buffer)
    }
}

/// A memory that keeps nothing: with it the engine is the best stateless client it can be.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Forgetful;

impl Nodes for Forgetful {
    fn node(&self, _prefix: &Digest) -> Option<Node> {
        None
    }

    fn put_node(&self, _prefix: Digest, _node: Node) {}

    fn learned(&self, _key: &Digest, look: &mut dyn FnMut(&Learned)) {
        look(&Learned::default());
    }

    fn learn(&self, _key: Digest, _change: &mut dyn FnMut(&mut Learned)) {}
}

impl Memory for Forgetful {
    fn recall(&self, _key: &Digest) -> Vec<Arc<Conversation>> {
        Vec::new()
    }

    fn remember(&self, _key: Digest, _conversation: Arc<Conversation>) {}

    fn look_back(&self, _key: &Digest, look: &mut dyn FnMut(&Trail)) {
        look(&Trail::default());
    }

    fn follow(&self, _key: Digest, change: &mut dyn FnMut(&mut Trail)) {
        change(&mut Trail::default());
    }
}
