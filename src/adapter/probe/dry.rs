//! A rehearsal: the same run against a cache that does what is documented, in no time and for nothing.
//! It says what the real run will cost and how long it will take.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::{Ask, Pace, Reply};
use crate::error::Error;
use crate::model::{Timestamp, Usage};
use crate::provider::Catalog;
use crate::sim::{Ask as Asked, Sim};

/// How long a call takes in a rehearsal.
const CALL: Duration = Duration::from_millis(1500);

/// A cache and a clock of its own.
#[derive(Debug)]
pub(super) struct Stage {
    dialect: &'static str,
    model: String,
    inner: Mutex<(Sim, Timestamp)>,
}

impl Stage {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        provider: &str,
        (dialect, model): (&'static str, &str),
    ) -> Self {
        Self {
            dialect,
            model: model.into(),
            inner: Mutex::new((Sim::of(catalog, provider), START)),
        }
    }

    /// How much time has passed on it.
    pub(super) fn passed(&self) -> Duration {
        self.now().since(START)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, (Sim, Timestamp)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const START: Timestamp = Timestamp::from_micros(1_000_000);

impl Ask for Stage {
    async fn ask(&self, body: Bytes) -> Result<Reply, Error> {
        let mut inner = self.inner();
        let (sim, now) = &mut *inner;
        let at = *now;
        *now = at.plus(CALL);
        let mut ask = Asked::new(self.dialect, &body);
        ask.model = &self.model;
        let served = sim
            .ask(&ask)
            .and_then(|request| sim.serve("rehearsal", at, at.plus(CALL), &request));
        Ok(match served {
            Ok(usage) => Reply {
                status: 200,
                usage: Some(Usage {
                    output: Some(1),
                    ..usage
                }),
                ..Reply::default()
            },
            Err(refused) => Reply {
                status: refused.status,
                message: Some(refused.message),
                ..Reply::default()
            },
        })
    }
}

impl Pace for Stage {
    fn now(&self) -> Timestamp {
        self.inner().1
    }

    async fn wait(&self, until: Timestamp) -> Result<(), Error> {
        let mut inner = self.inner();
        inner.1 = inner.1.max(until);
        Ok(())
    }
}

/// The result of a future that never waits.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
