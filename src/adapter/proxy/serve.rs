//! The listening side: connections, and how they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::gate::Gate;

/// How long to wait when the system has no room for another connection.
const CROWDED: Duration = Duration::from_millis(50);

/// What a connection may hold of a request that is being read: hyper's own 400 kB would add up over
/// connections, and the body is gathered in a buffer of its own anyway.
const READ_BUFFER: usize = 64 << 10;

/// Serves until told for how long open responses may go on, or until the teller is gone.
pub(super) async fn serve(
    listener: TcpListener,
    gate: Arc<Gate>,
    mut stopped: oneshot::Receiver<Duration>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(READ_BUFFER);
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    let patience = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let connection = connection(&builder, socket, &gate, &graceful);
                    open.spawn(connection);
                }
                Err(_) => tokio::time::sleep(CROWDED).await,
            },
            _ = open.join_next(), if !open.is_empty() => {}
            patience = &mut stopped => break patience.unwrap_or_default(),
        }
    };
    drop(listener);
    // Those that are still open afterwards are cut; so are their upstreams.
    let _ = tokio::time::timeout(patience, graceful.shutdown()).await;
    open.shutdown().await;
}

fn connection(
    builder: &Builder<TokioExecutor>,
    socket: TcpStream,
    gate: &Arc<Gate>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    // A delayed event is what the peer would notice; a failure here is one of speed only.
    let _ = socket.set_nodelay(true);
    let gate = Arc::clone(gate);
    let service = service_fn(move |request| {
        let gate = Arc::clone(&gate);
        async move { Ok::<_, Infallible>(gate.answer(request).await) }
    });
    let serving = builder.serve_connection(TokioIo::new(socket), service);
    let serving = graceful.watch(serving.into_owned());
    async move {
        // A connection that breaks concerns its peer, and the exchange has been settled.
        let _ = serving.await;
    }
}
