//! What was found as a dated row, which replaces the built-in one where it is read as rows.

use std::fmt::Write as _;
use std::time::Duration;

use super::finding::{Confidence, Fact, Finding, Verdict};
use crate::model::{Limits, Money, Timestamp, Ttl};
use crate::provider::Model;

/// Who is probed, when, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) provider: &'a str,
    pub(super) endpoint: &'a str,
    /// The provider that owns the row that this one is like.
    pub(super) owner: &'a str,
    pub(super) model: &'a Model,
    /// The model's id as it was sent.
    pub(super) id: &'a str,
    pub(super) at: Timestamp,
    pub(super) calls: usize,
    pub(super) spent: Money,
}

/// The row, with what has no word there as comments. Only what differs, and is more than a guess,
/// changes anything.
pub(super) fn write(head: &Head<'_>, findings: &[Finding]) -> String {
    let date = date(head.at);
    let Head {
        provider,
        owner,
        model,
        id,
        ..
    } = head;
    let name = &model.name;
    let mut out = format!(
        "# What `cachewright probe` found of {id} at {} on {date}, by {} calls for {}.\n\
         # Read it as rows: --config for most commands, --rows for the proxy.\n",
        head.endpoint, head.calls, head.spent
    );
    for one in findings {
        let _ = writeln!(
            out,
            "# {}: {}; documented: {}; {}, {} confidence\n#   {}",
            one.kind.as_str(),
            one.found,
            one.documented,
            one.verdict.as_str(),
            one.confidence.as_str(),
            one.evidence
        );
    }
    let _ = write!(
        out,
        "\n[[model]]\nprovider = {provider:?}\nname = {name:?}\nlike = \"{owner}/{name}\"\n"
    );
    if **id != **name {
        let _ = writeln!(out, "aliases = [{id:?}]");
    }
    for line in findings.iter().filter_map(|one| line(one, &model.limits)) {
        out.push_str(&line);
        out.push('\n');
    }
    let _ = write!(out, "source = \"probe {date}\"\nas_of = \"{date}\"\n");
    out
}

/// What a finding changes in the row.
fn line(finding: &Finding, limits: &Limits) -> Option<String> {
    let is_new = finding.verdict == Verdict::Differs && finding.confidence > Confidence::Low;
    let fact = finding.fact.filter(|_| is_new)?;
    Some(match fact {
        Fact::Life(class, life) => {
            let key = match class {
                Ttl::FiveMinutes => "life_5m",
                Ttl::HalfHour => "life_30m",
                Ttl::OneHour => "life_1h",
            };
            let seconds = life.as_secs();
            if life < limits.lives.of(class) {
                format!("{key} = {seconds}")
            } else {
                format!("# {key} = {seconds} # longer than documented: a bonus, and no plan")
            }
        }
        Fact::Minimum(tokens) => format!("min_tokens = {tokens}"),
        Fact::Lookback(steps) => format!("lookback = {steps}"),
        Fact::OneHour(granted) => format!("one_hour = {granted}"),
        Fact::Renews(renews) => format!("renews = {renews}"),
        Fact::Revives(revives) => format!("revives = {revives}"),
        Fact::Visible(_) => return None,
    })
}

/// The day, as `2026-11-30` in UTC.
pub(super) fn date(at: Timestamp) -> String {
    let day = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0)).as_secs() / 86_400;
    let days = i64::try_from(day).unwrap_or(0);
    let date = jiff::civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(days);
    let date = span.and_then(|span| date.checked_add(span)).unwrap_or(date);
    date.to_string()
}
