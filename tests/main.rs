//! One test binary: a module per subject.

// The house in order: floors, no IO in the core, small files.
mod architecture;
// Bedrock's dialects and its event stream.
mod bedrock;
// The proxy signing for Bedrock.
#[cfg(all(feature = "bedrock", feature = "bedrock-sdk", feature = "server"))]
mod bedrock_proxy;
// The interceptor within the real SDK.
#[cfg(all(feature = "bedrock", feature = "server"))]
mod bedrock_sdk;
// Same meaning, same bytes: tables, properties, real schemas.
mod canon;
// The command: its output, its files, and every kind of bad input.
#[cfg(feature = "cli")]
mod cli;
// Python and JavaScript clients that others wrote, through the proxy.
#[cfg(feature = "cli")]
mod clients;
// Rust clients that others wrote, wrapped.
#[cfg(all(feature = "proxy", feature = "reqwest-middleware", feature = "server"))]
mod clients_rust;
// What each kind of traffic costs, judged by the simulator.
#[cfg(feature = "state")]
mod economics;
// Amazon's event stream through the layer and the proxy.
#[cfg(feature = "proxy")]
mod event_stream;
// Prefixes kept for rent, over every adapter.
#[cfg(all(feature = "proxy", feature = "reqwest-middleware", feature = "server"))]
mod explicit;
// Google's dialect.
mod gemini;
// Every recorded exchange of every provider, from its request to its price.
#[cfg(feature = "replay")]
mod judge;
// The layer over any `http` client.
#[cfg(feature = "tower")]
mod layer;
// The Messages dialect: reading, marking, reading on.
mod messages;
// The layer as a middleware of reqwest-middleware.
#[cfg(feature = "reqwest-middleware")]
mod middleware;
// The Chat and Responses dialects: reading, marking, usage, over generated and recorded bodies.
mod openai;
// What the engine may never do to a request.
#[cfg(feature = "state")]
mod plan;
// The same bytes with and without `serde_json/preserve_order`.
mod preserve_order;
// Every provider's rows: complete, reachable, true of what was recorded.
#[cfg(feature = "replay")]
mod providers;
// The proxy on real sockets.
#[cfg(all(feature = "proxy", feature = "server"))]
mod proxy;
// The README's claims and configuration examples.
#[cfg(feature = "cli")]
mod readme;
// Every recorded request: what is sent, and what it costs.
#[cfg(feature = "replay")]
mod recorded;
// What the provider refuses of ours.
#[cfg(feature = "reqwest")]
mod refusal;
// What is really sent in a replay is the recorded body with markers and nothing else.
#[cfg(feature = "replay")]
mod replay;
// The layer over reqwest.
#[cfg(feature = "reqwest")]
mod reqwest;
// What explicit caches are worth.
#[cfg(feature = "state")]
mod rent;
// Responses of the Messages dialect, cut at every border.
mod responses;
// What providers ask of whole conversations, judged by their simulators.
#[cfg(feature = "state")]
mod rules;
// The simulated provider over HTTP.
#[cfg(feature = "server")]
mod server;
// Every dialect of the simulated providers, over HTTP.
#[cfg(feature = "server")]
mod servers;
// The simulator against recorded counters and the documentation's own examples.
mod sim;
// The caches of the other providers: recorded counters, documented rules, refusals.
mod sims;
// A stored history: what goes on, and what is refused.
#[cfg(feature = "replay")]
mod snapshot;
// What a provider's row adds beside markers.
#[cfg(feature = "state")]
mod steer;
// What several subjects share.
mod support;
// The proxy before upstreams behind TLS.
#[cfg(feature = "cli")]
mod tls;
// Readers of recorded traffic, over the real recordings and over broken files.
#[cfg(feature = "replay")]
mod workload;
// Logs that people already have: billed tokens, dollars, causes.
#[cfg(feature = "cli")]
mod audit;
// The admin port, scraped by a real Prometheus.
#[cfg(feature = "cli")]
mod admin;
// Each cause by a planted case, and a near miss.
mod diagnose;
// Causes through the layer, against the simulator.
#[cfg(feature = "server")]
mod diagnosis;
// `explain` over two bodies and over the ledger.
#[cfg(feature = "cli")]
mod explain;
// What is found in a request before it is sent.
#[cfg(feature = "cli")]
mod lint;
// What is emitted is what the table says.
#[cfg(feature = "metrics")]
mod metrics;
// The report as a page, in a real browser.
#[cfg(feature = "cli")]
mod page;
// `report` over a ledger.
#[cfg(feature = "cli")]
mod report;
// Volatile text split, moved, rounded and dropped; rules per route.
#[cfg(feature = "state")]
mod reshape;
// No prompt text, header or key in any artefact.
#[cfg(feature = "cli")]
mod secrets;
// Spans with OpenTelemetry's names.
#[cfg(feature = "tracing")]
mod spans;
// The ledger on disk: SQLite and Postgres, crashes and full queues.
#[cfg(feature = "ledger")]
mod store;
// Changes that tune proposes save what it promised.
#[cfg(feature = "cli")]
mod tune;
// Deciding: properties over random networks.
#[cfg(feature = "state")]
mod route;
// Caps under concurrency, over restarts and calendars.
#[cfg(feature = "cli")]
mod caps;
// Envelopes: what is sent and what comes back, against recorded exchanges.
mod envelope;
// Routes in process: failover, hedges, deadlines.
#[cfg(feature = "cli")]
mod gateway;
// The same conversations through every provider of a dialect.
#[cfg(feature = "cli")]
mod conformance;
// Every fault at every stage of every provider.
#[cfg(feature = "cli")]
mod faults;
// No call leaves its zone, whatever fails.
#[cfg(feature = "cli")]
mod residency;
// Routes by configuration: errors, reloads, the proxy.
#[cfg(feature = "cli")]
mod routes;
// What attempts leave in the ledger, metrics and explanations.
#[cfg(feature = "cli")]
mod hops;
// Lower bounds and the clairvoyant against brute force on small tries.
#[cfg(feature = "replay")]
mod bounds;
// Hash traces through replay: baselines, pings, what is emitted.
#[cfg(feature = "replay")]
mod traces;
// Lifetime classes and pings by expected dollars.
#[cfg(feature = "state")]
mod streams;
// Which prefixes are written, on generated and recorded traffic.
#[cfg(feature = "replay")]
mod admission;
// Requests that begin beside one another write what they share once.
#[cfg(feature = "replay")]
mod pending;
// Pings in process and through the proxy, against the simulator.
#[cfg(all(feature = "admin", feature = "reqwest-middleware", feature = "server"))]
mod keep;
// Single flight per cold prefix, and pre-warming.
#[cfg(feature = "cli")]
mod fanout;
// What probe finds out about simulators whose rules were altered.
#[cfg(feature = "cli")]
mod probe;
// What is learned of providers, and variants that follow the leader.
#[cfg(feature = "state")]
mod learner;
// The control arm, and the saving that is measured with it.
#[cfg(feature = "cli")]
mod holdout;
