//! One span per exchange through `tracing`, with OpenTelemetry's names for generative AI.
//!
//! ```
//! use std::sync::Arc;
//!
//! use cachewright::adapter::handle::Cachewright;
//! use cachewright::adapter::spans::Spans;
//!
//! let cache = Cachewright::builder().observer(Arc::new(Spans::new())).build()?;
//! # Ok::<(), cachewright::error::Error>(())
//! ```
//!
//! The span stands from the moment a request is ready to be sent to the end of its answer, below the
//! span that is current where the call is made. It is never entered, so that nothing is held across
//! an await. Its level is `INFO`, its target `cachewright`.
//!
//! `gen_ai.*`, `http.response.status_code`, `server.address` and `error.type` are OpenTelemetry's
//! (semantic conventions for generative AI, schema 1.42, still in development there, 2026-07);
//! `otel.*` is what bridges such as `tracing-opentelemetry` read. `gen_ai.usage.input_tokens` counts
//! all input, what was read from and written to the cache included, as they ask. What the conventions
//! have no name for is called `cachewright.*`. No text of prompts or answers is recorded, and no key;
//! errands have no span, since no call of the user's stands behind them.

use std::fmt;

use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use super::handle::{Observer, Pending, Sending};
use crate::ledger::Record;
use crate::model::Usage;

/// An observer that opens a span per exchange; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Spans;

impl Spans {
    /// Spans through the subscriber that is current where calls are made.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Observer for Spans {
    fn sending(&self, sending: &Sending<'_>) -> Option<Box<dyn Pending>> {
        let span = open(sending);
        if span.is_disabled() {
            return None;
        }
        let record = sending.record;
        let model = &*record.model;
        name(&span, sending.operation, model);
        for (field, text) in [
            ("server.address", sending.host),
            ("cachewright.route", &record.route),
            ("cachewright.tenant", &record.tenant),
            ("cachewright.backend", record.backend()),
        ] {
            if !text.is_empty() {
                span.record(field, text);
            }
        }
        if let Some(attempt) = &record.attempt {
            span.record("cachewright.call", attempt.call);
            span.record("cachewright.attempt", attempt.number);
        }
        Some(Box::new(Underway {
            span,
            model: model.into(),
        }))
    }

    // All is said by the span that was opened when it was sent.
    fn booked(&self, _record: &Record) {}
}

/// Everything known from the start is given at once, since samplers decide by it.
fn open(sending: &Sending<'_>) -> Span {
    info_span!(
        target: "cachewright",
        "exchange",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = sending.operation,
        gen_ai.provider.name = sending.provider,
        gen_ai.request.model = Empty,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        http.response.status_code = Empty,
        server.address = Empty,
        error.type = Empty,
        cachewright.id = Empty,
        cachewright.route = Empty,
        cachewright.tenant = Empty,
        cachewright.backend = Empty,
        cachewright.call = Empty,
        cachewright.attempt = Empty,
        cachewright.hop_usd = Empty,
        cachewright.presumed_usd = Empty,
        cachewright.verdict = Empty,
        cachewright.cause = Empty,
        cachewright.missed_tokens = Empty,
        cachewright.cost_usd = Empty,
        cachewright.saved_usd = Empty,
        cachewright.breakpoints = Empty,
        cachewright.breakpoints_placed = Empty,
        cachewright.skip = Empty,
        cachewright.resent = Empty,
        cachewright.complete = Empty,
        cachewright.overhead_seconds = Empty,
        cachewright.first_byte_seconds = Empty,
    )
}

/// The span's name and model, as far as the model is known.
fn name(span: &Span, operation: &str, model: &str) {
    if model.is_empty() {
        span.record("otel.name", operation);
    } else {
        span.record("gen_ai.request.model", model);
        span.record("otel.name", display(format_args!("{operation} {model}")));
    }
}

/// An open span.
struct Underway {
    span: Span,
    model: Box<str>,
}

impl Pending for Underway {
    fn booked(&mut self, record: &Record) {
        let span = &self.span;
        if record.model != self.model {
            // It was recognised by the path or by the answer.
            span.record("gen_ai.response.model", &*record.model);
        }
        outcome(span, record);
        if let Some(usage) = &record.usage {
            tokens(span, usage);
        }
        span.record("cachewright.id", display(record.id));
        span.record("cachewright.verdict", record.verdict.as_str());
        if let Some(miss) = &record.miss {
            span.record("cachewright.cause", miss.cause.as_str());
            span.record("cachewright.missed_tokens", miss.tokens);
        }
        if let Some(cost) = record.cost {
            span.record("cachewright.cost_usd", cost.as_usd());
        }
        if let (Some(cost), Some(without)) = (record.cost, record.cost_without_caching) {
            span.record("cachewright.saved_usd", (without - cost).as_usd());
        }
        if let Some(cost) = record.hop() {
            span.record("cachewright.hop_usd", cost.as_usd());
        }
        if let Some(presumed) = record.presumed {
            span.record("cachewright.presumed_usd", presumed.as_usd());
        }
        span.record("cachewright.breakpoints", record.breakpoints);
        span.record("cachewright.breakpoints_placed", record.breakpoints_placed);
        if let Some(why) = record.skip {
            span.record("cachewright.skip", why.as_str());
        }
        span.record("cachewright.resent", record.resent);
        span.record("cachewright.complete", record.complete);
        let overhead = record.overhead.as_secs_f64();
        span.record("cachewright.overhead_seconds", overhead);
        if let Some(first) = record.first_byte {
            let passed = first.since(record.at).as_secs_f64();
            span.record("cachewright.first_byte_seconds", passed);
        }
    }
}

fn outcome(span: &Span, record: &Record) {
    match record.status {
        // No answer: the client's own error is not known here.
        0 => {
            span.record("error.type", "_OTHER");
        }
        status => {
            span.record("http.response.status_code", status);
            if status >= 400 {
                span.record("error.type", display(status));
            }
        }
    }
    if !(1..400).contains(&record.status) {
        span.record("otel.status_code", "ERROR");
    }
}

fn tokens(span: &Span, usage: &Usage) {
    for (field, tokens) in [
        ("gen_ai.usage.input_tokens", usage.input()),
        ("gen_ai.usage.output_tokens", usage.output),
        ("gen_ai.usage.cache_read.input_tokens", usage.read),
        ("gen_ai.usage.cache_creation.input_tokens", usage.written()),
    ] {
        if let Some(tokens) = tokens {
            span.record(field, tokens);
        }
    }
}

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").finish_non_exhaustive()
    }
}
