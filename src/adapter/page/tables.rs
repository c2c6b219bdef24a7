//! Tables by provider, model, route, tenant and backend, the attempts, and the verdicts.

use maud::{Markup, html};

use super::format::{capital, count, label, percent, ratio, reported, scroll};
use crate::ledger::{Group, Story, Totals, Verdict};

/// Rows of one table; the rest is in the report's other forms.
const ROWS: usize = 50;

pub(super) fn section(story: &Story) -> Markup {
    let groups = [
        Group::Route,
        Group::Model,
        Group::Provider,
        Group::Tenant,
        Group::Backend,
    ];
    let backends = story.by.get(&Group::Backend);
    html! {
        section id="tables" {
            h2 { "In figures" }
            @for group in groups {
                @if let Some(rows) = story.by.get(&group).filter(|rows| !rows.is_empty()) {
                    details open[group == Group::Route] {
                        summary { h3 { "By " (name(group)) } " " span.count { (count(length(rows.len()))) } }
                        (scroll(&format!("By {}", name(group)), &table(story, group, rows)))
                        @if rows.len() > ROWS {
                            p.more {
                                (count(length(rows.len().saturating_sub(ROWS))))
                                " more, which cost less; all of them are in "
                                code { "cachewright report --by " (name(group)) " --json" } "."
                            }
                        }
                    }
                }
            }
            @if let Some(backends) = backends {
                details open {
                    summary { h3 { "Attempts and hops" } }
                    (scroll("Attempts and hops", &attempts(story, backends)))
                }
            }
            @if !story.verdicts.is_empty() {
                details {
                    summary { h3 { "Verdicts" } }
                    (scroll("Verdicts", &verdicts(story)))
                }
            }
        }
    }
}

fn length(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

const fn name(group: Group) -> &'static str {
    match group {
        Group::Provider => "provider",
        Group::Model => "model",
        Group::Route => "route",
        Group::Tenant => "tenant",
        Group::Backend => "backend",
    }
}

fn attempts(story: &Story, backends: &[(Box<str>, Totals)]) -> Markup {
    let row = |totals: &Totals| {
        html! {
            td.number { (count(totals.attempts)) }
            td.number { (count(totals.exchanges - totals.unreported)) }
            td.number { (count(totals.hops)) }
            td.number { (totals.hops_cost) }
            td.number { (totals.presumed_cost) }
        }
    };
    html! {
        table {
            caption { "What routes sent where, and what leaving warm prefixes was reckoned to cost" }
            thead {
                tr {
                    th scope="col" { "Backend" }
                    @for head in ["Attempts", "Served", "Hops", "Cost of hops", "Perhaps billed"] {
                        th.number scope="col" { (head) }
                    }
                }
            }
            tbody {
                @for (one, totals) in backends.iter().filter(|(one, _)| !one.is_empty()).take(ROWS) {
                    tr { th scope="row" { (label(one, "(none)")) } (row(totals)) }
                }
            }
            tfoot { tr { th scope="row" { "All" } (row(&story.total)) } }
        }
    }
}

fn table(story: &Story, group: Group, rows: &[(Box<str>, Totals)]) -> Markup {
    html! {
        table.wide {
            caption { "Exchanges, tokens and dollars by " (name(group)) ", dearest first" }
            thead {
                tr {
                    th scope="col" { (capital(name(group))) }
                    @for head in [
                        "Exchanges", "Paid", "Without caching", "Saved", "Wasted", "Missed", "Hit rate",
                        "Of possible", "Input", "Read", "Written", "Plain", "Output",
                    ] {
                        th.number scope="col" { (head) }
                    }
                }
            }
            tbody {
                @for (one, totals) in rows.iter().take(ROWS) {
                    tr { th scope="row" { (label(one, "(none)")) } (cells(totals)) }
                }
            }
            tfoot { tr { th scope="row" { "All" } (cells(&story.total)) } }
        }
    }
}

fn cells(totals: &Totals) -> Markup {
    let usage = &totals.usage;
    html! {
        td.number { (count(totals.exchanges)) }
        @for amount in [
            totals.cost, totals.cost_without_caching, totals.savings(), totals.waste, totals.missed_cost,
        ] {
            td.number { (amount) }
        }
        td.number { (percent(totals.hit_rate())) }
        td.number { (percent(totals.read_of_readable())) }
        @for tokens in [usage.input(), usage.read, usage.written(), usage.plain, usage.output] {
            td.number { (reported(tokens)) }
        }
    }
}

fn verdicts(story: &Story) -> Markup {
    html! {
        table {
            caption { "What came of the caching that each exchange asked for" }
            thead {
                tr {
                    th scope="col" { "Verdict" }
                    th.number scope="col" { "Exchanges" }
                    th.number scope="col" { "Share" }
                    th scope="col" { "Meaning" }
                }
            }
            tbody {
                @for (verdict, exchanges) in &story.verdicts {
                    tr {
                        th scope="row" { code { (verdict.as_str()) } }
                        td.number { (count(*exchanges)) }
                        td.number { (percent(ratio(*exchanges, story.total.exchanges))) }
                        td.prose { (meaning(*verdict)) }
                    }
                }
            }
        }
    }
}

const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unread => "the body passed unread",
        Verdict::Failed => "no response, or an error instead of one",
        Verdict::Unreported => "the response reported no usage",
        Verdict::Plain => "nothing was marked and nothing was read",
        Verdict::BelowMinimum => "the prefix is shorter than the model's minimum",
        Verdict::Written => "nothing was there to read; it was written",
        Verdict::Hit => "it read what was expected, or more",
        Verdict::Partial => "it read something, but far less than was expected",
        Verdict::Lost => "what should have been warm was not read at all",
        Verdict::Ignored => "it was marked, and the provider neither read nor wrote",
        Verdict::Downgraded => "one hour was asked for and five minutes were granted",
        Verdict::Refused => "the provider refused what was added",
    }
}
