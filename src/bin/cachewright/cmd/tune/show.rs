//! Findings as text and as JSON: nothing here adds up or divides.

use cachewright::adapter::tune::{Advice, Finding, Proof, Saving, Spot, Tested};
use cachewright::ledger::{Story, Worst};
use cachewright::model::Section;
use serde_json::{Value, json};

use crate::render::{decimal, percent, table};

const HEADER: [&str; 8] = [
    "#", "change", "where", "alone", "on top", "halves", "hit rate", "caution",
];

pub(super) fn text(finding: &Finding, top: usize) -> String {
    let before = &finding.before;
    let mut out = format!(
        "{} requests cost {} under the present settings",
        before.requests, before.cost
    );
    if let Some((requests, billed)) = finding.billed {
        out.push_str(&format!(
            "; the usage recorded for {requests} of them comes to {billed}"
        ));
    }
    out.push_str(".\n");
    if finding.changes.is_empty() {
        out.push_str(&match finding.without_effect {
            0 => {
                "Nothing in it asks for a change: no text, tool or gap that costs a cache.\n".into()
            }
            tried => format!("Nothing that was tried ({tried}) saves more than chance would.\n"),
        });
        return out + &remarks(finding);
    }
    let saving = finding.saving();
    out.push_str(&format!(
        "All changes of the first list together: {} ({}) saved, hit rate {} to {}.\n\n",
        saving.amount(),
        share(saving),
        rate(before.hit_rate()),
        rate(finding.after.hit_rate()),
    ));
    out.push_str(&list(&finding.changes, 1, top));
    let left = top.saturating_sub(finding.changes.len());
    if !finding.others.is_empty() && left > 0 {
        out.push_str("\nOther ways to the same savings, instead of those above:\n\n");
        out.push_str(&list(&finding.others, 1 + finding.changes.len(), left));
    }
    out.push_str("\nHow to apply:\n");
    let all = finding.changes.iter().chain(&finding.others);
    for (at, advice) in all.enumerate().take(top) {
        out.push_str(&how(finding, advice, at + 1));
    }
    out + &remarks(finding)
}

fn list(advices: &[Advice], first: usize, top: usize) -> String {
    let rows = advices.iter().take(top).enumerate().map(|(at, advice)| {
        let change = &advice.change;
        let halves = advice
            .halves
            .map(|half| half.map_or_else(|| "–".into(), share));
        vec![
            (first + at).to_string(),
            change.what(),
            place(&change.route, change.spots.first()),
            format!("{} ({})", advice.alone.amount(), share(advice.alone)),
            format!("{} ({})", advice.adds.amount(), share(advice.adds)),
            halves.join(" / "),
            rate(advice.tally.hit_rate()),
            change.caution().unwrap_or_default().to_owned(),
        ]
    });
    let mut text = table(&HEADER, rows, 3..7);
    text.push('\n');
    text
}

/// Where a change applies: route, section, pointer, bytes and pattern.
fn place(route: &str, spot: Option<&Spot>) -> String {
    let route = if route.is_empty() {
        "all requests"
    } else {
        route
    };
    match spot {
        None => route.to_owned(),
        Some(spot) => format!("{route}: {}", at(spot)),
    }
}

fn at(spot: &Spot) -> String {
    let pattern = spot.pattern.map_or("text", |pattern| pattern.as_str());
    format!(
        "{} {} bytes {}..{} ({pattern})",
        section(spot.section),
        spot.pointer,
        spot.span.start,
        spot.span.end
    )
}

const fn section(section: Section) -> &'static str {
    match section {
        Section::Tools => "tools",
        Section::System => "system",
        Section::Messages => "messages",
    }
}

fn how(finding: &Finding, advice: &Advice, rank: usize) -> String {
    let mut out = format!("\n{rank}. {}\n", advice.change.what());
    for spot in &advice.change.spots {
        out.push_str(&format!("   {}, {} requests\n", at(spot), spot.requests));
    }
    if advice.change.is_setting() {
        for line in finding.patch(&[rank]).to_string().lines() {
            out.push_str(&format!("     {line}\n"));
        }
    } else {
        out.push_str("   edit the prompt where it is written; no setting does this\n");
    }
    out
}

fn remarks(finding: &Finding) -> String {
    let mut out = String::new();
    if finding.unread > 0 {
        out.push_str(&format!(
            "\n{} bodies could not be read; nothing was looked for in them.\n",
            finding.unread
        ));
    }
    if finding.before.unpriced > 0 {
        out.push_str(&format!(
            "\n{} requests went to models without prices and cost nothing here.\n",
            finding.before.unpriced
        ));
    }
    if finding.before.rejected > 0 {
        out.push_str(&format!(
            "\n{} requests would be refused as they are; they count as plain input.\n",
            finding.before.rejected
        ));
    }
    out
}

pub(super) fn json(finding: &Finding, top: usize) -> String {
    pretty(&document(finding, top))
}

fn document(finding: &Finding, top: usize) -> Value {
    let ranked = |advices: &[Advice], first: usize| -> Vec<Value> {
        let advices = advices.iter().enumerate();
        advices
            .map(|(at, advice)| object(finding, advice, first + at))
            .filter(|one| one["rank"].as_u64() <= u64::try_from(top).ok())
            .collect()
    };
    json!({
        "requests": finding.before.requests,
        "billed": finding.billed.map(|(requests, cost)| json!({
            "requests": requests,
            "cost_usd": decimal(cost),
        })),
        "hit_rate_before": finding.before.hit_rate(),
        "hit_rate_after": finding.after.hit_rate(),
        "together": amounts(finding.saving()),
        "changes": ranked(&finding.changes, 1),
        "others": ranked(&finding.others, 1 + finding.changes.len()),
        "without_effect": finding.without_effect,
        "unread": finding.unread,
        "rejected": finding.before.rejected,
        "unpriced": finding.before.unpriced,
    })
}

fn object(finding: &Finding, advice: &Advice, rank: usize) -> Value {
    let change = &advice.change;
    let spots: Vec<Value> = change
        .spots
        .iter()
        .map(|spot| {
            json!({
                "section": section(spot.section),
                "pointer": spot.pointer,
                "bytes": [spot.span.start, spot.span.end],
                "pattern": spot.pattern.map(|pattern| pattern.as_str()),
                "cause": spot.cause.as_str(),
                "requests": spot.requests,
            })
        })
        .collect();
    json!({
        "rank": rank,
        "change": change.name(),
        "what": change.what(),
        "route": change.route,
        "places": spots,
        "requests": change.requests,
        "alone": amounts(advice.alone),
        "on_top": amounts(advice.adds),
        "halves": advice.halves.map(|half| half.map(amounts)),
        "hit_rate": advice.tally.hit_rate(),
        "caution": change.caution(),
        "config": change.is_setting().then(|| finding.patch(&[rank]).to_string()),
    })
}

fn amounts(saving: Saving) -> Value {
    json!({
        "before_usd": decimal(saving.before),
        "after_usd": decimal(saving.after),
        "saved_usd": decimal(saving.amount()),
        "saved_basis_points": saving.share(),
    })
}

pub(super) fn proof(proof: &Proof, top: usize) -> String {
    let mut out = format!(
        "Chosen on {} requests, measured on the {} after them.\n",
        proof.chosen_on, proof.measured_on
    );
    let Some(total) = &proof.total else {
        out.push_str("Nothing saves more than chance would on the first part: nothing to prove.\n");
        return out;
    };
    let changes = proof.finding.changes.iter().zip(&proof.tests).take(top);
    let mut rows: Vec<Vec<String>> = changes
        .enumerate()
        .map(|(at, (advice, test))| {
            let change = &advice.change;
            let mut row = vec![(at + 1).to_string(), change.what()];
            row.push(place(&change.route, change.spots.first()));
            row.extend(verdict(test));
            row
        })
        .collect();
    let mut last = vec![String::new(), "all together".to_owned(), String::new()];
    last.extend(verdict(total));
    rows.push(last);
    let header = ["#", "change", "where", "promised", "measured", "verdict"];
    out.push('\n');
    out.push_str(&table(&header, rows.into_iter(), 3..5));
    out.push('\n');
    if !proof.held() {
        out.push_str("\nNot every promise held: the later traffic is not like the earlier one.\n");
    }
    out
}

fn verdict(test: &Tested) -> [String; 3] {
    [
        share(test.promised),
        format!("{} ({})", share(test.measured), test.measured.amount()),
        if test.held { "held" } else { "did not hold" }.to_owned(),
    ]
}

pub(super) fn proof_json(proof: &Proof, top: usize) -> String {
    let test = |test: &Tested| {
        json!({
            "promised": amounts(test.promised),
            "measured": amounts(test.measured),
            "held": test.held,
        })
    };
    let tests: Vec<Value> = proof.tests.iter().take(top).map(test).collect();
    pretty(&json!({
        "chosen_on": proof.chosen_on,
        "measured_on": proof.measured_on,
        "since": proof.since.map(|at| at.as_secs_f64()),
        "held": proof.held(),
        "together": proof.total.as_ref().map(test),
        "tests": tests,
        "finding": document(&proof.finding, top),
    }))
}

const TURN_ON: &str = "A ledger holds no prompts, so nothing was replayed: these are the costs of \
misses as booked,\nand a change saves at most that. To have changes tried, keep requests in a \
journal (it holds\nprompt text) and run `cachewright tune --config FILE` on it later:\n\n  \
[journal]\n  path = \"requests.jsonl\"\n";

/// What a ledger alone can tell: the dearest places with what to do about them.
pub(super) fn figures(story: &Story, place: &str, top: usize) -> String {
    let mut out = format!(
        "{place}: misses that a change could have avoided, and writes nobody read, cost {}.\n\n",
        story.could_save()
    );
    let rows = worst(story).take(top).enumerate().map(|(at, worst)| {
        vec![
            (at + 1).to_string(),
            worst.route.to_string(),
            worst.cause.as_str().to_owned(),
            worst
                .pattern
                .map_or("", |pattern| pattern.as_str())
                .to_owned(),
            worst.pointer.to_string(),
            worst.misses.to_string(),
            worst.cost.to_string(),
            worst.cause.advice().to_owned(),
        ]
    });
    let header = [
        "#",
        "route",
        "cause",
        "pattern",
        "where",
        "misses",
        "at most",
        "what to change",
    ];
    out.push_str(&table(&header, rows, 5..7));
    out.push_str("\n\n");
    out.push_str(TURN_ON);
    out
}

pub(super) fn figures_json(story: &Story, top: usize) -> String {
    let places: Vec<Value> = worst(story)
        .take(top)
        .map(|worst| {
            json!({
                "route": worst.route,
                "cause": worst.cause.as_str(),
                "pattern": worst.pattern.map(|pattern| pattern.as_str()),
                "pointer": worst.pointer,
                "misses": worst.misses,
                "tokens": worst.tokens,
                "at_most_usd": decimal(worst.cost),
                "advice": worst.cause.advice(),
            })
        })
        .collect();
    pretty(&json!({
        "replayed": false,
        "could_save_usd": decimal(story.could_save()),
        "places": places,
        "note": TURN_ON,
    }))
}

fn worst(story: &Story) -> impl Iterator<Item = &Worst> {
    let all = story.worst.iter();
    all.filter(|worst| worst.cause.is_avoidable())
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "–".to_owned(), percent)
}

/// A share of the cost, with its sign where it is a loss.
fn share(saving: Saving) -> String {
    let points = saving.share();
    let sign = if points < 0 { "-" } else { "" };
    let size = points.unsigned_abs();
    format!("{sign}{}.{:02} %", size / 100, size % 100)
}
