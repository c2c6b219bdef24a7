//! Outcomes, counted and faded.

/// Outcomes that a bucket remembers: older ones fade as new ones come.
const MEMORY: f32 = 256.0;

/// What came of something that was foreseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Outcome {
    /// It came about.
    Came,
    /// It did not.
    Failed,
}

impl From<bool> for Outcome {
    fn from(came: bool) -> Self {
        if came { Self::Came } else { Self::Failed }
    }
}

/// Outcomes: how often what was asked came about, and how often not. Counts fade, so they are no
/// whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tally {
    /// Times it came about.
    pub yes: f32,
    /// Times it did not.
    pub no: f32,
}

#[expect(clippy::float_arithmetic, reason = "chances, never money")]
impl Tally {
    /// So many times it did, and so many times it did not.
    #[must_use]
    pub const fn new(yes: f32, no: f32) -> Self {
        Self { yes, no }
    }

    pub(super) fn observe(&mut self, outcome: Outcome) {
        if self.total() >= MEMORY {
            self.fade(1.0 - 1.0 / MEMORY);
        }
        match outcome {
            Outcome::Came => self.yes += 1.0,
            Outcome::Failed => self.no += 1.0,
        }
    }

    pub(super) fn fade(&mut self, factor: f32) {
        self.yes *= factor;
        self.no *= factor;
    }

    /// Outcomes seen, faded.
    #[must_use]
    pub fn total(&self) -> f32 {
        self.yes + self.no
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self::new(self.yes + other.yes, self.no + other.no)
    }

    /// The chance, where outcomes count by `weight` and `prior` counts as much as `strength` of them.
    pub(super) fn chance(self, weight: f64, (prior, strength): (f64, f64)) -> f64 {
        let total = f64::from(self.total()) * weight;
        (f64::from(self.yes) * weight + prior * strength) / (total + strength)
    }
}
