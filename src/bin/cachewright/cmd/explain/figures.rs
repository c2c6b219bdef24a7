//! What `explain` says, as finished figures.

use std::path::PathBuf;

use cachewright::diagnose::{Changed, Relation, Side, compare, excerpts};
use cachewright::model::{Block, Money, Regime};
use cachewright::provider::Model;

use crate::bodies::Body;

/// About how many bytes of each prompt are shown around a change.
const WIDTH: usize = 200;

/// Two bodies compared.
pub(super) struct Explanation {
    pub(super) files: [PathBuf; 2],
    pub(super) dialect: &'static str,
    pub(super) provider: Box<str>,
    pub(super) model: Box<str>,
    /// Whether a row describes the model; without one the limits are guesses and there is no price.
    pub(super) known: bool,
    pub(super) relation: Relation,
    /// Blocks of the earlier body and of the later one, and leading ones that they share.
    pub(super) blocks: [usize; 2],
    pub(super) shared: usize,
    /// Estimated tokens of both bodies.
    pub(super) tokens: [u64; 2],
    /// Estimated tokens of the later body that can still be read.
    pub(super) readable: u64,
    /// Estimated tokens that could have been read had nothing changed, and cannot.
    pub(super) lost: u64,
    /// The shortest prefix that is cached.
    pub(super) minimum: u64,
    /// What the lost tokens cost above the price of a read, per call.
    pub(super) lost_cost: Option<Money>,
    /// What reading the readable ones saves, per call.
    pub(super) saved: Option<Money>,
    pub(super) changes: Vec<Shown>,
    /// Changed places beyond those listed.
    pub(super) further: usize,
}

/// A changed place and what stood and stands there.
pub(super) struct Shown {
    pub(super) changed: Changed,
    pub(super) excerpts: [Box<str>; 2],
}

/// Compares two bodies of one dialect.
pub(super) fn explain(earlier: &Body<'_>, later: &Body<'_>) -> Explanation {
    let [one, other] = [earlier, later].map(|body| {
        let side = Side::new(&body.bytes, &body.reading.prompt, body.endpoint.dialect);
        // Where a row answers to both spellings, it is one model.
        side.with_model(&body.model.name)
    });
    let difference = compare(&one, &other);
    let model = &later.model;
    let all = |body: &Body<'_>| tokens(&body.reading.prompt.blocks, model);
    let shared = later.reading.prompt.blocks.get(..difference.shared);
    let shared = tokens(shared.unwrap_or_default(), model);
    let sizes = [all(earlier), all(later)];
    let minimum = model.limits.min_tokens;
    let readable = if shared < minimum { 0 } else { shared };
    let whole = sizes[0].min(sizes[1]);
    let differs = difference.relation == Relation::Differs && whole >= minimum;
    let lost = if differs {
        whole.saturating_sub(readable)
    } else {
        0
    };
    let changes = difference.changes.into_iter().map(|changed| Shown {
        excerpts: excerpts(&changed, &one, &other, WIDTH),
        changed,
    });
    Explanation {
        files: [earlier.file.clone(), later.file.clone()],
        dialect: later.endpoint.name,
        provider: later.provider.name.clone(),
        model: model.name.clone(),
        known: model.limits.known,
        relation: difference.relation,
        blocks: [earlier, later].map(|body| body.reading.prompt.blocks.len()),
        shared: difference.shared,
        tokens: sizes,
        readable,
        lost,
        minimum,
        lost_cost: above_reading(model, sizes[1], lost),
        saved: saved(model, sizes[1], readable),
        changes: changes.collect(),
        further: difference.further,
    }
}

/// Tokens by the model's own length of a token.
fn tokens(blocks: &[Block], model: &Model) -> u64 {
    let bytes: u64 = blocks.iter().map(|block| u64::from(block.weight)).sum();
    bytes * 1000 / u64::from(model.bytes_per_ktok.max(1))
}

/// What it costs to pay for `tokens` again rather than to read them.
fn above_reading(model: &Model, input: u64, tokens: u64) -> Option<Money> {
    let tier = model.prices.as_ref()?.tier(input);
    let paid = match model.limits.regime {
        Regime::Automatic => tier.input,
        Regime::Breakpoints | Regime::Exact => tier.write(model.limits.ttl),
    };
    Some((paid - tier.read).times(tokens))
}

/// What reading `tokens` saves against plain input.
fn saved(model: &Model, input: u64, tokens: u64) -> Option<Money> {
    let tier = model.prices.as_ref()?.tier(input);
    Some((tier.input - tier.read).times(tokens))
}
