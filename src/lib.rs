//! cachewright makes LLM prompt caches pay.
//!
//! Wrap the client that already calls a model. From then on repeated context is spelled the same
//! way every time, cache breakpoints stand where they earn money, and every response is accounted
//! for: hit rate, dollars saved, dollars wasted.
//!
//! A request is edited, never rebuilt: an edit is a span of the caller's body and its replacement,
//! so what was not meant to change cannot change. A request that is not understood goes through
//! byte for byte, and a failure of this crate is never a failure of the call.
//!
//! # The rooms
//!
//! | room | what it holds |
//! |---|---|
//! | [`model`] | the words of the domain: prompt, block, plan, usage, limits, money |
//! | [`canon`] | same meaning, same bytes |
//! | [`plan`] | where breakpoints go |
//! | [`economy`] | what is worth paying for: lifetimes, pings, writes |
//! | [`ledger`] | what happened and what it cost; what is warm |
//! | [`wire`] | dialects: bytes to model, edits to bytes |
//! | [`diagnose`] | why a cache was not read, and where prompts part |
//! | [`provider`] | providers, models, limits and prices as rows |
//! | [`sim`] | a provider's cache as a pure state machine |
//! | [`bound`] | what traffic costs at least |
//! | [`route`] | where a call goes, and what it may cost |
//! | [`engine`] | prepare, observe, finish: one exchange |
//! | `adapter` | the only rooms that do IO, each behind a feature |
//!
//! A room imports only rooms on lower floors; `tests/architecture.rs` holds the rule. Everything
//! except `adapter` builds with `default-features = false` and contains no clock, lock or socket.

pub mod adapter;
pub mod bound;
pub mod canon;
pub mod diagnose;
pub mod economy;
pub mod engine;
pub mod error;
pub mod ledger;
pub mod model;
pub mod plan;
pub mod provider;
pub mod route;
pub mod sim;
pub mod wire;

/// The README's code, compiled with the documentation's tests.
#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
