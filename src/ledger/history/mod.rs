//! What was seen, what should be warm, and how often things return: the planner's memory.
//!
//! The history only predicts. A wrong prediction costs a marker in the wrong place, never a wrong
//! byte. Everything here is keyed by prefix digests whose scope (provider, account, tenant, model)
//! is part of the digest.

mod hazards;
mod learned;
mod node;
mod partings;
mod pending;
mod prints;
mod trials;

pub use hazards::Hazards;
pub use learned::{Calibration, Held, Learned, Pace, Parts, RENT_SECS, Share};
pub use node::{Entry, Node, Spot};
pub use partings::{Partings, TURN};
pub use pending::Pending;
pub use prints::{Maker, Passed, Prints, Stored, name_of};
pub use trials::{Trial, Trials};

use std::time::Duration;

use crate::model::{Digest, Timestamp, Ttl};

/// Where nodes and learned figures are kept. Implementations are bounded and may forget anything
/// at any time.
pub trait Nodes: std::fmt::Debug + Send + Sync {
    /// The node of this prefix.
    fn node(&self, prefix: &Digest) -> Option<Node>;

    /// Keeps a node.
    fn put_node(&self, prefix: Digest, node: Node);

    /// Shows what was learned under this key; empty when nothing was.
    fn learned(&self, key: &Digest, look: &mut dyn FnMut(&Learned));

    /// Changes what was learned under this key. Lost updates under contention are tolerated:
    /// these are statistics.
    fn learn(&self, key: Digest, change: &mut dyn FnMut(&mut Learned));

    /// Follows a request by the tags of its prefixes, from the shortest on; see [`Prints::pass`].
    fn pass(&self, path: &[u64], maker: Maker, now: Timestamp) -> Passed {
        let _ = (path, maker, now);
        Passed::default()
    }
}

/// The probability that a prefix is reused within each lifetime class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reuse {
    /// Within five minutes.
    pub five_minutes: f64,
    /// Within half an hour.
    pub half_hour: f64,
    /// Within one hour.
    pub one_hour: f64,
}

impl Reuse {
    /// The same probability for both classes.
    #[must_use]
    pub const fn flat(probability: f64) -> Self {
        Self {
            five_minutes: probability,
            half_hour: probability,
            one_hour: probability,
        }
    }

    /// The same where something else has to happen besides, with this chance.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "probabilities")]
    pub fn times(self, chance: f64) -> Self {
        Self {
            five_minutes: self.five_minutes * chance,
            half_hour: self.half_hour * chance,
            one_hour: self.one_hour * chance,
        }
    }

    /// The higher probability of each class.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        Self {
            five_minutes: self.five_minutes.max(other.five_minutes),
            half_hour: self.half_hour.max(other.half_hour),
            one_hour: self.one_hour.max(other.one_hour),
        }
    }

    /// The probability within `ttl`.
    #[must_use]
    pub const fn within(&self, ttl: Ttl) -> f64 {
        match ttl {
            Ttl::FiveMinutes => self.five_minutes,
            Ttl::HalfHour => self.half_hour,
            Ttl::OneHour => self.one_hour,
        }
    }
}

/// Books the visit of one request to the prefix that ends at a spot, given what is known of it, and
/// returns the node.
///
/// A prefix that was not seen before opens a trial for its kind of spot; one that was seen settles
/// its trial with the gap since its last visit.
pub fn visit(
    nodes: &dyn Nodes,
    keys: &[Digest],
    (prefix, known): (Digest, Option<Node>),
    spot: Spot,
    now: Timestamp,
) -> Node {
    let Some(mut node) = known else {
        let node = Node::first_seen(spot, now);
        nodes.put_node(prefix, node);
        for key in keys {
            nodes.learn(*key, &mut |learned| learned.open(prefix, spot, now));
        }
        return node;
    };
    let gap = now.since(node.last);
    if node.returned_after(gap, now) {
        for key in keys {
            nodes.learn(*key, &mut |learned| {
                learned.settle(&prefix, node.spot, gap);
            });
        }
    }
    nodes.put_node(prefix, node);
    node
}

/// The probability that the prefix of `node` is reused, backed off from the node to what is known of
/// its kind.
#[must_use]
#[expect(clippy::float_arithmetic, reason = "probabilities")]
pub fn reuse(node: &Node, back_off: Reuse) -> Reuse {
    let windows = f64::from(node.visits.saturating_sub(1));
    // A prefix that was seen once has not been waited for yet.
    let last = if node.visits > 1 { LAST } else { 0.0 };
    let blend = |returns: u32, prior: f64, windows: f64| {
        (f64::from(returns) + NODE_PRIOR * prior) / (windows + NODE_PRIOR)
    };
    Reuse {
        five_minutes: blend(node.returns_5m, back_off.five_minutes, windows),
        half_hour: blend(node.returns_30m, back_off.half_hour, windows),
        one_hour: blend(node.returns_1h, back_off.one_hour, windows + last),
    }
}

/// The probability that a prefix of this kind is reused, backed off under each key in turn (the
/// widest first), to the prior of its spot.
#[must_use]
pub fn kind_reuse(kinds: &[&Learned], spot: Spot, now: Timestamp) -> Reuse {
    let prior = Hazards::flat(spot.prior());
    let hazards = kinds
        .iter()
        .fold(prior, |wider, learned| learned.hazards(&wider, spot, now));
    hazards.reuse()
}

/// How many visits of the node itself weigh as much as everything its kind has shown.
const NODE_PRIOR: f64 = 1.5;

/// Of the visits to any prefix one is the last. Those that were counted so far all came back in the end,
/// so that without it hardly a prefix would seem to stay away for an hour.
const LAST: f64 = 1.0;

/// The shorter class's life.
pub(crate) const FIVE_MINUTES: Duration = Duration::from_secs(300);
/// The life of the class between them.
pub(crate) const HALF_HOUR: Duration = Duration::from_secs(1800);
/// The longer class's life.
pub(crate) const ONE_HOUR: Duration = Duration::from_secs(3600);
