//! What a backend is shown: a key, what a command prints, or a signature.

use std::time::Duration;

use http::header::HeaderName;

use super::table::{Said, Table};
use crate::adapter::gateway::Site;
use crate::adapter::gateway::auth::{Command, Manner};
use crate::adapter::gateway::site::{bearer, manners};
use crate::adapter::sign::chain;
use crate::error::Error;
use crate::provider::Provider;

/// How long what a command printed is used.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Gives the site what it is to show: what the configuration says, or else the first variable of the
/// environment that the row names, or else a signature where the provider takes one.
pub(super) fn give(
    site: Site,
    table: &Table<'_>,
    (row, region): (&Provider, &str),
) -> Result<Site, Error> {
    let ways = ["key", "key_command", "sign"].map(|key| table.has(key));
    if ways.iter().filter(|has| **has).count() > 1 {
        let message = "`key`, `key_command` and `sign` exclude each other; keep one of them";
        return Err(table.error(message));
    }
    let manner = manner(table, row)?;
    if let Some(key) = table.string("key")? {
        return site.key_in(&manner, &key.value).map_err(|error| {
            let message = format!("`key` cannot be shown: {error}");
            table.text.error(key.at, &message)
        });
    }
    if let Some(words) = table.strings("key_command")? {
        return command(site, table, (words, manner));
    }
    for key in ["key_header", "key_lifetime"] {
        if table.has(key) {
            let message = format!("`{key}` is for a key; add key_command or key, or take it out");
            return Err(table.error_at(key, &message));
        }
    }
    let wished = table.has("sign") || table.has("profile");
    if !wished && let Some((manner, key)) = of_environment(table, row) {
        return site.key_in(&manner, &key).map_err(|error| {
            let message = format!("the key in the environment cannot be shown: {error}");
            table.error(&message)
        });
    }
    if wished || row.access.signs {
        return signed(site, table, (row, region));
    }
    if row.access.auth.is_empty() || carried(table, row)? {
        return Ok(site);
    }
    Err(table.error(&without(row, "")))
}

/// How a key is shown: the row's usual way, or the header that the configuration names.
fn manner(table: &Table<'_>, row: &Provider) -> Result<Manner, Error> {
    let Some(said) = table.string("key_header")? else {
        return Ok(manners(row).next().unwrap_or_else(bearer));
    };
    let header = HeaderName::try_from(said.value.as_str()).map_err(|_| {
        let message = format!("`{}` is not a header's name", said.written);
        table.text.error(said.at, &message)
    })?;
    let mut known = manners(row).chain([bearer()]);
    let prefix = known
        .find(|manner| manner.header == header)
        .map_or_else(Box::default, |manner| manner.prefix);
    Ok(Manner { header, prefix })
}

fn command(
    site: Site,
    table: &Table<'_>,
    (words, manner): (Vec<Said>, Manner),
) -> Result<Site, Error> {
    let fix = |what: &str| {
        let example = "[\"gcloud\", \"auth\", \"print-access-token\"]";
        table.error_at(
            "key_command",
            &format!("{what}; write key_command = {example}"),
        )
    };
    if let [only] = &words[..]
        && only.written.trim().contains(char::is_whitespace)
    {
        return Err(fix(
            "`key_command` is a program and its arguments, one text each",
        ));
    }
    if words
        .first()
        .is_none_or(|word| word.value.trim().is_empty())
    {
        return Err(fix("`key_command` names no program"));
    }
    let lifetime = table.duration("key_lifetime")?.unwrap_or(LIFETIME);
    let words = words.into_iter().map(|word| word.value).collect();
    let command = Command::new(site.name(), words, (manner, lifetime));
    Ok(site.command(command))
}

/// The first variable of the row that is set, and how its value is shown.
fn of_environment(table: &Table<'_>, row: &Provider) -> Option<(Manner, String)> {
    let set = |name: &str| (table.text.env)(name).filter(|value| !value.trim().is_empty());
    row.access.auth.iter().find_map(|auth| {
        let key = auth.env.iter().find_map(|name| set(name))?;
        let manner = Manner {
            header: HeaderName::try_from(&*auth.header).ok()?,
            prefix: auth.prefix.clone(),
        };
        Some((manner, key.trim().to_owned()))
    })
}

fn signed(site: Site, table: &Table<'_>, (row, region): (&Provider, &str)) -> Result<Site, Error> {
    let sign = table.string("sign")?;
    if let Some(sign) = sign.as_ref().filter(|sign| sign.value != "aws") {
        let message = format!("cannot sign as {:?}; use sign = \"aws\"", sign.written);
        return Err(table.text.error(sign.at, &message));
    }
    if !row.access.signs {
        let key = if sign.is_some() { "sign" } else { "profile" };
        let message = format!("{} takes no signatures; use key or key_command", row.name);
        return Err(table.error_at(key, &message));
    }
    let profile = table.string("profile")?;
    let region = Some(region).filter(|region| !region.is_empty());
    let signer = chain(
        &site.place(),
        region,
        profile.as_ref().map(|said| &*said.value),
    );
    match signer {
        Ok(signer) => Ok(site.signed(signer)),
        Err(fix) => Err(table.error(&without(row, fix))),
    }
}

/// Whether the configured headers show what the provider asks for.
fn carried(table: &Table<'_>, row: &Provider) -> Result<bool, Error> {
    let Some(headers) = table.table("headers")? else {
        return Ok(false);
    };
    let mut names = headers.keys().map(|(name, _)| name);
    Ok(names.any(|name| {
        let mut ways = row.access.auth.iter();
        ways.any(|auth| auth.header.eq_ignore_ascii_case(name))
    }))
}

/// What would do for a credential.
fn without(row: &Provider, more: &str) -> String {
    let names: Vec<&str> = row
        .access
        .auth
        .iter()
        .flat_map(|auth| auth.env.iter().map(AsRef::as_ref))
        .collect();
    let set = match names.as_slice() {
        [] => String::new(),
        [only] => format!("set the environment variable {only}, or "),
        several => format!(
            "set one of the environment variables {}, or ",
            several.join(", ")
        ),
    };
    let more = match more {
        "" => String::new(),
        more => format!("; {more}"),
    };
    format!("there is no credential; {set}add key = \"${{NAME}}\" or key_command = [\"…\"]{more}")
}
