//! Requests of which only digests and token counts are known: traces without text.

use std::iter;
use std::sync::Arc;

use bytes::Bytes;

use super::chain::{agreeing, chain};
use super::prepare::Draft;
use super::reading::Known;
use super::reshape::Spelled;
use super::steer::model_id;
use super::{Conversation, Engine, Exchange, Meta, Prepared};
use crate::model::{
    Block, Digest, Fingerprint, Markers, Mode, Prompt, Role, Section, Skip, Timestamp, Tokens,
};
use crate::wire::Remembered;

/// A prompt without its text: fingerprints tell its blocks apart.
///
/// Blocks of which nobody knows who spoke have [`Role::Other`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Traced {
    /// The blocks, each with its fingerprint; spans are empty.
    pub prompt: Prompt,
    /// Tokens of the prefix up to and including each block.
    pub prefix_tokens: Vec<Tokens>,
}

impl Engine {
    /// Plans a request of which only digests and token counts are known, by the same rules as
    /// [`Engine::prepare`]; there is no body to send.
    ///
    /// Blocks of a trace are pieces of fixed length and no positions that a provider counts, so that
    /// no marker is too far back from another.
    #[must_use]
    pub fn prepare_traced(&self, now: Timestamp, meta: &Meta<'_>, traced: Traced) -> Prepared {
        match draft(self, now, meta, traced) {
            Ok(draft) => {
                let mut prepared = draft.finish(&Bytes::new());
                // There is no text to look into when a prefix was not read.
                prepared.exchange.dialect = None;
                prepared
            }
            Err(why) => Prepared {
                body: None,
                skip: Some(why),
                exchange: Exchange::skipped(self, now, meta, why),
                headers: Vec::new(),
                errand: None,
                placed: None,
                changes: Vec::new(),
                numbers: None,
            },
        }
    }
}

fn draft<'a>(
    engine: &'a Engine,
    now: Timestamp,
    meta: &'a Meta<'a>,
    traced: Traced,
) -> Result<Draft<'a>, Skip> {
    let provider = engine.catalog.provider(meta.provider);
    let provider = provider.ok_or(Skip::UnknownEndpoint)?;
    let endpoint = provider.endpoint(meta.dialect);
    let endpoint = endpoint.ok_or(Skip::UnknownEndpoint)?;
    let account = meta.digest(&engine.settings.keyring);
    let mut wishes = engine.settings.on(meta.route);
    wishes.provider_diagnostics = false;
    wishes.markers = Markers::Keep;
    if wishes.mode == Mode::Reshape {
        wishes.mode = Mode::Place;
    }
    let Traced {
        mut prompt,
        prefix_tokens,
    } = traced;
    let id = model_id(&engine.catalog, &prompt, meta);
    let mut model = endpoint.limit(engine.catalog.model(meta.provider, id));
    model.limits.lookback = usize::MAX;
    let keyring = &engine.settings.keyring;
    let root = keyring.scope(&[account.as_bytes(), id.as_bytes()]);
    let opening = opening(&prompt);
    let conversation = keyring.extend(account, opening);
    let earlier = closest(engine, conversation, root, &prompt);
    let shared = earlier.as_ref().map(|(shared, one)| (*shared, &**one));
    let per_ktok = model.bytes_per_ktok;
    fill_in(&mut prompt.blocks, &prefix_tokens, per_ktok, shared);
    let (chain, before) = chain(keyring, &prompt, shared);
    let known = Known {
        conversation,
        opening,
        earlier: earlier.map(|(_, earlier)| earlier),
    };
    let remembered = Arc::new(Remembered::traced(prompt));
    Ok(Draft {
        engine,
        now,
        meta,
        wishes,
        arm: None,
        provider,
        endpoint,
        turn: Arc::new(Conversation::new(remembered, root, chain)),
        account,
        known,
        spelled: Spelled::untouched(&Bytes::new()),
        model,
        before,
        traced: Some(prefix_tokens),
    })
}

/// Names the conversation: its first block behind the system prompt.
fn opening(prompt: &Prompt) -> Fingerprint {
    let first = prompt.blocks.get(prompt.end_of(Section::System));
    let first = first.or_else(|| prompt.blocks.first());
    first.map_or_else(Fingerprint::default, |block| block.fingerprint)
}

/// The recent request of this conversation that shares most with this one.
fn closest(
    engine: &Engine,
    conversation: Digest,
    root: Digest,
    prompt: &Prompt,
) -> Option<(usize, Arc<Conversation>)> {
    let recalled = engine.memory.recall(&conversation).into_iter();
    let ours = recalled.filter(|one| one.root == root);
    let shared = ours.map(|one| (agreeing(prompt, &one.remembered.prompt), one));
    // Of two that share as much, the more recent one comes first.
    shared.reduce(|best, one| if one.0 > best.0 { one } else { best })
}

/// Says what blocks weigh, by what their tokens come to in bytes, and who spoke where the trace does
/// not: what follows the end of an earlier request begins with the model's answer to it.
fn fill_in(
    blocks: &mut [Block],
    prefix_tokens: &[Tokens],
    bytes_per_ktok: u32,
    shared: Option<(usize, &Conversation)>,
) {
    let (shared, earlier) = shared.map_or((0, &[][..]), |(shared, earlier)| {
        (shared, earlier.remembered.prompt.blocks.as_slice())
    });
    let spoken = earlier.iter().take(shared).map(|block| block.role);
    let answered = shared > 0 && shared == earlier.len() && shared + 1 < blocks.len();
    let answer = answered.then_some(Role::Assistant);
    let spoken = spoken.chain(answer).chain(iter::repeat(Role::Other));
    let mut below = 0;
    for ((block, tokens), spoken) in blocks.iter_mut().zip(prefix_tokens).zip(spoken) {
        let bytes = tokens.saturating_sub(below) * u64::from(bytes_per_ktok) / 1000;
        block.weight = u32::try_from(bytes).unwrap_or(u32::MAX);
        below = *tokens;
        if block.role == Role::Other {
            block.role = spoken;
        }
    }
}
