//! Reads a body against what is known of its conversation, and reshapes it where that is asked.

use std::sync::Arc;

use bytes::Bytes;

use super::steer::model_id;
use super::{Conversation, Engine, Meta};
use crate::canon;
use crate::model::{Change, Digest, Fingerprint, Skip, Thinking};
use crate::wire::{Dialect, Edit, Reading, splice};

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

/// In `reshape` mode, spells the request canonically; what is known of the conversation is known
/// in that spelling, so only the result is compared with it.
///
/// A model that binds its thinking to the exact bytes before it would refuse a later turn that is
/// spelled otherwise than the first. Whether a conversation began in our spelling cannot be told
/// from one request, so such requests are left alone from their first turn on, unless the user
/// has promised it.
pub(super) fn reshape(
    engine: &Engine,
    meta: &Meta<'_>,
    dialect: &dyn Dialect,
    body: &Bytes,
) -> Result<(Bytes, Vec<Change>), Skip> {
    let settings = &engine.settings;
    let reading = dialect.read(body, &settings.keyring, &mut |_| Vec::new())?;
    let prompt = &reading.prompt;
    let bound = engine
        .catalog
        .model(meta.provider, model_id(&engine.catalog, prompt, meta))
        .prefix_check
        || prompt.thinking != Thinking::Off;
    if bound && settings.history == canon::History::Unknown {
        return Ok((body.clone(), Vec::new()));
    }
    let history = canon::History::FromFirstTurn;
    let reshaped = canon::canonicalize(body, prompt, settings.rules, history);
    if reshaped.replacements.is_empty() {
        return Ok((body.clone(), Vec::new()));
    }
    let replacements = reshaped.replacements.into_iter();
    let mut edits: Vec<Edit> = replacements
        .map(|(span, with)| Edit::new(span, with))
        .collect();
    Ok((Bytes::from(splice(body, &mut edits)), reshaped.changes))
}

/// The names of the rules that made these changes, each once.
pub(super) fn rules(changes: &[Change]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = changes.iter().filter_map(|change| change.rule).collect();
    names.sort_unstable();
    names.dedup();
    names
}
