//! From a request that was answered to its pings, and what comes of each.

use bytes::Bytes;
use http::Request;

use super::Retained;
use super::held::{Fate, Flight, Idle};
use super::original::Original;
use crate::adapter::errands::Answer;
use crate::adapter::handle::Cachewright;
use crate::adapter::running::shielded;
use crate::engine::Pinged;
use crate::ledger::Record;
use crate::model::{Digest, Usage};
use crate::wire::Watcher;

impl Cachewright {
    /// Drops everything that is held to send pings, cuts those under way, and holds nothing more until
    /// [`resume_pings`](Self::resume_pings); says how much was held.
    pub fn stop_pings(&self) -> Retained {
        self.keep().stop()
    }

    /// Lets prefixes be kept alive again after [`stop_pings`](Self::stop_pings), from the next request
    /// of each conversation on.
    pub fn resume_pings(&self) {
        self.keep().resume();
    }

    /// Whether somebody called [`stop_pings`](Self::stop_pings).
    #[must_use]
    pub fn pings_stopped(&self) -> bool {
        self.keep().is_stopped()
    }

    /// Drops what is held of one conversation, by its [`Record::lineage`]: it is over.
    pub fn end_pings(&self, conversation: &Digest) {
        self.keep().end(conversation);
    }

    /// How much is held to send pings, those under way included.
    #[must_use]
    pub fn retained(&self) -> Retained {
        self.keep().retained()
    }

    /// Holds what it takes to ping, where the engine wants that.
    pub(crate) fn watch(&self, original: Original, record: &Record) {
        let Some(vigil) = record.vigil.clone().filter(|_| !record.resent) else {
            return;
        };
        let budgets = self.engine().settings().on(&record.route).keep_alive;
        let (Some(budgets), Some((letter, place))) = (budgets, original.letter()) else {
            return;
        };
        let caller = &letter.caller;
        let keyring = &self.engine().settings().keyring;
        let lane = [
            &caller.provider,
            &caller.account,
            &caller.place,
            &record.model,
        ];
        let lane = lane.map(|name| name.as_bytes());
        self.keep().hold(Idle {
            lane: keyring.scope(&lane),
            until: record.ended.plus(budgets.deadline),
            vigil,
            letter,
            place,
            budgets,
        });
    }

    /// The request of a ping that is due, where it still pays and the budgets allow it; otherwise it is
    /// let go.
    pub(crate) fn sent(&self, mut flight: Flight) -> Option<(Flight, Request<Bytes>)> {
        let meta = flight.idle.letter.caller.meta();
        let vigil = &flight.idle.vigil;
        let pays = shielded(|| self.engine().still_pays(flight.at, &meta, vigil));
        let affords = pays == Some(true) && self.keep().afford(&flight);
        let room = affords.then(|| shielded(|| flight.idle.letter.fund(vigil)));
        let request = match room.flatten() {
            Some(Ok(grant)) => {
                flight.grant = grant;
                flight.idle.letter.request()
            }
            Some(Err(_)) | None => None,
        };
        match request {
            Some(request) => Some((flight, request)),
            None => {
                self.keep().release(&flight);
                None
            }
        }
    }

    /// Takes in what came of a ping and books it.
    pub(crate) fn pinged(&self, mut flight: Flight, answer: Option<&Answer>) {
        let status = answer.map_or(0, |answer| answer.status);
        let usage = answer.and_then(|answer| self.read(&flight, answer));
        let pinged = Pinged::new(flight.at, status, usage);
        let told = shielded(|| {
            let (engine, now) = (self.engine(), self.now());
            let meta = flight.idle.letter.caller.meta();
            let (record, next) = engine.pinged(now, &meta, &flight.idle.vigil, &pinged);
            let record = self.book(record);
            if let Some(grant) = flight.grant.take() {
                grant(&record);
            }
            (record.cost, next)
        });
        let (cost, next) = told.unwrap_or_default();
        let fate = match (status, next) {
            (401 | 403, _) => Fate::Revoked,
            _ if usage.is_some_and(wrote) => Fate::Shut,
            (200..300, Some(next)) => Fate::Next(Box::new(next)),
            _ => Fate::LetGo,
        };
        self.keep().settle(flight, cost, fate);
    }

    /// What an answer says it used.
    fn read(&self, flight: &Flight, answer: &Answer) -> Option<Usage> {
        let caller = &flight.idle.letter.caller;
        let provider = self.engine().catalog().provider(&caller.provider)?;
        let dialect = provider.endpoint(caller.dialect)?.dialect;
        let mut watcher = Watcher::new(dialect, answer.framing);
        watcher.feed(&answer.body);
        watcher.finish().usage
    }
}

/// Whether a ping wrote instead of read: the entry was gone, or is not where it was looked for.
fn wrote(usage: Usage) -> bool {
    usage.written().unwrap_or(0) > usage.read.unwrap_or(0)
}
