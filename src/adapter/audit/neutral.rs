//! Neutral lines: one timed request each, with its body and often its usage.

use std::sync::Arc;

use bytes::Bytes;

use super::Reader;
use super::book::Book;
use super::compared::Sent;
use super::turn::{History, Place, Turn};
use crate::adapter::workload::{Timed, neutral};
use crate::model::Keyring;
use crate::provider::{Catalog, Endpoint};

/// Reads neutral lines.
pub(super) struct Neutral;

impl Reader for Neutral {
    fn line(&mut self, book: &mut Book, line: &[u8]) -> Result<(), String> {
        let timed = neutral(line)?;
        let endpoint = endpoint(&book.catalog, &timed.provider, &timed.body);
        let dialect = endpoint.map_or("", |endpoint| endpoint.name);
        let sent = endpoint.and_then(|endpoint| sent(endpoint, timed.body.clone()));
        book.turn(&turn(timed, dialect, sent));
        Ok(())
    }
}

fn turn(timed: Timed, dialect: &'static str, sent: Option<Sent>) -> Turn {
    Turn {
        at: timed.at,
        first_byte: Some(timed.first_byte),
        ended: timed.end,
        place: Place {
            session: timed.session,
            lane: timed.lane.unwrap_or_default(),
            route: Arc::from(""),
            tenant: timed.tenant.unwrap_or_default(),
        },
        provider: timed.provider,
        dialect,
        model: timed.model,
        regional: false,
        status: 200,
        ending: timed.usage.is_some().into(),
        usage: timed.usage,
        history: if sent.is_some() {
            History::Bodies
        } else {
            History::Untold
        },
        sent,
    }
}

/// The provider's endpoint that takes such a body.
pub(super) fn endpoint<'a>(
    catalog: &'a Catalog,
    provider: &str,
    body: &[u8],
) -> Option<&'a Endpoint> {
    let provider = catalog.provider(provider)?;
    let has = |member: &[u8]| memchr::memmem::find(body, member).is_some();
    let dialect = if has(b"\"contents\"") {
        "generate"
    } else if has(b"\"input\"") && !has(b"\"messages\"") {
        "responses"
    } else {
        ""
    };
    provider.endpoint(dialect).or_else(|| provider.endpoint(""))
}

/// A body as the endpoint's dialect reads it; `None` where it does not.
pub(super) fn sent(endpoint: &Endpoint, body: Bytes) -> Option<Sent> {
    let keyring = Keyring::new(b"audit");
    let reading = endpoint.dialect.read(&body, &keyring, &mut |_| Vec::new());
    Some(Sent {
        prompt: reading.ok()?.prompt,
        body,
        dialect: endpoint.dialect,
    })
}
