//! The only rooms that do IO, read a clock or hold a lock, each behind a feature.

#[cfg(feature = "admin")]
pub mod admin;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "gateway")]
mod base;
#[cfg(feature = "bedrock")]
pub mod bedrock;
#[cfg(feature = "replay")]
pub mod bounds;
#[cfg(feature = "state")]
mod buffers;
#[cfg(feature = "tower")]
mod caller;
pub mod clock;
#[cfg(feature = "cli")]
pub mod demo;
#[cfg(feature = "tower")]
mod errands;
#[cfg(feature = "tower")]
mod fanout;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "tower")]
pub mod handle;
#[cfg(feature = "gateway")]
mod hops;
#[cfg(feature = "tower")]
pub mod journal;
#[cfg(feature = "tower")]
pub mod keep;
pub mod lint;
#[cfg(feature = "state")]
pub mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "reqwest-middleware")]
pub mod middleware;
#[cfg(feature = "tower")]
mod mistake;
#[cfg(feature = "state")]
mod packed;
#[cfg(feature = "page")]
pub mod page;
#[cfg(feature = "cli")]
pub mod probe;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "replay")]
pub mod replay;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "tower")]
mod running;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "gateway")]
mod sign;
#[cfg(feature = "replay")]
pub mod snapshot;
#[cfg(feature = "tracing")]
pub mod spans;
#[cfg(feature = "ledger")]
pub mod store;
#[cfg(feature = "tower")]
mod taken;
pub mod target;
#[cfg(feature = "tiktoken")]
pub mod tokens;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "audit")]
pub mod tune;
#[cfg(feature = "tower")]
mod units;
#[cfg(any(feature = "gateway", feature = "ledger"))]
mod variables;
#[cfg(feature = "replay")]
pub mod workload;
