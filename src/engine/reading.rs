//! Reads a body against what is known of its conversation.

use std::sync::Arc;

use bytes::Bytes;

use super::{Conversation, Engine};
use crate::model::{Digest, Fingerprint, Skip};
use crate::wire::{Dialect, Reading};

/// What is known of the conversation that a request belongs to.
#[derive(Debug)]
pub(super) struct Known {
    /// The key under which the next turn will ask for this one.
    pub(super) conversation: Digest,
    /// The fingerprint of its first message.
    pub(super) opening: Fingerprint,
    /// The request before this one.
    pub(super) earlier: Option<Arc<Conversation>>,
}

pub(super) fn recall_and_read(
    engine: &Engine,
    dialect: &dyn Dialect,
    account: Digest,
    body: &Bytes,
) -> Result<(Reading, Known), Skip> {
    let keyring = &engine.settings.keyring;
    let mut recalled: Vec<Arc<Conversation>> = Vec::new();
    let mut recall = |name| {
        recalled = engine.memory.recall(&keyring.extend(account, name));
        recalled
            .iter()
            .map(|one| Arc::clone(&one.remembered))
            .collect()
    };
    let reading = dialect.read(body, keyring, &mut recall)?;
    let earlier = reading.earlier.as_ref().and_then(|earlier| {
        let same = |one: &Arc<Conversation>| Arc::ptr_eq(&one.remembered, earlier);
        recalled.iter().find(|one| same(one)).cloned()
    });
    let known = Known {
        conversation: keyring.extend(account, reading.conversation),
        opening: reading.conversation,
        earlier,
    };
    Ok((reading, known))
}
