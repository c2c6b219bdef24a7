//! Which failure of a call is told to the caller.

use std::cmp::Reverse;

use super::{Failure, FailureKind, Step};

/// How much a failure tells the caller; the greater the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// There was no answer, or none that could be read.
    Silence,
    /// An answer that concerns one backend only.
    OfBackend,
    /// An answer after which waiting may help.
    OfMoment,
    /// An answer about the request.
    OfRequest,
}

/// The failure that is the caller's so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    weight: Weight,
    /// Place of its pick among the picks.
    stop: usize,
    pub(super) failure: Failure,
}

impl Weight {
    const fn of(failure: &Failure) -> Self {
        match (failure.kind, failure.step()) {
            (
                FailureKind::Unreachable
                | FailureKind::Reset
                | FailureKind::Silent
                | FailureKind::Garbage,
                _,
            ) => Self::Silence,
            (_, Step::Final) => Self::OfRequest,
            (_, Step::Again) => Self::OfMoment,
            (_, Step::Elsewhere) => Self::OfBackend,
        }
    }
}

impl Telling {
    pub(super) const fn of(failure: &Failure, stop: usize) -> Self {
        Self {
            weight: Weight::of(failure),
            stop,
            failure: *failure,
        }
    }

    /// Whether it takes the other's place; the same pick's latest does.
    pub(super) fn outweighs(&self, told: &Self) -> bool {
        (self.weight, Reverse(self.stop)) >= (told.weight, Reverse(told.stop))
    }
}
