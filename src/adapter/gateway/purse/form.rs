//! The file's form: a row per thing that is counted and period, readable and editable by people.

use jiff::Timestamp as Moment;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::route::{Amount, CapScope, Figures, Holder, Period, Tally};

/// What the file begins with.
const KIND: &str = "cachewright caps";
/// Files of other versions are refused.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: String,
    version: u32,
    figures: String,
    spent: Vec<Row>,
}

/// What is read before anything else, of any version.
#[derive(Deserialize)]
struct Head {
    kind: Option<String>,
    version: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    per: String,
    from: String,
    until: String,
    spent: String,
}

/// The file's text.
pub(super) fn text(tallies: &[Tally], figures: Figures) -> serde_json::Result<Vec<u8>> {
    let figures = match figures {
        Figures::Exact => "exact",
        Figures::Ahead => "ahead",
    };
    let mut text = serde_json::to_vec_pretty(&File {
        kind: KIND.into(),
        version: VERSION,
        figures: figures.into(),
        spent: tallies.iter().filter_map(row).collect(),
    })?;
    text.push(b'\n');
    Ok(text)
}

/// What a file's text says, or what is wrong with it.
pub(super) fn read(text: &[u8]) -> Result<Vec<Tally>, String> {
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if head.kind.as_deref() != Some(KIND) {
        return Err(format!("it does not begin with `\"kind\": \"{KIND}\"`"));
    }
    match head.version {
        Some(VERSION) => {}
        Some(other) => return Err(format!("it has version {other}, and this is {VERSION}")),
        None => return Err("it has no version".into()),
    }
    let file: File = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let rows = file.spent.into_iter().zip(1..);
    rows.map(|(row, number)| tally(row).map_err(|what| format!("row {number} of `spent`: {what}")))
        .collect()
}

/// `None` for what no file can say: a moment beyond the calendar.
fn row(tally: &Tally) -> Option<Row> {
    let (of, name) = match (&tally.scope, &tally.holder) {
        (CapScope::Total, _) => ("total", None),
        (CapScope::Route(name), _) => ("route", Some(name)),
        (CapScope::Tenant(name), _) => ("tenant", Some(name)),
        (CapScope::Backend(name), _) => ("backend", Some(name)),
        (CapScope::EachTenant, Holder::Tenant(name)) => ("each tenant", Some(name)),
        (CapScope::EachTenant, Holder::All | Holder::OtherTenants) => ("other tenants", None),
    };
    Some(Row {
        of: of.into(),
        name: name.map(|name| (**name).into()),
        per: tally.per.as_str().into(),
        from: moment(tally.from)?,
        until: moment(tally.until)?,
        spent: tally.spent.to_string(),
    })
}

fn tally(row: Row) -> Result<Tally, String> {
    let name = row.name.map(String::into_boxed_str);
    let (scope, holder) = match (&*row.of, name) {
        ("total", None) => (CapScope::Total, Holder::All),
        ("route", Some(name)) => (CapScope::Route(name), Holder::All),
        ("tenant", Some(name)) => (CapScope::Tenant(name), Holder::All),
        ("backend", Some(name)) => (CapScope::Backend(name), Holder::All),
        ("each tenant", Some(name)) => (CapScope::EachTenant, Holder::Tenant(name)),
        ("other tenants", None) => (CapScope::EachTenant, Holder::OtherTenants),
        (of, name) => {
            let with = if name.is_some() { "with" } else { "without" };
            return Err(format!("`{of}` {with} a name is not known"));
        }
    };
    let per = Period::parse(&row.per).ok_or_else(|| format!("`{}` is no period", row.per))?;
    let time = |text: &str| -> Result<Timestamp, String> {
        let moment: Moment = text.parse().map_err(|_| format!("`{text}` is no time"))?;
        Ok(Timestamp::from_micros(moment.as_microsecond()))
    };
    let span = (time(&row.from)?, time(&row.until)?);
    let spent = Amount::parse(&row.spent).ok_or_else(|| format!("`{}` is no amount", row.spent))?;
    Ok(Tally::new(scope, holder, per, span, spent))
}

fn moment(at: Timestamp) -> Option<String> {
    let moment = Moment::from_microsecond(at.as_micros()).ok()?;
    Some(moment.to_string())
}
