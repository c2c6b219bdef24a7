//! Answers that go wrong on purpose.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

/// Where a `cut` answer ends when no place is given: behind its head, before its end.
const CUT_AFTER: usize = 200;

/// After how many events an error comes into a stream when no place is given.
const ERROR_AFTER: usize = 3;

/// How an answer drips when nothing is said of it.
const DRIP: Drip = Drip {
    pause: Duration::from_millis(1),
    bytes: Some(7),
};

/// The most faults that may wait.
const LONGEST_QUEUE: u32 = 10_000;

/// How long a client that is limited is told to wait when nothing is said of it, in seconds.
const RETRY_AFTER: u64 = 1;

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: What,
    /// Whether the provider does its work, and bills it, although the answer is lost.
    pub(super) billed: bool,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An error instead of an answer, and what `retry-after` says, in seconds.
    Status(u16, Option<u64>),
    /// The account may spend no more.
    SpendLimit(Spend),
    /// The connection is reset before any header.
    Reset,
    /// Nothing is ever answered.
    Hang,
    /// A success whose body is nothing that the dialect has.
    Garbage,
    /// The answer stands still after its first bytes.
    Stall(Duration),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The answer comes in drops.
    Drip(Drip),
    /// A stream ends with an error after so many events.
    Error(usize),
}

/// Whose limit on spending it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spend {
    /// The provider's.
    #[default]
    Enforced,
    /// The account's own.
    Own,
}

/// How an answer drips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drip {
    /// Between two drops.
    pub(super) pause: Duration,
    /// The size of a drop; an event at a time without it.
    pub(super) bytes: Option<usize>,
}

/// A fault that waits for its request.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    fault: Fault,
    /// What the request's path must contain.
    path: Option<Box<str>>,
    /// The provider that the request must be for.
    provider: Option<Box<str>>,
}

/// Takes the first fault that is for a request to `path` of `provider`.
pub(super) fn take(waiting: &mut VecDeque<Waiting>, path: &str, provider: &str) -> Option<Fault> {
    let meant = |one: &Waiting| {
        one.path.as_ref().is_none_or(|part| path.contains(&**part))
            && one.provider.as_ref().is_none_or(|name| **name == *provider)
    };
    let at = waiting.iter().position(meant)?;
    Some(waiting.remove(at)?.fault)
}

impl Fault {
    /// Reads the header `x-sim-fault`.
    pub(super) fn parse(text: &str, stall: Duration) -> Option<Self> {
        Some(Self::of(match text {
            "stall" => What::Stall(stall),
            "cut" => What::Cut(CUT_AFTER),
            "reset" => What::Reset,
            "hang" => What::Hang,
            "garbage" => What::Garbage,
            "drip" => What::Drip(DRIP),
            "error" => What::Error(ERROR_AFTER),
            "spend_limit" => What::SpendLimit(Spend::Enforced),
            _ => text.parse().ok().and_then(|status| refused(status, None))?,
        }))
    }

    const fn of(what: What) -> Self {
        Self {
            what,
            billed: false,
        }
    }

    /// Whether something comes in the place of the answer, or nothing.
    pub(super) const fn replaces(self) -> bool {
        match self.what {
            What::Status(..) | What::SpendLimit(_) | What::Reset | What::Hang | What::Garbage => {
                true
            }
            What::Stall(_) | What::Cut(_) | What::Drip(_) | What::Error(_) => false,
        }
    }
}

fn refused(status: u16, retry_after: Option<u64>) -> Option<What> {
    let usual = (status == 429).then_some(RETRY_AFTER);
    let status = (400..600).contains(&status).then_some(status)?;
    Some(What::Status(status, retry_after.or(usual)))
}

/// The body of `POST /admin/faults`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Order {
    status: Option<u16>,
    retry_after: Option<u64>,
    stall_ms: Option<u64>,
    cut_after_bytes: Option<usize>,
    drip_ms: Option<u64>,
    drip_bytes: Option<usize>,
    error_after_events: Option<usize>,
    spend_limit: Option<Spend>,
    fault: Option<Named>,
    billed: Option<bool>,
    count: Option<u32>,
    path: Option<Box<str>>,
    provider: Option<Box<str>>,
}

/// Faults of which there is nothing more to say.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Reset,
    Hang,
    Garbage,
}

impl Order {
    /// The faults that were asked for; `None` unless exactly one kind was.
    pub(super) fn faults(self) -> Option<VecDeque<Waiting>> {
        let fault = Fault {
            billed: self.billed.unwrap_or(false),
            ..Fault::of(self.what()?)
        };
        let count = self.count.unwrap_or(1).min(LONGEST_QUEUE);
        let one = Waiting {
            fault,
            path: self.path,
            provider: self.provider,
        };
        Some((0..count).map(|_| one.clone()).collect())
    }

    fn what(&self) -> Option<What> {
        let millis = Duration::from_millis;
        let kinds = [
            self.status.map(|status| refused(status, self.retry_after)),
            self.stall_ms.map(|ms| Some(What::Stall(millis(ms)))),
            self.cut_after_bytes.map(|bytes| Some(What::Cut(bytes))),
            self.drip_ms.map(|ms| {
                let bytes = self.drip_bytes;
                let pause = millis(ms);
                Some(What::Drip(Drip { pause, bytes }))
            }),
            self.error_after_events
                .map(|events| Some(What::Error(events))),
            self.spend_limit.map(|whose| Some(What::SpendLimit(whose))),
            self.fault.map(|named| {
                Some(match named {
                    Named::Reset => What::Reset,
                    Named::Hang => What::Hang,
                    Named::Garbage => What::Garbage,
                })
            }),
        ];
        let mut asked = kinds.into_iter().flatten();
        let what = asked.next()??;
        asked.next().is_none().then_some(what)
    }
}
