//! `cachewright route`: where a call would go, with nothing known of health, warmth and spending.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::gateway::{GatewayOptions, Reload};
use cachewright::adapter::target::shown;
use cachewright::error::Error;
use cachewright::model::{Keyring, Money, Need, Timestamp};
use cachewright::route::{
    Ask, Candidate, Caps, Decision, Ground, Network, Refusal, Route as Line, State, Utc, decide,
};
use cachewright::wire::Outer;
use serde_json::{Value, json};

use super::variable;
use crate::args::Route;
use crate::exit::Failure;
use crate::render;

const HEADER: [&str; 9] = [
    "asked",
    "backend",
    "model",
    "id",
    "bar",
    "prompt tokens",
    "expected",
    "worst",
    "score",
];

/// Prints every offer of the route, those that may serve the call first.
pub(crate) fn run(args: &Route, settings: &[PathBuf]) -> Result<(), Failure> {
    if settings.is_empty() {
        let message = "--config: name the file that holds the routes";
        return Err(Error::config(message).into());
    }
    let catalog = super::catalog(&args.rows)?;
    let mut files = Reload::new(settings.to_vec(), variable);
    let edition = files.read()?;
    let options = files.options(&edition, &catalog)?;
    let line = wanted(&options.network, args.route.as_deref())?;
    let body = std::fs::read(&args.body);
    let body = body.map_err(|error| Error::io(format!("{}: {error}", args.body.display())))?;
    let body = Bytes::from(body);
    let dialect = dialect(args, line, &body)?;
    let outer = read(&args.body, &dialect, &body)?;
    let mut ask = Ask::default();
    ask.tenant = &args.tenant;
    ask.dialect = &dialect;
    ask.needs = outer.needs;
    ask.bytes = body.len() as u64;
    ask.max_output = outer.max_output;
    ask.conversation = outer.conversation;
    let told = Told::of(&options, line, &ask);
    let mut out = io::stdout().lock();
    if args.json {
        let text = serde_json::to_string_pretty(&told.json(&ask)).unwrap_or_default();
        writeln!(out, "{text}")?;
    } else {
        let rows = told.sorted().map(|one| told.row(one));
        writeln!(
            out,
            "{}\n\n{}",
            render::table(&HEADER, rows, 5..9),
            told.why
        )?;
    }
    out.flush()?;
    if told.order.is_empty() {
        return Err(Failure::Inputs);
    }
    Ok(())
}

/// The route of this name, or the only one.
fn wanted<'a>(network: &'a Network, name: Option<&str>) -> Result<&'a Line, Error> {
    let found = match (name, &*network.routes) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), _) => network.route(name),
    };
    found.ok_or_else(|| {
        let known: Vec<&str> = network.routes.iter().map(|route| &*route.name).collect();
        let fix = if known.is_empty() {
            "the configuration has none: a route is a [routes.NAME] with an `order`".to_owned()
        } else {
            format!("the configuration has {}", known.join(", "))
        };
        let what = name.map_or_else(
            || "name one".to_owned(),
            |name| format!("there is no route `{name}`"),
        );
        Error::config(format!("--route: {what}; {fix}"))
    })
}

/// The dialect that was named or shows. A plain body can be one of Messages and of chat alike: then it
/// is whichever the route serves.
fn dialect(args: &Route, line: &Line, body: &Bytes) -> Result<Box<str>, Error> {
    if let Some(told) = &args.dialect {
        return Ok(told.clone());
    }
    let name = args.body.display();
    let json: Value = serde_json::from_slice(body)
        .map_err(|error| Error::input(format!("{name}: not JSON: {error}")))?;
    let shown = shown(&json).ok_or_else(|| {
        Error::input(format!(
            "{name}: no dialect shows in this body; name it with --dialect"
        ))
    })?;
    let is_served = |name: &str| {
        let mut dialects = line.offers.iter().flat_map(|offer| &offer.dialects);
        dialects.any(|dialect| **dialect == *name)
    };
    let other = match shown {
        "messages" => "chat",
        "chat" => "messages",
        _ => shown,
    };
    let is_other = !is_served(shown) && is_served(other);
    Ok(if is_other { other } else { shown }.into())
}

fn read(file: &Path, dialect: &str, body: &Bytes) -> Result<Outer, Error> {
    Outer::read(dialect, body, &Keyring::new(b"route")).map_err(|why| {
        let (name, what) = (file.display(), why.as_str().replace('_', " "));
        Error::input(format!(
            "{name}: not a request in the dialect `{dialect}` ({what}); another dialect is chosen \
             by --dialect"
        ))
    })
}

/// What was decided, finished for printing.
struct Told<'a> {
    network: &'a Network,
    line: &'a Line,
    candidates: Vec<Candidate>,
    /// Places of the offers that are asked, in order.
    order: Vec<usize>,
    why: String,
    reason: Option<&'static str>,
}

impl<'a> Told<'a> {
    fn of(options: &'a GatewayOptions, line: &'a Line, ask: &Ask<'_>) -> Self {
        let network = &*options.network;
        let ground = Ground {
            network,
            state: &State::new(network),
            caps: &Caps::new(&options.caps, Arc::new(Utc)),
            now: Timestamp::default(),
        };
        match decide(&ground, line, ask) {
            Ok(decision) => {
                let first = decision.picks.first();
                let reason = first.and_then(|pick| decision.reason(line, pick));
                let why = decision.why(network, line);
                let Decision {
                    picks, candidates, ..
                } = decision;
                Self {
                    network,
                    line,
                    candidates,
                    order: picks.iter().map(|pick| pick.offer).collect(),
                    why,
                    reason: reason.map(|reason| reason.as_str()),
                }
            }
            Err(Refusal { candidates, .. }) => Self {
                network,
                line,
                candidates,
                order: Vec::new(),
                why: format!("nobody may serve it on route {}", line.name),
                reason: None,
            },
        }
    }

    /// Candidates in the order in which they are asked, and then the others.
    fn sorted(&self) -> impl Iterator<Item = &Candidate> {
        let asked = self.order.iter().filter_map(|at| self.candidates.get(*at));
        let others = self.candidates.iter().filter(|one| one.bar.is_some());
        asked.chain(others)
    }

    /// When it is asked: one for first.
    fn place(&self, one: &Candidate) -> Option<usize> {
        let found = self.order.iter().position(|offer| *offer == one.offer);
        found.map(|at| at + 1)
    }

    fn names(&self, one: &Candidate) -> [&str; 3] {
        let offer = self.line.offers.get(one.offer);
        let backend = offer.and_then(|offer| self.network.backends.get(offer.backend));
        [
            backend.map_or("", |backend| &backend.name),
            offer.map_or("", |offer| &offer.model),
            offer.map_or("", |offer| &offer.id),
        ]
    }

    fn row(&self, one: &Candidate) -> Vec<String> {
        let [backend, model, id] = self.names(one);
        let dollars = |money: Option<Money>| money.map_or_else(String::new, |it| it.to_string());
        vec![
            self.place(one)
                .map_or_else(|| "-".into(), |at| at.to_string()),
            backend.into(),
            model.into(),
            id.into(),
            one.bar
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            render::grouped(one.prompt),
            dollars(one.expected),
            dollars(one.worst.money),
            if one.bar.is_none() {
                one.score.to_string()
            } else {
                String::new()
            },
        ]
    }

    fn json(&self, ask: &Ask<'_>) -> Value {
        let needs = Need::ALL.into_iter().filter(|need| ask.needs.has(*need));
        let needs: Vec<&str> = needs.map(Need::as_str).collect();
        let candidates: Vec<Value> = self.sorted().map(|one| self.object(one)).collect();
        json!({
            "route": &*self.line.name,
            "goal": self.line.goal.as_str(),
            "tenant": ask.tenant,
            "dialect": ask.dialect,
            "needs": needs,
            "bytes": ask.bytes,
            "max_output": ask.max_output,
            "why": self.why,
            "reason": self.reason,
            "candidates": candidates,
        })
    }

    fn object(&self, one: &Candidate) -> Value {
        let [backend, model, id] = self.names(one);
        let dollars = |money: Option<Money>| money.map(render::decimal);
        json!({
            "asked": self.place(one),
            "backend": backend,
            "model": model,
            "id": id,
            "bar": one.bar.as_ref().map(ToString::to_string),
            "standing": one.standing.as_str(),
            "prompt_tokens": one.prompt,
            "warm_tokens": one.warm,
            "counted_tokens": one.counted,
            "expected_usd": dollars(one.expected),
            "hop_usd": dollars(one.hop),
            "worst_usd": dollars(one.worst.money),
            "worst_tokens": one.worst.tokens,
            "score_usd": one.bar.is_none().then(|| render::decimal(one.score)),
        })
    }
}
