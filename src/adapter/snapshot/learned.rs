//! How what was learned of providers and of variants is spelled in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::form::{Exact, Hex};
use crate::economy::leader::{Leader, Parts as LeaderParts, Shadow, ShadowParts, VARIANTS};
use crate::economy::{Behaviour, Tally};
use crate::economy::{Flat, Flatten};
use crate::model::Timestamp;

/// How a provider's cache behaves. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownBehaviour {
    /// Bucket, hits and misses; empty ones are left out.
    cells: Vec<(usize, Exact, Exact)>,
    fresh: Vec<(Exact, Exact)>,
    hours: (Exact, Exact),
    exposed: Exact,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    since: Option<i64>,
    /// How many buckets there are: those of another division mean nothing here.
    buckets: usize,
}

impl From<&Behaviour> for KnownBehaviour {
    fn from(known: &Behaviour) -> Self {
        let parts = known.parts();
        let pair = |tally: &Tally| (Exact::single(tally.yes), Exact::single(tally.no));
        let cells = parts.cells.iter().enumerate();
        let cells = cells.filter(|(_, tally)| tally.total() > 0.0);
        Self {
            cells: cells
                .map(|(at, tally)| {
                    let (yes, no) = pair(tally);
                    (at, yes, no)
                })
                .collect(),
            fresh: parts.fresh.iter().map(pair).collect(),
            hours: pair(&parts.hours),
            exposed: Exact::single(parts.exposed),
            since: parts.since.map(Timestamp::as_micros),
            buckets: parts.cells.len(),
        }
    }
}

impl From<KnownBehaviour> for Behaviour {
    fn from(known: KnownBehaviour) -> Self {
        let tally = |(yes, no): (Exact, Exact)| Tally::new(yes.as_single(), no.as_single());
        let mut parts = Self::default().parts();
        if known.buckets == parts.cells.len() {
            for (at, yes, no) in known.cells {
                if let Some(cell) = parts.cells.get_mut(at) {
                    *cell = tally((yes, no));
                }
            }
            parts.fresh = known.fresh.into_iter().map(tally).collect();
        }
        parts.hours = tally(known.hours);
        parts.exposed = known.exposed.as_single();
        parts.since = known.since.map(Timestamp::from_micros);
        Self::from_parts(&parts)
    }
}

/// Which variant leads, and what each cost more than the best. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownLeader {
    excess: Vec<Exact>,
    pledged: Vec<Exact>,
    mean: Exact,
    seen: u32,
    switches: u32,
    leads: u8,
    credit: Exact,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    aged: Option<i64>,
}

impl From<&Leader> for KnownLeader {
    fn from(leader: &Leader) -> Self {
        let parts = leader.parts();
        let all = |values: [f32; VARIANTS]| values.map(Exact::single).to_vec();
        Self {
            excess: all(parts.excess),
            pledged: all(parts.pledged),
            mean: Exact::single(parts.mean),
            seen: parts.seen,
            switches: parts.switches,
            leads: parts.leads,
            credit: Exact::single(parts.credit),
            aged: parts.aged.map(Timestamp::as_micros),
        }
    }
}

impl From<KnownLeader> for Leader {
    /// One of another number of variants starts anew.
    fn from(known: KnownLeader) -> Self {
        let all = |values: &[Exact]| <[Exact; VARIANTS]>::try_from(values).ok();
        let (Some(excess), Some(pledged)) = (all(&known.excess), all(&known.pledged)) else {
            return Self::default();
        };
        let parts = LeaderParts {
            excess: excess.map(Exact::as_single),
            pledged: pledged.map(Exact::as_single),
            mean: known.mean.as_single(),
            seen: known.seen,
            switches: known.switches,
            leads: known.leads,
            credit: known.credit.as_single(),
            aged: known.aged.map(Timestamp::from_micros),
        };
        Self::from_parts(&parts)
    }
}

/// How one conversation would fare under each variant. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownShadow {
    held: Vec<[u32; 3]>,
    real: [u32; 3],
    last: Option<i64>,
    leader: KnownLeader,
}

impl From<&Shadow> for KnownShadow {
    fn from(shadow: &Shadow) -> Self {
        let parts = shadow.parts();
        Self {
            held: parts.held.to_vec(),
            real: parts.real,
            last: parts.last.map(Timestamp::as_micros),
            leader: (&parts.leader).into(),
        }
    }
}

impl From<KnownShadow> for Shadow {
    fn from(known: KnownShadow) -> Self {
        let Ok(held) = <[[u32; 3]; VARIANTS]>::try_from(known.held) else {
            return Self::default();
        };
        let parts = ShadowParts {
            held,
            real: known.real,
            last: known.last.map(Timestamp::from_micros),
            leader: known.leader.into(),
        };
        Self::from_parts(&parts)
    }
}

/// State as plain numbers. What another version wrote, with other fields, is not read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownFlat {
    numbers: Vec<Exact>,
    /// As decimal digits: JSON has no whole numbers of this size.
    whole: Vec<String>,
}

impl<T: Flatten> From<&T> for KnownFlat {
    fn from(state: &T) -> Self {
        let flat = state.flat();
        Self {
            numbers: flat.numbers.into_iter().map(Exact::double).collect(),
            whole: flat.whole.iter().map(i128::to_string).collect(),
        }
    }
}

impl KnownFlat {
    /// The state that was stored.
    pub(super) fn into_state<T: Flatten>(self) -> Option<T> {
        let numbers = self.numbers.into_iter().map(Exact::as_double);
        let whole = self.whole.iter().map(|digits| digits.parse().ok());
        T::of_flat(Flat::new(numbers.collect(), whole.collect::<Option<_>>()?))
    }
}

/// What goes beside prefixes and scopes, since version 2.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Economy {
    pub(super) providers: BTreeMap<Hex, KnownBehaviour>,
    pub(super) leaders: BTreeMap<Hex, KnownLeader>,
    pub(super) shadows: BTreeMap<Hex, KnownShadow>,
    pub(super) streams: BTreeMap<Hex, KnownFlat>,
    pub(super) returns: BTreeMap<Hex, KnownFlat>,
}
