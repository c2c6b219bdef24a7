//! Promises made on earlier traffic, measured on later traffic.

use super::Task;
use super::change::Change;
use super::figures::{Finding, Proof, Saving, Tested};
use super::trial::{Ground, Outcome, Part, saving};
use crate::adapter::workload::Workload;
use crate::error::Error;
use crate::model::Timestamp;

/// Replays all of the traffic under every change that was found on its first part. Caches are as
/// warm at the beginning of the later part as the earlier one left them, in both cases compared.
pub(super) fn prove(ground: &Ground<'_>, finding: Finding) -> Result<Proof, Error> {
    let changes: Vec<&Change> = finding.changes.iter().map(|one| &one.change).collect();
    let mut sets = vec![Vec::new()];
    if !changes.is_empty() {
        sets.extend(changes.iter().map(|change| vec![*change]));
        sets.push(changes.clone());
    }
    let outcomes = ground.try_all(&sets, Part::All)?;
    let before = outcomes.first().copied().unwrap_or_default();
    let measured = |outcome: &Outcome| saving(&before.part(1), &outcome.part(1));
    let tests = finding.changes.iter().zip(outcomes.iter().skip(1));
    let tests = tests.map(|(advice, outcome)| Tested::new(advice.alone, measured(outcome)));
    let promised: Saving = finding.saving();
    let total = outcomes.last().filter(|_| !changes.is_empty());
    let total = total.map(|outcome| Tested::new(promised, measured(outcome)));
    Ok(Proof {
        chosen_on: before.part(0).requests,
        measured_on: before.part(1).requests,
        since: since(ground.task, ground.seen.files.first().map(|file| file.cut))?,
        tests: tests.collect(),
        total,
        finding,
    })
}

/// When the later part of the first file begins.
fn since(task: &Task, cut: Option<u64>) -> Result<Option<Timestamp>, Error> {
    let (Some(path), Some(cut)) = (task.files.first(), cut) else {
        return Ok(None);
    };
    let mut workload = Workload::open(path, task.reading.clone())?;
    let at = usize::try_from(cut).unwrap_or(usize::MAX);
    Ok(workload.nth(at).transpose()?.map(|timed| timed.at))
}
