//! The accept loop: who is let in, how long a head may take, and how it ends.
//!
//! A connection on which nothing arrives in time is closed without a word: it is idle, and an answer nobody asked for
//! would be taken for the next one's. Half a head gets a 408. A client that takes nothing of its answer for too long is
//! reset.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::config::Timeouts;
use crate::socket::Socket;

mod framing;
mod own_answer;
mod signal;

pub use framing::Framing;
pub use framing::RequestBody;
use framing::Watched;
pub use signal::{Hangups, hangups, stopped};

/// Connections at once, where there are descriptors for so many; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// Descriptors for whatever is no connection: the database, its journal, the runtime's own.
#[cfg(unix)]
const OTHER_DESCRIPTORS: usize = 32;
/// After an error that is not the connection's own (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest request head, in bytes; also how far a slow reader may fall behind before its provider is held up.
const MAX_HEAD: usize = 64 * 1024;
/// What the kernel keeps for a client that is behind, in bytes: little enough that a slow reader is seen to read within
/// any sensible `WRITE_TIMEOUT`, since the kernel speaks up only once a third of it is free again.
#[cfg(unix)]
const SEND_BUFFER: usize = 256 * 1024;

/// A socket that listens.
///
/// # Errors
///
/// The address is in use or not ours; the message says so in one line.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("Port {} on {} is in use; set PORT, or pass --port.", address.port(), address.ip())
            }
            _ => format!("Can't listen on {address}: {error}."),
        };
        io::Error::new(error.kind(), message)
    })?;
    // Connections have it from their listener.
    #[cfg(unix)]
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER);
    Ok(listener)
}

/// What answers requests.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send;

    /// Answers one request. Dropped when the client goes away.
    fn handle(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;
}

/// Serves until `stop` is ready, then lets what is under way finish within the drain timeout.
/// Returns how many connections had to be cut.
pub async fn serve(
    listener: TcpListener,
    handler: impl Handler,
    timeouts: Timeouts,
    stop: impl Future<Output = ()>,
) -> usize {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(most_connections()));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = accept(&listener, &permits) => {
                let (socket, permit) = accepted;
                let limits = (timeouts.header, timeouts.write);
                connections.spawn(connection(socket, permit, handler.clone(), limits, graceful.watcher()));
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

/// Each needs a second descriptor on the way to its provider: whoever is let in without one only hears of a failure.
#[cfg(unix)]
fn most_connections() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let descriptors = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).clamp(1, MAX_CONNECTIONS)
}

#[cfg(not(unix))]
fn most_connections() -> usize {
    MAX_CONNECTIONS
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // An event must not wait for the one before it to be acknowledged.
                let _ = socket.set_nodelay(true);
                return (socket, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A new request id: joins the client's answer, the log and whatever a person asks about.
pub(crate) fn request_id() -> String {
    let random = fastrand::u128(..);
    let digits = (0..24).map(|at| char::from(b"0123456789abcdef"[(random >> (4 * at)) as usize & 15]));
    "req_".chars().chain(digits).collect()
}

/// HTTP/1 only: agents on this machine speak nothing else, and one protocol less is one attack surface less.
///
/// A client that ends its sending side before it has its answer counts as gone, and its request is dropped: on the
/// wire that is how a client looks that was stopped by its user, and a stream nobody reads would go on spending
/// the quota. No HTTP client of an agent half-closes.
pub(crate) async fn connection(
    socket: impl Into<Socket>,
    permit: Option<OwnedSemaphorePermit>,
    handler: impl Handler,
    (header_timeout, write_timeout): (Duration, Duration),
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _permit = permit;
    let (socket, framing) = Watched::new(socket, write_timeout);
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let framing = framing.clone();
        framing.set_ends_by_close(request.version() < Version::HTTP_11);
        let mut request = request.map(|body| RequestBody::new(body, framing.clone()));
        request.extensions_mut().insert(framing.clone());
        // Boxed: the connection has room for it all its life otherwise, while a stream needs none of it.
        let mut answering = Box::pin(handler.handle(request));
        poll_fn(move |context| {
            answering.as_mut().poll(context).map(|mut answer| {
                // What is left of the request would be taken for the next one.
                if framing.is_unread() {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            })
        })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = crate::upstream::innermost(&error), "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[derive(Clone)]
    struct Silent;

    impl Handler for Silent {
        type Body = Full<Bytes>;

        fn handle(
            &self,
            _: Request<RequestBody>,
        ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static {
            // What a handler needs on its way is not the connection's.
            let room = [0u8; 4096];
            async move {
                tokio::task::yield_now().await;
                Response::new(Full::new(Bytes::copy_from_slice(&room)))
            }
        }
    }

    /// A stream keeps its connection's state for as long as it lasts, and nothing of its handler's.
    #[tokio::test]
    async fn a_connection_keeps_nothing_of_its_handler() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let socket = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("itself");
        let watcher = GracefulShutdown::new().watcher();
        let connection = connection(socket, None, Silent, (Duration::MAX, Duration::MAX), watcher);
        let bytes = size_of_val(&connection);
        assert!(bytes <= 1100, "{bytes} bytes");
    }
}
