//! One recorded request as blocks, tokens and prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::adapter::workload::{Part, Timed, Trace};
use crate::bound::{Access, Piece, Rate};
use crate::model::{Money, PriceTier, Prices, Regime, Tokens};
use crate::provider::{Catalog, Model};
use crate::sim::Request;

/// Model rows by provider and model, looked up once each.
#[derive(Debug)]
pub struct Rows {
    catalog: Arc<Catalog>,
    prices: Option<Prices>,
    rows: BTreeMap<(Arc<str>, Arc<str>), Model>,
}

impl Rows {
    /// Rows of this catalog.
    #[must_use]
    pub const fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            prices: None,
            rows: BTreeMap::new(),
        }
    }

    /// The same with these prices for every model; what else a row says stays.
    #[must_use]
    pub const fn at(mut self, prices: Option<Prices>) -> Self {
        self.prices = prices;
        self
    }

    fn of(&mut self, timed: &Timed) -> &Model {
        let key = (Arc::clone(&timed.provider), Arc::clone(&timed.model));
        self.rows.entry(key).or_insert_with(|| {
            let mut row = self.catalog.model(&timed.provider, &timed.model);
            row.prices = self.prices.or(row.prices);
            row
        })
    }
}

/// A request as its prefixes are told apart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Read {
    /// Everything outside the prompt that separates caches: provider, model, tenant, and the
    /// trace's own scope.
    pub scope: u64,
    /// Its blocks.
    pub blocks: Vec<Piece>,
    /// Tokens behind the last block.
    pub tail: Tokens,
    /// Blocks where the provider's documentation puts five-minute markers: the end of the system
    /// prompt and the last one.
    pub documented: Vec<usize>,
    /// Its prices.
    pub rate: Rate,
}

impl Read {
    /// Reads a request: what the simulator read from its body, or else its trace.
    #[must_use]
    pub fn of(timed: &Timed, request: Option<&Request>, rows: &mut Rows) -> Self {
        let row = rows.of(timed);
        let (blocks, tail, documented) = match (&timed.trace, request) {
            (Some(trace), _) => traced(trace),
            (None, Some(request)) => bodied(request),
            (None, None) => (Vec::new(), estimated(timed, row), Vec::new()),
        };
        let sent = blocks.iter().map(|block| Tokens::from(block.tokens));
        let mut rate = rate(row, sent.sum::<Tokens>() + tail);
        // A trace's blocks are pieces of messages, not the blocks that a provider counts.
        rate.lookback = match (&timed.trace, row.limits.regime) {
            (None, Regime::Breakpoints) => Some(row.limits.lookback),
            (None, Regime::Exact | Regime::Automatic) | (Some(_), _) => None,
        };
        let own = timed.trace.as_ref().map(|trace| trace.scope);
        let tenant = timed.tenant.as_deref().unwrap_or_default();
        let name = format!("{}\n{}\n{tenant}\n{own:?}", timed.provider, row.name);
        Self {
            scope: xxh3_64(name.as_bytes()),
            blocks,
            tail,
            documented,
            rate,
        }
    }

    /// The access that this request is.
    #[must_use]
    pub fn access(&self, timed: &Timed) -> Access<'_> {
        let mut access = Access::new(self.scope, timed.at, &self.blocks);
        access.visible = timed.first_byte.max(timed.at);
        access.tail = self.tail;
        access
    }
}

/// Blocks, tokens behind them, and the documented places.
type Parts = (Vec<Piece>, Tokens, Vec<usize>);

fn traced(trace: &Trace) -> Parts {
    let blocks = trace.pieces();
    let head = trace.blocks.iter().rposition(|block| match block.part {
        Part::Tools | Part::System => true,
        Part::User | Part::Results | Part::Assistant | Part::Unsaid => false,
    });
    let mut documented: Vec<usize> = head
        .into_iter()
        .chain(blocks.len().checked_sub(1))
        .collect();
    documented.dedup();
    (blocks, trace.tail, documented)
}

fn bodied(request: &Request) -> Parts {
    let mut before = 0;
    let mut blocks = Vec::with_capacity(request.block_count());
    for (prefix, tokens) in request.prefixes().zip(request.prefix_tokens()) {
        let own = u32::try_from(tokens - before).unwrap_or(u32::MAX);
        blocks.push(Piece::new(prefix, own));
        before = tokens;
    }
    let documented = request.with_default_markers().markers;
    let documented = documented.into_iter().map(|(place, _)| place).collect();
    (blocks, request.input_tokens() - before, documented)
}

/// The length of a prompt that could not be read.
fn estimated(timed: &Timed, row: &Model) -> Tokens {
    let bytes = timed.body.len() as u64;
    bytes.saturating_mul(1000) / u64::from(row.bytes_per_ktok.max(1))
}

/// The prices of a prompt of this length; nothing where no row has any.
fn rate(row: &Model, tokens: Tokens) -> Rate {
    let Some(prices) = &row.prices else {
        return Rate::new(PriceTier::new([Money::ZERO; 5]));
    };
    let mut rate = Rate::new(*prices.tier(tokens));
    let short = prices
        .short
        .map_or(prices.standard.read, |(_, tier)| tier.read);
    rate.ping = prices.standard.read.min(short);
    rate.min_tokens = row.limits.min_tokens;
    rate
}
