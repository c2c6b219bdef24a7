//! What observers add to an exchange in process, as a ratio to the same exchange without them,
//! measured in turns within one run.
//!
//! `cargo bench --bench metrics`; `-- --quick` takes fewer samples.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::float_arithmetic, reason = "ratios of durations")]
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cachewright::adapter::admin::Scrape;
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::metrics::Metrics;
use cachewright::adapter::spans::Spans;
use cachewright::adapter::tower::{PromptCache, RequestBody};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower::util::ServiceFn;
use tower::{Service as _, service_fn};
use tracing_subscriber::layer::SubscriberExt as _;

type Answer = Ready<Result<Response<Full<Bytes>>, Infallible>>;
type Origin = ServiceFn<fn(Request<RequestBody<Full<Bytes>>>) -> Answer>;

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":120,"cache_read_input_tokens":2000,"output_tokens":2}}"#;

fn answer(_: Request<RequestBody<Full<Bytes>>>) -> Answer {
    let body = Full::new(Bytes::from_static(MESSAGE.as_bytes()));
    let response = Response::builder()
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    ready(Ok(response))
}

/// One way of being observed.
struct Way {
    name: &'static str,
    service: PromptCache<Origin>,
    times: Vec<f64>,
    upkeep: Option<PrometheusHandle>,
}

impl Way {
    fn new(name: &'static str, observe: impl FnOnce(Builder) -> Builder) -> Self {
        let cache = observe(Cachewright::builder().by_length()).build().unwrap();
        let origin: Origin = service_fn(answer as fn(_) -> _);
        Self {
            name,
            service: cache.wrap(origin),
            times: Vec::new(),
            upkeep: None,
        }
    }
}

/// Exchanges in one sample.
const BATCH: u32 = 200;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let samples = if quick { 20 } else { 200 };
    let subscriber = tracing_subscriber::registry();
    let _listening = tracing::subscriber::set_default(
        subscriber.with(tracing_subscriber::layer::Identity::new()),
    );
    println!("body      observers                µs per exchange  ratio");
    for size in [10_000, 100_000] {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let counted = Metrics::new().recorder(Arc::new(recorder));
        let mut metrics = Way::new("metrics", |builder| builder.observer(Arc::new(counted)));
        metrics.upkeep = Some(handle);
        let scrape = Scrape::new(|metrics| metrics).unwrap();
        let mut ways = [
            Way::new("none", |builder| builder),
            metrics,
            Way::new("metrics and report", |builder| builder.scrape(&scrape)),
            Way::new("spans", |builder| builder.observer(Arc::new(Spans::new()))),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(run(&mut ways, (size, samples)));
        let base = median(&mut ways[0].times);
        for way in &mut ways {
            let time = median(&mut way.times);
            println!(
                "{size:<9} {:<24} {time:>15.2} {:>6.3}",
                way.name,
                time / base
            );
        }
    }
}

async fn run(ways: &mut [Way], (size, samples): (usize, u32)) {
    for sample in 0..samples {
        for way in &mut *ways {
            let start = Instant::now();
            for number in 0..BATCH {
                let request = Request::post("https://api.anthropic.com/v1/messages")
                    .header("content-type", "application/json")
                    .header("x-api-key", "sk-1")
                    .body(Full::new(body(size, sample * BATCH + number)))
                    .unwrap();
                let response = way.service.call(request).await.unwrap();
                response.into_body().collect().await.unwrap();
            }
            way.times
                .push(start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
            if let Some(handle) = &way.upkeep {
                handle.run_upkeep();
            }
        }
    }
}

/// A request whose last turn is new.
fn body(size: usize, number: u32) -> Bytes {
    let system = "The rules of this house are many. ".repeat(size / 34);
    format!(
        r#"{{"model":"claude-sonnet-4-5","max_tokens":10,"system":"{system}","messages":[{{"role":"user","content":"question {number}"}}]}}"#
    )
    .into()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
