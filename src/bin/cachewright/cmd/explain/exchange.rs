//! `cachewright explain ID`: what happened to one exchange, as the ledger has it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use cachewright::adapter::store::Row;
use cachewright::error::Error;
use cachewright::ledger::{Id, Record};
use cachewright::model::{Miss, Money, Pattern, Section, Skip, Usage};
use serde_json::{Value, json};

use super::attempts::Call;
use crate::args::Explain;
use crate::exit::Failure;
use crate::ledgers;
use crate::story::{grouped, or_dash};
use crate::times::{exact, rfc3339};

/// Explains the exchange of this id.
pub(super) fn run(args: &Explain, id: &str, settings: &[PathBuf]) -> Result<(), Failure> {
    let id: Id = id.parse()?;
    let store = ledgers::existing(args.ledger.as_deref(), settings)?;
    let Some(row) = store.find(id)? else {
        return Err(Error::input(format!(
            "there is no exchange {id} in {}; ids are in `cachewright ledger export`",
            store.place()
        ))
        .into());
    };
    let attempts = store.attempts(&row.record)?;
    let call = Call::of(&attempts);
    let text = match args.json {
        true => object(&row, call.as_ref()),
        false => text(&row, call.as_ref()),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn text(row: &Row, call: Option<&Call<'_>>) -> String {
    let record = &row.record;
    let mut out = format!("{}, {}\n", record.id, exact(record.at));
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            // Writing into memory cannot fail.
            let _ = writeln!(out, "  {name:<12} {text}");
        }
    };
    line(
        "model",
        format!("{} at {}", named(&record.model), named(&record.provider)),
    );
    line("route", record.route.to_string());
    line("tenant", record.tenant.to_string());
    line(
        "backend",
        call.map_or_else(String::new, |call| call.place(record)),
    );
    line("decided", decided(record));
    line("answer", answer(record));
    line(
        "input",
        record
            .usage
            .as_ref()
            .map_or_else(|| "not reported".into(), input),
    );
    line("expected", expected(record));
    line("breakpoints", breakpoints(record));
    line("cost", cost(record));
    line("hop", hop(record));
    line("presumed", presumed(record));
    line("wasted", wasted(row));
    line("overhead", format!("{} µs", record.overhead.as_micros()));
    line("reshaped", record.reshaped.join(", "));
    line("skipped", record.skip.map_or("", Skip::as_str).to_owned());
    line("verdict", record.verdict.as_str().replace('_', " "));
    match &record.miss {
        Some(miss) => out += &missed(miss),
        None => out += no_miss(record),
    }
    if let Some(call) = call {
        out += &call.text(record);
    }
    out
}

fn no_miss(record: &Record) -> &'static str {
    if record.attempt.is_some() && record.usage.is_none() {
        "\nIt reported nothing: whether it missed anything is not known.\n"
    } else {
        "\nIt read what it could: there is no miss to explain.\n"
    }
}

fn decided(record: &Record) -> String {
    let attempt = record.attempt.as_ref();
    attempt.map_or_else(String::new, |attempt| attempt.why.to_string())
}

fn hop(record: &Record) -> String {
    let expected = record.attempt.as_ref().and_then(|attempt| attempt.hop);
    match (expected, record.hop()) {
        (Some(cost), Some(_)) => format!("{cost}, reckoned for leaving a warm prefix"),
        (Some(_), None) => "nothing: it would have left a warm prefix, and was not served".into(),
        (None, _) => String::new(),
    }
}

fn presumed(record: &Record) -> String {
    record.presumed.map_or_else(String::new, |cost| {
        format!("{cost} may have been billed: it was sent, and no usage came back")
    })
}

fn named(name: &str) -> &str {
    if name.is_empty() { "(not read)" } else { name }
}

fn answer(record: &Record) -> String {
    let state = if record.complete {
        "complete"
    } else {
        "cut short"
    };
    match record.status {
        0 => "none".into(),
        status => format!("HTTP {status}, {state}"),
    }
}

fn input(usage: &Usage) -> String {
    let tokens = |tokens: Option<u64>| or_dash(tokens.map(grouped));
    format!(
        "{} tokens: {} read, {} written, {} plain; {} output",
        tokens(usage.input()),
        tokens(usage.read),
        tokens(usage.written()),
        tokens(usage.plain),
        tokens(usage.output)
    )
}

fn expected(record: &Record) -> String {
    let could = record.readable.map(grouped);
    let Some(predicted) = record.predicted_read.map(grouped) else {
        return String::new();
    };
    format!(
        "{predicted} tokens read; {} could have been",
        or_dash(could)
    )
}

fn breakpoints(record: &Record) -> String {
    let honoured = record.breakpoints_honoured.map(|count| count.to_string());
    format!(
        "{} sent, {} of them added, {} honoured",
        record.breakpoints,
        record.breakpoints_placed,
        or_dash(honoured)
    )
}

fn cost(record: &Record) -> String {
    match (record.cost, record.cost_without_caching) {
        (Some(cost), Some(without)) => format!("{cost}, without caching {without}"),
        _ => "not known: no price or no usage".into(),
    }
}

fn wasted(row: &Row) -> String {
    match row.wasted {
        None => String::new(),
        Some(Money::ZERO) => "nothing: what it wrote was read".into(),
        Some(lost) => format!("{lost}: what it wrote expired before all of it was read"),
    }
}

fn missed(miss: &Miss) -> String {
    let cost = miss.cost.map_or_else(String::new, |cost| {
        format!(", {cost} above the price of a read")
    });
    let mut out = format!(
        "\nWhy it read less than it could: {} ({})\n  {} tokens{cost}\n",
        miss.cause.meaning(),
        miss.cause.as_str(),
        grouped(miss.tokens)
    );
    if let Some(place) = &miss.place {
        let _ = writeln!(
            out,
            "  first difference: {} at byte {} (block {} of the {})",
            place.pointer,
            place.byte,
            place.block,
            section(place.section)
        );
        if let Some([before, after]) = &place.excerpts {
            let _ = writeln!(out, "    - {before}\n    + {after}");
        }
    }
    if let Some(pattern) = miss.pattern {
        let _ = writeln!(
            out,
            "  it looks like a {}",
            pattern.as_str().replace('_', " ")
        );
    }
    if let Some(reported) = &miss.reported {
        let _ = writeln!(out, "  the provider says: {reported}");
    }
    let _ = writeln!(out, "  → {}", miss.cause.advice());
    out
}

const fn section(section: Section) -> &'static str {
    match section {
        Section::Tools => "tools",
        Section::System => "system prompt",
        Section::Messages => "messages",
    }
}

fn object(row: &Row, call: Option<&Call<'_>>) -> String {
    let record = &row.record;
    let usage = record.usage.unwrap_or_default();
    let pico = |amount: Option<Money>| amount.map(crate::story::money);
    let all = json!({
        "id": record.id.to_string(),
        "at": rfc3339(record.at),
        "provider": record.provider,
        "model": record.model,
        "route": record.route,
        "tenant": record.tenant,
        "status": record.status,
        "complete": record.complete,
        "reported": record.usage.is_some(),
        "plain_tokens": usage.plain,
        "read_tokens": usage.read,
        "written_tokens": usage.written(),
        "output_tokens": usage.output,
        "predicted_read_tokens": record.predicted_read,
        "readable_tokens": record.readable,
        "breakpoints": record.breakpoints,
        "breakpoints_placed": record.breakpoints_placed,
        "breakpoints_honoured": record.breakpoints_honoured,
        "cost": pico(record.cost),
        "cost_without_caching": pico(record.cost_without_caching),
        "wasted": pico(row.wasted),
        "presumed": pico(record.presumed),
        "attempt": record.attempt.as_ref().map(|attempt| attempt.number),
        "backend": record.attempt.as_ref().map(|attempt| &attempt.backend),
        "decided": record.attempt.as_ref().map(|attempt| &attempt.why),
        "hop_cost": pico(record.hop()),
        "call": call.map(Call::json),
        "reshaped": record.reshaped,
        "skip": record.skip.map(Skip::as_str),
        "verdict": record.verdict.as_str(),
        "miss": record.miss.as_ref().map(miss),
    });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn miss(miss: &Miss) -> Value {
    let place = miss.place.as_ref().map(|place| {
        json!({"section": section(place.section), "block": place.block, "byte": place.byte,
               "pointer": place.pointer, "excerpts": place.excerpts})
    });
    json!({
        "cause": miss.cause.as_str(),
        "meaning": miss.cause.meaning(),
        "advice": miss.cause.advice(),
        "tokens": miss.tokens,
        "cost": miss.cost.map(crate::story::money),
        "place": place,
        "pattern": miss.pattern.map(Pattern::as_str),
        "reported": miss.reported,
    })
}
