//! Why caches were not read: the dearest places, and every cause.

use maud::{Markup, html};

use super::format::{clip, clip_to, count, counted, label, prose, scroll};
use crate::ledger::{Story, Worst};

/// The longest excerpt that is shown.
const EXCERPT: usize = 400;

pub(super) fn section(story: &Story) -> Markup {
    html! {
        @if !story.worst.is_empty() || !story.causes.is_empty() {
            section id="causes" {
                h2 { "Where it was lost" }
                @if !story.worst.is_empty() {
                    p.lead { "The places that cost most, dearest first, and what to change there." }
                    ol.places { @for worst in story.worst.iter().take(10) { (place(worst)) } }
                }
                @if !story.causes.is_empty() {
                    h3 { "All causes" }
                    (scroll("All causes", &causes(story)))
                }
            }
        }
    }
}

fn place(worst: &Worst) -> Markup {
    html! {
        li {
            div.head {
                h3 { (capital(worst.cause.meaning())) }
                p.cost { (worst.cost) }
            }
            p.facts {
                span { "Route " (label(&worst.route, "(none)")) }
                span { (counted(worst.misses, "miss", "misses")) }
                span { (counted(worst.tokens, "token", "tokens")) }
                @if let Some(pattern) = worst.pattern {
                    span { "Pattern " code { (pattern.as_str()) } }
                }
                @if !worst.pointer.is_empty() {
                    span { "At " code { bdi { (clip(&worst.pointer)) } } ", byte " (count(worst.byte.into())) }
                }
            }
            @if let Some([before, after]) = &worst.excerpts {
                dl.excerpts {
                    div { dt { "Before" } dd { code { bdi { (clip_to(before, EXCERPT)) } } } }
                    div { dt { "After" } dd { code { bdi { (clip_to(after, EXCERPT)) } } } }
                }
            }
            p.fix { strong { "Fix: " } (prose(worst.cause.advice())) "." }
        }
    }
}

fn causes(story: &Story) -> Markup {
    html! {
        table {
            caption { "Misses per cause, dearest first" }
            thead {
                tr {
                    th scope="col" { "Cause" }
                    th.number scope="col" { "Misses" }
                    th.number scope="col" { "Tokens" }
                    th.number scope="col" { "Cost" }
                    th scope="col" { "What to change" }
                }
            }
            tbody {
                @for sum in &story.causes {
                    tr {
                        th scope="row" { (capital(sum.cause.meaning())) " " code { (sum.cause.as_str()) } }
                        td.number { (count(sum.misses)) }
                        td.number { (count(sum.tokens)) }
                        td.number { (sum.cost) }
                        td.prose { (prose(sum.cause.advice())) }
                    }
                }
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).collect())
        .unwrap_or_default()
}
