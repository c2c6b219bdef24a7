//! A demonstration without a key: lifelike traffic over loopback HTTP against the simulated
//! provider, with virtual time, told apart by who places the markers.
//!
//! Every scenario is sent three times, each to a provider of its own: without markers, with the
//! provider's documented default (five-minute markers on the system prompt's end and on the last
//! block), and through the layer. All three are accounted for by the same ledger.

mod agent;
mod prose;
mod scenario;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ::reqwest::{Client, Request};
use tower_service::Service;

use self::scenario::{Call, Round, Scenario};
use crate::adapter::clock::Clock;
use crate::adapter::handle::Cachewright;
use crate::adapter::server::{SimOptions, SimServer};
use crate::adapter::tower::PromptCache;
use crate::error::Error;
use crate::ledger::Totals;
use crate::model::{Mode, Timestamp};

/// What the demonstration showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// One row per scenario.
    pub rows: Vec<Row>,
}

/// One scenario, sent three times.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// Sent without any marker.
    pub unmarked: Totals,
    /// Sent with the provider's documented default.
    pub default: Totals,
    /// Sent through the layer.
    pub wrapped: Totals,
}

/// Who places the markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Unmarked,
    Default,
    Wrapped,
}

/// How many requests [`run`] sends.
#[must_use]
pub fn requests() -> u64 {
    let calls = scenario::all().iter().map(Scenario::calls).sum::<u64>();
    calls * 3
}

/// Sends everything; `sent` is called after each request.
///
/// # Errors
/// When the loopback cannot be used, or the simulated provider refuses a request.
pub async fn run(mut sent: impl FnMut()) -> Result<Outcome, Error> {
    let mut rows = Vec::new();
    for scenario in scenario::all() {
        rows.push(Row {
            name: scenario.name,
            unmarked: play(&scenario, Sender::Unmarked, &mut sent).await?,
            default: play(&scenario, Sender::Default, &mut sent).await?,
            wrapped: play(&scenario, Sender::Wrapped, &mut sent).await?,
        });
    }
    Ok(Outcome { rows })
}

async fn play(
    scenario: &Scenario,
    sender: Sender,
    sent: &mut impl FnMut(),
) -> Result<Totals, Error> {
    let options = SimOptions {
        // Calls of one round arrive at one moment: none of them can read what another writes.
        first_byte: FIRST_BYTE,
        ..SimOptions::default()
    };
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let provider = SimServer::new(options).bind(loopback).await?;
    let clock = Virtual::default();
    let cache = Cachewright::builder()
        .assume("anthropic")
        .clock(clock.clone())
        .mode(match sender {
            Sender::Unmarked | Sender::Default => Mode::Observe,
            Sender::Wrapped => Mode::Place,
        })
        .build()?;
    let mut stage = Stage {
        client: cache.wrap(Client::new()),
        url: format!("{}/v1/messages", provider.base_url()),
        clock,
        sender,
    };
    for round in &scenario.rounds {
        stage.play(round, sent).await?;
    }
    // What was written and not read by now is waste once it has expired.
    stage
        .clock
        .set(stage.clock.now().plus(Duration::from_secs(2 * 3600)));
    let totals = cache.totals();
    provider.stop(Duration::from_secs(1)).await;
    Ok(totals)
}

/// From a request to the first byte of its answer, real and virtual.
const FIRST_BYTE: Duration = Duration::from_millis(1);

/// One client in front of one provider.
struct Stage {
    client: PromptCache<Client>,
    url: String,
    clock: Virtual,
    sender: Sender,
}

impl Stage {
    /// Sends the calls of a round at one moment, then reads the answers in order.
    async fn play(&mut self, round: &Round, sent: &mut impl FnMut()) -> Result<(), Error> {
        self.clock.set(round.at);
        let mut open = Vec::new();
        for call in &round.calls {
            // Planned now, before any answer of this round is known.
            open.push(self.client.call(self.request(round.at, call)?));
        }
        self.clock.set(round.at.plus(round.answered));
        for answer in open {
            let answer = answer.await.map_err(lost)?;
            let status = answer.status();
            let text = answer.text().await.map_err(lost)?;
            if !status.is_success() {
                return Err(Error::input(format!(
                    "the simulator refused: {status} {text}"
                )));
            }
            sent();
        }
        Ok(())
    }

    fn request(&self, at: Timestamp, call: &Call) -> Result<Request, Error> {
        let body = match self.sender {
            Sender::Default => call.body_by_default(),
            Sender::Unmarked | Sender::Wrapped => call.body(),
        };
        self.client
            .get_ref()
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-api-key", "demo")
            .header("x-sim-time", at.as_secs_f64().to_string())
            .header("x-sim-output-tokens", "200")
            .body(body)
            .build()
            .map_err(lost)
    }
}

fn lost(error: ::reqwest::Error) -> Error {
    Error::io("the demonstration lost its simulated provider").caused_by(error)
}

/// A clock that is set by hand, shared between the handle and the stage.
#[derive(Clone, Debug, Default)]
struct Virtual(Arc<AtomicI64>);

impl Virtual {
    fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_layer_beats_the_default_and_says_the_same_twice() {
        let mut sent = 0;
        let outcome = run(|| sent += 1).await.unwrap();
        assert_eq!(sent, requests());
        for row in &outcome.rows {
            assert_eq!(row.unmarked.hit_rate(), Some(0.0), "{}", row.name);
            assert_eq!(row.unmarked.exchanges, row.wrapped.exchanges);
            assert!(
                row.wrapped.cost <= row.default.cost,
                "{}: {row:?}",
                row.name
            );
            assert!(row.wrapped.cost < row.unmarked.cost, "{}", row.name);
        }
        assert_eq!(run(|| ()).await.unwrap(), outcome);
    }
}
