//! `cachewright proxy`: providers behind a base URL of one's own.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cachewright::adapter::admin::{Admin, AdminOptions};
use cachewright::adapter::gateway::{Edition, Reload};
use cachewright::adapter::handle::{Builder, Cachewright};
use cachewright::adapter::memory::Bounds;
use cachewright::adapter::proxy::{Proxy as Server, ProxyOptions};
use cachewright::adapter::store::{Store, StoreOptions};
use cachewright::error::Error;
use cachewright::provider::Catalog;

use super::follow::Follower;
use super::variable;
use crate::args::Proxy;
use crate::exit::{Failure, complain};
use crate::ledgers;

/// Request bodies remembered, in bytes: enough for the open conversations of a few agents.
const REMEMBERED: u64 = 8 << 20;

/// Serves until a signal, then prints what was saved.
pub(crate) fn run(args: &Proxy, settings: &[PathBuf]) -> Result<(), Failure> {
    let catalog = super::catalog(&args.rows)?;
    let mut files = Reload::new(settings.to_vec(), variable);
    let edition = files.read()?;
    let store = ledger(args, settings)?;
    let Configured {
        cache,
        options,
        admin,
    } = configured(args, (&edition, &catalog), store.as_ref())?;
    files.keep(edition, &options.gateway);
    if let Some(journal) = cache.journal() {
        let path = journal.options().path.display();
        complain(&format!(
            "requests are kept in {path}, prompt text included"
        ));
    }
    if cache.engine().settings().keeps_alive() {
        complain(
            &"idle prefixes are kept warm by pings: the last request of a conversation and its key stay \
             in memory meanwhile; POST /pings/stop at the admin port drops them"
                .to_owned(),
        );
    }
    let server = Server::new(&cache, options)?;
    let admin = admin.map(|admin| admin.routes(server.gauge()));
    let follower = Follower {
        args,
        settings,
        catalog,
        files,
    };
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::io(format!("cannot start serving: {error}")))?;
    let place = store.as_ref().map(|(_, store)| store.place());
    runtime.block_on(serve(follower, server, (admin, place.as_deref())))?;
    if let Some((_, store)) = &store
        && let Err(error) = store.flush()
    {
        complain(&error);
    }
    let mut out = io::stdout().lock();
    write!(out, "{}", cache.report())?;
    out.flush()?;
    Ok(())
}

/// What the command line and the files ask for.
struct Configured {
    cache: Cachewright,
    options: ProxyOptions,
    admin: Option<Admin>,
}

/// The ledger, unless none is wanted. Whether it can be written shows later: calls do not wait for
/// that.
fn ledger(args: &Proxy, settings: &[PathBuf]) -> Result<Option<(StoreOptions, Store)>, Failure> {
    let options = ledgers::options(args.place.ledger.as_deref(), settings)?;
    let named = args.place.ledger.is_some();
    if args.no_ledger || !(options.is_enabled() || named) {
        return Ok(None);
    }
    let options = options.on_trouble(|what| complain(&what));
    Ok(Some((options.clone(), Store::lazy(options))))
}

fn configured(
    args: &Proxy,
    (edition, catalog): (&Edition, &Catalog),
    ledger: Option<&(StoreOptions, Store)>,
) -> Result<Configured, Failure> {
    let mut bounds = Bounds::default();
    bounds.body_bytes = REMEMBERED;
    let mut builder = Cachewright::builder().bounds(bounds).by_length();
    for path in &args.rows {
        let (name, text) = super::text(path)?;
        builder = builder.rows(&name, &text)?;
    }
    if let Some((options, store)) = ledger {
        builder = builder.ledger(store);
        // Without it digests of this run compare with no others, and all else is well.
        match options.secret(&ledgers::secret()) {
            Ok(secret) => builder = builder.secret(&secret),
            Err(error) => complain(&error),
        }
    }
    let (builder, options, admin) = settings(args, builder, (edition, catalog))?;
    let mut admin = super::admin::options(args, admin)?;
    admin.client_token.clone_from(&options.client_token);
    let store = ledger.map(|(_, store)| store);
    let scrape = super::admin::scrape(store)?;
    let cache = builder.scrape(&scrape).build()?;
    let admin = Admin::new(&cache, &scrape, &admin)?;
    let admin = admin.map(|admin| super::admin::telling(admin, store));
    Ok(Configured {
        cache,
        options,
        admin,
    })
}

/// What the files say, read as a whole.
pub(super) fn settings(
    args: &Proxy,
    mut builder: Builder,
    (edition, catalog): (&Edition, &Catalog),
) -> Result<(Builder, ProxyOptions, AdminOptions), Error> {
    let mut options = ProxyOptions::builtin(catalog, &variable)?;
    let mut admin = AdminOptions::default();
    for (name, text) in &edition.texts {
        builder = builder.config(name, text)?;
        options = options.config((name, text), catalog, &variable)?;
        admin = admin.config(name, text)?;
    }
    if let Some(token) = variable("CACHEWRIGHT_CLIENT_TOKEN") {
        options.client_token = Some(token.into());
    }
    if let Some(port) = args.port {
        options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    }
    options.listen = args.listen.unwrap_or(options.listen);
    Ok((builder, options, admin))
}

async fn serve(
    mut follower: Follower<'_>,
    server: Server,
    (admin, ledger): (Option<Admin>, Option<&str>),
) -> Result<(), Failure> {
    let lines = server.lines().to_vec();
    let stopped = stopped()?;
    let handle = server.bind().await?;
    let admin = super::admin::open(admin).await?;
    // The first line tells scripts where to go, which matters when the port was free to choose.
    let mut out = io::stdout();
    writeln!(out, "{}", handle.base_url())?;
    for line in lines {
        writeln!(out, "  {line}")?;
    }
    match ledger {
        Some(place) => writeln!(out, "ledger: {place}")?,
        None => writeln!(out, "ledger: none")?,
    }
    if let Some(admin) = &admin {
        writeln!(out, "report and metrics: {}", admin.url())?;
    }
    out.flush()?;
    let grace = follower.args.grace;
    tokio::select! {
        ended = stopped => ended?,
        ended = follower.follow(&handle) => ended?,
    }
    handle.stop(grace).await;
    Ok(())
}

/// The signal to end; it is listened for from now on.
#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = Result<(), Failure>>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let deaf = |error| Error::io(format!("cannot wait for a signal: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// The signal to end.
#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = Result<(), Failure>>, Failure> {
    Ok(async {
        let interrupted = tokio::signal::ctrl_c().await;
        interrupted
            .map_err(|error| Error::io(format!("cannot wait for an interrupt: {error}")).into())
    })
}
