//! `cachewright bound`.

mod render;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use cachewright::adapter::bounds::{Figures, Job, Regime, measure};
use cachewright::bound::{Bill, Rate};
use cachewright::error::Error;
use cachewright::model::{Money, Prices, Tokens};
use cachewright::provider::Catalog;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Bound, Style};
use crate::exit::{Failure, complain};
use crate::inputs;

/// One file at one price of a read.
#[derive(Debug)]
struct Row {
    name: String,
    /// The share of the input price that a read costs, in millionths; `None` for the row's own.
    read: Option<u32>,
    requests: usize,
    tokens: Tokens,
    uncached: Money,
    documented: Bill,
    regimes: Vec<Line>,
}

/// One regime of a row.
#[derive(Debug)]
struct Line {
    regime: Regime,
    lower: Bill,
    /// `None` where it was not asked for.
    clairvoyant: Option<Bill>,
}

/// Measures every input and prints one report.
pub(crate) fn run(args: &Bound, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let mut job = Job::new(Arc::clone(catalog));
    job.reading.stand_in = args.model.as_str().into();
    job.prices = args
        .prices
        .as_deref()
        .map(|model| prices(catalog, model))
        .transpose()?;
    let (files, mut failed) = inputs::all(&args.inputs);
    let mut rows = Vec::new();
    for path in &files {
        match one(path, &job, args) {
            Ok(of_file) => rows.extend(of_file),
            Err(error) => {
                complain(&error);
                failed = true;
            }
        }
    }
    if !rows.is_empty() {
        let text = match args.format.style() {
            Style::Table => render::text(&rows),
            Style::Json => render::json(&rows),
            Style::Csv => render::csv(&rows),
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    if failed { Err(Failure::Inputs) } else { Ok(()) }
}

/// The prices of `MODEL` at Anthropic, or of `PROVIDER/MODEL`.
fn prices(catalog: &Catalog, name: &str) -> Result<Prices, Error> {
    let split = name.split_once('/');
    let named = split.filter(|(provider, _)| catalog.provider(provider).is_some());
    let (provider, model) = named.unwrap_or(("anthropic", name));
    let prices = catalog.model(provider, model).prices;
    prices.ok_or_else(|| Error::config(format!("--prices: no prices are known for `{name}`")))
}

/// Measures one file, at every price of a read that was asked for.
fn one(path: &Path, job: &Job, args: &Bound) -> Result<Vec<Row>, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bar = bar(&name);
    let figures = measure(path, job, |done, total| {
        if done.is_multiple_of(64) || done == total {
            bar.set_length(total);
            bar.set_position(done);
        }
    });
    let figures = figures.inspect_err(|_| bar.finish_and_clear())?;
    let own = args.read.is_empty().then_some(None);
    let reads = own.into_iter().chain(args.read.iter().copied().map(Some));
    let rows = reads.map(|read| {
        let figures = match read {
            Some(read) => figures.at(|rate| cheaper(rate, read)),
            None => figures.clone(),
        };
        let named = bare(&name).to_owned();
        row(named, read, &figures, args, &bar)
    });
    let rows = rows.collect();
    bar.finish_and_clear();
    Ok(rows)
}

fn row(name: String, read: Option<u32>, figures: &Figures, args: &Bound, bar: &ProgressBar) -> Row {
    let asked: Vec<Regime> = args.regime.iter().map(|arg| Regime::from(*arg)).collect();
    let regimes = Regime::ALL.into_iter();
    let regimes = regimes.filter(|regime| asked.is_empty() || asked.contains(regime));
    let regimes = regimes.map(|regime| {
        bar.set_message(format!("{name} {}", regime.as_str()));
        Line {
            regime,
            lower: figures.lower(regime),
            clairvoyant: (!args.lower_only).then(|| figures.clairvoyant(regime)),
        }
    });
    let regimes = regimes.collect();
    Row {
        read,
        requests: figures.requests(),
        tokens: figures.tokens(),
        uncached: figures.uncached(),
        documented: figures.documented(),
        regimes,
        name,
    }
}

/// The same rate with a read at this share of plain input, in millionths.
fn cheaper(rate: &Rate, read: u32) -> Rate {
    let mut rate = *rate;
    let price = rate.tier.input.as_pico().saturating_mul(i128::from(read)) / 1_000_000;
    rate.tier.read = Money::from_pico(price);
    rate.ping = rate.tier.read;
    rate
}

fn bare(name: &str) -> &str {
    let name = name.strip_suffix(".xz").unwrap_or(name);
    name.strip_suffix(".jsonl").unwrap_or(name)
}

/// A progress bar, which shows itself on a terminal only.
fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} {elapsed}");
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(name.to_owned())
}
