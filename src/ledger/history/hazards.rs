//! How a return comes due: the chance of it in each stretch of a pause that has lasted so long.
//!
//! A prefix that was seen a minute ago tells of the first minute only. Counting stretch by stretch
//! (Kaplan and Meier's estimate) takes from every one what it has shown, so that streams whose
//! returns are slow are not given up because their prefixes are young.

use super::Reuse;

/// Where the stretches end, in seconds: evenly by order of magnitude, and at the lifetime classes.
const ENDS: [f64; STRETCHES] = [2.0, 5.0, 15.0, 40.0, 100.0, 300.0, 600.0, 1800.0, 3600.0];
const STRETCHES: usize = 9;
/// Half of all returns come within so many seconds, before anything was seen. Recorded agents show 4
/// to 7; a slower stream must not be given up before its first return.
const USUAL_GAP: f64 = 15.0;
/// Pauses that reach a stretch weigh so much in what is expected of it.
const WEIGHT: f64 = 4.0;

/// The chance of a return within each stretch, for those that come to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hazards([f64; STRETCHES]);

/// What pauses have shown of each stretch, by how far they came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// How many came through so many stretches, and through no more of them.
    whole: [f64; STRETCHES + 1],
    /// How far those that go on came into the stretch behind these, all together.
    partly: [f64; STRETCHES],
    /// How many ended in each stretch.
    ended: [f64; STRETCHES],
}

/// The stretch that so many seconds lie in, and the part of it that is over.
#[expect(clippy::float_arithmetic, reason = "a share of a stretch")]
fn stretch(seconds: f64) -> (usize, f64) {
    let at = ENDS.iter().take_while(|end| seconds >= **end).count();
    let end = ENDS.get(at).copied().unwrap_or(f64::INFINITY);
    let below = at.checked_sub(1).and_then(|at| ENDS.get(at));
    let below = below.copied().unwrap_or(0.0);
    (at, (seconds - below) / (end - below))
}

#[expect(clippy::float_arithmetic, reason = "probabilities")]
impl Shown {
    /// So many pauses ended after so many seconds.
    pub(super) fn end(&mut self, seconds: f64, pauses: f64) {
        let (at, _) = stretch(seconds);
        if let Some(ended) = self.ended.get_mut(at) {
            *ended += pauses;
        }
        add(&mut self.whole, (at + 1).min(STRETCHES), pauses);
    }

    /// A pause goes on after so many seconds.
    pub(super) fn last(&mut self, seconds: f64, weight: f64) {
        let (at, part) = stretch(seconds);
        add(&mut self.whole, at, weight);
        add(&mut self.partly, at, part * weight);
    }

    /// So many pauses will not end.
    pub(super) fn never(&mut self, pauses: f64) {
        add(&mut self.whole, STRETCHES, pauses);
    }

    /// How many came through each stretch, or as far into it as that.
    fn through(&self) -> [f64; STRETCHES] {
        let mut through = self.partly;
        let [_, whole @ ..] = &self.whole;
        let mut further = 0.0;
        for (through, whole) in through.iter_mut().zip(whole).rev() {
            further += whole;
            *through += further;
        }
        through
    }
}

#[expect(clippy::float_arithmetic, reason = "weights of pauses")]
fn add(weights: &mut [f64], at: usize, weight: f64) {
    if let Some(sum) = weights.get_mut(at) {
        *sum += weight;
    }
}

#[expect(clippy::float_arithmetic, reason = "probabilities")]
impl Hazards {
    /// What is expected where a return has this chance within an hour.
    #[must_use]
    pub fn flat(chance: f64) -> Self {
        let last = ENDS.last().copied().unwrap_or(1.0);
        let all = last / (last + USUAL_GAP);
        let by = |end: f64| chance * end / (end + USUAL_GAP) / all;
        let mut before = 0.0;
        Self(ENDS.map(|end| {
            let within = by(end);
            let hazard = (within - before) / (1.0 - before).max(f64::EPSILON);
            before = within;
            hazard
        }))
    }

    /// The same after what was shown. All stretches rise or fall together first, since a stream of which
    /// nothing returns in its first seconds is unlikely to return later on; `weight` says how many
    /// pauses what was expected counts for there.
    #[must_use]
    pub(super) fn after(&self, shown: &Shown, weight: f64) -> Self {
        let through = shown.through();
        let expected = self.0.iter().zip(&through);
        let expected: f64 = expected.map(|(hazard, through)| hazard * through).sum();
        let ended: f64 = shown.ended.iter().sum();
        let prior = weight * self.reuse().one_hour;
        let scale = (ended + prior) / (expected + prior).max(f64::EPSILON);
        let mut hazards = *self;
        let shown = through.iter().zip(&shown.ended);
        for (hazard, (through, ended)) in hazards.0.iter_mut().zip(shown) {
            let scaled = (*hazard * scale).min(1.0);
            *hazard = ((ended + WEIGHT * scaled) / (through + WEIGHT)).min(1.0);
        }
        hazards
    }

    /// The chance of a return within each lifetime class.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        let [.., five_minutes, _, half_hour, one_hour] = self.within();
        Reuse {
            five_minutes,
            half_hour,
            one_hour,
        }
    }

    fn within(&self) -> [f64; STRETCHES] {
        let mut left = 1.0;
        self.0.map(|hazard| {
            left *= 1.0 - hazard;
            1.0 - left
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_at_first_comes_back_whole() {
        for chance in [0.0, 0.35, 0.9, 1.0] {
            let reuse = Hazards::flat(chance).reuse();
            assert!((reuse.one_hour - chance).abs() < 1e-9, "{reuse:?}");
            assert!(reuse.five_minutes <= reuse.half_hour && reuse.half_hour <= reuse.one_hour);
        }
    }

    #[test]
    fn young_pauses_speak_of_the_stretches_that_they_came_through_alone() {
        // About two thirds of those that come so far end between 40 s and 100 s, and a third of the rest
        // before five minutes.
        let mut shown = Shown::default();
        for _ in 0..200 {
            shown.end(50.0, 1.0);
            shown.last(60.0, 1.0);
        }
        for _ in 0..20 {
            shown.end(50.0, 1.0);
            shown.end(200.0, 1.0);
            shown.last(3600.0, 1.0);
            shown.last(3600.0, 1.0);
        }
        let reuse = Hazards::flat(0.35).after(&shown, 1.0).reuse();
        assert!((0.65..0.85).contains(&reuse.five_minutes), "{reuse:?}");
    }

    #[test]
    fn silence_in_the_first_seconds_is_taken_for_silence_later_on() {
        let mut shown = Shown::default();
        for _ in 0..50 {
            shown.last(3.0, 1.0);
        }
        let reuse = Hazards::flat(0.35).after(&shown, 1.0).reuse();
        assert!(reuse.one_hour < 0.15, "{reuse:?}");
    }
}
