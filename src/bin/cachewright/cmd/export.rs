//! `cachewright ledger export`: every row, in constant memory.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds of cells and of others' errors that all mean the same here"
)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use cachewright::adapter::store::{COLUMNS, Cell, Kind, Row};
use cachewright::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use super::parquet::Parquet;
use crate::args::{Export, ExportFormat};
use crate::exit::Failure;
use crate::ledgers;

pub(crate) fn run(args: &Export, settings: &[PathBuf]) -> Result<(), Failure> {
    let store = ledgers::existing(args.place.ledger.as_deref(), settings)?;
    // How many rows there are is only worth the asking where somebody watches.
    let bar = ProgressBar::new_spinner();
    if !bar.is_hidden() && args.output.is_some() {
        let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} rows, {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_length(store.info()?.rows);
    }
    let mut sheet = sheet(args)?;
    store.rows(&ledgers::query(&args.span), |row| {
        bar.inc(1);
        sheet.row(&row)
    })?;
    bar.finish_and_clear();
    sheet.end()
}

/// Where the rows go, and in which form.
trait Sheet: Send {
    fn row(&mut self, row: &Row) -> Result<(), Failure>;
    fn end(self: Box<Self>) -> Result<(), Failure>;
}

fn sheet(args: &Export) -> Result<Box<dyn Sheet>, Failure> {
    let to: Box<dyn Write + Send> = match &args.output {
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| Error::config(format!("--output: {}: {error}", path.display())))?,
        ),
        None => Box::new(io::stdout()),
    };
    let to = BufWriter::new(to);
    Ok(match args.format {
        ExportFormat::Jsonl => Box::new(Lines(to)),
        ExportFormat::Csv => Box::new(Csv::begin(to)?),
        ExportFormat::Parquet => Box::new(Parquet::begin(to)?),
    })
}

type Out = BufWriter<Box<dyn Write + Send>>;

struct Lines(Out);

impl Sheet for Lines {
    fn row(&mut self, row: &Row) -> Result<(), Failure> {
        let mut object = Map::new();
        object.insert("id".into(), row.record.id.to_string().into());
        for (column, cell) in COLUMNS.iter().zip(row.cells()) {
            object.insert(column.name.into(), value(column.kind, &cell));
        }
        serde_json::to_writer(&mut self.0, &object).map_err(io::Error::from)?;
        Ok(self.0.write_all(b"\n")?)
    }

    fn end(mut self: Box<Self>) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

fn value(kind: Kind, cell: &Cell) -> Value {
    match (cell, kind) {
        (Cell::Integer(number), Kind::Flag) => Value::from(*number != 0),
        (Cell::Integer(number), _) => Value::from(*number),
        (Cell::Text(text), _) => Value::from(&**text),
        (Cell::Digest(digest), _) => Value::from(digest.to_string()),
        _ => Value::Null,
    }
}

struct Csv(csv::Writer<Out>);

impl Csv {
    fn begin(to: Out) -> Result<Self, Failure> {
        let mut out = csv::Writer::from_writer(to);
        let names = COLUMNS.iter().map(|column| column.name);
        out.write_record(std::iter::once("id").chain(names))
            .map_err(failed)?;
        Ok(Self(out))
    }
}

impl Sheet for Csv {
    fn row(&mut self, row: &Row) -> Result<(), Failure> {
        let cells = row.cells().into_iter().map(|cell| match cell {
            Cell::Integer(number) => number.to_string(),
            Cell::Text(text) => text.into(),
            Cell::Digest(digest) => digest.to_string(),
            _ => String::new(),
        });
        let line = std::iter::once(row.record.id.to_string()).chain(cells);
        self.0.write_record(line).map_err(failed)
    }

    fn end(mut self: Box<Self>) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

/// A reader that goes away is no failure of ours.
fn failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Error::io(format!("cannot write CSV: {other:?}")).into(),
    }
}

impl Sheet for Parquet<Out> {
    fn row(&mut self, row: &Row) -> Result<(), Failure> {
        self.add(row)
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.close()
    }
}
