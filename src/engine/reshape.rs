//! In `reshape` mode: the request spelled by the rules before anything is planned.

use std::borrow::Cow;

use bytes::Bytes;

use super::steer::model_id;
use super::{Engine, Meta, Wishes};
use crate::canon::{self, History, Reshaped, Rule, Rules, Wording, volatile};
use crate::model::{Change, Markers, Prompt, Regime, Section, Skip, Thinking};
use crate::wire::{Dialect, Edit, Reading, ordered_markers, splice};

/// A body as the rules want it.
#[derive(Debug)]
pub(super) struct Spelled {
    pub(super) body: Bytes,
    pub(super) changes: Vec<Change>,
    /// The rules that changed it.
    pub(super) rules: Rules,
}

impl Spelled {
    /// The body as it is.
    pub(super) fn untouched(body: &Bytes) -> Self {
        Self {
            body: body.clone(),
            changes: Vec::new(),
            rules: Rules::NONE,
        }
    }

    fn take(&mut self, reshaped: Reshaped) {
        self.rules = self.rules.or(reshaped.rules);
        self.changes.extend(reshaped.changes);
        let replacements = reshaped.replacements.into_iter();
        let mut edits: Vec<Edit> = replacements
            .map(|(span, with)| Edit::new(span, with))
            .collect();
        if !edits.is_empty() {
            self.body = Bytes::from(splice(&self.body, &mut edits));
        }
    }

    /// What was split off or moved to the end changes with every call: no prefix may end there.
    pub(super) fn keep_from_marking(&self, prompt: &mut Prompt) {
        if self.rules.has(Rule::SplitVolatile) {
            let system = prompt.blocks.iter_mut();
            for block in system.filter(|block| block.section == Section::System) {
                block.markable &= volatile(block.span.of(&self.body)).is_empty();
            }
        }
        let last = prompt.blocks.last_mut();
        if let Some(last) = last.filter(|_| self.rules.has(Rule::MoveVolatile)) {
            last.markable = false;
        }
    }
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
    wishes: &Wishes<'_>,
    dialect: &dyn Dialect,
    body: &Bytes,
) -> Result<Spelled, Skip> {
    let keyring = &engine.settings.keyring;
    let reading = dialect.read(body, keyring, &mut |_| Vec::new())?;
    let prompt = &reading.prompt;
    let model = engine
        .catalog
        .model(meta.provider, model_id(&engine.catalog, prompt, meta));
    let mut spelled = Spelled::untouched(body);
    let bound = model.prefix_check || prompt.thinking != Thinking::Off;
    if bound && wishes.history == History::Unknown {
        return Ok(spelled);
    }
    let mut rules = wishes.rules;
    if model.limits.regime == Regime::Automatic {
        // Blocks mean nothing to a cache without markers.
        rules = rules.without(Rule::SplitVolatile);
    }
    if model.prefix_check || marks_the_end(body, &reading, wishes) {
        rules = rules.without(Rule::MoveVolatile);
    }
    let mut reading = Cow::Borrowed(&reading);
    if rules.and(Rules::TEXT) != Rules::NONE {
        spelled.take(reword(dialect, body, &reading, (rules, wishes)));
        if spelled.rules != Rules::NONE {
            reading = Cow::Owned(dialect.read(&spelled.body, keyring, &mut |_| Vec::new())?);
        }
    }
    let history = History::FromFirstTurn;
    let canonical = canon::canonicalize(&spelled.body, &reading.prompt, rules, history);
    spelled.take(canonical);
    Ok(spelled)
}

fn reword(
    dialect: &dyn Dialect,
    body: &Bytes,
    reading: &Reading,
    (rules, wishes): (Rules, &Wishes<'_>),
) -> Reshaped {
    let seams = dialect.seams(reading);
    let pointer = |block: usize| dialect.pointer(&reading.prompt, block);
    let mut wording = Wording::new(rules, &seams, &pointer);
    wording.history = History::FromFirstTurn;
    wording.clock_step = wishes.clock_step;
    wording.nonces = wishes.nonces;
    canon::reword(body, &reading.prompt, &wording)
}

/// Whether somebody else's marker will stand on whatever ends the prompt: one more block there would
/// be cached in every call and read in none.
fn marks_the_end(body: &Bytes, reading: &Reading, wishes: &Wishes<'_>) -> bool {
    let automatic = reading.prompt.auto_marker.is_some() && wishes.markers == Markers::Keep;
    automatic || ordered_markers(body, reading) > 0
}
