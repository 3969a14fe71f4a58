//! Sockets that may be pipes, and a network of hosts behind pipes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

/// What a pipe holds of what the other side has not read, in bytes.
const ROOM: usize = 16 * 1024;

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Dial = Arc<dyn Fn() -> Later<io::Result<Socket>> + Send + Sync>;

thread_local! {
    /// A paused clock needs a runtime of one thread, so each test has a network of its own.
    static HOSTS: RefCell<HashMap<String, Dial>> = RefCell::default();
}

/// From now on, and on this thread, whoever connects to `authority` gets what `dial` makes of it.
pub(crate) fn host<F>(authority: &str, dial: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = io::Result<Socket>> + Send + 'static,
{
    let dial: Dial = Arc::new(move || Box::pin(dial()));
    HOSTS.with_borrow_mut(|hosts| hosts.insert(authority.to_owned(), dial));
}

/// TCP, or one end of a pipe.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Pipe {
        bytes: DuplexStream,
        /// One side has closed it with a reset; both see this.
        reset: Arc<AtomicBool>,
    },
}

impl Socket {
    /// Both ends of a pipe.
    pub(crate) fn pipe() -> (Self, Self) {
        let (near, far) = tokio::io::duplex(ROOM);
        let reset = Arc::new(AtomicBool::new(false));
        (Self::Pipe { bytes: near, reset: Arc::clone(&reset) }, Self::Pipe { bytes: far, reset })
    }

    pub(crate) fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.set_zero_linger(),
            Self::Pipe { reset, .. } => {
                reset.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_write(bytes),
            Self::Pipe { bytes: pipe, .. } => {
                match Pin::new(pipe).poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Pipe { bytes, reset } => {
                let before = buffer.filled().len();
                ready!(Pin::new(bytes).poll_read(context, buffer))?;
                if buffer.filled().len() == before && reset.load(Ordering::Relaxed) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Self::Pipe { bytes: pipe, .. } => Pin::new(pipe).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Self::Pipe { bytes, .. } => Pin::new(bytes).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Self::Pipe { bytes, .. } => Pin::new(bytes).poll_shutdown(context),
        }
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Connects to the hosts of the network, and over TCP to all others.
#[derive(Clone, Debug)]
pub(crate) struct Connector(HttpConnector);

impl Connector {
    pub(crate) fn new() -> Self {
        Self(HttpConnector::new())
    }
}

impl Deref for Connector {
    type Target = HttpConnector;

    fn deref(&self) -> &HttpConnector {
        &self.0
    }
}

impl DerefMut for Connector {
    fn deref_mut(&mut self) -> &mut HttpConnector {
        &mut self.0
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Later<io::Result<TokioIo<Socket>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let authority = to.authority().map(ToString::to_string).unwrap_or_default();
        if let Some(dial) = HOSTS.with_borrow(|hosts| hosts.get(&authority).cloned()) {
            return Box::pin(async move { dial().await.map(TokioIo::new) });
        }
        let tcp = self.0.call(to);
        Box::pin(async move {
            let tcp = tcp.await.map_err(io::Error::other)?;
            Ok(TokioIo::new(Socket::from(tcp.into_inner())))
        })
    }
}
