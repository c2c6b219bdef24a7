//! What a log is, told by one of its lines.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Reader;
use super::claude::Claude;
use super::codex::Codex;
use super::export::Export;
use super::neutral::Neutral;
use super::recorded::Recorded;
use super::sessions::Sessions;
use super::usage::{self, Lines};

/// The kinds of log that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Claude,
    Codex,
    Session,
    Neutral,
    Recorded,
    Usage,
    Export,
}

/// What one line says about its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Known(Kind),
    /// Known, and nothing for an audit.
    Refused(&'static str),
    /// JSON that says nothing.
    Unknown,
    /// No JSON object.
    Broken,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code session",
            Self::Codex => "Codex session",
            Self::Session => "session file",
            Self::Neutral => "timed requests",
            Self::Recorded => "recorded exchanges",
            Self::Usage => "usage",
            Self::Export => "ledger export",
        }
    }

    pub(super) fn reader(self) -> Box<dyn Reader> {
        match self {
            Self::Claude => Box::new(Claude::default()),
            Self::Codex => Box::new(Codex::default()),
            Self::Session => Box::new(Sessions),
            Self::Neutral => Box::new(Neutral),
            Self::Recorded => Box::new(Recorded),
            Self::Usage => Box::new(Lines),
            Self::Export => Box::new(Export),
        }
    }
}

/// The members by which logs are told apart; of most only that they are there matters.
#[derive(Deserialize)]
struct Probe<'a> {
    v: Option<&'a RawValue>,
    #[serde(borrow)]
    msgs: Option<&'a RawValue>,
    #[serde(borrow)]
    reqs: Option<&'a RawValue>,
    #[serde(borrow)]
    hash_ids: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "sessionId")]
    session: Option<&'a RawValue>,
    #[serde(borrow, rename = "leafUuid")]
    leaf: Option<&'a RawValue>,
    #[serde(borrow, rename = "messageId")]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow)]
    run: Option<&'a RawValue>,
    #[serde(borrow)]
    number: Option<&'a RawValue>,
    #[serde(borrow)]
    verdict: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    response_text: Option<&'a RawValue>,
    #[serde(borrow)]
    response_b64: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

const CODEX: [&str; 5] = [
    "\"session_meta\"",
    "\"turn_context\"",
    "\"response_item\"",
    "\"event_msg\"",
    "\"compacted\"",
];

/// Says what a line belongs to.
pub(super) fn recognise(line: &[u8]) -> Verdict {
    let Ok(probe) = serde_json::from_slice::<Probe<'_>>(line) else {
        return Verdict::Broken;
    };
    let kind = probe.kind.map(RawValue::get);
    let answered = [probe.response, probe.response_text, probe.response_b64];
    if probe.reqs.is_some() && probe.msgs.is_some() && probe.v.is_some() {
        Verdict::Known(Kind::Session)
    } else if probe.reqs.is_some() || probe.hash_ids.is_some() {
        Verdict::Refused("holds block hashes and no billed usage")
    } else if probe.run.is_some() && probe.number.is_some() && probe.verdict.is_some() {
        Verdict::Known(Kind::Export)
    } else if probe.payload.is_some() && kind.is_some_and(|kind| CODEX.contains(&kind)) {
        Verdict::Known(Kind::Codex)
    } else if kind.is_some() && (probe.uuid.is_some() || probe.leaf.is_some())
        || kind.is_some() && probe.session.is_some() && probe.timestamp.is_some()
        || probe.message.is_some() && kind == Some("\"file-history-snapshot\"")
    {
        Verdict::Known(Kind::Claude)
    } else if answered.iter().any(Option::is_some) && kind.is_none() {
        Verdict::Known(Kind::Recorded)
    } else if probe.request.is_some() || probe.body.is_some() {
        Verdict::Known(Kind::Neutral)
    } else if usage::is_usage(line) {
        Verdict::Known(Kind::Usage)
    } else {
        Verdict::Unknown
    }
}

/// Whether a first line that is no JSON by itself may be the beginning of a document.
pub(super) fn may_be_document(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
}
