//! The numbers behind a plan, as text and as JSON.

use std::fmt::Write as _;
use std::io::Write;

use anstyle::Style;
use cachewright::economy::leader::Variant;
use cachewright::engine::Weighed;
use cachewright::model::{Choice, Vigil};
use serde_json::{Value, json};

use super::plan::Told;
use crate::exit::Failure;
use crate::render::{decimal, grouped, table};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Prints them.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// For a program.
pub(super) fn json(told: &Told) -> String {
    let mut text = serde_json::to_string_pretty(&object(told)).unwrap_or_default();
    text.push('\n');
    text
}

/// For a reader.
#[expect(clippy::too_many_lines, reason = "a text, line by line")]
pub(super) fn text(told: &Told) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{BOLD}{} breakpoints for {} at {}, about {} tokens.{BOLD:#}",
        told.breakpoints,
        told.model,
        told.provider,
        grouped(told.tokens)
    );
    let rates = &told.numbers.rates;
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(out, "  {BOLD}{name:<9}{BOLD:#}{what}");
    };
    line(
        "prices",
        &format!(
            "write {:.2} (5m), {:.2} (1h), read {:.2} of plain input{}",
            rates.write_5m,
            rates.write_1h,
            rates.read,
            if told.known {
                ""
            } else {
                "; no row describes this model"
            }
        ),
    );
    let granted = told.behaviour.granted(told.now);
    line(
        "provider",
        &format!(
            "reads {} of the warm prefixes of this size, loses {:.2} an hour, grants one hour in {}",
            percent(rates.hit),
            told.behaviour.lost_per_hour(),
            percent(granted)
        ),
    );
    match told.numbers.warm {
        Some((block, ttl)) => line("warm", &format!("to block {block}, {ttl}")),
        None => line("warm", "nothing that is known of"),
    }
    line(
        "class",
        &told
            .numbers
            .choice
            .map_or_else(settled, |choice| class(&choice)),
    );
    line("follows", &follows(told));
    for (stop, vigil) in &told.pings {
        line(
            "ping",
            &format!("after {stop}: {}", ping(told, vigil.as_ref())),
        );
    }
    out.push('\n');
    out.push_str(&places(&told.numbers.weighed));
    let _ = writeln!(
        out,
        "{DIM}costs are in tokens of plain input, against sending the prefix plainly; pings are off unless `keep_alive` allows them{DIM:#}"
    );
    out
}

fn settled() -> String {
    "settled by the user, or by what the provider sells".into()
}

fn class(choice: &Choice) -> String {
    let mut what = choice.ttl.to_string();
    if choice.hour > 0 {
        let _ = write!(what, ", 1h for the first {} tokens", grouped(choice.hour));
    }
    if choice.explores {
        what.push_str(", to learn whether it is granted");
    }
    if choice.latched {
        what.push_str(", as the conversation began");
    }
    let _ = write!(
        what,
        "; returns within 5m {}, within 1h {}; one hour is {:.0} ahead in conversations of this kind, {:.0} needed{}",
        percent(choice.soon),
        percent(choice.late),
        choice.ahead,
        choice.needed,
        if choice.held_back { ", held back" } else { "" },
    );
    what
}

fn follows(told: &Told) -> String {
    let Some(led) = &told.numbers.led else {
        return settled();
    };
    let costs = led.costs.iter().enumerate();
    let costs = costs.map(|(place, cost)| format!("{} {cost:.0}", Variant::name(place)));
    let costs: Vec<String> = costs.collect();
    format!(
        "{}; this request would cost: {}",
        Variant::name(led.place),
        costs.join(", ")
    )
}

fn ping(told: &Told, vigil: Option<&Vigil>) -> String {
    let Some(vigil) = vigil else {
        return "none: it would not pay for itself, or the prefix is not cached".into();
    };
    let price = vigil
        .price
        .map_or_else(String::new, |price| format!(", {price} each"));
    format!(
        "due in {} s, {} of up to {} in a row{price}; returns {} where {} pay",
        vigil.due.since(told.now).as_secs(),
        vigil.pings + 1,
        vigil.planned,
        percent(vigil.chance),
        percent(vigil.threshold),
    )
}

fn places(weighed: &[Weighed]) -> String {
    let rows = weighed.iter().map(|one| {
        vec![
            one.why.as_str().to_owned(),
            one.block.to_string(),
            grouped(one.tokens),
            one.ttl.to_string(),
            percent(one.chance),
            percent(one.threshold),
            format!("{:.0}", one.expected),
            if one.marked { "yes" } else { "" }.to_owned(),
        ]
    });
    let header = [
        "place",
        "block",
        "tokens",
        "class",
        "chance",
        "pays from",
        "expected",
        "marked",
    ];
    table(&header, rows, 1..7)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", hundredfold(share))
}

#[expect(clippy::float_arithmetic, reason = "rendering")]
fn hundredfold(share: f64) -> f64 {
    share * 100.0
}

fn object(told: &Told) -> Value {
    let rates = &told.numbers.rates;
    let led = told.numbers.led.as_ref();
    json!({
        "provider": told.provider,
        "model": told.model,
        "model_known": told.known,
        "estimated_tokens": told.tokens,
        "breakpoints": told.breakpoints,
        "rates": {
            "write_5m": rates.write_5m,
            "write_1h": rates.write_1h,
            "read": rates.read,
            "hit": rates.hit,
        },
        "behaviour": {
            "lost_per_hour": told.behaviour.lost_per_hour(),
            "granted_1h": told.behaviour.granted(told.now),
            "visible_after_ms":
                u64::try_from(told.behaviour.visible_after(told.now).as_millis()).unwrap_or(u64::MAX),
        },
        "warm": told.numbers.warm.map(|(block, ttl)| json!({"block": block, "class": ttl.to_string()})),
        "class": told.numbers.choice.as_ref().map(choice),
        "follows": led.map(|led| Variant::name(led.place)),
        "variants": led.map(|led| {
            let costs = led.costs.iter().enumerate();
            let costs = costs.map(|(place, cost)| json!({"name": Variant::name(place), "cost": cost}));
            costs.collect::<Vec<_>>()
        }),
        "pings": told.pings.iter().map(|(stop, vigil)| json!({
            "after": stop,
            "due": vigil.as_ref().map(|vigil| due(told, vigil)),
        })).collect::<Vec<_>>(),
        "places": told.numbers.weighed.iter().map(place).collect::<Vec<_>>(),
    })
}

fn choice(choice: &Choice) -> Value {
    json!({
        "class": choice.ttl.to_string(),
        "hour_tokens": choice.hour,
        "latched": choice.latched,
        "returns_5m": choice.soon,
        "returns_1h": choice.late,
        "ahead_1h": choice.ahead,
        "needed_1h": choice.needed,
        "held_back": choice.held_back,
        "explores": choice.explores,
    })
}

fn due(told: &Told, vigil: &Vigil) -> Value {
    json!({
        "in_seconds": vigil.due.since(told.now).as_secs(),
        "planned": vigil.planned,
        "price_usd": vigil.price.map(decimal),
        "chance": vigil.chance,
        "threshold": vigil.threshold,
    })
}

fn place(one: &Weighed) -> Value {
    json!({
        "place": one.why.as_str(),
        "block": one.block,
        "tokens": one.tokens,
        "class": one.ttl.to_string(),
        "chance": one.chance,
        "threshold": one.threshold,
        "expected": one.expected,
        "marked": one.marked,
    })
}
