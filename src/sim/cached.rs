//! Gemini's explicit caches: created, used, prolonged and deleted by name.
//!
//! Source: ai.google.dev/gemini-api/docs/caching, 2026, and recorded traffic (rig @b75850e, 2026-08),
//! which gives the words of the refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::block::find;
use super::draft::{Member, Members};
use super::openai::given;
use super::read::string;
use super::rejection::Rejection;
use super::request::Table;
use super::scan::members;
use super::{Ask, Body, Sim, generate, scope};
use crate::model::{Timestamp, Usage};

/// What `total_token_count` must reach (recorded on 2.5 Flash, 2026-08; pages say 1,024 to 4,096).
const MIN_TOKENS: u64 = 1024;
/// How long a cache lives when its request names no end.
const LIFE: Duration = Duration::from_secs(3600);

/// A cache as its resource shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedContent {
    /// Its name, such as `cachedContents/0a1b`.
    pub name: Box<str>,
    /// The model it is bound to, as the caller spelled it.
    pub model: Box<str>,
    /// Its tokens.
    pub tokens: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// When it is gone. An end in the past is accepted.
    pub expires: Timestamp,
}

/// A cache, and who may use it for which model row.
#[derive(Clone, Debug)]
struct Owned {
    owner: u128,
    content: CachedContent,
    /// Hash of what is in it.
    prefix: u128,
}

/// All explicit caches of one provider, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Caches {
    caches: BTreeMap<Box<str>, Owned>,
    made: u64,
}

impl Caches {
    pub(super) fn len(&self) -> usize {
        self.caches.len()
    }

    /// Hash of what is in a cache, for the prompts that go on with it.
    pub(super) fn prefix(&self, name: &str) -> Option<u128> {
        Some(self.caches.get(plain(name))?.prefix)
    }

    fn open(&self, (workspace, at): (&str, Timestamp), name: &str) -> Result<&Owned, Rejection> {
        let cache = self.caches.get(plain(name));
        let cache = cache.filter(|cache| cache.owner == scope(workspace, ""));
        cache
            .filter(|cache| at < cache.content.expires)
            .ok_or_else(Rejection::no_such_cache)
    }

    /// Counts a request that goes on with a cache.
    pub(super) fn serve(
        &self,
        visit: (&str, Timestamp),
        (name, row): (&str, impl Fn(&str) -> Box<str>),
        table: &Table,
    ) -> Result<Usage, Rejection> {
        let content = &self.open(visit, name)?.content;
        if row(&content.model) != table.row {
            return Err(Rejection::invalid(format!(
                "Model used by GenerateContent request (models/{}) and CachedContent (models/{}) \
                 has to be the same.",
                bare(&table.model),
                bare(&content.model)
            ))
            .of_kind("INVALID_ARGUMENT"));
        }
        Ok(Usage {
            plain: Some(table.total()),
            read: Some(content.tokens),
            ..Usage::default()
        })
    }
}

impl Sim {
    /// Creates an explicit cache for `workspace` from a body of `cachedContents`.
    ///
    /// # Errors
    /// The provider's refusal, such as that of a content that is too small.
    pub fn create_cache(
        &mut self,
        workspace: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Result<CachedContent, Rejection> {
        let (content, prefix) = self.draft_cache(at, body).map_err(argument)?;
        self.caches.made += 1;
        let owner = scope(workspace, "");
        let number = xxhash_rust::xxh3::xxh3_128(&self.caches.made.to_le_bytes()) ^ owner;
        let name: Box<str> = format!("cachedContents/{number:032x}").into();
        let content = CachedContent {
            name: name.clone(),
            ..content
        };
        let owned = Owned {
            owner,
            content: content.clone(),
            prefix,
        };
        self.caches.caches.insert(name, owned);
        Ok(content)
    }

    /// The cache of this name.
    ///
    /// # Errors
    /// 403 when there is none, or none for this workspace, or no longer.
    pub fn cache(
        &self,
        workspace: &str,
        at: Timestamp,
        name: &str,
    ) -> Result<CachedContent, Rejection> {
        let open = self.caches.open((workspace, at), name);
        open.map(|cache| cache.content.clone())
    }

    /// Gives a cache another end: `ttl` or `expireTime`, nothing else can be changed.
    ///
    /// # Errors
    /// 403 when there is no such cache; 400 when the body names no end.
    pub fn update_cache(
        &mut self,
        (workspace, name): (&str, &str),
        at: Timestamp,
        body: &[u8],
    ) -> Result<CachedContent, Rejection> {
        self.caches.open((workspace, at), name)?;
        let fields = fields(body).map_err(argument)?;
        let expires = end(&fields, at).map_err(argument)?;
        let expires = expires
            .ok_or_else(|| Rejection::invalid("ttl or expire_time is required."))
            .map_err(argument)?;
        let owned = self.caches.caches.get_mut(plain(name));
        let owned = owned.ok_or_else(Rejection::no_such_cache)?;
        (owned.content.updated, owned.content.expires) = (at, expires);
        Ok(owned.content.clone())
    }

    /// Deletes a cache.
    ///
    /// # Errors
    /// 403 when there is no such cache.
    pub fn delete_cache(
        &mut self,
        workspace: &str,
        at: Timestamp,
        name: &str,
    ) -> Result<(), Rejection> {
        self.caches.open((workspace, at), name)?;
        self.caches.caches.remove(plain(name));
        Ok(())
    }

    fn draft_cache(&self, at: Timestamp, body: &[u8]) -> Result<(CachedContent, u128), Rejection> {
        let body = Body {
            catalog: &self.catalog,
            provider: &self.provider,
            caches: &self.caches,
            fields: fields(body)?,
        };
        let model = string(&body.fields, "model")?;
        let model = model.ok_or_else(|| {
            Rejection::invalid("* CreateCachedContentRequest.model: model is required\n")
        })?;
        let ask = Ask {
            model: &model,
            ..Ask::new("generate", b"")
        };
        let request = generate::request(&body, &ask)?;
        let tokens = request.input_tokens();
        if tokens < MIN_TOKENS {
            return Err(Rejection::invalid(format!(
                "Cached content is too small. total_token_count={tokens}, \
                 min_total_token_count={MIN_TOKENS}"
            )));
        }
        let expires = end(&body.fields, at)?.unwrap_or_else(|| at.plus(LIFE));
        let prefix = request.prefixes().last().unwrap_or_default();
        let content = CachedContent {
            name: "".into(),
            model: model.into(),
            tokens,
            created: at,
            updated: at,
            expires,
        };
        Ok((content, prefix))
    }
}

fn argument(refused: Rejection) -> Rejection {
    refused.of_kind("INVALID_ARGUMENT")
}

fn fields(body: &[u8]) -> Result<Vec<Member<'_>>, Rejection> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(|_| Rejection::not_json())?;
    members(body).ok_or_else(Rejection::not_json)
}

/// The name without what stands before `cachedContents/` (Vertex puts project and location there).
fn plain(name: &str) -> &str {
    let at = name.find("cachedContents/").unwrap_or(0);
    name.get(at..).unwrap_or(name)
}

/// The id behind `models/`.
fn bare(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// The end that a body asks for: `ttl` in seconds from now, or a moment.
fn end(fields: &Members<'_>, at: Timestamp) -> Result<Option<Timestamp>, Rejection> {
    let wrong = || Rejection::invalid("Invalid value for ttl or expire_time.");
    if given(fields, b"ttl").is_some() {
        let text = string(fields, "ttl")?.unwrap_or_default();
        let micros = text.strip_suffix('s').and_then(micros).ok_or_else(wrong)?;
        return Ok(Some(Timestamp::from_micros(
            at.as_micros().saturating_add(micros),
        )));
    }
    let name = ["expireTime", "expire_time"];
    let Some(name) = name
        .iter()
        .find(|name| find(fields, name.as_bytes()).is_some())
    else {
        return Ok(None);
    };
    let text = string(fields, name)?.unwrap_or_default();
    moment(&text).map(Some).ok_or_else(wrong)
}

/// Decimal seconds as microseconds.
fn micros(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let digits: String = part.chars().chain("000000".chars()).take(6).collect();
    let part: i64 = digits.parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(part)
}

/// An RFC 3339 moment in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, seconds) = time.rsplit_once(':')?;
    let (hours, minutes) = clock.split_once(':')?;
    // Days since 1970, with years that begin in March (Hinnant, "chrono-compatible date algorithms").
    let shifted = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let days = 365 * shifted + shifted.div_euclid(4) - shifted.div_euclid(100)
        + shifted.div_euclid(400)
        + (153 * months + 2) / 5
        + day
        - 1
        - 719_468;
    let minutes = (days * 24 + hours.parse::<i64>().ok()?) * 60 + minutes.parse::<i64>().ok()?;
    Some(Timestamp::from_micros(
        minutes
            .checked_mul(60_000_000)?
            .checked_add(micros(seconds)?)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let micros = |text| moment(text).map(Timestamp::as_micros);
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            micros("2026-11-24T04:30:00.5Z"),
            Some(1_795_494_600_500_000)
        );
        assert_eq!(micros("2024-02-29T23:59:59Z"), Some(1_709_251_199_000_000));
        assert_eq!(micros("yesterday"), None);
    }
}
