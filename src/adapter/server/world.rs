//! What the simulated providers keep between requests: their caches, one clock, one set of faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::SimOptions;
use super::constant::Constant;
use super::faults::{self, Fault, Waiting};
use super::form::Form;
use super::keep::{Arrived, Keep};
use super::limits::Limits;
use super::rules::Rule;
use super::told::Told;
use crate::model::{Timestamp, Usage};
use crate::sim::{Ask, Rejection, Request, Sim};

/// Everything the handlers share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: SimOptions,
    state: Mutex<State>,
    requests: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// A cache for each provider that was asked, by name.
    sims: BTreeMap<Box<str>, Sim>,
    /// Added to the clock, in microseconds.
    offset: i64,
    faults: VecDeque<Waiting>,
    limits: Limits,
    kept: Keep,
    told: Told,
    constants: Vec<Constant>,
    /// Given while serving, after those of the options.
    rules: Vec<Rule>,
}

impl World {
    pub(super) fn new(options: SimOptions) -> Self {
        Self {
            options,
            state: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// The simulated present.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.options.clock.now().as_micros();
        Timestamp::from_micros(now.saturating_add(self.state().offset))
    }

    /// Makes `now` the simulated present.
    pub(super) fn set_now(&self, now: Timestamp) {
        let real = self.options.clock.now().as_micros();
        self.state().offset = now.as_micros().saturating_sub(real);
    }

    /// Does something with the cache of one provider.
    pub(super) fn with<T>(&self, provider: &str, act: impl FnOnce(&mut Sim) -> T) -> T {
        let mut state = self.state();
        let state = &mut *state;
        let rules = self.options.rules.iter().chain(&state.rules);
        let new = || {
            let mut sim = Sim::of(self.options.catalog.clone(), provider);
            for rule in rules.filter(|rule| self.is_of(rule, provider)) {
                sim.set_rules(rule.model.as_deref(), rule.rules());
            }
            sim
        };
        act(state.sims.entry(provider.into()).or_insert_with(new))
    }

    fn is_of(&self, rule: &Rule, provider: &str) -> bool {
        let named = match &*rule.provider {
            "" => &self.options.provider,
            _ => &rule.provider,
        };
        **named == *provider
    }

    /// Makes a provider behave otherwise from now on.
    pub(super) fn set_rule(&self, rule: Rule) {
        let mut state = self.state();
        for (name, sim) in &mut state.sims {
            if self.is_of(&rule, name) {
                sim.set_rules(rule.model.as_deref(), rule.rules());
            }
        }
        state.rules.push(rule);
    }

    /// Reads and serves one call.
    pub(super) fn serve(
        &self,
        provider: &str,
        workspace: &str,
        at: Timestamp,
        ask: &Ask<'_>,
    ) -> Result<(Request, Usage), Rejection> {
        let first_byte = at.plus(self.options.first_byte);
        self.with(provider, |sim| {
            let request = sim.ask(ask)?;
            let usage = sim.serve(workspace, at, first_byte, &request)?;
            Ok((request, usage))
        })
    }

    pub(super) fn count_tokens(&self, provider: &str, body: &[u8]) -> Result<u64, Rejection> {
        self.with(provider, |sim| sim.count_tokens(body))
    }

    pub(super) fn next_fault(&self, path: &str, provider: &str) -> Option<Fault> {
        faults::take(&mut self.state().faults, path, provider)
    }

    pub(super) fn add_faults(&self, faults: VecDeque<Waiting>) {
        self.state().faults.extend(faults);
    }

    /// Remembers a request, if requests are to be remembered.
    pub(super) fn keep(&self, arrived: Arrived<'_>) {
        let most = self.options.keep_requests;
        if most > 0 {
            self.state().kept.add(arrived, most);
        }
    }

    /// Notes what was billed for the request of this number.
    pub(super) fn bill(&self, number: u64, usage: Usage) {
        self.state().kept.bill(number, usage);
    }

    /// Does something with the rate limits.
    pub(super) fn limits<T>(&self, act: impl FnOnce(&mut Limits) -> T) -> T {
        act(&mut self.state().limits)
    }

    pub(super) fn kept(&self) -> Value {
        self.state().kept.to_json()
    }

    /// Does something with what is kept of answered requests.
    pub(super) fn told<T>(&self, act: impl FnOnce(&mut Told) -> T) -> T {
        act(&mut self.state().told)
    }

    /// The constant answer in this form, made when it is first asked for.
    pub(super) fn constant(&self, form: Form) -> Constant {
        let mut state = self.state();
        let known = state.constants.iter().find(|known| known.is_for(form));
        known.cloned().unwrap_or_else(|| {
            let made = Constant::new(form);
            state.constants.push(made.clone());
            made
        })
    }

    /// Every provider loses its entries, as real ones do now and then.
    pub(super) fn forget(&self) {
        self.state().sims.values_mut().for_each(Sim::clear);
    }

    /// Everything as it was at the start.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        state.sims.clear();
        state.offset = 0;
        state.faults.clear();
        state.limits = Limits::default();
        state.kept.clear();
        state.told = Told::default();
        state.rules.clear();
    }

    /// A number for the next request.
    pub(super) fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// A handler that panicked left the state as it was: entries are written one by one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
