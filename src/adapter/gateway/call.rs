//! One call of a route, as all its attempts see it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::attempt::Place;
use super::desk::{Desk, Plan};
use super::head::Purpose;
use super::trial::Lesson;
use crate::model::{Digest, Money, Needs};
use crate::route::{Ask, Candidate, Patience, Pick, Route, Worst};
use crate::wire::Outer;

/// Tokens of a whole answer that names no limit, for how long it may take.
const USUAL_OUTPUT: u64 = 4096;

/// What a token of a whole answer may take: nothing of it is seen before the last one. An hour for
/// 128 000 of them, as Anthropic's own clients reckon.
const PER_TOKEN: Duration = Duration::from_micros(28_125);

/// One call as all its attempts see it.
pub(super) struct Call {
    pub(super) desk: Arc<Desk>,
    pub(super) plan: Arc<Plan>,
    pub(super) asked: Arc<Asked>,
    /// Its offers as they were looked at.
    pub(super) candidates: Vec<Candidate>,
    pub(super) dialect: &'static str,
    /// What its attempts have in common in the ledger.
    pub(super) id: u64,
    /// What goes on to whichever backend.
    pub(super) headers: HeaderMap,
    /// The caller's beta headers.
    pub(super) betas: Box<str>,
    pub(super) body: Bytes,
    /// What the body says of itself; `None` where it is not understood.
    pub(super) outer: Option<Outer>,
}

/// What a call asks for, without its prompt.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) route: Box<str>,
    pub(super) tenant: Box<str>,
    pub(super) dialect: &'static str,
    pub(super) needs: Needs,
    pub(super) bytes: u64,
    /// How many of them are images and documents in base64.
    pub(super) media: u64,
    pub(super) max_output: Option<u64>,
    pub(super) conversation: Option<Digest>,
    pub(super) purpose: Purpose,
}

impl Asked {
    pub(super) fn ask(&self) -> Ask<'_> {
        Ask {
            tenant: &self.tenant,
            dialect: self.dialect,
            needs: self.needs,
            bytes: self.bytes,
            media: self.media,
            max_output: self.max_output,
            conversation: self.conversation,
        }
    }
}

impl Call {
    pub(super) fn route(&self) -> Option<&Route> {
        self.plan.route(&self.asked.route)
    }

    pub(super) fn patience(&self) -> Patience {
        self.route().map(|route| route.patience).unwrap_or_default()
    }

    pub(super) fn is_stream(&self) -> bool {
        let is_answer = self.asked.purpose == Purpose::Answer;
        is_answer && self.outer.as_ref().is_some_and(|outer| outer.stream)
    }

    /// Where a pick goes.
    pub(super) fn place(self: &Arc<Self>, pick: Pick) -> Option<Place<'_>> {
        let offer = self.route()?.offers.get(pick.offer)?;
        Some(Place {
            call: self,
            offer,
            backend: self.plan.network.backends.get(offer.backend)?,
            site: self.plan.sites.get(offer.backend)?,
        })
    }

    /// What an attempt can cost at most.
    pub(super) fn worst(&self, pick: Pick) -> Worst {
        if self.asked.purpose == Purpose::Count {
            return Worst::new(Some(Money::ZERO), 0);
        }
        self.candidate(pick)
            .map(|one| one.worst)
            .unwrap_or_default()
    }

    /// Tokens of an attempt that the provider counts against its rate limits.
    pub(super) fn tokens(&self, pick: Pick) -> u64 {
        self.candidate(pick).map_or(0, |one| one.counted)
    }

    fn candidate(&self, pick: Pick) -> Option<&Candidate> {
        let mut all = self.candidates.iter();
        all.find(|one| one.offer == pick.offer)
    }

    pub(super) fn lesson(&self, pick: Pick) -> Lesson {
        Lesson {
            desk: Arc::clone(&self.desk),
            plan: Arc::clone(&self.plan),
            asked: Arc::clone(&self.asked),
            offer: pick.offer,
        }
    }

    /// How much longer than a stream's first byte the first byte of a whole answer may take.
    pub(super) fn writing(&self) -> Duration {
        if self.is_stream() {
            return Duration::ZERO;
        }
        let tokens = self.asked.max_output.unwrap_or(USUAL_OUTPUT);
        PER_TOKEN.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX))
    }
}
