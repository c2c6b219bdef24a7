//! Recorded traffic measured against its bounds.
//!
//! Requests are taken as the simulator reads them, or as a trace tells their blocks apart, and one
//! [`Figures`] says what the whole of it costs at least and what a clairvoyant would pay.

mod figures;
mod file;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use super::workload::Timed;
use crate::bound::{Course, Rules, Terms};
use crate::model::Ttl;
use crate::provider::Catalog;
use crate::sim::Request;

pub use figures::Figures;
pub use file::{Job, measure};
pub use reading::{Read, Rows};

/// How long a cache without a fee keeps what is not used, where no page says so (assumed, as in
/// the replay of Mooncake's traces).
const IMPLICIT: Duration = Duration::from_secs(600);

/// Which prices and classes traffic is measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Regime {
    /// Five-minute entries.
    Short,
    /// Five-minute and one-hour entries.
    Both,
    /// Five-minute and one-hour entries, and pings.
    Pings,
    /// Half-hour entries, at the price of five-minute ones where a row does not sell them.
    HalfHour,
    /// A cache that decides by itself and takes no fee.
    NoFee,
}

impl Regime {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Short,
        Self::Both,
        Self::Pings,
        Self::HalfHour,
        Self::NoFee,
    ];

    /// The name in reports and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "5m",
            Self::Both => "5m+1h",
            Self::Pings => "pings",
            Self::HalfHour => "30m",
            Self::NoFee => "no-fee",
        }
    }

    /// What is on sale then.
    #[must_use]
    pub fn terms(self) -> Terms {
        match self {
            Self::Short => Terms::new(&[Ttl::FiveMinutes]),
            Self::Both => Terms::new(&[Ttl::FiveMinutes, Ttl::OneHour]),
            Self::Pings => Terms::new(&[Ttl::FiveMinutes, Ttl::OneHour]).with_pings(),
            Self::HalfHour => Terms::new(&[Ttl::HalfHour]),
            Self::NoFee => Terms::implicit(IMPLICIT),
        }
    }
}

/// A request that is to be measured: what it shares with others, and where the documented markers
/// stand.
#[derive(Clone, Debug)]
struct Marked {
    /// Index of the block at the end of the system prompt, and of the last one.
    places: Vec<u32>,
}

/// Takes requests in the order of time.
#[derive(Debug)]
pub struct Ruler {
    rows: Rows,
    course: Course,
    marked: Vec<Marked>,
    rules: Rules,
}

impl Ruler {
    /// A ruler that prices by these rows. It follows every block, looks back in traces without
    /// limit, and holds an entry readable when its writer's answer has begun.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self::over(Rows::new(catalog))
    }

    /// The same over these rows.
    #[must_use]
    pub fn over(rows: Rows) -> Self {
        Self {
            rows,
            course: Course::new(),
            marked: Vec::new(),
            rules: Rules::default(),
        }
    }

    /// The same with other rules for the policies that are billed; the bounds obey none.
    #[must_use]
    pub const fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Takes one request. `request` is what the simulator read from its body; a traced one has
    /// none, and one that has neither is taken as plain input of estimated length.
    pub fn take(&mut self, timed: &Timed, request: Option<&Request>) {
        let read = Read::of(timed, request, &mut self.rows);
        self.course.take(&read.access(timed), &read.rate);
        let places = read.documented.iter();
        let places = places.filter_map(|place| u32::try_from(*place).ok());
        self.marked.push(Marked {
            places: places.collect(),
        });
    }

    /// How many requests were taken.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.course.requests()
    }

    /// Closes the traffic, to be measured.
    #[must_use]
    pub fn finish(self) -> Figures {
        Figures::new(self.course.close(), self.marked, self.rules)
    }
}
