//! State as plain numbers, for stores outside the process.

use std::time::Duration;

use crate::model::{Money, Timestamp};

/// State as plain numbers, in the order of its fields. It means something to the version that wrote
/// it, and to one that has the same fields.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Flat {
    /// Chances, sums and shares.
    pub numbers: Vec<f64>,
    /// Counts, times in microseconds, money in picodollars.
    pub whole: Vec<i128>,
}

impl Flat {
    /// These numbers.
    #[must_use]
    pub const fn new(numbers: Vec<f64>, whole: Vec<i128>) -> Self {
        Self { numbers, whole }
    }
}

/// What can be stored as plain numbers.
pub trait Flatten: Clone + Default {
    /// Passes every field to the tape, which writes it down or replaces it.
    fn pass(&mut self, tape: &mut Tape);

    /// Its numbers.
    #[must_use]
    fn flat(&self) -> Flat {
        let mut tape = Tape::default();
        self.clone().pass(&mut tape);
        tape.written
    }

    /// What these numbers were; `None` where they are of another version.
    #[must_use]
    fn of_flat(flat: Flat) -> Option<Self> {
        let mut tape = Tape {
            rest: Some((flat.numbers.into_iter(), flat.whole.into_iter())),
            ..Tape::default()
        };
        let mut read = Self::default();
        read.pass(&mut tape);
        let (mut numbers, mut whole) = tape.rest?;
        let is_whole = !tape.short && numbers.next().is_none() && whole.next().is_none();
        is_whole.then_some(read)
    }
}

type Rest = (std::vec::IntoIter<f64>, std::vec::IntoIter<i128>);

/// Writes fields down one after the other, or replaces them by what was written.
#[derive(Debug, Default)]
pub struct Tape {
    written: Flat,
    /// What is left to read; `None` where it writes.
    rest: Option<Rest>,
    /// Whether something was missing or out of range.
    short: bool,
}

impl Tape {
    /// A number of double precision.
    pub fn number(&mut self, field: &mut f64) {
        match &mut self.rest {
            None => self.written.numbers.push(*field),
            Some((numbers, _)) => match numbers.next() {
                Some(read) => *field = read,
                None => self.short = true,
            },
        }
    }

    /// A number of single precision.
    #[expect(clippy::cast_possible_truncation, reason = "it came from there")]
    pub fn single(&mut self, field: &mut f32) {
        let mut number = f64::from(*field);
        self.number(&mut number);
        *field = number as f32;
    }

    /// A whole number of any kind.
    pub fn whole<T: Copy + TryFrom<i128> + TryInto<i128>>(&mut self, field: &mut T) {
        let Some((_, whole)) = &mut self.rest else {
            let written = (*field).try_into().unwrap_or(i128::MAX);
            self.written.whole.push(written);
            return;
        };
        match whole.next().and_then(|read| T::try_from(read).ok()) {
            Some(read) => *field = read,
            None => self.short = true,
        }
    }

    /// One of a few values, by its place among them.
    pub fn one_of<T: Copy + PartialEq>(&mut self, field: &mut T, values: &[T]) {
        let place = values.iter().position(|value| value == field);
        let mut place = place.unwrap_or(0);
        let mut number = u64::try_from(place).unwrap_or(0);
        self.whole(&mut number);
        place = usize::try_from(number).unwrap_or(usize::MAX);
        match values.get(place) {
            Some(value) => *field = *value,
            None => self.short = true,
        }
    }

    /// A moment.
    pub fn time(&mut self, field: &mut Timestamp) {
        let mut micros = field.as_micros();
        self.whole(&mut micros);
        *field = Timestamp::from_micros(micros);
    }

    /// A moment that may not have come.
    pub fn time_if(&mut self, field: &mut Option<Timestamp>) {
        let mut micros = field.map_or(i64::MIN, Timestamp::as_micros);
        self.whole(&mut micros);
        *field = (micros != i64::MIN).then(|| Timestamp::from_micros(micros));
    }

    /// A span of time that may not be known.
    pub fn span_if(&mut self, field: &mut Option<Duration>) {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let mut micros = field.map_or(-1, micros);
        self.whole(&mut micros);
        *field = u64::try_from(micros).ok().map(Duration::from_micros);
    }

    /// An amount.
    pub fn money(&mut self, field: &mut Money) {
        let mut pico = field.as_pico();
        self.whole(&mut pico);
        *field = Money::from_pico(pico);
    }
}
