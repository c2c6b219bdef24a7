//! A request while it is put together: blocks in the order in which the model sees them.

use std::sync::Arc;

use super::block::{self, Block, Kind};
use super::facts::{Facts, Spelled};
use super::habits;
use super::piece::Speaker;
use super::read::{IMAGE_TOKENS, extend, link};
use super::rejection::{Rejection, Unmarkable};
use super::request::{Request, Section, Table};
use super::scan::compact;
use crate::model::{Regime, Ttl};
use crate::provider::{Catalog, Model, Provider};

pub(super) type Member<'a> = (&'a [u8], &'a [u8]);
pub(super) type Members<'a> = [Member<'a>];

/// Where a block stands and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) section: Section,
    pub(super) speaker: Speaker,
    pub(super) outer: usize,
    pub(super) inner: usize,
    pub(super) kind: Kind,
    /// Whether it is an image, a sound or a file.
    pub(super) binary: bool,
}

/// A request of any dialect while it is put together.
pub(super) struct Draft<'a> {
    pub(super) provider: Option<&'a Provider>,
    pub(super) model: &'a Model,
    pub(super) table: Table,
    pub(super) markers: Vec<(usize, Ttl)>,
    chain: u128,
    tokens: u64,
}

/// The model as the provider's rows know it. One without a row is taken for a model whose cache
/// decides by itself where the provider has any such, or where there are no rows at all and the
/// dialect knows no marker.
pub(super) fn model(catalog: &Catalog, provider: &str, (id, spelled): (&str, Spelled)) -> Model {
    let mut model = catalog.model(provider, id);
    if model.limits.known {
        return model;
    }
    let mut rows = catalog.models(provider).peekable();
    let automatic = if rows.peek().is_none() {
        !matches!(spelled, Spelled::Messages | Spelled::Converse)
    } else {
        rows.any(|row| row.limits.regime == Regime::Automatic)
    };
    if automatic && spelled != Spelled::Messages {
        model.limits.regime = Regime::Automatic;
    }
    model
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        catalog: &'a Catalog,
        provider: &str,
        model: &'a Model,
        spelled: Spelled,
    ) -> Self {
        let mut table = Table::new(model);
        table.facts = Facts::new(spelled, habits::of(provider, &model.name));
        let provider = catalog.provider(provider);
        Self {
            provider,
            model,
            table,
            markers: Vec::new(),
            chain: link(0, &[b"model", model.name.as_bytes()]),
            tokens: 0,
        }
    }

    /// Goes on behind what was kept before.
    pub(super) fn go_on_behind(&mut self, prefix: u128) {
        self.chain = prefix;
    }

    pub(super) fn regime(&self) -> Regime {
        self.model.limits.regime
    }

    /// Something that changes every prefix from here on.
    pub(super) fn switch(&mut self, parts: &[&[u8]]) {
        self.chain = link(self.chain, parts);
        if self.table.len() == 0 {
            self.table.facts.seed = self.chain;
        }
    }

    /// Adds a block with these members, its marker left out; returns its index.
    pub(super) fn block(&mut self, place: Place, members: &Members<'_>) -> usize {
        let mut members = members.to_vec();
        members.sort_by_key(|(key, _)| *key);
        let mut block = block::identify(&members);
        block.kind = place.kind;
        if place.binary {
            (block.bytes, block.images) = (0, 1);
        }
        let role = [place.section as u8, place.speaker as u8];
        self.chain = extend(self.chain, role, block.digest);
        if self.regime() == Regime::Automatic {
            self.render(role, &members, &block);
        } else {
            let ruler = u64::from(self.model.bytes_per_ktok.max(1));
            let text = (block.bytes * 1000).div_ceil(ruler);
            self.tokens += text + block.images * IMAGE_TOKENS;
        }
        let index = self.table.len();
        let end = (self.chain, self.tokens);
        let at = (place.outer, Some(place.inner));
        self.table.push(&block, place.section, at, end);
        index
    }

    /// The prompt token by token: a template of the provider's puts roles between messages, so the
    /// order of a message's members does not matter. What is not text weighs a constant.
    fn render(&mut self, role: [u8; 2], members: &Members<'_>, block: &Block) {
        let text = &mut self.table.facts.text.0;
        text.extend_from_slice(&role);
        let ruler = u64::from(self.model.bytes_per_ktok);
        if block.images > 0 {
            let length = IMAGE_TOKENS * ruler / 1000;
            let filler = block.digest.to_le_bytes().into_iter().cycle();
            text.extend(filler.take(usize::try_from(length).unwrap_or(0)));
        } else {
            for (key, value) in members {
                text.extend_from_slice(key);
                text.push(b':');
                text.extend_from_slice(&compact(value));
            }
        }
        self.tokens = (text.len() as u64 * 1000).div_ceil(ruler.max(1));
    }

    /// Marks the block added last.
    pub(super) fn mark(&mut self, ttl: Ttl) {
        if let Some(last) = self.table.len().checked_sub(1) {
            self.markers.push((last, ttl));
        }
    }

    /// Says why the block added last can carry no marker.
    pub(super) fn forbid(&mut self, reason: Unmarkable) {
        self.table.forbid(reason);
    }

    pub(super) fn finish(mut self) -> Result<Request, Rejection> {
        if self.table.len() == 0 && self.table.facts.cached.is_none() {
            return Err(Rejection::invalid("the request has no content"));
        }
        self.table.finish(self.model);
        Ok(Request::new(self.markers, None, Arc::new(self.table)))
    }
}
