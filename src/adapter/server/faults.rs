//! Answers that go wrong on purpose.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;

/// Where a `cut` answer ends when no place is given: behind its head, before its end.
const CUT_AFTER: usize = 200;

/// The most faults that may wait.
const LONGEST_QUEUE: u32 = 10_000;

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An error instead of an answer; nothing is read or written.
    Status(u16),
    /// The answer stands still after its first bytes.
    Stall(Duration),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
}

/// A fault that waits for its request.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    fault: Fault,
    /// What the request's path must contain.
    path: Option<Box<str>>,
}

/// Takes the first fault that is for a request to `path`.
pub(super) fn take(waiting: &mut VecDeque<Waiting>, path: &str) -> Option<Fault> {
    let meant = |one: &Waiting| one.path.as_ref().is_none_or(|part| path.contains(&**part));
    let at = waiting.iter().position(meant)?;
    Some(waiting.remove(at)?.fault)
}

impl Fault {
    /// Reads the header `x-sim-fault`.
    pub(super) fn parse(text: &str, stall: Duration) -> Option<Self> {
        match text {
            "stall" => Some(Self::Stall(stall)),
            "cut" => Some(Self::Cut(CUT_AFTER)),
            _ => text.parse().ok().and_then(Self::status),
        }
    }

    fn status(status: u16) -> Option<Self> {
        (400..600).contains(&status).then_some(Self::Status(status))
    }
}

/// The body of `POST /admin/faults`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    status: Option<u16>,
    stall_ms: Option<u64>,
    cut_after_bytes: Option<usize>,
    count: Option<u32>,
    path: Option<Box<str>>,
}

impl Order {
    /// The faults that were asked for; `None` unless exactly one kind was.
    pub(super) fn faults(self) -> Option<VecDeque<Waiting>> {
        let kinds = [
            self.status.map(Fault::status),
            self.stall_ms
                .map(|ms| Some(Fault::Stall(Duration::from_millis(ms)))),
            self.cut_after_bytes.map(|bytes| Some(Fault::Cut(bytes))),
        ];
        let mut asked = kinds.into_iter().flatten();
        let fault = asked.next()??;
        let count = self.count.unwrap_or(1).min(LONGEST_QUEUE);
        asked.next().is_none().then(|| {
            let path = self.path;
            let one = Waiting { fault, path };
            (0..count).map(|_| one.clone()).collect()
        })
    }
}
