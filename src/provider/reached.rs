//! The part of a provider's row that says how it is reached.

use super::fields::{Fields, Flag};
use super::{Access, Auth, Door, Endpoint, LimitHeaders, Spelling};
use crate::error::Error;
use crate::wire::Envelope;

const ACCESS: [&str; 14] = [
    "base",
    "bases",
    "spelling",
    "ids",
    "profiles",
    "profiles_of",
    "auth",
    "signs",
    "headers",
    "doors",
    "limits",
    "reads_count",
    "reads_count_except",
    "zones",
];
const SPELLING: [&str; 2] = ["models", "pattern"];
const AUTH: [&str; 3] = ["header", "prefix", "env"];
const DOOR: [&str; 4] = ["dialect", "path", "stream", "envelope"];

/// Dialects that applications speak to a route.
const SPOKEN: [&str; 3] = ["messages", "chat", "responses"];

/// Reads `access` of a row. What it leaves out is as most providers have it: a bearer token, and the
/// paths of the row where they name neither model nor place.
pub(super) fn access(fields: &Fields<'_>, endpoints: &[Endpoint]) -> Result<Access, Error> {
    let plain = doors(&[], endpoints);
    let Some(fields) = fields.table("access", &ACCESS)? else {
        return Ok(Access {
            auth: vec![bearer()],
            doors: plain?,
            reads_count: true,
            ..Access::default()
        });
    };
    let listed = fields.tables("auth", &AUTH)?;
    let mut shown: Vec<Auth> = listed.iter().map(auth).collect::<Result<_, _>>()?;
    if shown.is_empty() {
        shown.push(bearer());
    }
    let limits = fields.text("limits")?.map(|name| {
        let fix = "`limits` is \"none\", \"anthropic\" or \"openai\"";
        LimitHeaders::parse(name).ok_or_else(|| fields.error_at("limits", fix))
    });
    let spelled = fields.tables("spelling", &SPELLING)?;
    Ok(Access {
        base: fields.text("base")?.unwrap_or_default().into(),
        bases: fields.pairs("bases")?,
        spelling: spelled.iter().map(spelling).collect::<Result<_, _>>()?,
        ids: fields.pairs("ids")?,
        profiles: fields.pairs("profiles")?,
        profiles_of: fields.pairs("profiles_of")?,
        auth: shown,
        signs: fields.flag("signs", Flag::No)?,
        headers: fields.pairs("headers")?,
        doors: doors(&fields.tables("doors", &DOOR)?, endpoints)?,
        limits: limits.transpose()?.unwrap_or_default(),
        reads_count: fields.flag("reads_count", Flag::Yes)?,
        reads_count_except: fields.texts("reads_count_except")?,
        zones: fields.pairs("zones")?,
    })
}

fn spelling(fields: &Fields<'_>) -> Result<Spelling, Error> {
    Ok(Spelling {
        models: fields.text("models")?.unwrap_or_default().into(),
        pattern: fields.required("pattern")?.into(),
    })
}

fn auth(fields: &Fields<'_>) -> Result<Auth, Error> {
    Ok(Auth {
        header: fields.required("header")?.into(),
        prefix: fields.text("prefix")?.unwrap_or_default().into(),
        env: fields.texts("env")?,
    })
}

fn bearer() -> Auth {
    Auth {
        header: "authorization".into(),
        prefix: "Bearer ".into(),
        env: Vec::new(),
    }
}

/// The doors that a row lists, and one for each other dialect whose path says all there is to say.
fn doors(listed: &[Fields<'_>], endpoints: &[Endpoint]) -> Result<Vec<Door>, Error> {
    let mut found: Vec<Door> = listed.iter().map(door).collect::<Result<_, _>>()?;
    for endpoint in endpoints {
        let mut paths = endpoint.paths.iter();
        let plain = paths.find(|path| !path.contains('{'));
        let known = found.iter().any(|door| *door.dialect == *endpoint.name);
        if let (Some(path), false, true) = (plain, known, SPOKEN.contains(&endpoint.name)) {
            found.push(Door {
                dialect: endpoint.name.into(),
                path: path.clone(),
                stream: path.clone(),
                envelope: Envelope::Plain,
            });
        }
    }
    Ok(found)
}

fn door(fields: &Fields<'_>) -> Result<Door, Error> {
    let path = fields.required("path")?;
    let envelope = fields.text("envelope")?.map(|name| {
        let fix = "`envelope` is \"plain\", \"invoke\" or \"raw_predict\"";
        Envelope::parse(name).ok_or_else(|| fields.error_at("envelope", fix))
    });
    Ok(Door {
        dialect: fields.required("dialect")?.into(),
        path: path.into(),
        stream: fields.text("stream")?.unwrap_or(path).into(),
        envelope: envelope.transpose()?.unwrap_or_default(),
    })
}
