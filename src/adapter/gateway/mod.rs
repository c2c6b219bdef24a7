//! Routes over several providers: one dialect in, whichever provider serves it.
//!
//! An application speaks one dialect to a route; [`GatewayOptions`] say which backends may serve it.
//! Each attempt is a request of its own through the layer ([`tower`](super::tower)), planned for the
//! provider that gets it and booked by itself.

mod attempt;
mod auth;
mod below;
mod body;
mod call;
mod config;
mod desk;
mod drive;
mod events;
mod gauge;
mod head;
mod purse;
mod refuse;
mod reload;
mod service;
mod site;
#[cfg(feature = "reqwest")]
mod transport;
mod watch;
mod zone;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::below::{BoxError, Carried, Carrier};
pub use self::body::{Answer, Cut, Whole};
pub use self::gauge::{Gauge, Reached, Reading};
pub use self::head::Claim;
pub use self::purse::{Purse, Written};
pub use self::reload::{Change, Edition, How, Part, Reload};
pub use self::service::Gateway;
pub use self::site::{Site, Unauthorized};
#[cfg(feature = "reqwest")]
pub use self::transport::Transport;
pub use self::watch::Watch;
pub use self::zone::Zone;
use crate::route::{Cap, Network};

/// Backends and routes with all that is needed to reach them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GatewayOptions {
    /// What is decided by.
    pub network: Arc<Network>,
    /// How each backend of the network is reached, in its order.
    pub sites: Vec<Arc<Site>>,
    /// What may be spent.
    pub caps: Vec<Cap>,
    /// Who hears of what concerns more than one call.
    pub watch: Option<Arc<dyn Watch>>,
    /// Whose days and months caps count.
    pub zone: Zone,
    /// Where what was spent is kept over restarts; `None` to begin at nothing each time.
    pub caps_file: Option<PathBuf>,
}
