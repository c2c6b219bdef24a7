//! Requests whose bodies are in the log: each is compared with the nearest one before it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::evidence::Evidence;
use super::lane::{Figures, Finding, left, lifetime, noise};
use super::turn::{Place, Turn};
use crate::diagnose::{Answer, Earlier, Facts, Other, Side, compare, diagnose};
use crate::model::{Block, Digest, Prompt, Timestamp, Ttl, Usage};
use crate::provider::Model;
use crate::wire::Dialect;

/// Requests kept for comparison.
const REQUESTS: usize = 256;
/// Bytes of bodies kept for comparison.
const BYTES: usize = 64 << 20;
/// By how many percent a share of a prompt by its bytes may be off in tokens.
const OFF: u64 = 5;

/// A request's body and what was read from it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) body: Bytes,
    pub(super) prompt: Prompt,
    pub(super) dialect: &'static dyn Dialect,
}

/// Earlier requests, the latest last.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    requests: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    place: Place,
    provider: Box<str>,
    model: Box<str>,
    sent: Sent,
    at: Timestamp,
    visible: Timestamp,
    input: u64,
    cached: u64,
    ttl: Option<Ttl>,
    digest: Digest,
}

impl Shelf {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Explains a request and keeps it.
    pub(super) fn explain(
        &mut self,
        turn: &Turn,
        figures: Figures,
        (usage, model): (&Usage, &Model),
        digest: Digest,
    ) -> Finding {
        let Some(sent) = &turn.sent else {
            return Finding::default();
        };
        let nearest = self.nearest(turn, sent);
        let mut finding = Finding {
            readable: Some(figures.read),
            ..Finding::default()
        };
        let mut facts = Facts::new(*usage, model.limits);
        facts.granularity = model.granularity;
        facts.own_markers = markers(&sent.prompt.blocks) + usize::from(is_automatic(sent));
        match nearest {
            None => {
                take(&facts, figures, &mut finding);
            }
            Some(kept) => {
                let difference = compare(&kept.side(), &side(sent, &model.name));
                let weight = weigh(&kept.sent.prompt.blocks);
                let part = kept.sent.prompt.blocks.get(..difference.shared);
                let part = weigh(part.unwrap_or_default());
                let shared = kept.input.saturating_mul(part) / weight.max(1);
                let readable = kept.cached.min(figures.input);
                facts.tolerance = noise(model, readable).max(readable * OFF / 100);
                let shared_blocks = sent.prompt.blocks.get(..difference.shared);
                let within = markers(shared_blocks.unwrap_or_default());
                let moving = is_automatic(sent) || sent.prompt.implicit.is_some();
                facts.shared_markers = (!moving).then_some(within);
                let mut earlier =
                    Earlier::new(readable).compared(&difference, shared.min(readable));
                if kept.model != model.name {
                    earlier.other = Other::Model;
                }
                if turn.at.as_micros() > 0 && kept.at.as_micros() > 0 {
                    earlier.idle = Some(turn.at.since(kept.at));
                    if turn.at < kept.visible {
                        earlier.answer = Answer::Pending;
                    }
                } else {
                    // Without a clock nothing can be shown to have expired.
                    earlier.idle = Some(std::time::Duration::ZERO);
                }
                earlier.ttl = Some(lifetime(kept.ttl, model));
                finding.readable = Some(readable.max(figures.read));
                let whole = kept.cached <= figures.read.saturating_add(noise(model, kept.cached));
                finding.read = (figures.read > 0 && whole).then_some(kept.digest);
                take(&facts.after(earlier), figures, &mut finding);
            }
        }
        self.keep(turn, sent, figures, (usage, model, digest));
        finding
    }

    /// The one with most in common; the last of the same lane where others have no more.
    fn nearest(&self, turn: &Turn, sent: &Sent) -> Option<&Kept> {
        let alike = self.requests.iter().filter(|kept| {
            *kept.provider == *turn.provider && kept.place.tenant == turn.place.tenant
        });
        let rated = alike.enumerate().map(|(number, kept)| {
            let common = common(&kept.sent.prompt.blocks, &sent.prompt.blocks);
            let same = !kept.place.session.is_empty() && kept.place == turn.place;
            ((common, same, number), kept)
        });
        let (rating, kept) = rated.max_by_key(|(rating, _)| *rating)?;
        (rating.0 > 0 || rating.1).then_some(kept)
    }

    fn keep(
        &mut self,
        turn: &Turn,
        sent: &Sent,
        figures: Figures,
        (usage, model, digest): (&Usage, &Model, Digest),
    ) {
        self.bytes += sent.body.len();
        self.requests.push_back(Kept {
            place: turn.place.clone(),
            provider: (&*turn.provider).into(),
            model: model.name.clone(),
            sent: sent.clone(),
            at: turn.at,
            visible: turn.first_byte.unwrap_or(turn.ended),
            input: figures.input,
            cached: left(figures, model).0,
            ttl: class(usage),
            digest,
        });
        while self.requests.len() > REQUESTS || self.bytes > BYTES {
            let Some(oldest) = self.requests.pop_front() else {
                break;
            };
            self.bytes -= oldest.sent.body.len();
        }
    }
}

/// The class of the end of what was written: longer ones stand before shorter ones.
pub(super) fn class(usage: &Usage) -> Option<Ttl> {
    [
        (usage.write_5m, Ttl::FiveMinutes),
        (usage.write_30m, Ttl::HalfHour),
        (usage.write_1h, Ttl::OneHour),
    ]
    .into_iter()
    .find_map(|(written, ttl)| (written? > 0).then_some(ttl))
}

impl Kept {
    fn side(&self) -> Side<'_> {
        side(&self.sent, &self.model)
    }
}

fn side<'a>(sent: &'a Sent, model: &'a str) -> Side<'a> {
    Side::new(&sent.body, &sent.prompt, sent.dialect).with_model(model)
}

fn is_automatic(sent: &Sent) -> bool {
    sent.prompt.auto_marker.is_some()
}

fn take(facts: &Facts<'_>, figures: Figures, finding: &mut Finding) {
    let Some(miss) = diagnose(facts) else { return };
    let tokens = miss.tokens.min(figures.input);
    finding.miss = Some((miss.cause, tokens, Evidence::Compared));
    finding.place = miss.place.map(|place| (place, miss.pattern));
}

fn markers(blocks: &[Block]) -> usize {
    blocks.iter().filter(|block| block.marker.is_some()).count()
}

fn weigh(blocks: &[Block]) -> u64 {
    blocks.iter().map(|block| u64::from(block.weight)).sum()
}

/// Bytes of the leading blocks that are alike.
fn common(one: &[Block], other: &[Block]) -> u64 {
    let pairs = one.iter().zip(other);
    let alike = pairs.take_while(|(one, other)| one.fingerprint == other.fingerprint);
    alike.map(|(one, _)| u64::from(one.weight)).sum()
}
