//! A request on its way from being read to being sent: planned, or held until what it shares with
//! another can be read.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use super::Landing;
use super::bell::Bell;
use crate::adapter::caller::Caller;
use crate::adapter::handle::{Attempted, Cachewright, Rewrite};
use crate::adapter::running::shielded;
use crate::model::{FanOut, Mode};

/// A request before it is sent.
pub(crate) struct Boarding {
    /// The caller's own body.
    pub(crate) body: Bytes,
    /// Whom it waits for.
    landing: Option<Landing>,
    /// It was planned when another had just begun to write the same, and is sent like this: its
    /// markers find what that one writes.
    planned: Option<Box<Rewrite>>,
    /// Rings when what was waited for can be read.
    settling: Option<Bell>,
    /// Ends its patience, from the first wait on.
    bell: Option<Bell>,
    /// When it was first held, by the stopwatch.
    since: Option<Duration>,
    /// Whether its patience has ended.
    is_over: bool,
}

impl Boarding {
    pub(crate) const fn new(body: Bytes) -> Self {
        Self {
            body,
            landing: None,
            settling: None,
            planned: None,
            bell: None,
            since: None,
            is_over: false,
        }
    }

    /// Whether a request of this caller's may be held at all.
    #[cfg(feature = "reqwest")]
    pub(crate) fn may_hold(cache: &Cachewright, caller: &Caller) -> bool {
        patience(cache, caller).is_some()
    }

    /// What is sent instead of the caller's request, once it is to be sent.
    pub(crate) fn poll(
        &mut self,
        (cache, caller): (&Cachewright, &Caller),
        cx: &mut Context<'_>,
    ) -> Poll<Rewrite> {
        let Some(patience) = patience(cache, caller) else {
            return Poll::Ready(cache.prepare(caller, &self.body));
        };
        self.is_over |= patience.is_zero();
        loop {
            if self.is_held(cx) {
                self.since.get_or_insert_with(|| cache.stopwatch());
                caller.attempted.iter().for_each(Attempted::hold);
                let bell = self.bell.get_or_insert_with(|| Bell::after(patience));
                ready!(Pin::new(bell).poll(cx));
                self.is_over = true;
            }
            self.landing = None;
            self.settling = None;
            let planned = self.planned.take().map(|planned| *planned);
            let Some(rewrite) = planned.or_else(|| self.plan(cache, caller)) else {
                continue;
            };
            if let Some(rewrite) = self.board(cache, rewrite) {
                return Poll::Ready(rewrite);
            }
        }
    }

    /// Whether it waits for another's answer, or for what that one wrote to become visible.
    fn is_held(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(landing) = &mut self.landing {
            if Pin::new(&mut *landing).poll(cx).is_pending() {
                return true;
            }
            let settles = landing.settles();
            self.settling = (!settles.is_zero()).then(|| Bell::after(settles));
            self.landing = None;
        }
        let settling = self.settling.as_mut();
        settling.is_some_and(|bell| Pin::new(bell).poll(cx).is_pending())
    }

    /// Plans it, unless there is somebody to wait for.
    fn plan(&mut self, cache: &Cachewright, caller: &Caller) -> Option<Rewrite> {
        let open = || cache.engine().open(&caller.meta(), &self.body);
        let Some(opened) = (!self.is_over).then(|| shielded(open)).flatten() else {
            return Some(cache.prepare(caller, &self.body));
        };
        self.landing = cache.flights().beside(&opened);
        let goes = self.landing.is_none();
        goes.then(|| cache.prepare_opened(caller, &self.body, opened))
    }

    /// Lets it go, as one that others may wait for where it writes what they could read; unless
    /// another has begun to write the same meanwhile.
    fn board(&mut self, cache: &Cachewright, mut rewrite: Rewrite) -> Option<Rewrite> {
        let Some(running) = &mut rewrite.running else {
            return Some(rewrite);
        };
        match running.flight().map(|flight| cache.flights().lead(flight)) {
            Some(Ok(Some(lead))) => running.leads(lead),
            Some(Err(landing)) if !self.is_over => {
                self.landing = Some(landing);
                self.planned = Some(Box::new(rewrite));
                return None;
            }
            Some(Ok(None) | Err(_)) | None => {}
        }
        if let Some(since) = self.since {
            running.held(cache.stopwatch().saturating_sub(since));
        }
        Some(rewrite)
    }
}

/// For how long a request may be held; `None` where fan-outs are none of our business.
fn patience(cache: &Cachewright, caller: &Caller) -> Option<Duration> {
    let wishes = cache.engine().settings().on(&caller.route);
    if wishes.fan_out == FanOut::Off || wishes.mode == Mode::Observe {
        return None;
    }
    let attempted = caller.attempted.as_ref();
    let most = attempted.map_or(Duration::MAX, Attempted::patience);
    Some(wishes.fan_out_wait.min(most))
}

impl fmt::Debug for Boarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boarding")
            .field("bytes", &self.body.len())
            .field(
                "is_held",
                &(self.landing.is_some() || self.settling.is_some()),
            )
            .finish_non_exhaustive()
    }
}
