//! The proxy's configuration, read again when it changes: on SIGHUP at once, and otherwise when the
//! file looks different.

use std::path::PathBuf;
use std::time::Duration;

use cachewright::adapter::gateway::{Change, Reload};
use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::proxy::ProxyHandle;
use cachewright::error::Error;
use cachewright::provider::Catalog;

use super::proxy::settings;
use crate::args::Proxy;
use crate::exit::{Failure, complain};
use crate::ledgers;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What a running proxy follows.
pub(super) struct Follower<'a> {
    pub(super) args: &'a Proxy,
    pub(super) settings: &'a [PathBuf],
    pub(super) catalog: Catalog,
    pub(super) files: Reload,
}

impl Follower<'_> {
    /// Follows the files for good.
    pub(super) async fn follow(&mut self, handle: &ProxyHandle) -> Result<(), Failure> {
        let mut asked = asked()?;
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                () = asked.next() => Told::Always,
                _ = tick.tick() => Told::Changes,
            };
            if told == Told::Changes && !self.files.is_due() {
                continue;
            }
            match self.again(handle) {
                Ok(changes) => tell(&changes, told),
                Err(error) => complain(&format!("the configuration in force stays: {error}")),
            }
        }
    }

    /// Reads the files as a whole and puts in force what can be.
    fn again(&mut self, handle: &ProxyHandle) -> Result<Vec<Change>, Error> {
        let edition = self.files.read()?;
        let builder = Cachewright::builder();
        let (_, mut options, _) = settings(self.args, builder, (&edition, &self.catalog))?;
        ledgers::options(self.args.place.ledger.as_deref(), self.settings)?;
        options.gateway = self.files.options(&edition, &self.catalog)?;
        let gateway = options.gateway.clone();
        handle.reload(options)?;
        let changes = edition.changes.clone();
        self.files.keep(edition, &gateway);
        Ok(changes)
    }
}

/// When it is told that nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Always,
    Changes,
}

/// One line that says what changed.
fn tell(changes: &[Change], told: Told) {
    let (later, now): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .partition(|change| change.part.needs_restart());
    if changes.is_empty() && told == Told::Changes {
        return;
    }
    let list = |changes: &[&Change]| {
        let all: Vec<String> = changes.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    let mut line = match now.is_empty() {
        true => "configuration read again: nothing to put in force".to_owned(),
        false => format!("configuration read again: {}", list(&now)),
    };
    if !later.is_empty() {
        line.push_str(&format!("; needs a restart: {}", list(&later)));
    }
    complain(&line);
}

/// The signal to read the files again.
#[cfg(unix)]
struct Asked(tokio::signal::unix::Signal);

#[cfg(unix)]
fn asked() -> Result<Asked, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let asked = signal(SignalKind::hangup());
    let asked = asked.map_err(|error| Error::io(format!("cannot wait for a signal: {error}")))?;
    Ok(Asked(asked))
}

#[cfg(unix)]
impl Asked {
    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
struct Asked;

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there are signals it can fail"
)]
fn asked() -> Result<Asked, Failure> {
    Ok(Asked)
}

#[cfg(not(unix))]
impl Asked {
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}
