//! Pre-warming: what a planned fan-out shares is written once, before the fan-out.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::request::Parts;

use super::Boarding;
use crate::adapter::caller::Caller;
use crate::adapter::errands::Answer;
use crate::adapter::handle::{Cachewright, Pending};
use crate::engine::End;
use crate::ledger::Record;
use crate::model::{Money, Skip, Timestamp};
use crate::wire;

/// What came of pre-warming.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prewarmed {
    /// The provider's status; zero where it was not asked or did not answer.
    pub status: u16,
    /// Tokens that were there already.
    pub read: Option<u64>,
    /// Tokens that are there from now on.
    pub written: Option<u64>,
    /// What it cost; `None` without usage or without prices.
    pub cost: Option<Money>,
    /// Until when they can be read, as far as is known; every read renews that.
    pub until: Option<Timestamp>,
    /// Why nothing is warm; `None` where something is.
    pub cold: Option<Cold>,
}

/// Why nothing is warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cold {
    /// The request was not understood, or goes to nobody who is known.
    Skipped(Skip),
    /// What comes before its last part is too short to be kept.
    TooShort,
    /// It cannot be sent for so little output: thinking with a budget, or a dialect of which no such
    /// form is known.
    NoCheapForm,
    /// Its conversation belongs to the control arm.
    LeftAlone,
    /// The provider refused, could not be reached or did not say what it read and wrote.
    Unanswered,
}

impl Cold {
    /// A sentence for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped(_) => "the request is no prompt to a known provider, or cannot be read",
            Self::TooShort => "what comes before the last part is too short to be kept",
            Self::NoCheapForm => "the request cannot be sent for so little output",
            Self::LeftAlone => "the conversation belongs to the control arm of the holdout",
            Self::Unanswered => "the provider did not say that anything was read or written",
        }
    }
}

impl Prewarmed {
    pub(crate) fn cold(why: Cold) -> Self {
        Self {
            cold: Some(why),
            ..Self::default()
        }
    }

    fn of(record: &Record, lasts: std::time::Duration) -> Self {
        let usage = record.usage.unwrap_or_default();
        let (read, written) = (usage.read, usage.written());
        let is_warm = read.unwrap_or(0) > 0 || written.unwrap_or(0) > 0;
        let begun = record.first_byte.filter(|_| is_warm);
        Self {
            status: record.status,
            read,
            written,
            cost: record.cost,
            until: begun.map(|begun| begun.plus(lasts)),
            cold: (!is_warm).then_some(Cold::Unanswered),
        }
    }
}

/// The errand's name.
const PREWARM: &str = "prewarm";

/// Output tokens that every dialect takes as a limit, where a row does not name a smaller one
/// (`OpenAI`'s Responses refuse fewer, platform.openai.com/docs/api-reference/responses, 2026-09).
const LEAST: u32 = 16;

/// Sends the cheapest form of a request, planned so that it writes what others will share, and waits
/// for its answer.
pub(crate) async fn prewarm<F>(
    cache: &Cachewright,
    mut caller: Caller,
    (mut parts, body): (Parts, Bytes),
    send: impl FnOnce(Request<Bytes>) -> F,
) -> Prewarmed
where
    F: Future<Output = Option<Answer>>,
{
    caller.prewarm = true;
    let mut boarding = Boarding::new(body.clone());
    let mut rewrite = poll_fn(|cx| boarding.poll((cache, &caller), cx)).await;
    let Some(mut running) = rewrite.running.take() else {
        return Prewarmed::cold(Cold::Skipped(Skip::NotARequest));
    };
    running.for_errand(PREWARM);
    let lasts = match running.warms() {
        Ok(lasts) => lasts,
        Err(why) => {
            running.discard();
            return Prewarmed::cold(why);
        }
    };
    let sent = rewrite.body.take().unwrap_or(body);
    let Some(form) = wire::ping(caller.dialect, &sent, least(cache, &caller)) else {
        running.discard();
        return Prewarmed::cold(Cold::NoCheapForm);
    };
    rewrite.body = Some(form.into());
    rewrite.fix(&mut parts.headers);
    parts.headers.remove(ACCEPT);
    parts.headers.remove(ACCEPT_ENCODING);
    let told = Told::default();
    running.follow(Box::new(told.clone()));
    let request = Request::from_parts(parts, rewrite.body.unwrap_or_default());
    running.left().iter().for_each(|left| left.set());
    match send(request).await {
        Some(answer) => {
            // There is no other body to send.
            let _ = running.on_head(answer.status, answer.framing);
            running.on_bytes(&answer.body);
            running.finish(End::Complete);
        }
        None => running.finish(End::Failed),
    }
    let record = told.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    record.map_or_else(
        || Prewarmed::cold(Cold::Unanswered),
        |record| Prewarmed::of(&record, lasts),
    )
}

fn least(cache: &Cachewright, caller: &Caller) -> u32 {
    let provider = cache.engine().catalog().provider(&caller.provider);
    let endpoint = provider.and_then(|provider| provider.endpoint(caller.dialect));
    endpoint.and_then(|endpoint| endpoint.ping).unwrap_or(LEAST)
}

/// Keeps what was booked.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Record>>>);

impl Pending for Told {
    fn booked(&mut self, record: &Record) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Some(record.clone());
    }
}
