//! Where entries are found, from when on, and by which class: answered at once.

use std::time::Duration;

use crate::adapter::probe::call::Call;
use crate::adapter::probe::finding::{Confidence, Fact, Finding, Verdict, spoken};
use crate::adapter::probe::script::Script;
use crate::model::Ttl;

/// How often it is looked at once.
const TRIES: u64 = 3;

/// From when on an entry can be read: at once, or after the shortest of some waits.
pub(super) fn visibility(script: &mut Script<'_>) -> Option<Finding> {
    const DOCUMENTED: &str = "once its answer has begun";
    let tries: Vec<_> = (0..TRIES)
        .map(|number| look(script, &format!("at once {number}"), Duration::ZERO))
        .collect();
    let tries: Vec<Look> = tries.into_iter().collect::<Option<_>>()?;
    if tries.iter().all(|look| look.written == 0) {
        let why = "no prefix was written; run the experiment `minimum`";
        return Some(Finding::unclear(script.kind, DOCUMENTED, why));
    }
    let hits = tries.iter().filter(|look| look.found).count();
    if hits == tries.len() {
        let finding = Finding::new(script.kind, DOCUMENTED, "at once")
            .sure(Confidence::High)
            .by(format!("{hits} of {TRIES} read right after the answer"));
        return Some(finding.fact(Fact::Visible(Duration::ZERO)));
    }
    let (mut low, mut high) = ladder(script, &(0..8).map(|step| 1000 << step).collect::<Vec<_>>())?;
    if let Some(high) = &mut high {
        let between: Vec<u64> = (1..4).map(|part| low + (*high - low) * part / 4).collect();
        let (finer, least) = ladder(script, &between)?;
        low = low.max(finer);
        *high = least.map_or(*high, |least| least.min(*high));
    }
    let Some(high) = high else {
        let why = format!("not read even {} after its answer", spoken(millis(low)));
        return Some(Finding::unclear(script.kind, DOCUMENTED, why));
    };
    let (from, to) = (spoken(millis(low)), spoken(millis(high)));
    let finding = Finding::new(script.kind, DOCUMENTED, format!("after {from} to {to}"))
        .verdict(Verdict::Differs)
        .by(format!(
            "{hits} of {TRIES} read at once, none up to {from}, all from {to} on"
        ));
    Some(finding.fact(Fact::Visible(millis(high))))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The longest wait after which it was not there, and the shortest from which on it always was.
fn ladder(script: &mut Script<'_>, waits: &[u64]) -> Option<(u64, Option<u64>)> {
    let looks: Vec<_> = waits
        .iter()
        .map(|wait| look(script, &format!("after {wait}ms"), millis(*wait)))
        .collect();
    let mut looks: Vec<Look> = looks.into_iter().collect::<Option<_>>()?;
    looks.sort_unstable_by_key(|look| look.after);
    let (mut low, mut high) = (0, None);
    for look in looks {
        if look.found {
            high = high.or(Some(look.after));
        } else {
            (low, high) = (look.after, None);
        }
    }
    Some((low, high))
}

struct Look {
    /// How long after the answer, in milliseconds.
    after: u64,
    written: u64,
    found: bool,
}

fn look(script: &mut Script<'_>, name: &str, wait: Duration) -> Option<Look> {
    let call = script.marked(name, script.ground.class());
    let again = call.clone();
    let write = script.now(&format!("write {name}"), || call)?;
    let after = write.end.plus(wait);
    let read = script.step(&format!("read {name}"), after, || again)?;
    Some(Look {
        after: u64::try_from(read.at.since(write.end).as_millis()).unwrap_or(u64::MAX),
        written: write.cached(),
        found: read.found(write.cached()),
    })
}

/// Whether who asks for an hour gets it.
pub(super) fn grant(script: &mut Script<'_>) -> Option<Finding> {
    let call = script.marked("hour", Ttl::OneHour);
    let write = script.now("write", || call)?;
    if write.status == 400 {
        let finding = Finding::new(script.kind, "granted", "refused (400)")
            .verdict(Verdict::Differs)
            .by("a one-hour marker was answered with 400");
        return Some(finding.fact(Fact::OneHour(false)));
    }
    if let Some(finding) = script.unwritten("granted", write) {
        return Some(finding);
    }
    let usage = &write.usage;
    let (hour, five) = (usage.write_1h.unwrap_or(0), usage.write_5m.unwrap_or(0));
    if usage.write_1h.is_none() {
        let why = "the usage does not tell classes apart";
        return Some(Finding::unclear(script.kind, "granted", why));
    }
    let granted = hour > 0 && five == 0;
    let said = if granted {
        "granted"
    } else {
        "five minutes instead"
    };
    let finding = Finding::new(script.kind, "granted", said)
        .verdict(granted.into())
        .sure(Confidence::High)
        .by(format!("asked 1h: {hour} written for 1h, {five} for 5m"));
    Some(finding.fact(Fact::OneHour(granted)))
}

/// Whether an entry is found by a marker of another class.
pub(super) fn class(script: &mut Script<'_>) -> Option<Finding> {
    const ASSUMED: &str = "assumed: found by any class";
    let call = script.marked("one", Ttl::FiveMinutes);
    let other = script.marked("one", Ttl::OneHour);
    let write = script.now("write 5m", || call)?;
    if let Some(finding) = script.unwritten(ASSUMED, write) {
        return Some(finding);
    }
    let after = write.end.plus(script.ground.settle);
    let read = script.step("read as 1h", after, || other)?;
    let found = read.found(write.cached());
    let said = if found {
        "found by any class"
    } else {
        "only by its own class"
    };
    Some(
        Finding::new(script.kind, ASSUMED, said)
            .verdict(found.into())
            .by(format!(
                "5m entry of {}, 1h marker: {} read",
                write.cached(),
                read.read()
            )),
    )
}

/// Whether a marker below what is read creates an entry there for nothing.
pub(super) fn anchor(script: &mut Script<'_>) -> Option<Finding> {
    const ASSUMED: &str = "assumed: nothing is written there";
    let class = script.ground.class();
    let (below, top) = (script.prefix("below"), script.tail("top"));
    let (low, high) = (below.clone().marked(class), top.marked(class));
    let deep = vec![below, high.clone()];
    let write = script.now("write deep", || Call::of(deep))?;
    if let Some(finding) = script.unwritten(ASSUMED, write) {
        return Some(finding);
    }
    let after = write.end.plus(script.ground.settle);
    let both = vec![low.clone(), high];
    let mark = script.step("mark below", after, || Call::of(both))?;
    let other = vec![low, script.tail("other")];
    let after = mark.end.plus(script.ground.settle);
    let read = script.step("read below", after, || Call::of(other))?;
    let free = mark.found(write.cached());
    let evidence = format!(
        "the deep entry was read ({}), then {} read at the marker below it",
        mark.read(),
        read.read()
    );
    if !free {
        return Some(Finding::unclear(script.kind, ASSUMED, evidence));
    }
    let written = read.read() > 0;
    let said = if written {
        "an entry, for nothing"
    } else {
        "nothing is written there"
    };
    let finding = Finding::new(script.kind, ASSUMED, said);
    Some(finding.verdict(Verdict::from(!written)).by(evidence))
}

/// Whether a place must be marked again to be found, where only exact places are.
pub(super) fn resend(script: &mut Script<'_>) -> Option<Finding> {
    const DOCUMENTED: &str = "must be marked again";
    let class = script.ground.class();
    let (old, new) = (script.prefix("old"), script.tail("new").marked(class));
    let marked = old.clone().marked(class);
    let first = vec![marked.clone()];
    let write = script.now("write", || Call::of(first))?;
    if let Some(finding) = script.unwritten(DOCUMENTED, write) {
        return Some(finding);
    }
    let after = write.end.plus(script.ground.settle);
    let control = vec![marked, script.tail("control")];
    let control = script.step("marked again", after, || Call::of(control));
    let without = script.step("not marked again", after, || Call::of(vec![old, new]))?;
    let control = control?;
    let evidence = format!(
        "{} read with the old marker, {} without",
        control.read(),
        without.read()
    );
    if !control.found(write.cached()) {
        return Some(Finding::unclear(script.kind, DOCUMENTED, evidence));
    }
    let needed = without.read() == 0;
    let said = if needed { DOCUMENTED } else { "found without" };
    Some(
        Finding::new(script.kind, DOCUMENTED, said)
            .verdict(needed.into())
            .sure(Confidence::High)
            .by(evidence),
    )
}
