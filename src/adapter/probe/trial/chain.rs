//! What renews an entry: it is touched at short intervals for longer than it lives, beside another
//! one that is not.

use std::time::Duration;

use crate::adapter::probe::call::Call;
use crate::adapter::probe::finding::{Confidence, Fact, Finding, Verdict, spoken};
use crate::adapter::probe::script::Script;
use crate::adapter::probe::state::Answer;

/// How often an entry is touched before it is looked at.
const TOUCHES: u32 = 3;
/// How often it is tried with an interval half as long, where entries live shorter than documented.
const ATTEMPTS: u32 = 4;

/// What is sent in a chain.
struct Plan {
    write: Call,
    touch: Call,
    check: Call,
    /// A prefix like the first that is left alone.
    control: Call,
    control_check: Call,
}

/// What came of a chain.
enum Outcome {
    /// Touching kept it.
    Kept(String),
    /// It did not.
    Gone(String),
    /// The interval is longer than entries live.
    TooLong,
    /// Its control lived as long.
    Uncertain(String),
    /// The touch was refused with this status.
    Refused(u16),
    /// Nothing was written.
    Unwritten(Finding),
}

/// Runs chains, with a shorter interval where the first was too long, and a second time where the
/// first says that touching does not help: one entry may be lost by chance.
fn chains(
    script: &mut Script<'_>,
    documented: &str,
    plan: impl Fn(&Script<'_>, &str) -> Plan,
) -> Option<Outcome> {
    let mut interval = script.ground.life(script.ground.class()) * 6 / 10;
    let mut gone = None;
    for attempt in 0..ATTEMPTS {
        let name = attempt.to_string();
        let plan = plan(script, &name);
        match chain(script, (&name, documented), &plan, interval)? {
            Outcome::TooLong => interval /= 2,
            Outcome::Gone(evidence) => match gone {
                None => gone = Some(evidence),
                Some(before) => return Some(Outcome::Gone(format!("{before}; again: {evidence}"))),
            },
            outcome @ (Outcome::Kept(_)
            | Outcome::Uncertain(_)
            | Outcome::Refused(_)
            | Outcome::Unwritten(_)) => return Some(outcome),
        }
    }
    Some(match gone {
        Some(evidence) => Outcome::Gone(evidence),
        None => {
            let why = format!("entries were gone within {}", spoken(interval));
            Outcome::Uncertain(why)
        }
    })
}

/// One chain: touches at every interval, a look after the last, and the control beside it.
fn chain(
    script: &mut Script<'_>,
    (name, documented): (&str, &str),
    plan: &Plan,
    interval: Duration,
) -> Option<Outcome> {
    let write = script.now(&format!("{name} write"), || plan.write.clone());
    let control = script.now(&format!("{name} control"), || plan.control.clone());
    let (write, control) = (write?, control?);
    if let Some(finding) = script.unwritten(documented, write) {
        return Some(Outcome::Unwritten(finding));
    }
    let mut last = write;
    let mut missed = None;
    for number in 1..=TOUCHES {
        let after = last.at.plus(interval);
        let label = format!("{name} touch {number}");
        let touch = script.step(&label, after, || plan.touch.clone())?;
        if !touch.is_ok() {
            return Some(Outcome::Refused(touch.status));
        }
        if touch.read() == 0 {
            if number == 1 {
                return Some(Outcome::TooLong);
            }
            missed = Some(number);
            break;
        }
        last = touch;
    }
    if let Some(number) = missed {
        let total = spoken(interval * number);
        return Some(Outcome::Gone(format!(
            "touched every {}, gone after {total}",
            spoken(interval)
        )));
    }
    let check = script.step(&format!("{name} check"), last.at.plus(interval), || {
        plan.check.clone()
    });
    let after = control.at.plus(interval * (TOUCHES + 1));
    let left = script.step(&format!("{name} left alone"), after, || {
        plan.control_check.clone()
    });
    Some(outcome((write, check?), (control, left?), interval))
}

fn outcome(
    (write, check): (&Answer, &Answer),
    (control, left): (&Answer, &Answer),
    interval: Duration,
) -> Outcome {
    let (all, every) = (spoken(check.at.since(write.at)), spoken(interval));
    let is_kept = check.read() > 0;
    let evidence = format!(
        "touched every {every}: {} read after {all}; left alone: {} read",
        check.read(),
        left.read()
    );
    match (is_kept, left.read() > 0 && control.cached() > 0) {
        (true, false) => Outcome::Kept(evidence),
        (false, false) => Outcome::Gone(evidence),
        (_, true) => Outcome::Uncertain(evidence),
    }
}

/// Whether a read renews.
pub(super) fn renewal(script: &mut Script<'_>) -> Option<Finding> {
    const DOCUMENTED: &str = "a read renews";
    let class = script.ground.class();
    let outcome = chains(script, DOCUMENTED, |script, name| {
        let call = script.marked(&format!("{name} read"), class);
        let control = script.marked(&format!("{name} alone"), class);
        Plan {
            write: call.clone(),
            touch: call.clone(),
            check: call,
            control: control.clone(),
            control_check: control,
        }
    })?;
    Some(match outcome {
        Outcome::Kept(evidence) => Finding::new(script.kind, DOCUMENTED, DOCUMENTED)
            .sure(Confidence::High)
            .by(evidence)
            .fact(Fact::Renews(true)),
        Outcome::Gone(evidence) => Finding::new(script.kind, DOCUMENTED, "a read does not renew")
            .verdict(Verdict::Differs)
            .sure(Confidence::High)
            .by(evidence)
            .fact(Fact::Renews(false)),
        other @ (Outcome::TooLong
        | Outcome::Uncertain(_)
        | Outcome::Refused(_)
        | Outcome::Unwritten(_)) => other.open(script, DOCUMENTED),
    })
}

/// Whether reading a deep entry renews a shallower one that is not marked.
pub(super) fn deep(script: &mut Script<'_>) -> Option<Finding> {
    const ASSUMED: &str = "assumed: not renewed";
    let class = script.ground.class();
    let outcome = chains(script, ASSUMED, |script, name| {
        let pieces = |which: &str| {
            let below = script.prefix(&format!("{name} {which}"));
            let top = script.tail(&format!("{name} {which} top"));
            let other = script.tail(&format!("{name} {which} other"));
            (below, top.marked(class), other)
        };
        let (below, top, other) = pieces("deep");
        let (alone, alone_top, alone_other) = pieces("alone");
        let both = |below: &crate::adapter::probe::call::Piece, top: &_| {
            Call::of(vec![below.clone().marked(class), Clone::clone(top)])
        };
        Plan {
            write: both(&below, &top),
            touch: Call::of(vec![below.clone(), top.clone()]),
            check: both(&below, &other),
            control: both(&alone, &alone_top),
            control_check: both(&alone, &alone_other),
        }
    })?;
    Some(match outcome {
        Outcome::Kept(evidence) => Finding::new(script.kind, ASSUMED, "renewed")
            .verdict(Verdict::Differs)
            .sure(Confidence::High)
            .by(evidence),
        Outcome::Gone(evidence) => Finding::new(script.kind, ASSUMED, "not renewed").by(evidence),
        other @ (Outcome::TooLong
        | Outcome::Uncertain(_)
        | Outcome::Refused(_)
        | Outcome::Unwritten(_)) => other.open(script, ASSUMED),
    })
}

/// Whether `max_tokens: 0` is accepted, and renews.
pub(super) fn warm(script: &mut Script<'_>) -> Option<Finding> {
    const TAKEN: &str = "taken, and renews";
    // Where it is not said of a provider, it is not counted on.
    let (documented, is_said) = match script.ground.warms {
        true => (TAKEN, true),
        false => ("not said", false),
    };
    let class = script.ground.class();
    let outcome = chains(script, documented, |script, name| {
        let call = script.marked(&format!("{name} warm"), class);
        let control = script.marked(&format!("{name} alone"), class);
        Plan {
            write: call.clone(),
            touch: call.clone().warming(),
            check: call,
            control: control.clone(),
            control_check: control,
        }
    })?;
    Some(match outcome {
        Outcome::Kept(evidence) => Finding::new(script.kind, documented, TAKEN)
            .verdict(is_said.into())
            .sure(Confidence::High)
            .by(evidence),
        Outcome::Gone(evidence) => Finding::new(script.kind, documented, "taken, does not renew")
            .verdict(Verdict::Differs)
            .by(evidence),
        Outcome::Refused(status) => {
            Finding::new(script.kind, documented, format!("refused ({status})"))
                .verdict(Verdict::from(!is_said))
                .sure(Confidence::High)
                .by(format!("max_tokens 0 was answered with {status}"))
        }
        other @ (Outcome::TooLong | Outcome::Uncertain(_) | Outcome::Unwritten(_)) => {
            other.open(script, documented)
        }
    })
}

impl Outcome {
    /// What is told where nothing is decided.
    fn open(self, script: &Script<'_>, documented: &str) -> Finding {
        let why = match self {
            Self::Unwritten(finding) => return finding,
            Self::Kept(evidence) | Self::Gone(evidence) | Self::Uncertain(evidence) => evidence,
            Self::Refused(status) => format!("the provider answered {status}"),
            Self::TooLong => "entries were gone before they were touched".into(),
        };
        Finding::unclear(script.kind, documented, why)
    }
}
