//! Hit rate per route, against what was possible.

use maud::{Markup, html};

use super::draw::{self, Form, Row};
use super::format::{clip_to, count, label, percent, ratio, reported, scroll};
use super::palette::{READ, READABLE, RULE};
use super::time::{both, legend};
use crate::ledger::Totals;

/// Routes in the chart; the tables below hold more.
const ROWS: usize = 10;
const NONE: &str = "(no route)";

type Route = (Box<str>, Totals);

/// Tokens that could have been read ÷ all input tokens, where there are any.
fn possible(totals: &Totals) -> Option<f64> {
    ratio(totals.readable, totals.usage.input()?)
}

pub(super) fn section(routes: &[Route]) -> Markup {
    let shown: Vec<&Route> = routes.iter().take(ROWS).collect();
    let said: Vec<String> = shown.iter().map(|route| say(route)).collect();
    let says = format!("Bar chart of hit rates per route. {}.", said.join("; "));
    let draw = |form: Form| {
        let rows: Vec<Row> = shown.iter().map(|route| row(route, form)).collect();
        draw::rows(&rows, form)
    };
    html! {
        section id="routes" {
            h2 { "Hit rate per route" }
            @if shown.is_empty() {
                p { "No route has been seen yet." }
            } @else {
                p.lead { "How much of all input came from the cache, and how much could have: what an earlier request had sent already." }
                figure {
                    (legend(&[(READ, "Read"), (READABLE, "Could have been read"), (RULE, "All input")]))
                    (both(&says, draw))
                    details {
                        summary { "The same as a table" }
                        (scroll("Hit rates per route", &table(&shown)))
                    }
                    @if routes.len() > shown.len() {
                        p.more { "The ten dearest routes; more of them stand in the tables below." }
                    }
                }
            }
        }
    }
}

fn say((name, totals): &Route) -> String {
    format!(
        "{}: {}, possible {}",
        named(name, 40),
        percent(totals.hit_rate()),
        percent(possible(totals))
    )
}

fn named(name: &str, most: usize) -> String {
    clip_to(if name.is_empty() { NONE } else { name }, most)
}

fn row((name, totals): &Route, form: Form) -> Row {
    Row {
        name: named(name, if form == Form::Wide { 80 } else { 24 }),
        figure: match (totals.hit_rate(), possible(totals)) {
            (None, _) => "no tokens reported".into(),
            (rate, possible) => format!("{} of {}", percent(rate), percent(possible)),
        },
        part: totals.hit_rate().unwrap_or(0.0),
        most: possible(totals).unwrap_or(0.0),
    }
}

fn table(routes: &[&Route]) -> Markup {
    html! {
        table {
            caption { "Hit rate per route, dearest first" }
            thead {
                tr {
                    th scope="col" { "Route" }
                    @for head in ["Input", "Read", "Could be read", "Hit rate", "Possible", "Of possible"] {
                        th.number scope="col" { (head) }
                    }
                }
            }
            tbody {
                @for (name, totals) in routes {
                    tr {
                        th scope="row" { (label(name, NONE)) }
                        td.number { (reported(totals.usage.input())) }
                        td.number { (reported(totals.usage.read)) }
                        td.number { (count(totals.readable)) }
                        td.number { (percent(totals.hit_rate())) }
                        td.number { (percent(possible(totals))) }
                        td.number { (percent(totals.read_of_readable())) }
                    }
                }
            }
        }
    }
}
