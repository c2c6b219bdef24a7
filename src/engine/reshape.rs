//! In `reshape` mode: the request spelled by the rules before anything is planned.

use bytes::Bytes;

use super::steer::model_id;
use super::{Engine, Meta};
use crate::canon::{self, Rules};
use crate::model::{Change, Skip, Thinking};
use crate::wire::{Dialect, Edit, splice};

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
) -> Result<(Bytes, Vec<Change>, Rules), Skip> {
    let settings = &engine.settings;
    let reading = dialect.read(body, &settings.keyring, &mut |_| Vec::new())?;
    let prompt = &reading.prompt;
    let bound = engine
        .catalog
        .model(meta.provider, model_id(&engine.catalog, prompt, meta))
        .prefix_check
        || prompt.thinking != Thinking::Off;
    let wishes = settings.on(meta.route);
    if bound && wishes.history == canon::History::Unknown {
        return Ok((body.clone(), Vec::new(), Rules::NONE));
    }
    let history = canon::History::FromFirstTurn;
    let reshaped = canon::canonicalize(body, prompt, wishes.rules, history);
    if reshaped.replacements.is_empty() {
        return Ok((body.clone(), Vec::new(), Rules::NONE));
    }
    let replacements = reshaped.replacements.into_iter();
    let mut edits: Vec<Edit> = replacements
        .map(|(span, with)| Edit::new(span, with))
        .collect();
    let body = Bytes::from(splice(body, &mut edits));
    Ok((body, reshaped.changes, reshaped.rules))
}
