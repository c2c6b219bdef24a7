//! How the history is spelled in a file: mirrors of its types, which know nothing of files.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ledger::history::{
    Calibration, Entry, Learned, Node, Partings, Parts, Spot, Trial, Trials,
};
use crate::model::{Digest, Timestamp, Ttl};

/// A digest as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hex(pub(super) Digest);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| digits);
        let bytes = number.ok_or_else(|| D::Error::custom("not a digest"))?;
        Ok(Self(Digest::from_bytes(bytes.to_be_bytes())))
    }
}

/// A number as its shortest exact decimal spelling. A JSON number would come back with its last
/// bit changed, and a plan could change with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact(f64);

impl Exact {
    /// A number of single precision, exactly.
    pub(super) fn single(value: f32) -> Self {
        Self(f64::from(value))
    }

    /// A number of double precision.
    pub(super) const fn double(value: f64) -> Self {
        Self(value)
    }

    /// The number.
    pub(super) const fn as_double(self) -> f64 {
        self.0
    }

    /// The number, in the precision that it came in.
    #[expect(clippy::cast_possible_truncation, reason = "it came from there")]
    pub(super) const fn as_single(self) -> f32 {
        self.0 as f32
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a finite number"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KnownSpot {
    ToolsEnd,
    SystemEnd,
    Inner,
    Branch,
    AgentStart,
    ChatStart,
    Later,
    Replacing,
}

impl From<Spot> for KnownSpot {
    fn from(spot: Spot) -> Self {
        match spot {
            Spot::ToolsEnd => Self::ToolsEnd,
            Spot::SystemEnd => Self::SystemEnd,
            Spot::Inner => Self::Inner,
            Spot::Branch => Self::Branch,
            Spot::AgentStart => Self::AgentStart,
            Spot::ChatStart => Self::ChatStart,
            Spot::Later => Self::Later,
            Spot::Replacing => Self::Replacing,
        }
    }
}

impl From<KnownSpot> for Spot {
    fn from(spot: KnownSpot) -> Self {
        match spot {
            KnownSpot::ToolsEnd => Self::ToolsEnd,
            KnownSpot::SystemEnd => Self::SystemEnd,
            KnownSpot::Inner => Self::Inner,
            KnownSpot::Branch => Self::Branch,
            KnownSpot::AgentStart => Self::AgentStart,
            KnownSpot::ChatStart => Self::ChatStart,
            KnownSpot::Later => Self::Later,
            KnownSpot::Replacing => Self::Replacing,
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum KnownTtl {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "30m")]
    HalfHour,
    #[serde(rename = "1h")]
    OneHour,
}

/// A prefix that was seen. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownNode {
    spot: KnownSpot,
    last: i64,
    visits: u32,
    returns_5m: u32,
    #[serde(default)]
    returns_30m: u32,
    returns_1h: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<(KnownTtl, i64)>,
}

impl From<Node> for KnownNode {
    fn from(node: Node) -> Self {
        let entry = node.entry.map(|entry| {
            let ttl = match entry.ttl {
                Ttl::FiveMinutes => KnownTtl::FiveMinutes,
                Ttl::HalfHour => KnownTtl::HalfHour,
                Ttl::OneHour => KnownTtl::OneHour,
            };
            (ttl, entry.since.as_micros())
        });
        Self {
            spot: node.spot.into(),
            last: node.last.as_micros(),
            visits: node.visits,
            returns_5m: node.returns_5m,
            returns_30m: node.returns_30m,
            returns_1h: node.returns_1h,
            entry,
        }
    }
}

impl From<KnownNode> for Node {
    fn from(known: KnownNode) -> Self {
        let entry = known.entry.map(|(ttl, since)| {
            let ttl = match ttl {
                KnownTtl::FiveMinutes => Ttl::FiveMinutes,
                KnownTtl::HalfHour => Ttl::HalfHour,
                KnownTtl::OneHour => Ttl::OneHour,
            };
            Entry::new(ttl, Timestamp::from_micros(since))
        });
        let mut node = Self::first_seen(known.spot.into(), Timestamp::from_micros(known.last));
        node.visits = known.visits;
        node.returns_5m = known.returns_5m;
        node.returns_30m = known.returns_30m.max(known.returns_5m);
        node.returns_1h = known.returns_1h;
        node.entry = entry;
        node
    }
}

/// What was learned under one key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownScope {
    trials: BTreeMap<KnownSpot, KnownTrials>,
    /// Prefix, block index, microseconds.
    branches: Vec<(Hex, u32, i64)>,
    calibration: KnownCalibration,
    /// Since version 3.
    #[serde(default)]
    partings: BTreeMap<KnownSpot, KnownPartings>,
}

/// How far before their ends requests were left.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownPartings {
    /// Distance and weight, the shortest first.
    kinds: Vec<(usize, Exact)>,
    total: Exact,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownTrials {
    /// Prefix, microseconds from which silence counts, microseconds of the gap, weight as a
    /// failure.
    recent: Vec<(Hex, Option<i64>, Option<u64>, Exact)>,
    log_gap: Exact,
    returns: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownCalibration {
    factors: [Exact; 3],
    error: Exact,
    samples: u32,
}

impl From<&Learned> for KnownScope {
    fn from(learned: &Learned) -> Self {
        let parts = learned.parts();
        let trials = parts.trials.iter();
        let branches = parts.branches.into_iter();
        let partings = parts.partings.iter();
        let Calibration {
            factors,
            error,
            samples,
            ..
        } = parts.calibration;
        Self {
            trials: trials
                .map(|(spot, trials)| ((*spot).into(), trials.into()))
                .collect(),
            branches: branches
                .map(|(prefix, depth, seen)| (Hex(prefix), depth, seen.as_micros()))
                .collect(),
            calibration: KnownCalibration {
                factors: factors.map(Exact),
                error: Exact(error),
                samples,
            },
            partings: partings
                .map(|(spot, partings)| ((*spot).into(), partings.into()))
                .collect(),
        }
    }
}

impl From<KnownScope> for Learned {
    fn from(known: KnownScope) -> Self {
        let trials = known.trials.into_iter();
        let branches = known.branches.into_iter();
        let partings = known.partings.into_iter();
        let KnownCalibration {
            factors,
            error: Exact(error),
            samples,
        } = known.calibration;
        Self::from_parts(Parts {
            trials: trials
                .map(|(spot, trials)| (spot.into(), trials.into()))
                .collect(),
            branches: branches
                .map(|(Hex(prefix), depth, seen)| (prefix, depth, Timestamp::from_micros(seen)))
                .collect(),
            calibration: Calibration {
                factors: factors.map(|Exact(factor)| factor),
                error,
                samples,
            },
            partings: partings
                .map(|(spot, partings)| (spot.into(), partings.into()))
                .collect(),
        })
    }
}

impl From<&Partings> for KnownPartings {
    fn from(partings: &Partings) -> Self {
        let (kinds, total) = partings.parts();
        let kinds = kinds.iter().map(|(at, weight)| (*at, Exact(*weight)));
        Self {
            kinds: kinds.collect(),
            total: Exact(total),
        }
    }
}

impl From<KnownPartings> for Partings {
    fn from(known: KnownPartings) -> Self {
        let kinds = known.kinds.into_iter();
        let Exact(total) = known.total;
        Self::from_parts(
            kinds.map(|(at, Exact(weight))| (at, weight)).collect(),
            total,
        )
    }
}

impl From<&Trials> for KnownTrials {
    fn from(trials: &Trials) -> Self {
        let (recent, log_gap, returns) = trials.parts();
        let micros = |gap: Duration| u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
        let spelled = recent.map(|trial| {
            let silent_from = trial.silent_from.map(Timestamp::as_micros);
            let gap = trial.gap.map(micros);
            (Hex(trial.prefix), silent_from, gap, Exact(trial.failed))
        });
        Self {
            recent: spelled.collect(),
            log_gap: Exact(log_gap),
            returns,
        }
    }
}

impl From<KnownTrials> for Trials {
    fn from(known: KnownTrials) -> Self {
        let recent =
            known
                .recent
                .into_iter()
                .map(|(Hex(prefix), silent_from, gap, Exact(failed))| Trial {
                    prefix,
                    silent_from: silent_from.map(Timestamp::from_micros),
                    gap: gap.map(Duration::from_micros),
                    failed,
                });
        let Exact(log_gap) = known.log_gap;
        Self::from_parts(recent, log_gap, known.returns)
    }
}
