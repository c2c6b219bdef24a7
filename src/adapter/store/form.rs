//! A record as a row of the table, and back.

use std::time::Duration;

use super::columns::{COLUMNS, Cell, Cells};
use crate::canon::Rule;
use crate::ledger::{Attempt, Id, Record, Verdict};
use crate::model::{Arm, Cause, Digest, Miss, Money, Pattern, Place, Section, Skip, Ttl, Usage};

/// One row of the ledger.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Row {
    /// The exchange or errand.
    pub record: Record,
    /// The premium of what it wrote and nobody read; `None` until that is settled.
    pub wasted: Option<Money>,
}

impl Row {
    /// Its values, in the order of [`COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = cells(&self.record);
        cells.push(Cell::money(self.wasted));
        cells
    }

    /// The row of these values.
    pub(in crate::adapter) fn read(cells: &[Cell]) -> Self {
        let mut cells = Cells::new(cells);
        let mut record = Record::default();
        read_head(&mut record, &mut cells);
        read_usage(&mut record, &mut cells);
        read_shape(&mut record, &mut cells);
        record.miss = read_miss(&mut cells);
        read_digests(&mut record, &mut cells);
        record.attempt = read_attempt(&mut cells).map(Box::new);
        record.presumed = cells.money();
        read_purpose(&mut record, &mut cells);
        record.kept_saved = cells.money();
        Self {
            record,
            wasted: cells.money(),
        }
    }
}

/// All but the last column, which is settled later.
pub(super) fn cells(record: &Record) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(COLUMNS.len());
    head(record, &mut cells);
    usage(record, &mut cells);
    shape(record, &mut cells);
    miss(record.miss.as_ref(), &mut cells);
    digests(record, &mut cells);
    attempt(record.attempt.as_deref(), &mut cells);
    cells.push(Cell::money(record.presumed));
    purpose(record, &mut cells);
    cells.push(Cell::money(record.kept_saved));
    cells
}

fn head(record: &Record, cells: &mut Vec<Cell>) {
    let overhead = u64::try_from(record.overhead.as_micros()).unwrap_or(u64::MAX);
    let kind = if record.errand { ERRAND } else { EXCHANGE };
    cells.extend([
        Cell::count(record.id.run),
        Cell::count(record.id.number),
        Cell::time(record.at),
        Cell::time(record.first_byte),
        Cell::time(record.ended),
        Cell::count(overhead),
        Cell::text(Some(kind)),
        Cell::text(Some(&record.provider)),
        Cell::text(Some(&record.dialect)),
        Cell::text(Some(&record.model)),
        Cell::flag(record.model_known),
        Cell::text(Some(&record.route)),
        Cell::text(Some(&record.tenant)),
        Cell::count(u64::from(record.status)),
        Cell::flag(record.complete),
    ]);
}

const EXCHANGE: &str = "exchange";
const ERRAND: &str = "errand";

fn read_head(record: &mut Record, cells: &mut Cells<'_>) {
    record.id = Id {
        run: cells.count(),
        number: cells.count(),
    };
    record.at = cells.time().unwrap_or_default();
    record.first_byte = cells.time();
    record.ended = cells.time().unwrap_or_default();
    record.overhead = Duration::from_micros(cells.count());
    record.errand = cells.text() == Some(ERRAND);
    record.provider = cells.name();
    record.dialect = cells.name();
    record.model = cells.name();
    record.model_known = cells.flag();
    record.route = cells.name();
    record.tenant = cells.name();
    record.status = u16::try_from(cells.count()).unwrap_or(u16::MAX);
    record.complete = cells.flag();
}

fn usage(record: &Record, cells: &mut Vec<Cell>) {
    let usage = record.usage.unwrap_or_default();
    cells.extend([
        Cell::flag(record.usage.is_some()),
        Cell::count(usage.plain),
        Cell::count(usage.read),
        Cell::count(usage.write_5m),
        Cell::count(usage.write_30m),
        Cell::count(usage.write_1h),
        Cell::count(usage.output),
        Cell::money(usage.cost),
        Cell::money(record.cost),
        Cell::money(record.cost_without_caching),
        Cell::money(record.premium),
    ]);
}

fn read_usage(record: &mut Record, cells: &mut Cells<'_>) {
    let reported = cells.flag();
    let usage = Usage {
        plain: cells.maybe(),
        read: cells.maybe(),
        write_5m: cells.maybe(),
        write_30m: cells.maybe(),
        write_1h: cells.maybe(),
        output: cells.maybe(),
        cost: cells.money(),
    };
    record.usage = reported.then_some(usage);
    record.cost = cells.money();
    record.cost_without_caching = cells.money();
    record.premium = cells.money().unwrap_or_default();
}

fn shape(record: &Record, cells: &mut Vec<Cell>) {
    let reshaped = (!record.reshaped.is_empty()).then(|| record.reshaped.join(","));
    cells.push(Cell::count(record.estimated_input));
    cells.extend(record.sections.map(Cell::count));
    cells.extend([
        Cell::count(record.predicted_read),
        Cell::count(record.readable),
        Cell::count(u64::from(record.breakpoints)),
        Cell::count(u64::from(record.breakpoints_placed)),
        Cell::count(record.breakpoints_honoured.map(u64::from)),
        Cell::text(reshaped.as_deref()),
        Cell::flag(record.resent),
        Cell::text(record.skip.map(Skip::as_str)),
        Cell::text(Some(record.verdict.as_str())),
    ]);
}

fn read_shape(record: &mut Record, cells: &mut Cells<'_>) {
    record.estimated_input = cells.count();
    record.sections = [(); 3].map(|()| cells.count());
    record.predicted_read = cells.maybe();
    record.readable = cells.maybe();
    record.breakpoints = cells.small();
    record.breakpoints_placed = cells.small();
    record.breakpoints_honoured = cells
        .maybe()
        .map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let reshaped = cells.text().into_iter().flat_map(|names| names.split(','));
    record.reshaped = reshaped
        .filter_map(|name| Rule::parse(name).map(Rule::as_str))
        .collect();
    record.resent = cells.flag();
    let skip = cells.text();
    record.skip = skip.and_then(|name| SKIPS.into_iter().find(|skip| skip.as_str() == name));
    record.verdict = cells.text().and_then(Verdict::parse).unwrap_or_default();
}

const SKIPS: [Skip; 10] = [
    Skip::NotJson,
    Skip::NotARequest,
    Skip::NoMessages,
    Skip::DuplicateKey,
    Skip::TooDeep,
    Skip::TooLarge,
    Skip::NotBuffered,
    Skip::Encoded,
    Skip::Signed,
    Skip::UnknownEndpoint,
];

fn miss(miss: Option<&Miss>, cells: &mut Vec<Cell>) {
    let place = miss.and_then(|miss| miss.place.as_ref());
    let excerpts = place.and_then(|place| place.excerpts.as_ref());
    cells.extend([
        Cell::text(miss.map(|miss| miss.cause.as_str())),
        Cell::count(miss.map(|miss| miss.tokens)),
        Cell::money(miss.and_then(|miss| miss.cost)),
        Cell::text(place.map(|place| section(place.section))),
        Cell::count(place.map(|place| u64::from(place.block))),
        Cell::count(place.map(|place| u64::from(place.byte))),
        Cell::text(place.map(|place| &*place.pointer)),
        Cell::text(miss.and_then(|miss| miss.pattern).map(Pattern::as_str)),
        Cell::text(miss.and_then(|miss| miss.reported.as_deref())),
        Cell::text(excerpts.map(|[before, _]| &**before)),
        Cell::text(excerpts.map(|[_, after]| &**after)),
    ]);
}

fn read_miss(cells: &mut Cells<'_>) -> Option<Miss> {
    let cause = cells
        .text()
        .map(|name| Cause::parse(name).unwrap_or(Cause::Unknown));
    let tokens = cells.count();
    let cost = cells.money();
    let section = cells.text().map(read_section);
    let (block, byte) = (cells.small(), cells.small());
    let mut place = Place::new(
        section.unwrap_or(Section::Messages),
        block,
        byte,
        cells.name(),
    );
    let pattern = cells.text().and_then(Pattern::parse);
    let reported = cells.text().map(Into::into);
    if let (Some(before), Some(after)) = (cells.text(), cells.text()) {
        place.excerpts = Some([before.into(), after.into()]);
    }
    let mut miss = Miss::new(cause?, tokens);
    miss.cost = cost;
    miss.place = section.map(|_| place);
    miss.pattern = pattern;
    miss.reported = reported;
    Some(miss)
}

const fn section(section: Section) -> &'static str {
    match section {
        Section::Tools => "tools",
        Section::System => "system",
        Section::Messages => "messages",
    }
}

fn read_section(name: &str) -> Section {
    match name {
        "tools" => Section::Tools,
        "system" => Section::System,
        _ => Section::Messages,
    }
}

fn digests(record: &Record, cells: &mut Vec<Cell>) {
    let [tools, system, request] = record.ends;
    let digests = [
        record.scope,
        record.lineage,
        tools,
        system,
        request,
        record.read_prefix,
    ];
    cells.extend(digests.map(Cell::digest));
    let written: Vec<String> = record
        .written
        .iter()
        .map(|(prefix, ttl, tokens)| format!("{prefix}:{ttl}:{tokens}"))
        .collect();
    let written = (!written.is_empty()).then(|| written.join(","));
    cells.push(Cell::text(written.as_deref()));
}

fn read_digests(record: &mut Record, cells: &mut Cells<'_>) {
    record.scope = cells.digest();
    record.lineage = cells.digest();
    record.ends = [(); 3].map(|()| cells.digest());
    record.read_prefix = cells.digest();
    let written = cells.text().into_iter().flat_map(|all| all.split(','));
    record.written = written.filter_map(read_written).collect();
}

fn attempt(attempt: Option<&Attempt>, cells: &mut Vec<Cell>) {
    let number = attempt.map(|attempt| u64::from(attempt.number));
    cells.extend([
        Cell::text(Some(attempt.map_or("", |attempt| &attempt.backend))),
        Cell::count(attempt.map(|attempt| attempt.call)),
        Cell::count(number),
        Cell::money(attempt.and_then(|attempt| attempt.hop)),
        Cell::text(attempt.map(|attempt| &*attempt.why)),
    ]);
}

fn read_attempt(cells: &mut Cells<'_>) -> Option<Attempt> {
    let backend = cells.name();
    let (call, number) = (cells.maybe(), cells.small());
    let attempt = Attempt {
        backend,
        call: call.unwrap_or(0),
        number,
        hop: cells.money(),
        why: cells.name(),
    };
    call.map(|_| attempt)
}

fn purpose(record: &Record, cells: &mut Vec<Cell>) {
    let held = u64::try_from(record.held.as_micros()).unwrap_or(u64::MAX);
    let kind = Some(record.errand_kind).filter(|kind| !kind.is_empty());
    cells.extend([
        Cell::count(held),
        Cell::text(kind),
        Cell::text(record.arm.map(Arm::as_str)),
    ]);
}

fn read_purpose(record: &mut Record, cells: &mut Cells<'_>) {
    record.held = Duration::from_micros(cells.count());
    let kind = cells.text();
    let known = kind.and_then(|name| ERRANDS.into_iter().find(|kind| *kind == name));
    record.errand_kind = known.unwrap_or_default();
    record.arm = cells.text().and_then(Arm::parse);
}

/// What errands ask.
const ERRANDS: [&str; 5] = ["create", "extend", "delete", "ping", "prewarm"];

fn read_written(text: &str) -> Option<(Digest, Ttl, u64)> {
    let mut parts = text.split(':');
    let prefix = u128::from_str_radix(parts.next()?, 16).ok()?;
    let ttl = Ttl::parse(parts.next()?)?;
    let tokens = parts.next()?.parse().ok()?;
    Some((Digest::from_bytes(prefix.to_be_bytes()), ttl, tokens))
}
