//! `cachewright explain REQUEST.json`: where a request would be written, and the numbers behind it.

use std::path::Path;
use std::sync::Arc;

use cachewright::adapter::clock::{Clock as _, SystemClock};
use cachewright::adapter::memory::InProcess;
use cachewright::adapter::snapshot::Snapshot;
use cachewright::economy::Behaviour;
use cachewright::engine::{End, Engine, Meta, Numbers, Prepared, Settings};
use cachewright::error::Error;
use cachewright::model::{KeepAlive, Stop, Timestamp, Usage, Vigil};
use cachewright::provider::Catalog;

use super::{numbers, told};
use crate::args::Explain;
use crate::bodies::Body;
use crate::exit::Failure;

/// What is told of one request.
pub(super) struct Told {
    pub(super) provider: Box<str>,
    pub(super) model: Box<str>,
    /// Whether a row describes the model.
    pub(super) known: bool,
    pub(super) breakpoints: usize,
    pub(super) numbers: Numbers,
    pub(super) behaviour: Behaviour,
    pub(super) tokens: u64,
    pub(super) now: Timestamp,
    /// When a ping would be due if the answer ended in each of these ways now, where pings are
    /// allowed their usual budgets.
    pub(super) pings: [(&'static str, Option<Vigil>); 2],
}

/// Plans the request as it would be planned now, and prints the numbers.
pub(super) fn run(args: &Explain, file: &Path, catalog: &Catalog) -> Result<(), Failure> {
    let told = told(args);
    let keyring = Settings::default().keyring;
    let body = Body::open(file, (&told, args.path.as_deref()), catalog, &keyring)?;
    let now = SystemClock.now();
    let with = |settings: Settings| -> Result<Engine, Error> {
        let memory = match &args.state {
            Some(path) => Snapshot::open(path)?.memory().clone(),
            None => InProcess::default(),
        };
        Ok(Engine::new(Arc::new(catalog.clone()), settings).remembering(Arc::new(memory)))
    };
    let mut meta = Meta::of(&body.provider.name);
    meta.dialect = body.endpoint.name;
    if let Some(model) = &args.model {
        meta.model = model;
    }
    let engine = with(Settings::default())?;
    let prepared = engine.prepare(now, &meta, &body.bytes);
    let breakpoints = prepared.placements().len();
    let Some(numbers) = prepared.numbers().cloned() else {
        let what = format!("{}: nothing is planned for it", file.display());
        return Err(Error::input(what).into());
    };
    let ping = |stop: Stop| -> Result<Option<Vigil>, Error> {
        let mut settings = Settings::default();
        settings.keep_alive = Some(KeepAlive::default());
        Ok(pinged(
            with(settings)?.prepare(now, &meta, &body.bytes),
            now,
            stop,
        ))
    };
    let told = Told {
        provider: body.provider.name.clone(),
        model: body.model.name.clone(),
        known: body.model.limits.known,
        breakpoints,
        tokens: prepared.exchange.record().estimated_input,
        behaviour: engine.behaviour(&meta, &body.model.name),
        numbers,
        now,
        pings: [
            ("tool use", ping(Stop::parse("tool_use"))?),
            ("end of turn", ping(Stop::parse("end_turn"))?),
        ],
    };
    numbers::print(&if args.json {
        numbers::json(&told)
    } else {
        numbers::text(&told)
    })
}

/// The ping that would be due if the request were answered now, and ended so.
fn pinged(prepared: Prepared, now: Timestamp, stop: Stop) -> Option<Vigil> {
    let mut exchange = prepared.exchange;
    let input = exchange.record().estimated_input;
    exchange.on_usage(now, Usage::reported(0, 0, input, 0, 0));
    exchange.on_stop(stop);
    exchange
        .finish(now, End::Complete)
        .vigil
        .map(|vigil| *vigil)
}
