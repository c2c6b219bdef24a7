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
mod zone;

use std::sync::Arc;

pub use self::purse::{Purse, Written};
pub use self::site::Site;
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
}
