//! `cachewright report`: the story that a ledger tells.

use std::io::{self, Write};
use std::path::PathBuf;

use cachewright::adapter::page;
use cachewright::error::Error;

use crate::args::{Report, Shape};
use crate::exit::Failure;
use crate::ledgers;
use crate::story::{self, Subject};

pub(crate) fn run(args: &Report, settings: &[PathBuf]) -> Result<(), Failure> {
    let store = ledgers::existing(args.place.ledger.as_deref(), settings)?;
    let told = store.story(&ledgers::query(&args.span))?;
    let subject = Subject {
        place: &store.place(),
        story: &told,
        by: args.by.into(),
    };
    if let Some(path) = &args.html {
        std::fs::write(path, page::render(&told))
            .map_err(|error| Error::io(format!("{}: {error}", path.display())))?;
    }
    let text = match args.form.shape() {
        Shape::Text => story::text(&subject),
        Shape::Json => story::json(&subject),
        Shape::Csv => story::csv(&subject),
        Shape::Markdown => story::markdown(&subject),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
