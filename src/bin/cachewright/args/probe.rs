//! Arguments of `probe`.

use clap::Args;

/// Find out how an endpoint's cache really behaves, for little money and with your own key.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
