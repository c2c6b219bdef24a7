//! Routes over several providers: one dialect in, whichever provider serves it.
//!
//! An application speaks one dialect to a route; [`GatewayOptions`] say which backends may serve it.
//! Each attempt is a request of its own through the layer ([`tower`](super::tower)), planned for the
//! provider that gets it and booked by itself.

mod auth;
mod below;
mod body;
mod call;
mod config;
mod desk;
mod head;
mod purse;
mod refuse;
mod reload;
mod service;
mod site;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::reload::{Change, Edition, How, Part, Reload};
pub use self::site::{Site, Unauthorized};
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
    /// The time zone of the days and months of caps, such as `Europe/Berlin`; UTC where there is none.
    pub zone: Option<Box<str>>,
    /// Where what was spent is kept over restarts.
    pub file: Option<PathBuf>,
}
