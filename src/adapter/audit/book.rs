//! Books turns: prices them, explains what they missed, and adds them up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::compared::Shelf;
use super::evidence::Evidence;
use super::lane::{Figures, Finding, Lane, noise};
use super::report::{Reason, Report, Session, Sources};
use super::row;
use super::turn::{History, Place, Turn};
use crate::ledger::{Record, Teller};
use crate::model::{Cause, Digest, Keyring, Money, Timestamp, Ttl, Usage};
use crate::provider::{Catalog, Model};

/// Responses remembered so that a second copy is not counted.
const RESPONSES: usize = 1 << 20;
/// Sessions told apart; of more, those that lost least are put together.
const SESSIONS: usize = 4096;
/// Models looked up once.
const MODELS: usize = 1024;
/// First requests of lanes that later ones may have raced.
const STARTS: usize = 64;
/// The name of the sessions that were put together.
const OTHERS: &str = "other sessions";
/// The name of what belongs to no session.
const NONE: &str = "without a session";

/// Everything that is added up, bounded whatever is read.
pub(super) struct Book {
    pub(super) catalog: Arc<Catalog>,
    keyring: Keyring,
    teller: Teller,
    models: BTreeMap<(Arc<str>, Arc<str>), Arc<Model>>,
    lanes: BTreeMap<Place, Lane>,
    pub(super) shelf: Shelf,
    starts: VecDeque<Start>,
    reasons: BTreeMap<(Cause, Evidence), Reason>,
    sessions: BTreeMap<Arc<str>, Session>,
    sessions_seen: u64,
    unpriced: BTreeMap<Box<str>, u64>,
    responses: BTreeSet<u64>,
    oldest: VecDeque<u64>,
    pub(super) sources: Sources,
    number: u64,
}

/// The first request of a lane.
struct Start {
    place: Place,
    at: Timestamp,
    visible: Timestamp,
    model: Box<str>,
    read: u64,
    /// Tokens before its messages.
    head: u64,
}

impl Book {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            keyring: Keyring::new(b"audit"),
            teller: Teller::default(),
            models: BTreeMap::new(),
            lanes: BTreeMap::new(),
            shelf: Shelf::default(),
            starts: VecDeque::new(),
            reasons: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_seen: 0,
            unpriced: BTreeMap::new(),
            responses: BTreeSet::new(),
            oldest: VecDeque::new(),
            sources: Sources::default(),
            number: 0,
        }
    }

    /// Whether the response of this name is seen the first time. An older one may be forgotten.
    pub(super) fn is_new(&mut self, parts: &[&str]) -> bool {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let digest = self.keyring.scope(&parts);
        let (head, _) = digest.as_bytes().split_at(8);
        let name = u64::from_le_bytes(head.try_into().unwrap_or_default());
        if !self.responses.insert(name) {
            self.sources.repeated += 1;
            return false;
        }
        self.oldest.push_back(name);
        if self.oldest.len() > RESPONSES
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.responses.remove(&oldest);
        }
        true
    }

    /// No lane of what was read so far goes on.
    pub(super) fn close(&mut self) {
        self.lanes.clear();
        self.shelf.clear();
    }

    fn model(&mut self, turn: &Turn) -> Arc<Model> {
        let key = (Arc::clone(&turn.provider), Arc::clone(&turn.model));
        if let Some(model) = self.models.get(&key) {
            return Arc::clone(model);
        }
        let model = Arc::new(self.catalog.model(&key.0, &key.1));
        if self.models.len() < MODELS {
            self.models.insert(key, Arc::clone(&model));
        }
        model
    }

    /// Books one exchange.
    pub(super) fn turn(&mut self, turn: &Turn) {
        let model = self.model(turn);
        let mut record = row::record(turn, &model);
        row::price(&mut record, row::tier(turn, &model).as_ref());
        match turn.history {
            History::Untold => self.sources.without_prompts += 1,
            History::Messages(_) => self.sources.messages_only += 1,
            History::Bodies => {}
        }
        let evidence = self.explain(turn, &model, &mut record);
        self.add(&record, &turn.place.session, evidence);
    }

    /// Takes in what a copy of a response left in the cache; it was booked before.
    pub(super) fn seen(&mut self, turn: &Turn) {
        let model = self.model(turn);
        let lane = self.lanes.entry(turn.place.clone()).or_default();
        if let Some(usage) = &turn.usage {
            lane.push(turn, usage, &model, Digest::default());
        }
    }

    /// Books a record that was explained before.
    #[cfg(feature = "ledger")]
    pub(super) fn booked(&mut self, record: &Record, session: &str) {
        self.add(record, session, Evidence::Booked);
    }

    fn explain(&mut self, turn: &Turn, model: &Model, record: &mut Record) -> Evidence {
        self.number += 1;
        let session = [
            turn.place.session.as_bytes(),
            turn.place.lane.as_bytes(),
            turn.place.tenant.as_bytes(),
        ];
        let lineage = self.keyring.scope(&session);
        record.lineage = Some(lineage);
        let Some(usage) = turn.usage else {
            return Evidence::Booked;
        };
        let digest = self
            .keyring
            .scope(&[lineage.as_bytes(), &self.number.to_le_bytes()]);
        let mut finding = Finding::default();
        let alone = turn.place.session.is_empty();
        if let Some(figures) = Figures::of(&usage) {
            finding = match turn.history {
                History::Bodies => self.shelf.explain(turn, figures, (&usage, model), digest),
                History::Untold if alone => Finding::default(),
                History::Untold | History::Messages(_) => self.in_lane(turn, figures, model),
            };
            record.verdict = row::verdict(&finding, figures, model);
        }
        if !matches!(turn.history, History::Bodies) && !alone {
            let lane = self.lanes.entry(turn.place.clone()).or_default();
            lane.push(turn, &usage, model, digest);
        }
        self.note(record, &finding, &usage, (digest, alone));
        row::settle(record, finding, row::tier(turn, model).as_ref())
    }

    /// What was written and read of the conversation, so that writes nobody read are found.
    fn note(
        &self,
        record: &mut Record,
        finding: &Finding,
        usage: &Usage,
        (digest, alone): (Digest, bool),
    ) {
        record.readable = finding.readable;
        record.read_prefix = finding.read;
        let classes = [
            (usage.write_5m, Ttl::FiveMinutes),
            (usage.write_30m, Ttl::HalfHour),
            (usage.write_1h, Ttl::OneHour),
        ];
        let mut written = classes.into_iter().rev();
        let longest = written.find(|(tokens, _)| tokens.unwrap_or(0) > 0);
        // Without a conversation nothing could be seen to read it.
        if let (Some((_, ttl)), false) = (longest, alone) {
            let tokens = usage.written().unwrap_or(0);
            record.written = vec![(digest, ttl, tokens)];
        }
    }

    fn in_lane(&mut self, turn: &Turn, figures: Figures, model: &Model) -> Finding {
        let lane = self.lanes.entry(turn.place.clone()).or_default();
        if lane.is_new() {
            self.opening(turn, figures, model)
        } else {
            lane.explain(turn, figures, model)
        }
    }

    /// The first request of a lane.
    fn opening(&mut self, turn: &Turn, figures: Figures, model: &Model) -> Finding {
        let unread = figures.input.saturating_sub(figures.read);
        let mut finding = Finding {
            readable: Some(figures.read),
            ..Finding::default()
        };
        if figures.is_untouched() && figures.input < model.limits.min_tokens {
            finding.miss = Some((Cause::BelowMinimum, unread, Evidence::Short));
            return finding;
        }
        let start = Start::of(turn, figures, model);
        let shared = self.starts.iter().rev().find_map(|other| {
            let raced = other.place.session == start.place.session
                && other.place != start.place
                && other.model == start.model
                && other.at <= start.at
                && start.at < other.visible
                && other.read == start.read;
            raced.then(|| other.head.min(start.head))
        });
        let raced = shared
            .map(|shared| (shared, shared.saturating_sub(figures.read)))
            .filter(|(shared, missed)| {
                *shared >= model.limits.min_tokens && *missed > noise(model, *shared)
            });
        if let Some((shared, missed)) = raced {
            finding.readable = Some(shared);
            finding.miss = Some((Cause::NotYetVisible, missed, Evidence::Together));
        } else if figures.read <= noise(model, figures.input) {
            finding.miss = Some((Cause::FirstUse, unread, Evidence::Opening));
        }
        if turn.at.as_micros() > 0 && !turn.place.session.is_empty() {
            self.starts.push_back(start);
            if self.starts.len() > STARTS {
                self.starts.pop_front();
            }
        }
        finding
    }

    fn add(&mut self, record: &Record, session: &str, evidence: Evidence) {
        self.teller.add(record);
        if let Some(miss) = &record.miss {
            let reason = self
                .reasons
                .entry((miss.cause, evidence))
                .or_insert_with(|| Reason::of(miss.cause, evidence));
            reason.sum.misses += 1;
            reason.sum.tokens = reason.sum.tokens.saturating_add(miss.tokens);
            reason.sum.cost += miss.cost.unwrap_or(Money::ZERO);
        }
        if record.usage.is_some() && record.cost.is_none() {
            let full = self.unpriced.len() >= MODELS;
            let name = if full { "other" } else { &record.model };
            *self.unpriced.entry(name.into()).or_default() += 1;
        }
        self.session(session, &record.route).add(record);
    }

    fn session(&mut self, name: &str, route: &str) -> &mut Session {
        let name = if name.is_empty() { NONE } else { name };
        if !self.sessions.contains_key(name) {
            self.sessions_seen += u64::from(name != NONE);
            if self.sessions.len() >= SESSIONS {
                self.shrink();
            }
        }
        let route = if name == NONE { "" } else { route };
        self.sessions.entry(name.into()).or_insert_with(|| Session {
            name: name.into(),
            route: route.into(),
            ..Session::default()
        })
    }

    /// Puts the half of the sessions that lost least into one.
    fn shrink(&mut self) {
        let mut all: Vec<Session> = std::mem::take(&mut self.sessions).into_values().collect();
        all.sort_by_key(|session| Reverse((session.totals.missed_cost, session.totals.cost)));
        let few = all.split_off(SESSIONS / 2);
        let mut others = Session {
            name: OTHERS.into(),
            ..Session::default()
        };
        for session in &few {
            others.merge(session);
        }
        all.push(others);
        for session in all {
            let known = self.sessions.entry((&*session.name).into());
            known
                .and_modify(|known| known.merge(&session))
                .or_insert(session);
        }
    }

    /// The finished figures.
    pub(super) fn finish(self) -> Report {
        // The logs end here: what they did not read is not read.
        let story = self.teller.story(Timestamp::from_micros(i64::MAX));
        let mut reasons: Vec<Reason> = self.reasons.into_values().collect();
        reasons.sort_by_key(|reason| {
            let sum = &reason.sum;
            (Reverse((sum.cost, sum.tokens)), sum.cause, reason.evidence)
        });
        let mut sessions: Vec<Session> = self.sessions.into_values().collect();
        for session in &mut sessions {
            let worst = session.causes.iter().max_by_key(|(_, cost)| **cost);
            session.worst = worst.map(|(cause, _)| *cause);
        }
        sessions.sort_by(|left, right| {
            let key = |one: &Session| Reverse((one.totals.missed_cost, one.totals.cost));
            key(left)
                .cmp(&key(right))
                .then_with(|| left.name.cmp(&right.name))
        });
        let unknown = story.causes.iter().find(|sum| sum.cause == Cause::Unknown);
        Report {
            could_save: story.could_save(),
            avoidable: story.could_save() - story.total.waste,
            unknown_tokens: unknown.map_or(0, |sum| sum.tokens),
            story,
            reasons,
            sessions,
            sessions_seen: self.sessions_seen,
            unpriced: self.unpriced.into_iter().collect(),
            sources: self.sources,
        }
    }
}

impl Start {
    fn of(turn: &Turn, figures: Figures, model: &Model) -> Self {
        let bytes = match turn.history {
            History::Messages(messages) => messages.bytes,
            History::Untold | History::Bodies => 0,
        };
        let per = u64::from(model.bytes_per_ktok).max(1);
        let messages = bytes.saturating_mul(1000) / per;
        Self {
            place: turn.place.clone(),
            at: turn.at,
            visible: turn.first_byte.unwrap_or(turn.ended),
            model: model.name.clone(),
            read: figures.read,
            head: figures.input.saturating_sub(messages),
        }
    }
}

impl Session {
    fn add(&mut self, record: &Record) {
        self.totals.add(record);
        if record.at.as_micros() > 0 {
            self.from = Some(self.from.map_or(record.at, |from| from.min(record.at)));
            self.until = Some(self.until.map_or(record.at, |until| until.max(record.at)));
        }
        if let Some(miss) = &record.miss
            && miss.cause != Cause::FirstUse
        {
            *self.causes.entry(miss.cause).or_default() += miss.cost.unwrap_or(Money::ZERO);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        let ends = [self.from, other.from].into_iter().flatten();
        self.from = ends.min();
        self.until = self.until.max(other.until);
        for (cause, cost) in &other.causes {
            *self.causes.entry(*cause).or_default() += *cost;
        }
    }
}
