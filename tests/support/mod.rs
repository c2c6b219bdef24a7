//! What several subjects share.

pub(crate) mod body;
#[cfg(feature = "cli")]
pub(crate) mod chromium;
#[cfg(feature = "server")]
pub(crate) mod hands;
#[cfg(feature = "replay")]
pub(crate) mod marked;
#[cfg(feature = "tower")]
pub(crate) mod origin;
#[cfg(feature = "ledger")]
pub(crate) mod postgres;
#[cfg(feature = "replay")]
pub(crate) mod recordings;
#[cfg(feature = "cli")]
pub(crate) mod serving;
#[cfg(feature = "cli")]
pub(crate) mod story;
#[cfg(feature = "replay")]
pub(crate) mod traffic;
