//! Why caches were not read: the dearest places, and every cause.

use maud::{Markup, html};

use super::format::{capital, clip, clip_to, count, counted, label, prose, scroll};
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
                    (excerpt("Before", before, after))
                    (excerpt("After", after, before))
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

/// What differs from the other is marked.
fn excerpt(name: &str, text: &str, other: &str) -> Markup {
    let (text, other) = (clip_to(text, EXCERPT), clip_to(other, EXCERPT));
    let [start, moved, end] = parted(&text, &other);
    html! {
        div { dt { (name) } dd { code { bdi { (start) mark { (moved) } (end) } } } }
    }
}

/// The part of `text` that differs from `other`, and what stands before and after it.
fn parted<'a>(text: &'a str, other: &str) -> [&'a str; 3] {
    let pairs = text.chars().zip(other.chars());
    let same = pairs.take_while(|(one, other)| one == other);
    let start = same.map(|(one, _)| one.len_utf8()).sum();
    let (head, rest) = text.split_at(start);
    let pairs = rest
        .chars()
        .rev()
        .zip(other.get(start..).unwrap_or("").chars().rev());
    let same = pairs.take_while(|(one, other)| one == other);
    let end: usize = same.map(|(one, _)| one.len_utf8()).sum();
    let (moved, tail) = rest.split_at(rest.len() - end);
    [head, moved, tail]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked() {
        let cases = [
            ("at 9:07 go", "at 9:52 go", ["at 9:", "07", " go"]),
            ("äb", "äc", ["ä", "b", ""]),
            ("aa", "aaa", ["aa", "", ""]),
            ("aaa", "aa", ["aa", "a", ""]),
            ("", "x", ["", "", ""]),
        ];
        for (text, other, parts) in cases {
            assert_eq!(parted(text, other), parts, "{text}");
        }
    }
}
