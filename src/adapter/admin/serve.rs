//! The listening side: few connections, none of them for long.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::pages::Pages;

/// Connections at a time; the oldest makes room for the next.
const MOST_OPEN: usize = 64;

/// A connection is cut after this time: long enough for the page of a large ledger.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait when the system has no room for another connection.
const CROWDED: Duration = Duration::from_millis(50);

/// Observations wait for this long, 16 bytes each.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until the teller is gone.
pub(super) async fn serve(
    listener: TcpListener,
    pages: Arc<Pages>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let mut upkeep = interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    open.retain(|one| !one.is_finished());
                    if open.len() >= MOST_OPEN && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    let connection = connection(socket, Arc::clone(&pages));
                    open.push_back(tokio::spawn(connection).abort_handle());
                }
                Err(_) => sleep(CROWDED).await,
            },
            _ = upkeep.tick() => {
                let scrape = pages.scrape.clone();
                tokio::task::spawn_blocking(move || scrape.upkeep());
            }
            _ = &mut stopped => break,
        }
    }
    for one in open {
        one.abort();
    }
}

async fn connection(socket: TcpStream, pages: Arc<Pages>) {
    let service = service_fn(move |request| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, Infallible>(pages.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), service);
    // A connection that breaks or lasts concerns its peer.
    let _ = timeout(LONGEST, serving).await;
}
