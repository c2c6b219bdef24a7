//! What may happen by chance, and the one hypothesis that would pay most.

use std::time::Duration;

use crate::adapter::probe::call::{Call, Piece};
use crate::adapter::probe::finding::{Confidence, Fact, Finding, Verdict, spoken};
use crate::adapter::probe::script::Script;
use crate::adapter::probe::state::Answer;
use crate::model::Ttl;

/// What is assumed of the hypothesis.
const ASSUMED: &str = "assumed: it does not";
/// How often it is tried with an interval half as long.
const ATTEMPTS: u32 = 3;
/// Sizes that are compared, as multiples of the shortest.
const SIZES: [u64; 3] = [1, 4, 12];

/// Whether a one-hour marker behind a part that was written for five minutes keeps that part alive
/// for an hour too: written, gone on with in time, and read after twice the shorter life.
pub(super) fn upgrade(script: &mut Script<'_>) -> Option<Finding> {
    let short = script.ground.life(Ttl::FiveMinutes);
    let mut wait = short * 7 / 10;
    for attempt in 0..ATTEMPTS {
        let name = format!("{attempt} base");
        let call = script.marked(&name, Ttl::FiveMinutes);
        let write = script.now(&format!("{attempt} write"), || call);
        let control = script.marked(&format!("{attempt} alone"), Ttl::FiveMinutes);
        let again = control.clone();
        let alone = script.now(&format!("{attempt} control"), || control);
        let (write, alone) = (write?, alone?);
        if let Some(finding) = script.unwritten(ASSUMED, write) {
            return Some(finding);
        }
        let grown = vec![
            script.prefix(&name),
            script.tail(&format!("{name} more")).marked(Ttl::OneHour),
        ];
        let more = grown.clone();
        let label = format!("{attempt} go on");
        let on = script.step(&label, write.at.plus(wait), || Call::of(more))?;
        if on.read() == 0 {
            wait /= 2;
            continue;
        }
        if on.usage.write_1h.unwrap_or(0) == 0 {
            let why = format!("status {}: nothing was written for 1h", on.status);
            return Some(Finding::unclear(script.kind, ASSUMED, why));
        }
        return come_back(script, attempt, (on, alone), (grown, again));
    }
    let why = format!("the first part was gone within {}", spoken(wait * 2));
    Some(Finding::unclear(script.kind, ASSUMED, why))
}

/// Looks at the grown prefix after twice the shorter life, beside one that was left alone, and once
/// more much later where it is there.
fn come_back(
    script: &mut Script<'_>,
    attempt: u32,
    (on, alone): (&Answer, &Answer),
    (grown, again): (Vec<Piece>, Call),
) -> Option<Finding> {
    let late = on.at.plus(script.ground.life(Ttl::FiveMinutes) * 2);
    let left = script.step(&format!("{attempt} left alone"), late, || again);
    let more = grown.clone();
    let label = format!("{attempt} come back");
    let back = script.step(&label, late, || Call::of(more))?;
    let left = left?;
    let gap = spoken(back.at.since(on.at));
    let evidence = format!(
        "{} read and {} written for 1h; {} read {gap} later; left alone: {} read",
        on.read(),
        on.usage.write_1h.unwrap_or(0),
        back.read(),
        left.read()
    );
    if left.found(alone.cached()) {
        return Some(Finding::unclear(script.kind, ASSUMED, evidence));
    }
    if !back.found(on.cached()) {
        let finding = Finding::new(script.kind, ASSUMED, "it does not");
        return Some(finding.by(evidence).fact(Fact::Revives(false)));
    }
    let later = Ttl::OneHour.duration() * 3 / 4;
    let label = format!("{attempt} much later");
    let last = script.step(&label, back.at.plus(later), || Call::of(grown))?;
    let whole = last.found(on.cached());
    let evidence = format!("{evidence}; {} read {} later", last.read(), spoken(later));
    let sure = if whole {
        Confidence::High
    } else {
        Confidence::Low
    };
    Some(
        Finding::new(script.kind, ASSUMED, "it revives what stands before it")
            .verdict(Verdict::Differs)
            .sure(sure)
            .by(evidence)
            .fact(Fact::Revives(whole)),
    )
}

/// Whether large prefixes are lost before their time more often than small ones.
pub(super) fn size(script: &mut Script<'_>) -> Option<Finding> {
    const DOCUMENTED: &str = "kept to their end";
    let class = script.ground.class();
    let gap = script.ground.life(class) / 2;
    let mut pending = false;
    let (mut told, mut lost, mut tried) = (Vec::new(), 0, 0);
    for times in SIZES {
        let tokens = script.ground.base() * times;
        let (mut held, mut count) = (0, 0);
        for number in 0..script.ground.samples {
            match one(script, (times, number), tokens, gap) {
                None => pending = true,
                Some(kept) => {
                    held += u64::from(kept);
                    count += 1;
                }
            }
        }
        told.push(format!("{held} of {count} at {tokens} tokens"));
        lost += count - held;
        tried += count;
    }
    if pending {
        return None;
    }
    let evidence = format!("read after {}: {}", spoken(gap), told.join(", "));
    if lost == tried {
        return Some(Finding::unclear(script.kind, DOCUMENTED, evidence));
    }
    let said = match lost {
        0 => DOCUMENTED.to_owned(),
        _ => format!("{lost} of {tried} lost"),
    };
    let finding = Finding::new(script.kind, DOCUMENTED, said).verdict(Verdict::from(lost == 0));
    Some(finding.by(evidence).sure(match lost {
        0 | 2.. => Confidence::Medium,
        1 => Confidence::Low,
    }))
}

fn one(
    script: &mut Script<'_>,
    (times, number): (u64, u64),
    tokens: u64,
    gap: Duration,
) -> Option<bool> {
    let class = script.ground.class();
    let piece = Piece::new(format!("size/{times}.{number}"), tokens).marked(class);
    let again = piece.clone();
    let label = format!("write {times}.{number}");
    let write = script.now(&label, || Call::of(vec![piece]))?;
    let label = format!("read {times}.{number}");
    let after = write.at.plus(gap);
    let read = script.step(&label, after, || Call::of(vec![again]))?;
    Some(read.found(write.cached()))
}
