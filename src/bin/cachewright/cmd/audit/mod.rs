//! `cachewright audit`: what logs that people have tell about caching.

mod figures;
mod remarks;
mod sheets;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use cachewright::adapter::audit::{Audit as Reading, Report, Watch};
use cachewright::adapter::clock::{Clock as _, SystemClock};
use cachewright::adapter::page;
use cachewright::adapter::store::{Store, StoreOptions};
use cachewright::error::Error;
use cachewright::provider::Catalog;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Audit, Shape};
use crate::exit::{Failure, complain};

/// What begins the URL of a ledger in Postgres.
const URLS: [&str; 2] = ["postgres://", "postgresql://"];

pub(crate) fn run(args: &Audit, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let clock = SystemClock;
    let begun = clock.now();
    let report = read(args, catalog)?;
    if let Some(path) = &args.html {
        std::fs::write(path, page::render(&report.story))
            .map_err(|error| Error::io(format!("{}: {error}", path.display())))?;
    }
    let text = match args.form.shape() {
        Shape::Text => words::text(&report, args),
        Shape::Markdown => words::markdown(&report, args),
        Shape::Json => figures::json(&report, args.top),
        Shape::Csv => sheets::csv(&report, args),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    speed(report.sources.bytes, clock.now().since(begun).as_micros());
    if report.sources.faults > 0 {
        return Err(Failure::Inputs);
    }
    if report.story.total.exchanges == 0 {
        let what = "nothing in these files is a log that can be audited (see --help)";
        return Err(Error::input(what).into());
    }
    Ok(())
}

fn read(args: &Audit, catalog: &Arc<Catalog>) -> Result<Report, Failure> {
    let is_url = |path: &&PathBuf| {
        let text = path.to_string_lossy();
        URLS.iter().any(|url| text.starts_with(url))
    };
    let (urls, paths): (Vec<&PathBuf>, Vec<&PathBuf>) = args.inputs.iter().partition(is_url);
    let mut audit = Reading::new(Arc::clone(catalog));
    for url in urls {
        let options = StoreOptions::at(&url.to_string_lossy())?;
        audit.ledger(&Store::existing(options)?)?;
    }
    let mut shown = Shown(ProgressBar::new(0));
    let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        shown.0.set_style(style);
    }
    audit.read(&paths, &mut shown);
    shown.0.finish_and_clear();
    Ok(audit.finish())
}

/// A progress bar that watches.
struct Shown(ProgressBar);

impl Watch for Shown {
    fn progress(&mut self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }

    fn fault(&mut self, fault: &Error) {
        self.0.suspend(|| complain(fault));
    }
}

/// Tells on stderr how fast it went: it differs from run to run, so it is no part of the report.
fn speed(bytes: u64, micros: u128) {
    let rate = u128::from(bytes).checked_div(micros).unwrap_or(0);
    let _ = writeln!(
        io::stderr(),
        "{} MB of logs in {}.{:02} s, {rate} MB/s",
        bytes / 1_000_000,
        micros / 1_000_000,
        micros % 1_000_000 / 10_000,
    );
}
