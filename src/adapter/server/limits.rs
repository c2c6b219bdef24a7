//! Rate limits as providers state them in headers and hold them: so much per minute.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::refuse::Shape;
use super::when;
use crate::model::{Timestamp, Usage};

/// Seconds of a window.
const WINDOW: i64 = 60;

/// The limits of every provider that has some.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<Box<str>, Limited>);

/// The body of `POST /admin/limits`, per minute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The provider they are of.
    provider: Box<str>,
    requests: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Debug)]
struct Limited {
    most: Order,
    /// When the window began, in seconds.
    since: i64,
    used: Used,
}

/// What was used of each limit within the window.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    requests: u64,
    input: u64,
    output: u64,
}

impl Limits {
    pub(super) fn set(&mut self, most: Order) {
        let limited = Limited {
            since: i64::MIN,
            used: Used::default(),
            most,
        };
        self.0.insert(limited.most.provider.clone(), limited);
    }

    /// Counts one more request; seconds until there is room again where there is none.
    pub(super) fn enter(&mut self, provider: &str, at: Timestamp) -> Result<(), u64> {
        let Some(limited) = self.0.get_mut(provider) else {
            return Ok(());
        };
        limited.turn(at);
        if limited.rows().iter().any(|row| row.left == 0) {
            let left = limited.since + WINDOW - when::seconds(at);
            return Err(u64::try_from(left).unwrap_or(1).max(1));
        }
        limited.used.requests += 1;
        Ok(())
    }

    /// Counts what an answer used: reads do not count in Messages.
    pub(super) fn used(&mut self, provider: &str, shape: Shape, usage: &Usage) {
        if let Some(limited) = self.0.get_mut(provider) {
            let free = match shape {
                Shape::Anthropic => usage.read.unwrap_or(0),
                Shape::OpenAi | Shape::Aws | Shape::Google => 0,
            };
            let input = usage.input().unwrap_or(0).saturating_sub(free);
            limited.used.input += input;
            limited.used.output += usage.output.unwrap_or(0);
        }
    }

    /// Says in the headers what is left.
    pub(super) fn tell(&self, provider: &str, shape: Shape, headers: &mut HeaderMap) {
        let Some(limited) = self.0.get(provider) else {
            return;
        };
        let name = match shape {
            Shape::Anthropic => {
                |kind: &str, what: &str| format!("anthropic-ratelimit-{kind}-{what}")
            }
            Shape::OpenAi => |kind: &str, what: &str| format!("x-ratelimit-{what}-{kind}"),
            // Neither AWS nor Google says.
            Shape::Aws | Shape::Google => return,
        };
        let ends = limited.since.saturating_add(WINDOW);
        let reset = match shape {
            Shape::Anthropic => when::rfc3339(ends),
            Shape::OpenAi | Shape::Aws | Shape::Google => format!("{WINDOW}s"),
        };
        for row in limited.rows() {
            let kind = match (shape, row.kind) {
                (Shape::OpenAi, "input-tokens") => "tokens",
                (Shape::OpenAi, "output-tokens") => continue,
                (_, kind) => kind,
            };
            for (what, value) in [
                ("limit", row.most.to_string()),
                ("remaining", row.left.to_string()),
                ("reset", reset.clone()),
            ] {
                let name = name(kind, what).parse::<HeaderName>();
                if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// One limit with what is left of it.
#[derive(Clone, Copy, Debug)]
struct Row {
    kind: &'static str,
    most: u64,
    left: u64,
}

impl Limited {
    /// Begins a new window where the last one is over.
    fn turn(&mut self, at: Timestamp) {
        let now = when::seconds(at);
        if now.saturating_sub(WINDOW) >= self.since {
            self.since = now;
            self.used = Used::default();
        }
    }

    fn rows(&self) -> Vec<Row> {
        let (most, used) = (&self.most, self.used);
        [
            ("requests", most.requests, used.requests),
            ("input-tokens", most.input_tokens, used.input),
            ("output-tokens", most.output_tokens, used.output),
        ]
        .into_iter()
        .filter_map(|(kind, most, used)| {
            let most = most?;
            let left = most.saturating_sub(used);
            Some(Row { kind, most, left })
        })
        .collect()
    }
}
