//! How long entries live: prefixes in parallel, each read once after its own gap, then finer ones
//! between the last that was found and the first that was not.

use std::time::Duration;

use crate::adapter::probe::finding::{Confidence, Fact, Finding, Verdict, spoken};
use crate::adapter::probe::kind::Kind;
use crate::adapter::probe::script::{Script, gap, list};
use crate::model::Ttl;

/// Gaps of the first round in percent of the documented life; those of an hour wait for long.
const SHORT: [u32; 9] = [20, 40, 60, 80, 95, 110, 125, 150, 200];
const LONG: [u32; 5] = [25, 50, 75, 95, 108];
/// Lives above this are long.
const HALF_HOUR: Duration = Duration::from_secs(1800);
/// How often a life that is shorter than documented is confirmed.
const CONFIRM: u32 = 2;

/// What was seen of a life.
#[derive(Default)]
struct Seen {
    found: Vec<Duration>,
    lost: Vec<Duration>,
}

impl Seen {
    /// The longest gap after which an entry was there.
    fn low(&self) -> Duration {
        self.found.iter().copied().max().unwrap_or_default()
    }

    /// The shortest gap beyond it after which none was.
    fn high(&self) -> Option<Duration> {
        let low = self.low();
        self.lost.iter().copied().filter(|gap| *gap > low).min()
    }

    /// Entries that were gone although others lived longer.
    fn early(&self) -> usize {
        let low = self.low();
        self.lost.iter().filter(|gap| **gap < low).count()
    }
}

/// The life of entries of this class.
pub(super) fn ttl(script: &mut Script<'_>, class: Ttl) -> Option<Finding> {
    let documented = script.ground.life(class);
    let mut seen = Seen::default();
    let parts = if documented > HALF_HOUR {
        &LONG[..]
    } else {
        &SHORT[..]
    };
    let gaps: Vec<Duration> = parts.iter().map(|part| documented * *part / 100).collect();
    if let Some(finding) = round(script, class, &gaps, &mut seen)? {
        return Some(finding);
    }
    for _ in 0..2 {
        let finer = between(&seen, documented);
        if finer.is_empty() {
            break;
        }
        round(script, class, &finer, &mut seen)?;
    }
    if is_shorter(&seen, documented) {
        confirm(script, class, documented, &mut seen)?;
    }
    Some(told(script.kind, class, documented, &seen))
}

/// Tries these gaps; a finding where nothing is written at all.
fn round(
    script: &mut Script<'_>,
    class: Ttl,
    gaps: &[Duration],
    seen: &mut Seen,
) -> Option<Option<Finding>> {
    let samples: Vec<_> = gaps
        .iter()
        .map(|wanted| script.sample(&spoken(*wanted), class, *wanted))
        .collect();
    for sample in samples {
        let (write, read) = sample?;
        if let Some(finding) = script.unwritten(&spoken(script.ground.life(class)), write) {
            return Some(Some(finding));
        }
        let gap = gap(write, read);
        match read.found(write.cached()) {
            true => seen.found.push(gap),
            false => seen.lost.push(gap),
        }
    }
    Some(None)
}

/// Gaps between what was found and what was lost, unless that is near enough.
fn between(seen: &Seen, documented: Duration) -> Vec<Duration> {
    let low = seen.low();
    let Some(high) = seen.high() else {
        return Vec::new();
    };
    // An hour's end costs an hour to look at once more, and is not worth it where it is near enough.
    let near = if documented > HALF_HOUR { 5 } else { 14 };
    if high - low <= documented / near {
        return Vec::new();
    }
    let whole = |gap: Duration| Duration::from_secs(gap.as_secs());
    (1..4)
        .map(|part| whole(low + (high - low) * part / 4))
        .collect()
}

fn is_shorter(seen: &Seen, documented: Duration) -> bool {
    seen.low() < documented * 93 / 100
}

/// Entries that are gone before their documented end may have been lost by chance: others are looked
/// at shortly before that end.
fn confirm(
    script: &mut Script<'_>,
    class: Ttl,
    documented: Duration,
    seen: &mut Seen,
) -> Option<()> {
    let wanted = documented * 95 / 100;
    let samples: Vec<_> = (0..CONFIRM)
        .map(|number| script.sample(&format!("again {number}"), class, wanted))
        .collect();
    for sample in samples {
        let (write, read) = sample?;
        match read.found(write.cached()) {
            true => seen.found.push(gap(write, read)),
            false => seen.lost.push(gap(write, read)),
        }
    }
    Some(())
}

fn told(kind: Kind, class: Ttl, documented: Duration, seen: &Seen) -> Finding {
    let (low, high, early) = (seen.low(), seen.high(), seen.early());
    let mut evidence = format!(
        "read after {}; not after {}",
        list(&seen.found),
        list(&seen.lost)
    );
    if early > 0 {
        evidence.push_str(&format!("; {early} lost before their time"));
    }
    if low.is_zero() {
        let why = format!("no entry was found again; {evidence}");
        return Finding::unclear(kind, spoken(documented), why);
    }
    let shorter = is_shorter(seen, documented);
    let longer = low > documented * 115 / 100;
    let found = match high {
        None => format!("{} or more", spoken(low)),
        Some(high) => format!("{} to {}", spoken(low), spoken(high)),
    };
    let confidence = match (early, high) {
        (0, Some(_)) => Confidence::High,
        (_, None) | (1, Some(_)) => Confidence::Medium,
        _ => Confidence::Low,
    };
    Finding::new(kind, spoken(documented), found)
        .verdict(Verdict::from(!shorter && !longer))
        .sure(confidence)
        .by(evidence)
        .fact(Fact::Life(class, low))
}
