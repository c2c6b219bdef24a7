//! `cachewright proxy`: providers behind a base URL of one's own.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cachewright::adapter::admin::{Admin, AdminOptions, Scrape};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::memory::Bounds;
use cachewright::adapter::proxy::{Proxy as Server, ProxyOptions};
use cachewright::error::Error;

use crate::args::Proxy;
use crate::exit::Failure;

/// Request bodies remembered, in bytes: enough for the open conversations of a few agents.
const REMEMBERED: u64 = 8 << 20;

/// Serves until a signal, then prints what was saved.
pub(crate) fn run(args: &Proxy, settings: &[PathBuf]) -> Result<(), Failure> {
    let Configured {
        cache,
        options,
        admin,
    } = configured(args, settings)?;
    let server = Server::new(&cache, options)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::io(format!("cannot start serving: {error}")))?;
    runtime.block_on(serve(args, server, admin))?;
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

fn configured(args: &Proxy, settings: &[PathBuf]) -> Result<Configured, Failure> {
    let catalog = super::catalog(&args.rows)?;
    let mut bounds = Bounds::default();
    bounds.body_bytes = REMEMBERED;
    let mut builder = Cachewright::builder().bounds(bounds).by_length();
    for path in &args.rows {
        let (name, text) = super::text(path)?;
        builder = builder.rows(&name, &text)?;
    }
    let mut options = ProxyOptions::builtin(&catalog, &variable)?;
    let mut admin = AdminOptions::default();
    for path in settings {
        let (name, text) = super::text(path)?;
        builder = builder.config(&name, &text)?;
        options = options.config((&name, &text), &catalog, &variable)?;
        admin = admin.config(&name, &text)?;
    }
    if let Some(token) = variable("CACHEWRIGHT_CLIENT_TOKEN") {
        options.client_token = Some(token.into());
    }
    if let Some(port) = args.port {
        options.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    }
    options.listen = args.listen.unwrap_or(options.listen);
    let mut admin = super::admin::options(args, admin)?;
    admin.client_token.clone_from(&options.client_token);
    let scrape = Scrape::new(|metrics| metrics)?;
    let cache = builder.scrape(&scrape).build()?;
    let admin = Admin::new(&cache, &scrape, &admin)?;
    Ok(Configured {
        cache,
        options,
        admin,
    })
}

async fn serve(args: &Proxy, server: Server, admin: Option<Admin>) -> Result<(), Failure> {
    let upstreams: Vec<String> = server.upstreams().map(ToString::to_string).collect();
    let stopped = stopped()?;
    let handle = server.bind().await?;
    let admin = super::admin::open(admin).await?;
    // The first line tells scripts where to go, which matters when the port was free to choose.
    let mut out = io::stdout();
    writeln!(out, "{}", handle.base_url())?;
    for line in upstreams {
        writeln!(out, "  {line}")?;
    }
    if let Some(admin) = &admin {
        writeln!(out, "  report and metrics at {}", admin.url())?;
    }
    out.flush()?;
    stopped.await?;
    handle.stop(args.grace).await;
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

/// A variable of the environment; the AWS SDKs know the region by two names.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where configuration enters"
)]
fn variable(name: &str) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match name {
        "AWS_REGION" => set(name).or_else(|| set("AWS_DEFAULT_REGION")),
        _ => set(name),
    }
}
