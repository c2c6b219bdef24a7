//! Runs experiments side by side: whatever is due first is sent first, and the waits overlap.

use std::path::PathBuf;
use std::time::Duration;

use super::call::{Call, Pen, Piece};
use super::finding::Finding;
use super::kind::Kind;
use super::script::{Due, Ground, Script};
use super::state::{Answer, State};
use super::{Ask, Pace, Progress, Reply, trial};
use crate::error::Error;
use crate::model::{Money, Prices, Timestamp, Ttl};
use crate::provider::Model;

/// Experiments that others stand on, in this order; each is finished before the next begins.
const FIRST: [Kind; 2] = [Kind::Minimum, Kind::Visibility];
/// How often a call is repeated that the provider could not serve just then.
const REPEATS: u32 = 6;
/// Tokens of the call that measures how long a token is.
const GAUGE: u64 = 400;

/// One run.
pub(super) struct Run<'a, A, P> {
    pub(super) asked: &'a A,
    pub(super) pace: &'a P,
    pub(super) model: &'a Model,
    pub(super) dialect: &'a str,
    /// The model's id as it is sent.
    pub(super) id: &'a str,
    pub(super) kinds: &'a [Kind],
    pub(super) samples: u64,
    pub(super) warms: bool,
    pub(super) prices: Prices,
    pub(super) budget: Money,
    pub(super) save: Option<PathBuf>,
    pub(super) state: State,
}

/// What is to be done next.
enum Next {
    Send(Box<Due>),
    Over,
}

impl<A: Ask, P: Pace> Run<'_, A, P> {
    /// Runs until every experiment is finished or the next call could exceed the budget: the
    /// findings so far, in the order of [`Kind::ALL`], and whether the budget ended it.
    pub(super) async fn run(
        &mut self,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<(Vec<Finding>, bool), Error> {
        loop {
            let (findings, next) = self.look();
            let Next::Send(due) = next else {
                return Ok((findings, false));
            };
            if self.state.spent() + self.worst(&due.call) > self.budget {
                return Ok((findings, true));
            }
            progress(&Progress {
                done: findings.len(),
                of: self.kinds.len(),
                calls: self.state.answers.len(),
                spent: self.state.spent(),
                kind: due.kind,
                at: due.after,
            });
            self.pace.wait(due.after).await?;
            let answer = self.send(&due).await?;
            self.state.answers.push(answer);
            if let Some(path) = &self.save {
                self.state.save(path)?;
            }
        }
    }

    /// Reads every experiment as far as it is answered.
    fn look(&self) -> (Vec<Finding>, Next) {
        let gauged = self.state.answers.iter().any(|one| one.kind.is_none());
        if !gauged {
            return (Vec::new(), Next::Send(Box::new(gauge())));
        }
        let mut findings: Vec<Finding> = Vec::new();
        let mut due: Vec<Due> = Vec::new();
        for kind in Kind::ALL
            .into_iter()
            .filter(|kind| self.kinds.contains(kind))
        {
            let ground = Ground::of(self.model, &findings, (self.samples, self.warms));
            let mut script = Script::new(kind, &ground, &self.state);
            match trial::read(&mut script) {
                Some(finding) => findings.push(finding),
                None => due.append(&mut script.due),
            }
            let blocks = FIRST.contains(&kind) && findings.iter().all(|one| one.kind != kind);
            if blocks {
                break;
            }
        }
        let now = self.pace.now();
        // What is late comes first, then what can be sent at any time, then what must be waited for.
        let order = |due: &Due| match due.after {
            after if after == Timestamp::default() => (1, after),
            after if after <= now => (0, after),
            after => (2, after),
        };
        let first = due.into_iter().min_by_key(order);
        (
            findings,
            first.map_or(Next::Over, |due| Next::Send(Box::new(due))),
        )
    }

    /// The most that a call can cost: all of its input written for the dearest class.
    fn worst(&self, call: &Call) -> Money {
        let input = call.most_tokens();
        let tier = self.prices.tier(input);
        let classes = [Ttl::FiveMinutes, Ttl::HalfHour, Ttl::OneHour];
        let marked = |class: &Ttl| call.pieces.iter().any(|piece| piece.mark == Some(*class));
        let written = classes.iter().filter(|class| marked(class));
        let written = written.map(|class| tier.write(*class)).max();
        let dearest = written.map_or(tier.input, |price| price.max(tier.input));
        dearest.times(input) + tier.output.times(self.most_output(call))
    }

    fn most_output(&self, call: &Call) -> u64 {
        match self.dialect {
            "responses" => call.max_tokens.max(16),
            _ => call.max_tokens,
        }
    }

    async fn send(&self, due: &Due) -> Result<Answer, Error> {
        let pen = Pen {
            dialect: self.dialect,
            model: self.id,
            nonce: &self.state.nonce,
            bytes_per_ktok: self.bytes_per_ktok(),
        };
        let body = pen.write(&due.call);
        let mut pause = Duration::from_secs(2);
        for attempt in 1.. {
            let at = self.pace.now();
            let reply = self.asked.ask(body.clone()).await?;
            let is_busy = matches!(reply.status, 408 | 409 | 425 | 429 | 500..);
            if is_busy && attempt < REPEATS {
                let pause_now = reply.retry_after.unwrap_or(pause);
                self.pace.wait(self.pace.now().plus(pause_now)).await?;
                pause *= 2;
                continue;
            }
            self.check(due, &reply)?;
            return Ok(self.book(due, at, &reply));
        }
        Err(Error::io("the provider did not answer"))
    }

    /// Refusals that no experiment is about end the run.
    fn check(&self, due: &Due, reply: &Reply) -> Result<(), Error> {
        let said = reply.message.as_deref().unwrap_or("no message");
        let model = self.id;
        let status = reply.status;
        let is_expected = due.kind.is_some() && status == 400;
        match status {
            200..300 if reply.usage.is_none() => Err(Error::io(
                "the answer reports no usage, by which alone a probe decides; is a gateway between \
                 that leaves it out?",
            )),
            200..300 => Ok(()),
            401 | 403 => Err(Error::config(format!(
                "the provider refused the key ({status}: {said}); is it the key of this provider, \
                 and may it use `{model}`?"
            ))),
            404 => Err(Error::config(format!(
                "there is no model `{model}` at this endpoint, or no such path (404: {said})"
            ))),
            400 if is_expected => Ok(()),
            400 | 402 | 413 | 422 => Err(Error::config(format!(
                "the provider refused a plain call to `{model}` ({status}: {said})"
            ))),
            _ => Err(Error::io(format!(
                "the provider could not serve the call ({status}: {said}); what was paid for is \
                 kept, go on with --resume"
            ))),
        }
    }

    fn book(&self, due: &Due, at: Timestamp, reply: &Reply) -> Answer {
        let usage = reply.usage.unwrap_or_default();
        let tier = self.prices.tier(usage.input().unwrap_or(0));
        Answer {
            kind: due.kind,
            label: due.label.clone(),
            at,
            end: self.pace.now().max(at),
            status: reply.status,
            usage,
            cost: usage.cost.unwrap_or_else(|| tier.cost(&usage)),
        }
    }

    /// How long a token of our filler is here, by the first answer.
    fn bytes_per_ktok(&self) -> u64 {
        let row = u64::from(self.model.bytes_per_ktok);
        let gauge = self.state.answers.iter().find(|one| one.kind.is_none());
        let Some(tokens) = gauge.map(Answer::total).filter(|tokens| *tokens > 40) else {
            return row;
        };
        // Some tokens are not the filler's.
        row.saturating_mul(GAUGE) / (tokens - 7)
    }
}

/// The call that measures how long a token of our filler is.
fn gauge() -> Due {
    Due {
        kind: None,
        label: "gauge".into(),
        after: Timestamp::default(),
        call: Call::of(vec![Piece::new("gauge", GAUGE)]),
    }
}
