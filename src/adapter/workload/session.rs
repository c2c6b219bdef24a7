//! Session files: one session per line, each distinct message stored once in a pool.
//!
//! A request names how much of its lane's previous message list it keeps and which pool messages
//! follow. Bodies are put together from the recorded bytes; nothing is encoded anew.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::neutral::{FIRST_BYTE, RESPONSE, list};
use super::translate::{self, Pool};
use super::{Options, Timed, clock, input};
use crate::model::Timestamp;

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    v: u64,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) dialect: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) tools: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) system: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) msgs: Vec<&'a RawValue>,
    #[serde(borrow)]
    reqs: Vec<Req<'a>>,
}

#[derive(Deserialize)]
struct Req<'a> {
    t: Option<f64>,
    d: Option<f64>,
    #[serde(borrow)]
    m: Option<Cow<'a, str>>,
    keep: usize,
    add: Vec<usize>,
    u: Option<Vec<u64>>,
    #[serde(borrow)]
    agent: Option<Cow<'a, str>>,
}

/// A request of an open session, not expanded yet.
#[derive(Debug)]
struct Due {
    at: Timestamp,
    took: Option<f64>,
    model: Arc<str>,
    keep: usize,
    add: Vec<usize>,
    usage: Option<Vec<u64>>,
    lane: Option<Arc<str>>,
}

/// An open session: its pool as one buffer, and the requests still to come.
#[derive(Debug)]
pub(super) struct Session {
    id: Arc<str>,
    pool: Pool,
    due: VecDeque<Due>,
    /// The message list of each lane's last request, as indices into the pool.
    lanes: BTreeMap<Option<Arc<str>>, Vec<usize>>,
}

/// Checks a line; tells when its first request was sent, if it has a clock, and how many it holds.
pub(super) fn outline(line: &[u8]) -> Result<(Option<Timestamp>, u64), String> {
    let line = parse(line)?;
    let mut lengths: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for (number, req) in line.reqs.iter().enumerate() {
        let length = lengths.entry(req.agent.as_deref()).or_default();
        if req.keep > *length {
            return Err(format!(
                "request {number} keeps more messages than there were"
            ));
        }
        if req.add.iter().any(|index| *index >= line.msgs.len()) {
            return Err(format!(
                "request {number} adds a message that is not in the pool"
            ));
        }
        *length = req.keep + req.add.len();
    }
    let start = line.reqs.first().and_then(|req| req.t);
    Ok((start.map(Timestamp::from_secs_f64), line.reqs.len() as u64))
}

fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    if line.v != 1 {
        return Err("a session of an unknown version".to_owned());
    }
    if !translate::knows(&line.dialect) {
        return Err("a session in an unknown dialect".to_owned());
    }
    Ok(line)
}

impl Session {
    /// Reads a line whose first request is due at `start`; `number` seeds the clock of a session
    /// that has none.
    pub(super) fn parse(
        text: Vec<u8>,
        start: Timestamp,
        number: u64,
        options: &Options,
    ) -> Result<Self, String> {
        let line = parse(&text)?;
        let mut at = start;
        let mut due = VecDeque::with_capacity(line.reqs.len());
        for (req, place) in line.reqs.iter().zip(0_u64..) {
            // A clock that runs backwards within a session is held still: the order of the list is
            // what the messages depend on.
            at = match (place, req.t) {
                (0, _) => start,
                (_, Some(t)) => Timestamp::from_secs_f64(t).max(at),
                (_, None) => at.plus(clock::gap(number, place)),
            };
            due.push_back(Due {
                at,
                took: req.d,
                model: model(req.m.as_deref(), options),
                keep: req.keep,
                add: req.add.clone(),
                usage: req.u.clone(),
                lane: req.agent.as_deref().map(Arc::from),
            });
        }
        let id = Arc::from(&*line.id);
        let pool = Pool::read(&text, &line)?;
        Ok(Self {
            id,
            pool: pool.over(text),
            due,
            lanes: BTreeMap::new(),
        })
    }

    /// When the next request is due; `None` when all were taken.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.due.front().map(|due| due.at)
    }

    /// Takes the next request.
    pub(super) fn next_request(&mut self) -> Option<Timed> {
        let due = self.due.pop_front()?;
        let ids = self.lanes.entry(due.lane.clone()).or_default();
        ids.truncate(due.keep);
        ids.extend(&due.add);
        let body = self.pool.body(&due.model, ids);
        let end = due
            .took
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map_or_else(|| due.at.plus(RESPONSE), |took| due.at.plus(took));
        let usage = due.usage.as_deref().and_then(list);
        Some(Timed {
            at: due.at,
            end,
            first_byte: end.min(due.at.plus(FIRST_BYTE)),
            session: Arc::clone(&self.id),
            lane: due.lane,
            tenant: None,
            route: None,
            dialect: None,
            named: None,
            provider: Arc::from("anthropic"),
            model: due.model,
            body: Bytes::from(body),
            trace: None,
            usage,
            output: usage.and_then(|usage| usage.output),
        })
    }
}

/// The model a request is replayed on: the recorded one where it is Claude.
pub(super) fn model(recorded: Option<&str>, options: &Options) -> Arc<str> {
    match recorded {
        Some(model) if model.contains("claude") => Arc::from(model),
        _ => Arc::clone(&options.stand_in),
    }
}

/// Where `part` stands in `whole`, of which it is a slice.
pub(super) fn span(whole: &[u8], part: &RawValue) -> Range<usize> {
    let start = (part.get().as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.get().len()
}
