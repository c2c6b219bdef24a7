//! `cachewright ledger`: what is in it, and all of it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use cachewright::adapter::store::{Info as Found, Store};
use serde_json::{Value, json};

use super::export;
use crate::args::{Info, Ledger, LedgerCommand};
use crate::exit::Failure;
use crate::ledgers;
use crate::story::grouped;
use crate::times::{local, rfc3339};

pub(crate) fn run(args: &Ledger, settings: &[PathBuf]) -> Result<(), Failure> {
    match &args.command {
        LedgerCommand::Export(args) => export::run(args, settings),
        LedgerCommand::Info(args) => info(args, settings),
    }
}

fn info(args: &Info, settings: &[PathBuf]) -> Result<(), Failure> {
    let store = ledgers::existing(args.place.ledger.as_deref(), settings)?;
    let found = store.info()?;
    let text = match args.json {
        true => object(&store, &found),
        false => text(&store, &found),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn text(store: &Store, found: &Found) -> String {
    let mut out = format!("ledger  {}\n", store.place());
    let _ = writeln!(out, "rows    {}", grouped(found.rows));
    if found.summed > found.rows {
        let gone = grouped(found.summed - found.rows);
        let _ = writeln!(out, "        and {gone} deleted since, whose sums are kept");
    }
    if let (Some(from), Some(until)) = (found.from, found.until) {
        let _ = writeln!(out, "from    {}\nuntil   {}", local(from), local(until));
    }
    let _ = writeln!(out, "size    {}", indicatif::DecimalBytes(found.bytes));
    let _ = writeln!(out, "dropped {}", grouped(found.dropped));
    for gap in &found.gaps {
        let rows = grouped(gap.dropped);
        let _ = writeln!(
            out,
            "        {rows} from {} to {}",
            local(gap.from),
            local(gap.until)
        );
    }
    out
}

fn object(store: &Store, found: &Found) -> String {
    let gaps: Vec<Value> = found
        .gaps
        .iter()
        .map(|gap| {
            json!({"from": rfc3339(gap.from), "until": rfc3339(gap.until), "dropped": gap.dropped})
        })
        .collect();
    let all = json!({
        "ledger": store.place(),
        "rows": found.rows,
        "summed": found.summed,
        "from": found.from.map(rfc3339),
        "until": found.until.map(rfc3339),
        "bytes": found.bytes,
        "dropped": found.dropped,
        "gaps": gaps,
    });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}
