//! Routes over several providers: one dialect in, whichever provider serves it.
//!
//! An application speaks one dialect to a route; [`GatewayOptions`] say which backends may serve it.
//! Each attempt is a request of its own through the layer ([`tower`](super::tower)), planned for the
//! provider that gets it and booked by itself.
//!
//! A request names its route by the extension [`Route`](super::handle::Route), the header
//! `x-cachewright-route`, the first segment of its path (`/contracts/v1/messages`), or the model in
//! its body; its dialect by the end of its path. It is read to its end, decided on, and sent to one
//! backend after the other until one answers:
//!
//! * Another backend is asked for as long as nothing was shown to the caller. Of a stream that is
//!   until its first event; a document is read to its end before it is passed on.
//! * An attempt may take `first_byte` until then. A document is given 28 ms more for each token that
//!   it may have, since nothing of it is seen before it is complete. `deadline` ends all of it.
//! * A stream passes in whole events. One that breaks off, or is silent for longer than `between`,
//!   ends in one error event of the caller's dialect. One that drips for ever is ended by nobody but
//!   the caller.
//! * A body that cannot be read goes as it came to the first backend that may serve it and puts
//!   nothing around the dialect; the model that it names is not changed then.
//! * Whatever the caller showed to prove who it is stays behind, and so do cookies; backends are
//!   shown their own credentials. A query is not passed on.
//!
//! Every answer says by `x-cachewright-route` which way it came. When nobody answers, the caller gets
//! the most telling refusal of a provider in its own dialect, or a 502 or 504 that names the backends;
//! a full cap is a 429 that says when it is empty again (`retry-after`, `x-cachewright-resets`).

mod attempt;
mod auth;
mod begin;
mod below;
mod body;
mod call;
mod config;
mod desk;
mod drive;
mod events;
mod gauge;
mod head;
mod lost;
mod purse;
mod refuse;
mod reload;
mod service;
mod site;
#[cfg(feature = "reqwest")]
mod transport;
mod trial;
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
#[cfg(feature = "cli")]
pub(crate) use self::site::{Delivery, manners};
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
