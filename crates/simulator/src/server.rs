//! The listener, its connections and the handle that stops them.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::books::Scope;
use crate::fault::{Fault, Times};
use crate::playback::Ending;
use crate::profile::Profile;
use crate::route;
use crate::script::Reply;
use crate::state::{Seen, State, Stats};

const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(10);

/// A running fake provider. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl Simulator {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(profile: Profile) -> io::Result<Self> {
        Self::bind(profile, (Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts on `addr`.
    ///
    /// # Errors
    /// When the address can not be bound.
    pub async fn bind(profile: Profile, addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let state = State::new(profile);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { addr, state, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client is configured with: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Makes the next chat completion requests fail; replaces an earlier fault.
    pub fn inject(&self, fault: Fault, times: Times) {
        self.state.inject(fault, times);
    }

    /// Ends the injected fault. Answers already under way stay as they are.
    pub fn heal(&self) {
        self.state.heal();
    }

    /// Sets what requests with tools are answered; no replies end the script.
    pub fn script(&self, replies: Vec<Reply>) {
        self.state.set_script(replies);
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// What is left of a limit, negative while in debt; `None`: there is no such limit.
    #[must_use]
    pub fn left(&self, scope: Scope) -> Option<i128> {
        self.state.left(scope)
    }

    /// The last 1,000 requests, oldest first, those of the control plane left out.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.seen()
    }

    /// Back to the start: full books, no fault, no script, nothing counted or remembered.
    pub fn reset(&self) {
        self.state.reset();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Owns the connections: when this task is aborted, they are too.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
                // Out of descriptors, or the client is gone already: a little later it may go better.
                Err(_) => tokio::time::sleep(AFTER_FAILED_ACCEPT).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let ending = Ending::default();
    let for_requests = ending.clone();
    let service =
        service_fn(move |request| Box::pin(route::answer(Arc::clone(&state), request, for_requests.clone())));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut stream = connection.into_parts().io.into_inner();
    if ending.is_reset() {
        let _ = stream.set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
    }
}
