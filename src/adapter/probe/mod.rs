//! Finds out how an endpoint's cache really behaves, for little money and with the user's own key.
//!
//! Each experiment is a script that is read from its start again after every answer (`trial`): the
//! answers are all that is remembered, so an interrupted run goes on where it stopped and pays for
//! nothing twice. Experiments run side by side, and their waits overlap. Everything is decided by the
//! usage that the provider reports.
//!
//! Before anything is sent, the run is rehearsed against the simulator, which tells what it will cost
//! and how long it will take. A call that could exceed the budget is not sent.

mod call;
mod dry;
mod finding;
mod kind;
mod remote;
mod rows;
mod run;
mod script;
mod state;
mod terms;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use finding::{Confidence, Fact, Finding, Verdict};
pub use kind::Kind;
pub use remote::{Key, RealTime, Remote, SimulatedTime};
pub use terms::{Options, Plan, Progress, Report};

use crate::error::Error;
use crate::model::{Money, Prices, Regime, Timestamp, Usage};
use crate::provider::{Catalog, Model};
use run::Run;
use state::State;

/// How many prefixes of each size are tried, at most, where it is about chance.
const SAMPLES: u64 = 6;

/// What a provider answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests answer as providers do")]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// What it reported; nothing on refusals.
    pub usage: Option<Usage>,
    /// Its words on a refusal.
    pub message: Option<String>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

/// Where calls go.
pub trait Ask: Sync {
    /// Sends one body.
    ///
    /// # Errors
    /// When nobody answers. A refusal is an answer.
    fn ask(&self, body: Bytes) -> impl Future<Output = Result<Reply, Error>> + Send;
}

/// How time passes.
pub trait Pace: Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns once it is `until`.
    ///
    /// # Errors
    /// When time cannot be made to pass.
    fn wait(&self, until: Timestamp) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A probe of one model at one provider.
#[derive(Clone, Debug)]
pub struct Probe {
    catalog: Arc<Catalog>,
    options: Options,
    model: Model,
    /// The model's id as it is sent.
    id: String,
    dialect: &'static str,
    kinds: Vec<Kind>,
    prices: Prices,
    samples: u64,
    /// Whether the provider says that it takes `max_tokens: 0`.
    warms: bool,
}

impl Probe {
    /// Looks up what is to be probed.
    ///
    /// # Errors
    /// When the provider or model is not known, has no prices, or has a cache that decides by itself.
    pub fn new(catalog: Arc<Catalog>, options: Options) -> Result<Self, Error> {
        let Some(row) = catalog.provider(&options.provider) else {
            let known: Vec<&str> = catalog.providers().map(|row| &*row.name).collect();
            return Err(Error::config(format!(
                "--provider: there is no provider `{}`; valid are {}",
                options.provider,
                known.join(", ")
            )));
        };
        let doors = row.endpoints.iter().map(|endpoint| endpoint.name);
        let mut doors = doors.filter(|name| match &*options.dialect {
            "" => row.access.door(name).is_some() && SPOKEN.contains(name),
            wanted => *name == wanted && SPOKEN.contains(name),
        });
        let dialect = doors.next().ok_or_else(|| {
            Error::config(format!(
                "{} cannot be probed: its dialects are none of {}",
                row.name,
                SPOKEN.join(", ")
            ))
        })?;
        let model = catalog.model(&options.provider, &options.model);
        let id = match *model.name == *options.model {
            true => row.spell(&model.name, ""),
            false => None,
        };
        let id = id.unwrap_or_else(|| options.model.to_string());
        let prices = prices(&model, &options)?;
        let kinds = kinds(&model, dialect, &options)?;
        let warms = row.endpoint(dialect).and_then(|one| one.ping) == Some(0);
        let mut probe = Self {
            samples: SAMPLES,
            warms,
            catalog,
            options,
            model,
            id,
            dialect,
            kinds,
            prices,
        };
        probe.fit();
        Ok(probe)
    }

    /// Takes fewer samples where the budget would not allow more.
    fn fit(&mut self) {
        let share = Money::from_pico(self.options.budget.as_pico() / 3);
        let input = self.model.limits.min_tokens.saturating_mul(20);
        let one = self.prices.tier(input).write_5m.times(input);
        while self.samples > 2 && one.times(self.samples) > share {
            self.samples -= 1;
        }
    }

    /// The model's id as it is sent.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The dialect that is spoken.
    #[must_use]
    pub const fn dialect(&self) -> &'static str {
        self.dialect
    }

    /// Rehearses the run: what it will cost and how long it will take, if all is as documented.
    ///
    /// # Errors
    /// When the simulator refuses what would be sent.
    pub fn plan(&self) -> Result<Plan, Error> {
        let stage = dry::Stage::new(
            Arc::clone(&self.catalog),
            &self.options.provider,
            (self.dialect, &self.id),
        );
        let mut run = self.start((&stage, &stage), State::default(), None);
        run.budget = Money::from_pico(i128::MAX);
        let ran = dry::at_once(run.run(&mut |_| ()));
        ran.ok_or_else(|| Error::io("the rehearsal waited"))??;
        let state = &run.state;
        let cost_of = |kind: &Kind| {
            let answers = state.answers.iter();
            let own = answers.filter(|answer| answer.kind == Some(*kind));
            own.map(|answer| answer.cost).sum()
        };
        let cost = state.spent();
        Ok(Plan {
            costs: self.kinds.iter().map(cost_of).collect(),
            kinds: self.kinds.clone(),
            cost,
            calls: state.answers.len(),
            takes: stage.passed(),
            exceeds: cost > self.options.budget,
        })
    }

    /// Runs it, or goes on with it where `save` names the state of a run that was interrupted.
    ///
    /// # Errors
    /// When the endpoint cannot be reached or refuses plain calls, or the state is of another run.
    /// What was paid for until then is in the state.
    pub async fn run<P: Pace>(
        &self,
        (remote, endpoint): (&impl Ask, &str),
        pace: &P,
        save: Option<&Path>,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<Report, Error> {
        let state = match save.filter(|path| path.exists()) {
            Some(path) => self.checked(State::load(path)?, endpoint, path)?,
            None => State {
                provider: self.options.provider.to_string(),
                model: self.id.clone(),
                endpoint: endpoint.into(),
                nonce: match &*self.options.nonce {
                    "" => nonce(pace.now()),
                    own => own.into(),
                },
                answers: Vec::new(),
            },
        };
        let save = save.map(Path::to_owned);
        let mut run = self.start((remote, pace), state, save);
        let (findings, _) = run.run(progress).await?;
        let is_open = |kind: &&Kind| findings.iter().all(|one| one.kind != **kind);
        let unfinished = self.kinds.iter().filter(is_open).copied().collect();
        let (calls, spent) = (run.state.answers.len(), run.state.spent());
        let head = rows::Head {
            provider: &self.options.provider,
            endpoint,
            owner: self.owner(),
            model: &self.model,
            id: &self.id,
            at: pace.now(),
            calls,
            spent,
        };
        Ok(Report {
            rows: rows::write(&head, &findings),
            findings,
            unfinished,
            calls,
            spent,
        })
    }

    /// The provider whose row it is: its own, or one whose models it serves.
    fn owner(&self) -> &str {
        let has = |name: &str| {
            let mut models = self.catalog.models(name);
            models.any(|model| model.name == self.model.name)
        };
        let provider = self.catalog.provider(&self.options.provider);
        let others = provider.map_or(&[][..], |row| &row.models_from);
        let mut names = std::iter::once(&self.options.provider).chain(others);
        names
            .find(|name| has(name))
            .unwrap_or(&self.options.provider)
    }

    /// A state that is one of this probe.
    fn checked(&self, state: State, endpoint: &str, path: &Path) -> Result<State, Error> {
        let here = (&*self.options.provider, &*self.id, endpoint);
        let there = (&*state.provider, &*state.model, &*state.endpoint);
        if here == there {
            return Ok(state);
        }
        Err(Error::config(format!(
            "--resume: {} is of {} at {}, {}, and not of {} at {}, {}",
            path.display(),
            there.1,
            there.0,
            there.2,
            here.1,
            here.0,
            here.2
        )))
    }

    fn start<'a, A: Ask, P: Pace>(
        &'a self,
        (asked, pace): (&'a A, &'a P),
        state: State,
        save: Option<PathBuf>,
    ) -> Run<'a, A, P> {
        Run {
            asked,
            pace,
            model: &self.model,
            dialect: self.dialect,
            id: &self.id,
            kinds: &self.kinds,
            samples: self.samples,
            warms: self.warms,
            prices: self.prices,
            budget: self.options.budget,
            save,
            state,
        }
    }
}

/// Dialects in which a probe can speak.
const SPOKEN: [&str; 3] = ["messages", "chat", "responses"];

fn prices(model: &Model, options: &Options) -> Result<Prices, Error> {
    if !model.limits.known {
        return Err(Error::config(format!(
            "--model: no row knows `{}` at {}; see `cachewright models --provider {}`, or add a row \
             with --config",
            options.model, options.provider, options.provider
        )));
    }
    if model.limits.regime == Regime::Automatic {
        return Err(Error::config(format!(
            "{} caches by itself: there are no markers whose rules could be probed",
            model.name
        )));
    }
    model.prices.ok_or_else(|| {
        Error::config(format!(
            "{} has no prices, so that no cap could be kept; add a row with --config",
            model.name
        ))
    })
}

fn kinds(model: &Model, dialect: &str, options: &Options) -> Result<Vec<Kind>, Error> {
    let applies = |kind: &Kind| kind.applies(&model.limits, dialect);
    if let Some(kind) = options.only.iter().find(|kind| !applies(kind)) {
        return Err(Error::config(format!(
            "--only: `{}` does not apply to {} in the dialect `{dialect}`",
            kind.as_str(),
            model.name
        )));
    }
    let wanted = |kind: &Kind| options.only.is_empty() || options.only.contains(kind);
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| applies(kind) && wanted(kind));
    Ok(kinds.collect())
}

/// A word that no other run begins its prefixes with.
fn nonce(now: Timestamp) -> String {
    let random = std::hash::BuildHasher::hash_one(
        &std::hash::RandomState::new(),
        (now.as_micros(), std::process::id()),
    );
    format!("{random:016x}")
}
