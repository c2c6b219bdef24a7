//! How backends and caps stand at a moment, for whoever runs the gateway.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::desk::Desk;
use crate::model::Timestamp;
use crate::route::{Admission, Amount, Hardness, Holder, Level};

/// Reads how the backends and caps of a gateway stand. Clones share everything.
#[derive(Clone)]
pub struct Gauge {
    desk: Arc<Desk>,
}

/// How backends and caps stand at a moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The moment.
    pub at: Timestamp,
    /// The backends, in the order of the configuration.
    pub backends: Vec<Reached>,
    /// How full caps are.
    pub caps: Vec<Level>,
}

/// How one backend stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reached {
    /// Its name.
    pub name: Box<str>,
    /// The provider row it follows.
    pub provider: Box<str>,
    /// The zones in which it may process.
    pub zones: Vec<Box<str>>,
    /// Whether it is asked.
    pub admission: Admission,
    /// The time to its first byte, decayed; `None` where none was seen lately.
    pub first_byte: Option<Duration>,
    /// Until when its rate limits leave no room; `None` where they do.
    pub limited: Option<Timestamp>,
}

impl Gauge {
    pub(super) const fn of(desk: Arc<Desk>) -> Self {
        Self { desk }
    }

    /// How they stand now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let at = self.desk.now();
        self.desk.look(|(network, state), caps| {
            let backends = network.backends.iter().enumerate();
            let backends = backends
                .filter_map(|(place, backend)| {
                    let health = state.health.get(place)?;
                    let limits = state.limits.get(place)?;
                    Some(Reached {
                        name: backend.name.clone(),
                        provider: backend.provider.clone(),
                        zones: backend.zones.clone(),
                        admission: health.admission(at),
                        first_byte: health.first_byte(at),
                        limited: limits.full_until(at, 1),
                    })
                })
                .collect();
            Reading {
                at,
                backends,
                caps: caps.levels(at),
            }
        })
    }
}

impl Reading {
    /// As JSON: times as RFC 3339, money as integers of picodollars with dollars beside them.
    #[must_use]
    pub fn json(&self) -> String {
        let backends: Vec<Value> = self.backends.iter().map(backend).collect();
        let caps: Vec<Value> = self.caps.iter().map(cap).collect();
        json!({"at": moment(self.at), "backends": backends, "caps": caps}).to_string()
    }
}

fn backend(backend: &Reached) -> Value {
    let (state, until) = match backend.admission {
        Admission::Sound => ("sound", None),
        Admission::Probe => ("probe", None),
        Admission::Broken(until) => ("broken", Some(until)),
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "name": backend.name,
        "provider": backend.provider,
        "zones": backend.zones,
        "state": state,
        "until": until.map(moment),
        "first_byte_ms": backend.first_byte.map(millis),
        "rate_limited_until": backend.limited.map(moment),
    })
}

fn cap(level: &Level) -> Value {
    let tenant = match &level.holder {
        Holder::All => Value::Null,
        Holder::Tenant(name) => json!(name),
        Holder::OtherTenants => json!("(others)"),
    };
    json!({
        "name": &*level.cap,
        "tenant": tenant,
        "hard": level.hardness == Hardness::Hard,
        "most": amount(level.most),
        "spent": amount(level.spent),
        "reserved": amount(level.reserved),
        "unpriced_calls": level.unpriced,
        "from": moment(level.from),
        "until": moment(level.until),
    })
}

fn amount(amount: Amount) -> Value {
    match amount {
        Amount::Money(money) => {
            json!({"picodollars": money.as_pico().to_string(), "usd": money.as_usd()})
        }
        Amount::Tokens(tokens) => json!({"tokens": tokens}),
    }
}

fn moment(at: Timestamp) -> String {
    let found = jiff::Timestamp::from_microsecond(at.as_micros());
    found.map_or_else(|_| String::new(), |found| found.to_string())
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").finish_non_exhaustive()
    }
}
