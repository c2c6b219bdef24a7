//! `cachewright sim`: the simulated providers over HTTP.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use cachewright::adapter::server::{Rule, SimOptions, SimServer};
use cachewright::error::Error;
use cachewright::provider::Catalog;

use crate::args::Sim;
use crate::exit::Failure;

/// How long open answers may take once the command is told to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until interrupted.
pub(crate) fn run(args: &Sim, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::io(format!("cannot start serving: {error}")))?;
    runtime.block_on(serve(args, catalog))
}

async fn serve(args: &Sim, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let mut options = SimOptions::default();
    options.catalog = Arc::clone(catalog);
    options.first_byte = Duration::from_millis(args.first_byte_ms);
    options.between_chunks = Duration::from_millis(args.between_chunks_ms);
    options.provider = args.provider.as_str().into();
    options.keep_requests = args.keep_requests;
    options.constant = args.constant;
    for path in &args.rules {
        let (name, text) = super::text(path)?;
        let rules = Rule::file(&name, &text)?;
        check(&name, &rules, catalog)?;
        options.rules.extend(rules);
    }
    let handle = SimServer::new(options).bind(args.listen).await?;
    // The first line tells scripts where to go, which matters when the port was free to choose.
    let mut out = io::stdout();
    writeln!(out, "{}", handle.base_url())?;
    out.flush()?;
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| Error::io(format!("cannot wait for an interrupt: {error}")))?;
    handle.stop(PATIENCE).await;
    Ok(())
}

/// A rule for nobody would be silently without effect.
fn check(file: &str, rules: &[Rule], catalog: &Catalog) -> Result<(), Error> {
    for rule in rules.iter().filter(|rule| !rule.provider.is_empty()) {
        if catalog.provider(&rule.provider).is_none() {
            let known: Vec<&str> = catalog.providers().map(|row| &*row.name).collect();
            return Err(Error::config(format!(
                "{file}: there is no provider `{}`; valid are {}",
                rule.provider,
                known.join(", ")
            )));
        }
    }
    Ok(())
}
