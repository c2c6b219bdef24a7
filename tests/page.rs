//! The report as a page, in a real browser.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;
use std::time::Duration;

use cachewright::adapter::page;
use cachewright::ledger::{Group, Story};
use cachewright::model::Money;
use serde_json::{Value, json};

use crate::support::chromium::{Browser, own_directory};
use crate::support::story;

/// Widths of a desk, a phone and the smallest phone.
const WIDTHS: [u32; 3] = [1280, 390, 320];
/// Tab, Enter, Escape and the arrow down, as the browser numbers them.
const TAB: (&str, u32) = ("Tab", 9);
const ENTER: (&str, u32) = ("Enter", 13);
const ESCAPE: (&str, u32) = ("Escape", 27);
const DOWN: (&str, u32) = ("ArrowDown", 40);

fn stories() -> [(&'static str, Story); 7] {
    [
        ("empty", Story::default()),
        ("single", story::single()),
        ("realistic", story::realistic()),
        ("crowded", story::crowded()),
        ("huge", story::huge()),
        ("dear", dear()),
        ("hostile", story::hostile(HOSTILE)),
    ]
}

/// A name that tries to be markup, in text and in attributes, and to turn the text around.
const HOSTILE: &str =
    "\u{202e}\"'><script>window.hit=1</script><img src=x onerror=window.hit=1>]]>-->;&lt;";

/// Caching cost more than it saved.
fn dear() -> Story {
    let mut story = story::realistic();
    let swap = |totals: &mut cachewright::ledger::Totals| {
        std::mem::swap(&mut totals.cost, &mut totals.cost_without_caching);
    };
    swap(&mut story.total);
    story
        .moments
        .iter_mut()
        .for_each(|moment| swap(&mut moment.totals));
    story
}

fn file(name: &str, html: &str) -> PathBuf {
    let path = own_directory(name).join("page.html");
    std::fs::write(&path, html).unwrap();
    path
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect()
}

#[test]
fn nothing_is_wider_than_the_screen() {
    let Some(mut browser) = Browser::start("wide") else {
        return;
    };
    for (name, story) in stories() {
        let file = file("width", &page::render(&story));
        for width in WIDTHS {
            browser.screen(width, "light");
            browser.open(&file);
            // Closed parts hide what would be too wide.
            browser.value("document.querySelectorAll('details').forEach(one => one.open = true)");
            let widths = browser.value("[document.documentElement.scrollWidth, innerWidth]");
            assert_eq!(widths, json!([width, width]), "{name}");
            assert_eq!(browser.faults, Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn figures_are_the_storys_also_without_scripts() {
    let Some(mut browser) = Browser::start("figures") else {
        return;
    };
    let story = story::realistic();
    let total = &story.total;
    browser.screen(1280, "light");
    browser.scripts("off");
    browser.open(&file("plain", &page::render(&story)));
    let seen = browser.value("document.body.innerText");
    let seen = seen.as_str().unwrap();
    let rate = |rate: Option<f64>| format!("{:.1}\u{a0}%", rate.unwrap() * 100.0);
    for figure in [
        total.savings().to_string(),
        total.cost.to_string(),
        total.cost_without_caching.to_string(),
        total.waste.to_string(),
        total.missed_cost.to_string(),
        story.could_save().to_string(),
        rate(total.hit_rate()),
        rate(total.read_of_readable()),
        rate(total.estimate_error()),
        grouped(total.exchanges),
        grouped(total.usage.read.unwrap()),
        grouped(total.usage.written().unwrap()),
        grouped(total.usage.plain.unwrap()),
        grouped(total.usage.output.unwrap()),
        grouped(story.dropped),
        grouped(total.unreported),
        grouped(total.skipped),
        grouped(story.never_read),
    ] {
        assert!(seen.contains(&figure), "{figure} is not on the page");
    }
    for worst in &story.worst {
        for part in [
            worst.cost.to_string(),
            grouped(worst.misses),
            grouped(worst.tokens),
        ] {
            assert!(seen.contains(&part), "{part}");
        }
        assert!(seen.contains(&*worst.route) && seen.contains(&*worst.pointer));
        for excerpt in worst.excerpts.iter().flatten() {
            assert!(seen.contains(&**excerpt), "{excerpt}");
        }
    }
}

fn attempts_are_the_storys(story: &Story, rows: &[&str]) {
    for (backend, totals) in story.by.get(&Group::Backend).into_iter().flatten() {
        let wanted = format!(
            "{backend}|{}|{}|{}|{}|{}",
            grouped(totals.attempts),
            grouped(totals.exchanges - totals.unreported),
            grouped(totals.hops),
            totals.hops_cost,
            totals.presumed_cost
        );
        let is_there = rows.iter().any(|row| *row == wanted);
        assert_eq!(is_there, !backend.is_empty(), "{wanted}");
    }
}

/// Each row of each table, cell by cell.
#[test]
fn tables_are_the_storys() {
    let Some(mut browser) = Browser::start("tables") else {
        return;
    };
    let story = story::realistic();
    browser.screen(1280, "light");
    browser.open(&file("rows", &page::render(&story)));
    let rows = "[...document.querySelectorAll('tr')].map(row => [...row.cells].map(cell => cell.textContent).join('|'))";
    let rows = browser.value(rows);
    let rows = strings(&rows);
    for group in Group::ALL {
        for (label, totals) in &story.by[&group] {
            let label = if label.is_empty() { "(none)" } else { label };
            let wanted = [
                label.into(),
                grouped(totals.exchanges),
                totals.cost.to_string(),
                totals.cost_without_caching.to_string(),
                totals.savings().to_string(),
                totals.waste.to_string(),
                totals.missed_cost.to_string(),
            ];
            let wanted = wanted.join("|");
            assert!(rows.iter().any(|row| row.starts_with(&wanted)), "{wanted}");
        }
    }
    attempts_are_the_storys(&story, &rows);
    for sum in &story.causes {
        let wanted = format!(
            "{}|{}|{}|{}",
            sum.cause.as_str(),
            grouped(sum.misses),
            grouped(sum.tokens),
            sum.cost
        );
        assert!(rows.iter().any(|row| row.contains(&wanted)), "{wanted}");
    }
    for (verdict, exchanges) in &story.verdicts {
        let wanted = format!("{}|{}|", verdict.as_str(), grouped(*exchanges));
        assert!(rows.iter().any(|row| row.starts_with(&wanted)), "{wanted}");
    }
    for moment in &story.moments {
        let totals = &moment.totals;
        let wanted = format!(
            "|{}|{}|{}|{}",
            grouped(totals.exchanges),
            totals.cost,
            totals.cost_without_caching,
            totals.savings()
        );
        assert!(rows.iter().any(|row| row.ends_with(&wanted)), "{wanted}");
    }
}

#[test]
fn charts_have_words_and_figures_beside_them() {
    let Some(mut browser) = Browser::start("words") else {
        return;
    };
    for (name, story) in stories() {
        browser.screen(390, "light");
        browser.open(&file("alternatives", &page::render(&story)));
        let mute = "[...document.querySelectorAll('svg')].filter(svg => {
            const image = svg.closest('[role=img]');
            return !image?.getAttribute('aria-label') || !image.closest('figure').querySelector('details table tbody tr');
        }).length";
        assert_eq!(browser.value(mute), json!(0), "{name}");
        let charts = browser.value("document.querySelectorAll('.chart svg').length");
        let frames = "[...document.querySelectorAll('iframe')].filter(frame => !frame.title || !frame.closest('figure').querySelector('.tree li')).length";
        assert_eq!(browser.value(frames), json!(0), "{name}");
        // Both forms of three charts, one of each to be seen.
        assert_eq!(charts, json!(if name == "empty" { 0 } else { 6 }), "{name}");
        let seen = browser.value("[...document.querySelectorAll('.chart')].filter(chart => chart.checkVisibility()).length");
        assert_eq!(seen, json!(charts.as_u64().unwrap() / 2), "{name}");
        let levels = browser
            .value("[...document.querySelectorAll('h1,h2,h3')].map(one => Number(one.tagName[1]))");
        let levels: Vec<u64> = levels
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_u64().unwrap())
            .collect();
        assert_eq!(levels[0], 1, "{name}");
        assert!(
            levels
                .windows(2)
                .all(|two| two[1] > 1 && two[1] <= two[0] + 1),
            "{name}: {levels:?}"
        );
        assert_eq!(browser.value("document.documentElement.lang"), json!("en"));
        assert_ne!(browser.value("document.title"), json!(""));
    }
}

#[test]
fn names_stay_text() {
    let Some(mut browser) = Browser::start("names") else {
        return;
    };
    browser.screen(1280, "light");
    browser.open(&file("hostile", &page::render(&story::hostile(HOSTILE))));
    let inside = "document.querySelector('iframe').contentDocument";
    assert_eq!(browser.value("window.hit ?? null"), Value::Null);
    assert_eq!(
        browser.value("document.querySelectorAll('script, img, [onerror]').length"),
        json!(0)
    );
    assert_eq!(
        browser.value(&format!(
            "{inside}.querySelectorAll('img, [onerror]').length"
        )),
        json!(0)
    );
    assert_eq!(
        browser.value(&format!("{inside}.querySelectorAll('script').length")),
        json!(2)
    );
    let shown = browser.value("document.querySelector('#tables tbody th bdi').textContent");
    assert!(shown.as_str().unwrap().contains("<script>"), "{shown}");
    let frame = browser.value(&format!(
        "[...{inside}.querySelectorAll('title')].some(one => one.textContent.includes('<script>'))"
    ));
    assert_eq!(frame, json!(true));
    assert_eq!(browser.faults, Vec::<String>::new());
}

/// Were the escaping ever to fail, nothing would run and nothing would be fetched.
#[test]
fn the_policy_stops_what_is_not_ours() {
    let Some(mut browser) = Browser::start("policy") else {
        return;
    };
    let planted = "<script>window.hit=1</script><img src=\"http://127.0.0.1:9/x\" onerror=\"window.hit=1\"><p onclick=\"window.hit=1\" id=planted>x</p>";
    let html = page::render_live(&story::realistic(), Duration::from_secs(3600));
    browser.screen(1280, "light");
    browser.open(&file(
        "planted",
        &html.replace("</main>", &format!("{planted}</main>")),
    ));
    browser.value("document.getElementById('planted').click()");
    assert_eq!(browser.value("window.hit ?? null"), Value::Null);
    let said = browser.faults.join("\n");
    for what in ["script-src", "default-src"] {
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn nothing_is_fetched() {
    let Some(mut browser) = Browser::start("requests") else {
        return;
    };
    for (name, story) in stories() {
        let html = page::render(&story);
        let file = file("alone", &html);
        browser.screen(1280, "dark");
        browser.open(&file);
        assert_eq!(
            browser.requests,
            [format!("file://{}", file.display())],
            "{name}"
        );
        let references = "[...document.querySelectorAll('[src], [href], link, base, object, embed')].filter(one => !/^#|^$/.test(one.getAttribute('href'))).length";
        assert_eq!(browser.value(references), json!(0), "{name}");
        assert!(
            !html.contains("url(http") && !html.contains("@import"),
            "{name}"
        );
    }
}

#[test]
fn every_control_is_reached_by_tab() {
    let Some(mut browser) = Browser::start("tab") else {
        return;
    };
    browser.screen(1280, "light");
    browser.open(&file(
        "keys",
        &page::render_live(&story::realistic(), Duration::from_secs(3600)),
    ));
    let controls = "[...document.querySelectorAll('a[href], summary, button, iframe, [tabindex=\"0\"]')].filter(one => one.checkVisibility())";
    let count = browser
        .value(&format!("{controls}.length"))
        .as_u64()
        .unwrap();
    assert!(count > 20, "{count}");
    // The graph has stops of its own.
    for _ in 0..count + 4 {
        browser.press(TAB);
        let outlined = "(() => {
            const one = document.activeElement;
            one.dataset.seen = one.tagName === 'IFRAME' || getComputedStyle(one).outlineStyle !== 'none';
        })()";
        browser.value(outlined);
    }
    let missed = browser.value(&format!("{controls}.filter(one => one.dataset.seen !== 'true').map(one => one.outerHTML.slice(0, 80))"));
    assert_eq!(missed, json!([]));
}

#[test]
fn the_graph_zooms_by_click_and_by_key() {
    let Some(mut browser) = Browser::start("zoom") else {
        return;
    };
    browser.screen(1280, "light");
    browser.open(&file("zoom", &page::render(&story::realistic())));
    let inside = "document.querySelector('iframe').contentDocument";
    let hidden = format!("{inside}.querySelectorAll('#frames > .hide').length");
    let ready = format!("new Promise(done => {{
        const look = () => {inside}.querySelector('svg[viewBox]') ? requestAnimationFrame(look) : done(true);
        look();
    }})");
    assert_eq!(browser.value(&ready), json!(true));
    let route = format!(
        "[...{inside}.querySelectorAll('#frames > g')].find(one => one.textContent.startsWith('review'))"
    );
    assert_eq!(browser.value(&hidden), json!(0));
    browser.value(&format!(
        "{route}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
    ));
    let clicked = browser.value(&hidden).as_u64().unwrap();
    assert!(clicked > 10, "{clicked}");
    browser.value(&format!("{inside}.getElementById('unzoom').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"));
    assert_eq!(browser.value(&hidden), json!(0));

    browser.value(&format!(
        "{inside}.querySelector('#frames > [tabindex=\"0\"]').focus()"
    ));
    let label = format!("{inside}.activeElement.getAttribute('aria-label')");
    let whole = browser.value(&label);
    assert!(whole.as_str().unwrap().starts_with("all ("), "{whole}");
    browser.press(DOWN);
    let below = browser.value(&label);
    assert_ne!(below, whole);
    browser.press(ENTER);
    assert!(browser.value(&hidden).as_u64().unwrap() > 10);
    browser.press(ESCAPE);
    assert_eq!(browser.value(&hidden), json!(0));
    assert_eq!(browser.value(&label), below);
    assert_eq!(browser.faults, Vec::<String>::new());
}

#[test]
fn charts_and_text_follow_the_mode() {
    let Some(mut browser) = Browser::start("modes") else {
        return;
    };
    let file = file("modes", &page::render(&story::realistic()));
    let mut seen = Vec::new();
    for mode in ["light", "dark"] {
        browser.screen(1280, mode);
        browser.open(&file);
        seen.push(browser.value(
            "(() => {
                const fill = (root, at) => getComputedStyle(root.querySelector(at)).fill;
                const graph = document.querySelector('iframe').contentDocument;
                return [
                    getComputedStyle(document.documentElement).backgroundColor,
                    getComputedStyle(document.body).color,
                    fill(document, '#tokens svg rect'),
                    fill(document, '#time svg text'),
                    fill(graph, `#frames rect[fill='rgb(230,232,230)']`),
                    fill(graph, `#frames rect[fill='rgb(230,232,230)'] + text`),
                ];
            })()",
        ));
    }
    let (light, dark) = (strings(&seen[0]), strings(&seen[1]));
    for (light, dark) in light.iter().zip(&dark) {
        assert_ne!(light, dark);
    }
}

#[test]
fn a_live_page_reloads_until_it_is_told_to_rest() {
    let Some(mut browser) = Browser::start("live") else {
        return;
    };
    browser.screen(1280, "light");
    let html = page::render_live(&story::realistic(), Duration::from_secs(1));
    browser.open(&file("live", &html));
    browser.wait("Page.loadEventFired");
    browser.value("document.querySelector('.live button').click()");
    let rest = browser.value("document.querySelector('.live button').getAttribute('aria-pressed')");
    assert_eq!(rest, json!("true"));
    assert!(!page::render(&story::realistic()).contains("location.reload"));
}

#[test]
fn pages_stay_small() {
    for (name, story) in stories() {
        let html = page::render(&story);
        assert!(html.len() < 1_500_000, "{name}: {} bytes", html.len());
        assert!(html.ends_with("</html>"), "{name}");
    }
    let crowded = page::render(&story::crowded());
    assert!(crowded.contains("9,956 more, which cost less"));
}

#[test]
fn the_headline_says_what_happened() {
    let head = |story: &Story| {
        let html = page::render(story);
        let start = html.find("<h1>").unwrap();
        let end = html.find("</h1>").unwrap();
        html[start..end].to_owned()
    };
    assert!(head(&Story::default()).contains("No exchanges yet"));
    let story = dear();
    let lost = (Money::ZERO - story.total.savings()).to_string();
    assert!(head(&story).contains(&format!(
        "Caching cost <strong class=\"loss\">{lost}</strong> more"
    )));
    let mut free = story::single();
    (free.total.cost, free.total.cost_without_caching) = (Money::ZERO, Money::ZERO);
    assert!(head(&free).contains("No exchange here has a price"));
}

/// What people see is looked at by people; that it can be drawn is checked here.
#[test]
fn pictures_can_be_taken() {
    let dir = own_directory("pictures");
    let Some(mut browser) = Browser::start("camera") else {
        return;
    };
    for (name, story) in stories() {
        let file = dir.join(format!("{name}.html"));
        std::fs::write(&file, page::render(&story)).unwrap();
        for (width, mode) in WIDTHS
            .into_iter()
            .flat_map(|width| [(width, "light"), (width, "dark")])
        {
            browser.screen(width, mode);
            browser.open(&file);
            browser.picture(&dir.join(format!("{name}-{width}-{mode}.png")));
        }
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}
