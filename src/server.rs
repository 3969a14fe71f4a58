//! The accept loop: who is let in, how long a head may take, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::config::Timeouts;

mod framing;

pub use framing::Framing;
use framing::Watched;

/// Connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// After an error that is not the connection's own (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens.
///
/// # Errors
///
/// The address is in use or not ours.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop` is ready, then lets what is under way finish within the drain timeout.
/// Returns how many connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) -> usize {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = accept(&listener, &permits) => {
                let (socket, permit) = accepted;
                connections.spawn(connection(socket, permit, router.clone(), timeouts, graceful.watcher()));
            }
            Some(_) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(timeouts.drain, graceful.shutdown()).await;
    let cut = if drained.is_err() { connections.len() } else { 0 };
    // Dropped connections drop their requests, which settle.
    connections.shutdown().await;
    cut
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (socket, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// HTTP/1 only: agents on this machine speak nothing else, and one protocol less is one attack surface less.
async fn connection(
    socket: TcpStream,
    permit: Option<OwnedSemaphorePermit>,
    router: Router,
    timeouts: Timeouts,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _permit = permit;
    // An event must not wait for the one before it to be acknowledged.
    let _ = socket.set_nodelay(true);
    let (socket, framing) = Watched::new(socket);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(framing.clone());
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.header)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = crate::upstream::innermost(&error), "a connection ended");
    }
}
