//! How a provider's cache really behaves, learned from what it reported.
//!
//! Entries that should be there are lost early, small ones more often than large ones, the longer
//! they lie the more, and those that were read often less (`anthropics/claude-code` #94177: 8 to 25 %
//! within the TTL; CAPC: 47 % of prefixes of 2,000 tokens). What was just written may not be visible
//! yet, and one hour may be granted as five minutes. Nothing is spent on learning any of it: every
//! read that was foreseen tells. Only where an entry was alive, in reach, and nothing of ours had
//! changed, does a read that did not come count against the provider.

use std::time::Duration;

use super::tally::{Outcome, Tally};
use crate::model::{Rates, Timestamp, Tokens, to_f64};

/// Upper ends of the buckets of prefix sizes, in tokens; the last one is open.
const SIZES: [Tokens; 3] = [4_096, 16_384, 65_536];
/// Upper ends of the buckets of idle times, in seconds; the last one is open.
const GAPS: [u64; 4] = [30, 120, 300, 1_200];
/// Upper ends of the buckets of earlier reads; the last one is open.
const READS: [u32; 2] = [1, 4];
/// Upper ends of the buckets of the time since a write began to be answered, in milliseconds.
const DELAYS: [u64; 6] = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

/// Hits that are taken as seen before anything was: the prior of a provider that is true to its
/// word, which ten losses in a row
/// bring down to 0.4 for prefixes of their size.
const PRIOR: f64 = 24.0;
/// How much a wider bucket weighs in a narrower one.
const BACK_OFF: f64 = 12.0;
/// In how many seconds evidence fades by half, so that an incident is forgotten although nothing was
/// written since: one day.
const HALF_LIFE: f64 = 86_400.0;
/// Outcomes of a kind below which nothing is concluded from it.
const ENOUGH: f64 = 8.0;
/// Outcomes of asking for one hour below which one more tells something.
const FEW: f64 = 3.5;
/// First reads that must have failed, faded, before a write is taken to be visible late: three.
const LATE: f64 = 2.5;
/// The chance from which on a fresh write counts as visible.
const VISIBLE: f64 = 0.9;

const CELLS: usize = (SIZES.len() + 1) * (GAPS.len() + 1) * (READS.len() + 1);

/// A read that was foreseen: an entry that should have been there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Foreseen {
    /// Tokens of the prefix.
    pub tokens: Tokens,
    /// Since the entry was written or read last.
    pub idle: Duration,
    /// Reads of it before.
    pub reads: u32,
}

impl Foreseen {
    /// A read of this many tokens that lay idle for so long and had been read so often.
    #[must_use]
    pub const fn new(tokens: Tokens, idle: Duration, reads: u32) -> Self {
        Self {
            tokens,
            idle,
            reads,
        }
    }

    fn size(&self) -> usize {
        bucket(&SIZES, &self.tokens)
    }

    fn cell(&self) -> usize {
        let gap = bucket(&GAPS, &self.idle.as_secs());
        let reads = bucket(&READS, &self.reads);
        (self.size() * (GAPS.len() + 1) + gap) * (READS.len() + 1) + reads
    }
}

fn bucket<T: PartialOrd>(ends: &[T], value: &T) -> usize {
    ends.iter().take_while(|end| *end <= value).count()
}

/// How the cache of one provider, model and place behaves. Plain values of a fixed size.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Behaviour {
    /// Foreseen reads by size, idle time and reads before.
    cells: [Tally; CELLS],
    /// First reads by the time since the write began to be answered.
    fresh: [Tally; DELAYS.len()],
    /// Whether one hour was granted where it was asked for.
    hours: Tally,
    /// Seconds for which the entries of all but the shortest gaps lay idle.
    exposed: f32,
    /// When counts were last faded; `None` before anything was seen.
    since: Option<Timestamp>,
}

/// The numbers of a [`Behaviour`], for stores outside the process.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Parts {
    /// Foreseen reads by bucket, in the order of the buckets.
    pub cells: Vec<Tally>,
    /// First reads by delay.
    pub fresh: Vec<Tally>,
    /// Grants of one hour.
    pub hours: Tally,
    /// Seconds for which entries lay idle.
    pub exposed: f32,
    /// When counts were last faded.
    pub since: Option<Timestamp>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            cells: [Tally::default(); CELLS],
            fresh: [Tally::default(); DELAYS.len()],
            hours: Tally::default(),
            exposed: 0.0,
            since: None,
        }
    }
}

#[expect(clippy::float_arithmetic, reason = "chances, never money")]
impl Behaviour {
    /// What was stored earlier; what does not fit these buckets is left out.
    #[must_use]
    pub fn from_parts(parts: &Parts) -> Self {
        let mut known = Self {
            hours: parts.hours,
            exposed: parts.exposed,
            since: parts.since,
            ..Self::default()
        };
        if parts.cells.len() == CELLS && parts.fresh.len() == DELAYS.len() {
            known.cells.copy_from_slice(&parts.cells);
            known.fresh.copy_from_slice(&parts.fresh);
        }
        known
    }

    /// The parts that [`Behaviour::from_parts`] takes.
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts {
            cells: self.cells.to_vec(),
            fresh: self.fresh.to_vec(),
            hours: self.hours,
            exposed: self.exposed,
            since: self.since,
        }
    }

    /// A read that was foreseen came, or did not. Only to be told where the entry was alive by its
    /// class, in reach of a breakpoint, and the prompt had not changed.
    pub fn observe(&mut self, now: Timestamp, foreseen: &Foreseen, outcome: Outcome) {
        self.pass(now);
        let mut grown = 0.0;
        if let Some(cell) = self.cells.get_mut(foreseen.cell()) {
            let before = cell.total();
            cell.observe(outcome);
            grown = cell.total() - before;
        }
        // In a full cell an outcome takes the place of another, which lay idle for about as long.
        if foreseen.idle.as_secs() >= GAPS[0] {
            self.exposed += foreseen.idle.as_secs_f32() * grown;
        }
    }

    /// The first read of a write came, or did not, so long after the write began to be answered.
    /// Those beyond 16 seconds tell nothing of visibility.
    pub fn observe_fresh(&mut self, now: Timestamp, delay: Duration, outcome: Outcome) {
        self.pass(now);
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        if let Some(tally) = self.fresh.get_mut(bucket(&DELAYS, &millis)) {
            tally.observe(outcome);
        }
    }

    /// One hour was asked for and granted, or not.
    pub fn observe_hour(&mut self, now: Timestamp, granted: Outcome) {
        self.pass(now);
        self.hours.observe(granted);
    }

    /// The chance that this read comes: what was seen of its like, backed off to its size, to all of
    /// this cache, and to a cache that loses nothing.
    #[must_use]
    pub fn hit(&self, now: Timestamp, foreseen: &Foreseen) -> f64 {
        let weight = self.weight(now);
        let own = self.cells.get(foreseen.cell()).copied();
        let own = own.unwrap_or_default();
        own.chance(weight, (self.hit_of(now, foreseen.tokens), BACK_OFF))
    }

    /// The chance that a prefix of this size that should be warm is read, whatever else is known.
    #[must_use]
    pub fn hit_of(&self, now: Timestamp, tokens: Tokens) -> f64 {
        let weight = self.weight(now);
        if self.since.is_none() {
            return 1.0;
        }
        let each = CELLS / (SIZES.len() + 1);
        let size = Foreseen::new(tokens, Duration::ZERO, 0).size();
        let sum = |cells: &[Tally]| cells.iter().copied().fold(Tally::default(), Tally::plus);
        let all = sum(&self.cells).chance(weight, (1.0, PRIOR));
        let own = self.cells.chunks(each).nth(size).map(sum);
        own.unwrap_or_default().chance(weight, (all, BACK_OFF))
    }

    /// These prices where prefixes of this size are read as often as was seen, and lost as fast.
    #[must_use]
    pub fn effective(&self, now: Timestamp, rates: &Rates, tokens: Tokens) -> Rates {
        let hit = self.hit_of(now, tokens);
        let lost = self.fading(now);
        if lost <= 0.0 {
            return rates.with_hit(hit);
        }
        // What was lost with time has lowered the share of hits already.
        let all: f64 = self
            .cells
            .iter()
            .map(|tally| f64::from(tally.total()))
            .sum();
        let idle = f64::from(self.exposed) / all.max(1.0) / 3_600.0;
        let at_once = hit * (lost * idle).exp();
        rates.with_hit(at_once).with_lost(lost)
    }

    /// How long after the first byte of its answer a write can be read: the end of the last bucket in
    /// which fewer than nine in ten first reads came; zero where none is known.
    #[must_use]
    pub fn visible_after(&self, now: Timestamp) -> Duration {
        let weight = self.weight(now);
        let late = |tally: &Tally| {
            let failed = f64::from(tally.no) * weight;
            failed >= LATE && tally.chance(weight, (1.0, 4.0)) < VISIBLE
        };
        let last = self.fresh.iter().rposition(late);
        let end = last.and_then(|at| DELAYS.get(at));
        end.map_or(Duration::ZERO, |end| Duration::from_millis(*end))
    }

    /// Entries that are lost per hour of lying idle, beyond the share that is lost at once.
    #[must_use]
    pub fn lost_per_hour(&self) -> f64 {
        if self.exposed < 1.0 {
            return 0.0;
        }
        self.lost() * 3_600.0 / f64::from(self.exposed)
    }

    /// The same as far as it is beyond doubt: what was lost less two standard deviations of it, so that
    /// a handful of losses changes nothing; zero where too little is known of what is lost at once.
    #[must_use]
    pub fn fading(&self, now: Timestamp) -> f64 {
        let weight = self.weight(now);
        let at_once = f64::from(self.by_gap(0).total()) * weight;
        if self.exposed < 1.0 || at_once < ENOUGH {
            return 0.0;
        }
        let lost = self.lost() * weight;
        let sure = lost - 2.0 * lost.sqrt();
        sure.max(0.0) * 3_600.0 / (f64::from(self.exposed) * weight)
    }

    /// What was lost beyond the share that is lost at once.
    fn lost(&self) -> f64 {
        let at_once = 1.0 - self.by_gap(0).chance(1.0, (1.0, 4.0));
        let beyond = |tally: Tally| {
            let lost = f64::from(tally.no) - at_once * f64::from(tally.total());
            lost.max(0.0)
        };
        let gaps = (1..=GAPS.len()).map(|gap| self.by_gap(gap));
        gaps.map(beyond).sum()
    }

    /// Outcomes after gaps of this bucket.
    fn by_gap(&self, gap: usize) -> Tally {
        let reads = READS.len() + 1;
        let every = self.cells.chunks(reads).skip(gap).step_by(GAPS.len() + 1);
        every.flatten().copied().fold(Tally::default(), Tally::plus)
    }

    /// The chance that one hour is granted where it is asked for.
    #[must_use]
    pub fn granted(&self, now: Timestamp) -> f64 {
        self.hours.chance(self.weight(now), (1.0, 2.0))
    }

    /// Whether so few outcomes are known of asking for one hour that one more would tell something.
    #[must_use]
    pub fn doubts_hour(&self, now: Timestamp) -> bool {
        f64::from(self.hours.total()) * self.weight(now) < FEW
    }

    /// What is known least of what a request of this size needs to know, and what it costs to learn
    /// it, in tokens of plain input: what an exploration with a budget would buy first. The engine
    /// itself spends nothing on gaps; see [`Behaviour::doubts_hour`].
    #[must_use]
    pub fn doubt(&self, now: Timestamp, rates: &Rates, tokens: Tokens) -> Doubt {
        let weight = self.weight(now);
        let seen = |idle: u64| {
            let like = Foreseen::new(tokens, Duration::from_secs(idle), 0);
            let tally = self.cells.get(like.cell()).copied().unwrap_or_default();
            f64::from(tally.total()) * weight
        };
        // Just above each bucket's lower end, as far as five minutes reach.
        let asked = [0, 30, 120].into_iter();
        let least = asked.min_by(|left, right| seen(*left).total_cmp(&seen(*right)));
        let idle = least.unwrap_or(0);
        Doubt {
            idle: Duration::from_secs(idle),
            seen: seen(idle),
            price: to_f64(tokens) * (rates.write_5m + rates.read),
        }
    }

    /// How much counts weigh by now.
    fn weight(&self, now: Timestamp) -> f64 {
        let passed = self
            .since
            .map_or(0.0, |since| now.since(since).as_secs_f64());
        (-passed / HALF_LIFE).exp2()
    }

    /// Fades what is old. Hourly is often enough, and exact all the same.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a factor between zero and one"
    )]
    fn pass(&mut self, now: Timestamp) {
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        if now.since(since) < Duration::from_secs(3_600) {
            return;
        }
        let factor = self.weight(now) as f32;
        let all = self.cells.iter_mut().chain(&mut self.fresh);
        all.for_each(|tally| tally.fade(factor));
        self.hours.fade(factor);
        self.exposed *= factor;
        self.since = Some(now);
    }
}

/// What is known least, and what it would cost to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Doubt {
    /// A prefix that lies idle for so long: whether it is still read.
    pub idle: Duration,
    /// Outcomes seen of that kind, faded.
    pub seen: f64,
    /// Price of one more, in tokens of plain input: a write and a read.
    pub price: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Ttl;

    fn at(secs: u32) -> Timestamp {
        Timestamp::from_secs_f64(f64::from(secs))
    }

    fn read(tokens: Tokens, idle: u64) -> Foreseen {
        Foreseen::new(tokens, Duration::from_secs(idle), 0)
    }

    /// Every hundred outcomes hold `percent` hits, spread evenly.
    fn feed(behaviour: &mut Behaviour, like: Foreseen, percent: u32, times: u32) {
        for n in 0..times {
            let came = (n + 1) * percent / 100 > n * percent / 100;
            behaviour.observe(at(n), &like, came.into());
        }
    }

    #[test]
    fn nothing_is_lost_until_something_was() {
        let mut behaviour = Behaviour::default();
        assert!((behaviour.hit_of(at(0), 9_000) - 1.0).abs() < 1e-12);
        assert!((behaviour.granted(at(0)) - 1.0).abs() < 1e-12);
        assert_eq!(behaviour.visible_after(at(0)), Duration::ZERO);
        feed(&mut behaviour, read(9_000, 10), 100, 300);
        assert!((behaviour.hit(at(300), &read(9_000, 10)) - 1.0).abs() < 1e-6);
        assert!(behaviour.lost_per_hour() < 1e-6);
    }

    #[test]
    fn tens_of_reads_show_what_is_lost_and_of_what_size() {
        let mut behaviour = Behaviour::default();
        feed(&mut behaviour, read(2_000, 100), 53, 40);
        feed(&mut behaviour, read(100_000, 100), 98, 40);
        let small = behaviour.hit(at(40), &read(2_000, 100));
        let large = behaviour.hit(at(40), &read(100_000, 100));
        assert!((small - 0.53).abs() < 0.08, "{small}");
        assert!(large > 0.94, "{large}");
        // One that was never seen stands between its size and all of them.
        let other = behaviour.hit(at(40), &read(8_000, 100));
        assert!(small < other && other < large, "{small} {other} {large}");
        let rates = behaviour.effective(at(40), &Rates::USUAL, 2_000);
        assert!(rates.break_even(Ttl::FiveMinutes) > 0.33);
    }

    #[test]
    fn an_incident_is_forgotten() {
        let mut behaviour = Behaviour::default();
        feed(&mut behaviour, read(9_000, 10), 0, 60);
        assert!(behaviour.hit_of(at(60), 9_000) < 0.3);
        let later = at(60 + 7 * 86_400);
        assert!(behaviour.hit_of(later, 9_000) > 0.93);
        // By new reads as well, at once.
        feed(&mut behaviour, read(9_000, 10), 100, 400);
        assert!(behaviour.hit_of(at(400), 9_000) > 0.85);
    }

    #[test]
    fn losses_with_time_are_told_from_losses_at_once() {
        let mut at_once = Behaviour::default();
        let mut by_time = Behaviour::default();
        for (gap, percent) in [(10, 100), (60, 98), (200, 94), (290, 91)] {
            feed(&mut by_time, read(9_000, gap), percent, 100);
            feed(&mut at_once, read(9_000, gap), 95, 100);
        }
        // Three percent are lost in 100 s, hence about 1.1 in an hour.
        let rate = by_time.lost_per_hour();
        assert!((0.7..1.6).contains(&rate), "{rate}");
        assert!(at_once.lost_per_hour() < 0.2, "{}", at_once.lost_per_hour());
    }

    #[test]
    fn what_is_lost_per_hour_is_the_same_however_much_was_seen() {
        let mut behaviour = Behaviour::default();
        for (gap, percent) in [(10, 100), (60, 98), (200, 94), (290, 91)] {
            feed(&mut behaviour, read(9_000, gap), percent, 3_000);
        }
        let rate = behaviour.lost_per_hour();
        assert!((0.7..1.6).contains(&rate), "{rate}");
        assert!(
            behaviour.fading(at(3_000)) > 0.5,
            "{}",
            behaviour.fading(at(3_000))
        );
    }

    #[test]
    fn what_fades_beyond_doubt_raises_the_price_of_long_lives_most() {
        let mut fades = Behaviour::default();
        let mut steady = Behaviour::default();
        let mut few = Behaviour::default();
        for (gap, percent) in [(10, 100), (60, 98), (200, 94), (290, 91)] {
            feed(&mut fades, read(9_000, gap), percent, 128);
            feed(&mut steady, read(9_000, gap), 95, 128);
            feed(&mut few, read(9_000, gap), percent, 12);
        }
        let rates = |known: &Behaviour| known.effective(at(200), &Rates::USUAL, 9_000);
        let lost = rates(&fades).lost;
        assert!((0.5..1.2).contains(&lost), "{lost}");
        let hour = rates(&fades).finds(Ttl::OneHour.duration());
        assert!(hour < 0.8 && rates(&fades).hit > 0.97, "{hour}");
        for none in [&steady, &few, &Behaviour::default()] {
            assert!(none.fading(at(200)) < 0.1, "{}", none.fading(at(200)));
        }
        // A day later half of it is left, and with that less is certain.
        assert!(fades.fading(at(86_600)) < lost);
        let untold = Behaviour::default().effective(at(0), &Rates::USUAL, 9_000);
        assert_eq!(untold, Rates::USUAL);
    }

    #[test]
    fn two_late_writes_hold_nobody_up() {
        let mut behaviour = Behaviour::default();
        for n in 0..3 {
            assert_eq!(behaviour.visible_after(at(n)), Duration::ZERO);
            behaviour.observe_fresh(at(n), Duration::from_millis(900), Outcome::Failed);
        }
        assert_eq!(behaviour.visible_after(at(3)), Duration::from_secs(1));
    }

    #[test]
    fn a_write_is_visible_after_the_last_delay_that_missed() {
        let mut behaviour = Behaviour::default();
        for n in 0..20 {
            behaviour.observe_fresh(at(n), Duration::from_millis(300), (n % 4 == 0).into());
            behaviour.observe_fresh(at(n), Duration::from_millis(900), (n % 2 == 0).into());
            behaviour.observe_fresh(at(n), Duration::from_secs(3), Outcome::Came);
            behaviour.observe_fresh(at(n), Duration::from_secs(300), Outcome::Failed);
        }
        assert_eq!(behaviour.visible_after(at(20)), Duration::from_secs(1));
    }

    #[test]
    fn a_class_that_is_never_granted_is_known_soon() {
        let mut behaviour = Behaviour::default();
        for n in 0..8 {
            behaviour.observe_hour(at(n), Outcome::Failed);
        }
        assert!(behaviour.granted(at(8)) < 0.25);
        assert!(!behaviour.doubts_hour(at(8)) && Behaviour::default().doubts_hour(at(8)));
        assert!(behaviour.doubts_hour(at(2 * 86_400)));
        let parts = behaviour.parts();
        assert_eq!(Behaviour::from_parts(&parts), behaviour);
    }

    #[test]
    fn what_is_known_least_is_named_with_its_price() {
        let mut behaviour = Behaviour::default();
        feed(&mut behaviour, read(8_000, 0), 100, 30);
        feed(&mut behaviour, read(8_000, 150), 100, 30);
        let doubt = behaviour.doubt(at(30), &Rates::USUAL, 8_000);
        assert_eq!(doubt.idle, Duration::from_secs(30));
        assert!(doubt.seen < 1e-9 && (doubt.price - 10_800.0).abs() < 1.0);
    }
}
