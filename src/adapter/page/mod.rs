//! The report as one HTML file.

mod draw;
mod flame;
mod format;
mod gaps;
mod lead;
mod palette;
mod places;
mod routes;
mod tables;
mod time;
mod tree;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::ledger::{Group, Story};
use flame::Flames;

const STYLE: &str = include_str!("page.css");
const LIVE: &str = include_str!("live.js");

/// One file that shows `story` in a browser and asks no network for anything.
#[must_use]
pub fn render(story: &Story) -> String {
    document(story, None)
}

/// The same page, which reloads itself this often while somebody looks at it. Without scripts it
/// stays as it is and offers a link.
#[must_use]
pub fn render_live(story: &Story, every: Duration) -> String {
    document(story, Some(every))
}

fn document(story: &Story, every: Option<Duration>) -> String {
    let flames = Flames::of(story);
    let mut scripts = flames.scripts();
    scripts.extend(every.map(|_| LIVE.to_owned()));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&scripts));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { (lead::title(story)) }
                style { (PreEscaped(palette::css())) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header { (lead::header(story)) (live(every)) (contents(story, &flames)) }
                main id="main" { (sections(story, &flames)) }
                footer { p { "Rendered by cachewright. This file asks no network for anything." } }
                @if every.is_some() { script { (PreEscaped(LIVE)) } }
            }
        }
    }
    .into_string()
}

/// Nothing may be fetched, sent or framed, and only the scripts of this file run: text that slipped
/// through the escaping would still do nothing.
fn policy(scripts: &[String]) -> String {
    let mut allowed: String = scripts
        .iter()
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
        .collect();
    if allowed.is_empty() {
        allowed.push_str(" 'none'");
    } else {
        // `onload` of the flame graph, by its hash.
        allowed.insert_str(0, " 'unsafe-hashes'");
    }
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src{allowed}; base-uri 'none'; form-action 'none'"
    )
}

fn live(every: Option<Duration>) -> Markup {
    html! {
        @if let Some(every) = every {
            p.live data-every=(every.as_secs().max(1)) {
                a href="" { "Reload" }
                button type="button" hidden aria-pressed="false" { "Pause" }
                span role="status" {}
            }
        }
    }
}

fn contents(story: &Story, flames: &Flames) -> Markup {
    html! {
        @if story.total.exchanges > 0 {
            nav aria-label="Sections" {
                ul {
                    @if !story.moments.is_empty() { li { a href="#time" { "Over time" } } }
                    li { a href="#tokens" { "Tokens" } }
                    li { a href="#routes" { "Hit rates" } }
                    @if !story.worst.is_empty() || !story.causes.is_empty() {
                        li { a href="#causes" { "Causes" } }
                    }
                    @if !flames.is_empty() { li { a href="#prefixes" { "Prefixes" } } }
                    li { a href="#tables" { "Tables" } }
                    li { a href="#gaps" { "Gaps" } }
                }
            }
        }
    }
}

fn sections(story: &Story, flames: &Flames) -> Markup {
    html! {
        (lead::figures(story))
        @if story.total.exchanges > 0 || story.total.errands > 0 {
            (time::savings(story))
            (time::tokens(story))
            (routes::section(story.by.get(&Group::Route).map_or(&[], Vec::as_slice)))
            (places::section(story))
            (flames.section())
            (tables::section(story))
        }
        (gaps::section(story))
    }
}
