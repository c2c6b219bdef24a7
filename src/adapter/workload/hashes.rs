//! Traces that hold hashes of blocks instead of messages.
//!
//! Two formats are read. One line per session (kv-cache-tester, 2026-08): `{"id", "block": tokens,
//! "tool_tokens", "system_tokens", "reqs": [{"t", "m", "in", "out", "keep", "runs": [[first,
//! length], …], "a"?, "stop"?, "api"?, "ttft"?, "ity", "oty"}]}`; the ids of a request are the first
//! `keep` of the one before it in its lane `a`, and then the runs; ids belong to the session, and
//! `t` counts seconds from its start. One line per request (Mooncake's FAST'25 traces, 2026-08):
//! `{"timestamp": ms, "input_length", "output_length", "hash_ids"}` with blocks of 512 tokens, the
//! last one being what is left, which the next request of a conversation does not repeat as it is,
//! so that it is no block here; ids belong to the file.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::neutral::{FIRST_BYTE, RESPONSE};
use super::trace::{Part, Trace, TracedBlock};
use super::{Options, Timed, input};
use crate::economy::Input;
use crate::model::{Stop, Timestamp};

/// Tokens per block of a Mooncake trace (github.com/kvcache-ai/Mooncake, FAST25-release, 2026-08).
const MOONCAKE_BLOCK: u32 = 512;
/// The most blocks that one request is taken to have.
const MOST_BLOCKS: usize = 1 << 20;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    block: u32,
    #[serde(default)]
    tool_tokens: u64,
    #[serde(default)]
    system_tokens: u64,
    #[serde(borrow)]
    reqs: Vec<Req<'a>>,
}

#[derive(Deserialize)]
struct Req<'a> {
    t: f64,
    #[serde(borrow)]
    m: Option<Cow<'a, str>>,
    #[serde(rename = "in")]
    input: u64,
    #[serde(rename = "out")]
    output: Option<u64>,
    keep: usize,
    runs: Vec<(u64, usize)>,
    #[serde(borrow)]
    a: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stop: Option<Cow<'a, str>>,
    api: Option<f64>,
    ttft: Option<f64>,
    #[serde(default, borrow)]
    ity: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Single {
    timestamp: f64,
    input_length: u64,
    output_length: Option<u64>,
    hash_ids: Vec<u64>,
}

/// A request of an open session, not expanded yet.
#[derive(Debug)]
struct Due {
    at: Timestamp,
    first_byte: Timestamp,
    end: Timestamp,
    provider: Arc<str>,
    model: Arc<str>,
    input: u64,
    output: Option<u64>,
    keep: usize,
    runs: Vec<(u64, usize)>,
    lane: Option<Arc<str>>,
    kind: Input,
    stop: Option<Stop>,
}

/// An open session of a trace: the requests still to come.
#[derive(Debug)]
pub(super) struct Hashed {
    id: Arc<str>,
    scope: u64,
    per_block: u32,
    tool_tokens: u64,
    system_tokens: u64,
    due: VecDeque<Due>,
    lanes: BTreeMap<Option<Arc<str>>, Lane>,
}

/// The last request of one lane.
#[derive(Debug, Default)]
struct Lane {
    blocks: Vec<TracedBlock>,
    /// Output tokens of its answer, which the next request repeats.
    output: u64,
}

/// Checks a session's line and tells how many requests it holds; such sessions have no clock but
/// their own.
pub(super) fn outline(line: &[u8]) -> Result<u64, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    if line.block == 0 {
        return Err("blocks of no tokens".to_owned());
    }
    let mut lengths: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for (number, req) in line.reqs.iter().enumerate() {
        let length = lengths.entry(req.a.as_deref()).or_default();
        if req.keep > *length {
            return Err(format!(
                "request {number} keeps more blocks than there were"
            ));
        }
        let added = req.runs.iter().map(|(_, run)| *run);
        let blocks = added.fold(req.keep, usize::saturating_add);
        if blocks > MOST_BLOCKS || blocks as u64 * u64::from(line.block) > req.input {
            return Err(format!(
                "request {number} has more blocks than input tokens"
            ));
        }
        *length = blocks;
    }
    Ok(line.reqs.len() as u64)
}

impl Hashed {
    /// Reads a session's line, which begins at `start`; `number` is its scope.
    pub(super) fn parse(
        text: &[u8],
        start: Timestamp,
        number: u64,
        options: &Options,
    ) -> Result<Self, String> {
        let line: Line<'_> = serde_json::from_slice(text).map_err(|error| input::fault(&error))?;
        let mut at = start;
        let mut due = VecDeque::with_capacity(line.reqs.len());
        for req in line.reqs {
            // A clock that runs backwards is held still: what is kept depends on the order.
            at = start.plus(seconds(Some(req.t)).unwrap_or_default()).max(at);
            due.push_back(Due::read(req, at, options));
        }
        Ok(Self {
            id: Arc::from(&*line.id),
            scope: number,
            per_block: line.block,
            tool_tokens: line.tool_tokens,
            system_tokens: line.system_tokens,
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
        let preamble = self.preamble(&due);
        let lane = self.lanes.entry(due.lane.clone()).or_default();
        lane.go_on(&due, preamble, self.per_block);
        let blocks = lane.blocks.clone();
        let whole = blocks.len() as u64 * u64::from(self.per_block);
        let trace = Trace {
            scope: self.scope,
            blocks,
            per_block: self.per_block,
            tail: due.input.saturating_sub(whole),
            input: due.kind,
            stop: due.stop,
        };
        Some(Timed {
            at: due.at,
            end: due.end,
            first_byte: due.first_byte,
            session: Arc::clone(&self.id),
            lane: due.lane,
            tenant: None,
            route: None,
            dialect: None,
            named: None,
            provider: due.provider,
            model: due.model,
            body: Bytes::new(),
            trace: Some(Arc::new(trace)),
            usage: None,
            output: due.output,
        })
    }

    /// Where the tools and the system prompt of this request end, in blocks. A sub-agent has its
    /// own, of which the trace tells nothing but that they share no block with the main one's: at
    /// most half of what it begins with is taken for them.
    fn preamble(&self, due: &Due) -> [usize; 2] {
        let most = if due.lane.is_none() {
            due.input
        } else {
            due.input / 2
        };
        [
            self.tool_tokens,
            self.tool_tokens.saturating_add(self.system_tokens),
        ]
        .map(|tokens| {
            let blocks = tokens.min(most) / u64::from(self.per_block.max(1));
            usize::try_from(blocks).unwrap_or(usize::MAX)
        })
    }
}

impl Lane {
    /// Goes on to the next request of the lane. What is new in it begins with what replaced the
    /// end of the request before, goes on with its answer and ends with the user's turn, which
    /// has a block at least.
    fn go_on(&mut self, due: &Due, [tools, system]: [usize; 2], per_block: u32) {
        let said = match due.kind {
            Input::ToolResult => Part::Results,
            Input::Text | Input::Other => Part::User,
        };
        let replaced = self.blocks.len().saturating_sub(due.keep);
        let answer = self.output.div_ceil(u64::from(per_block.max(1)));
        let answer = usize::try_from(answer).unwrap_or(usize::MAX);
        let added: usize = due.runs.iter().map(|(_, run)| *run).sum();
        let begun = !self.blocks.is_empty();
        self.blocks.truncate(due.keep);
        let from = due.keep.saturating_add(replaced);
        let spoken = from..from.saturating_add(answer.max(1));
        let last = due.keep + added.saturating_sub(1);
        let ids = due.runs.iter().flat_map(|(first, run)| {
            let run = u64::try_from(*run).unwrap_or(u64::MAX);
            *first..first.saturating_add(run)
        });
        for id in ids {
            let at = self.blocks.len();
            let part = match at {
                _ if at < tools => Part::Tools,
                _ if at < system => Part::System,
                _ if begun && at < last && spoken.contains(&at) => Part::Assistant,
                _ if at < from => Part::User,
                _ => said,
            };
            self.blocks.push(TracedBlock::new(id, part));
        }
        self.output = due.output.unwrap_or(0);
    }
}

impl Due {
    fn read(req: Req<'_>, at: Timestamp, options: &Options) -> Self {
        let took = seconds(req.api).unwrap_or(RESPONSE);
        let end = at.plus(took);
        let begun = seconds(req.ttft)
            .or_else(|| seconds(req.api))
            .unwrap_or(FIRST_BYTE);
        let (provider, model) = options.traced(req.m.as_deref());
        let is = |kind: &str| req.ity.iter().any(|one| one == kind);
        Self {
            at,
            first_byte: at.plus(begun).min(end),
            end,
            provider,
            model,
            input: req.input,
            output: req.output,
            keep: req.keep,
            runs: req.runs,
            lane: req.a.as_deref().map(Arc::from),
            kind: match (is("tool_result"), is("text")) {
                (true, _) => Input::ToolResult,
                (false, true) => Input::Text,
                (false, false) => Input::Other,
            },
            stop: req.stop.as_deref().map(Stop::parse),
        }
    }
}

/// When the request of a Mooncake line was sent.
pub(super) fn start(line: &[u8]) -> Result<Timestamp, String> {
    let line: Single = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    line.check()?;
    Ok(line.at())
}

/// Reads a Mooncake line; the file has no sessions.
pub(super) fn single(line: &[u8], options: &Options) -> Result<Timed, String> {
    let line: Single = serde_json::from_slice(line).map_err(|error| input::fault(&error))?;
    let at = line.at();
    let (provider, model) = options.traced(None);
    let whole = line.input_length / u64::from(MOONCAKE_BLOCK);
    let whole = usize::try_from(whole).unwrap_or(usize::MAX);
    let blocks = line.hash_ids.iter().take(whole);
    let blocks: Vec<_> = blocks
        .map(|id| TracedBlock::new(*id, Part::Unsaid))
        .collect();
    let in_blocks = blocks.len() as u64 * u64::from(MOONCAKE_BLOCK);
    let trace = Trace {
        scope: 0,
        blocks,
        per_block: MOONCAKE_BLOCK,
        tail: line.input_length - in_blocks,
        input: Input::Other,
        stop: None,
    };
    Ok(Timed {
        at,
        end: at.plus(RESPONSE),
        first_byte: at.plus(FIRST_BYTE),
        session: Arc::from(""),
        lane: None,
        tenant: None,
        route: None,
        dialect: None,
        named: None,
        provider,
        model,
        body: Bytes::new(),
        trace: Some(Arc::new(trace)),
        usage: None,
        output: line.output_length,
    })
}

impl Single {
    fn check(&self) -> Result<(), String> {
        let blocks = self.hash_ids.len() as u64;
        if blocks.saturating_sub(1) * u64::from(MOONCAKE_BLOCK) > self.input_length {
            return Err("more blocks than input tokens".to_owned());
        }
        Ok(())
    }

    #[expect(clippy::float_arithmetic, reason = "a file's milliseconds")]
    fn at(&self) -> Timestamp {
        Timestamp::from_secs_f64(self.timestamp / 1000.0)
    }
}

fn seconds(number: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(number?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"id":"s","block":64,"tool_tokens":64,"system_tokens":64,"models":["claude-a"],"reqs":[
        {"t":0.0,"m":"claude-a","in":330,"out":100,"keep":0,"runs":[[1,5]],"stop":"tool_use","api":2.5,"ity":["text"],"oty":["tool_use"]},
        {"t":10.0,"m":"claude-a","in":600,"out":1,"keep":5,"runs":[[6,4]],"stop":"end_turn","api":3.0,"ttft":1.0,"ity":["tool_result"],"oty":["text"]},
        {"t":11.0,"m":"claude-a","in":200,"out":1,"keep":0,"runs":[[50,3]],"a":"sub","ity":["text"],"oty":[]},
        {"t":20.0,"m":"claude-a","in":700,"out":1,"keep":8,"runs":[[90,1],[10,1]],"ity":["text"],"oty":[]}]}"#;

    fn requests(line: &str) -> Vec<Timed> {
        let start = Timestamp::from_secs_f64(100.0);
        let mut session = Hashed::parse(line.as_bytes(), start, 7, &Options::default()).unwrap();
        std::iter::from_fn(|| session.next_request()).collect()
    }

    #[test]
    fn a_session_is_expanded_lane_by_lane() {
        assert_eq!(outline(SESSION.as_bytes()), Ok(4));
        let all = requests(SESSION);
        let trace = |at: usize| all[at].trace.clone().unwrap();
        let ids = |at: usize| -> Vec<u64> { trace(at).blocks.iter().map(|one| one.id).collect() };
        assert_eq!(ids(1), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(ids(2), [50, 51, 52]);
        assert_eq!(ids(3), [1, 2, 3, 4, 5, 6, 7, 8, 90, 10]);
        use Part::{Assistant, Results, System, Tools, User};
        let parts: Vec<Part> = trace(3).blocks.iter().map(|one| one.part).collect();
        // 100 tokens of output are two blocks; the answer of the second request is no whole one
        // beside the user's turn.
        assert_eq!(
            parts,
            [
                Tools, System, User, User, User, Assistant, Assistant, Results, User, User
            ]
        );
        assert_eq!((trace(1).tail, trace(1).input_tokens()), (24, 600));
        assert_eq!(trace(1).stop, Some(Stop::EndTurn));
        assert_eq!(all[1].first_byte, Timestamp::from_secs_f64(111.0));
        assert_eq!(all[1].end, Timestamp::from_secs_f64(113.0));
        assert_eq!(all[0].first_byte, Timestamp::from_secs_f64(102.5));
        assert_eq!(trace(0).scope, 7);
    }

    #[test]
    fn what_cannot_be_is_refused_without_a_quote() {
        let more = SESSION.replacen("\"keep\":5", "\"keep\":6", 1);
        assert!(outline(more.as_bytes()).unwrap_err().contains("keeps more"));
        let short = SESSION.replacen("\"in\":600", "\"in\":100", 1);
        assert!(
            outline(short.as_bytes())
                .unwrap_err()
                .contains("more blocks")
        );
        let what = start(br#"{"timestamp":"secret","input_length":1,"hash_ids":[1]}"#);
        assert!(!what.unwrap_err().contains("secret"));
        let what = start(br#"{"timestamp":1,"input_length":1,"hash_ids":[1,2,3]}"#);
        assert!(what.is_err());
    }

    #[test]
    fn what_is_left_behind_whole_blocks_is_no_block() {
        let line = br#"{"timestamp":1500,"input_length":1000,"output_length":4,"hash_ids":[8,9]}"#;
        assert_eq!(start(line), Ok(Timestamp::from_secs_f64(1.5)));
        let timed = single(line, &Options::default()).unwrap();
        let trace = timed.trace.unwrap();
        assert_eq!(trace.blocks, [TracedBlock::new(8, Part::Unsaid)]);
        assert_eq!((trace.tail, trace.input_tokens()), (488, 1000));
        assert_eq!(timed.output, Some(4));
    }
}
