//! A connection to a host: TCP, straight or through the operator's HTTP proxy, then TLS where it is spoken. Each has a
//! limit of its own, so that a failure names what was waited for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::time::timeout;
use tower_service::Service;

use crate::socket::{Connector, Socket};

type Tcp = TokioIo<Socket>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection. Boxed by its kind: what TLS has to remember takes a kilobyte, and one without it carries none of that.
pub(super) trait Wire: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Wire for T {}

impl Connection for Box<dyn Wire> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// How long a host is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until it has accepted a connection, its name looked up.
    pub connect: Duration,
    /// Until the TLS handshake is over.
    pub tls: Duration,
}

/// What was waited for in vain.
#[derive(Debug, Error)]
pub(super) enum Slow {
    #[error("did not accept a connection within {} s", .0.as_secs_f64())]
    Connect(Duration),
    #[error("did not finish the TLS handshake within {} s", .0.as_secs_f64())]
    Tls(Duration),
}

/// Dials hosts.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    http: Connector,
    proxies: Arc<Matcher>,
    tls: Arc<ClientConfig>,
    patience: Arc<Mutex<Patience>>,
}

impl Dialer {
    /// Through what `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name, but for `NO_PROXY` and this machine itself.
    pub(super) fn from_environment(
        http: Connector,
        tls: ClientConfig,
        patience: Arc<Mutex<Patience>>,
    ) -> Self {
        Self { http, proxies: Arc::new(Matcher::from_env()), tls: Arc::new(tls), patience }
    }

    async fn dial(mut self, to: Uri) -> Result<Box<dyn Wire>, BoxError> {
        let Patience { connect, tls } = *self.patience.lock();
        // Of several addresses each gets its share.
        self.http.set_connect_timeout(Some(connect));
        let tcp = timeout(connect, self.tcp(to.clone())).await.map_err(|_| Slow::Connect(connect))?;
        let tcp =
            tcp.map_err(|error| if timed_out(&*error) { Slow::Connect(connect).into() } else { error })?;
        let mut https = HttpsConnector::from((Dialled(Some(tcp)), self.tls));
        Ok(match timeout(tls, https.call(to)).await.map_err(|_| Slow::Tls(tls))?? {
            MaybeHttpsStream::Http(tcp) => Box::new(tcp),
            MaybeHttpsStream::Https(tls) => Box::new(tls),
        })
    }

    async fn tcp(&mut self, to: Uri) -> Result<Tcp, BoxError> {
        let intercept = if is_loopback(&to) { None } else { self.proxies.intercept(&to) };
        let Some(intercept) = intercept else { return Ok(self.http.call(to).await?) };
        let mut tunnel = Tunnel::new(intercept.uri().clone(), self.http.clone());
        if let Some(auth) = intercept.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        Ok(tunnel.call(to).await?)
    }
}

impl Service<Uri> for Dialer {
    type Response = Box<dyn Wire>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.http, context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().dial(to))
    }
}

/// A TCP connection that is there, for what comes on top of it.
struct Dialled(Option<Tcp>);

impl Service<Uri> for Dialled {
    type Response = Tcp;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Tcp>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    error.downcast_ref().is_some_and(is_late) || error.source().is_some_and(timed_out)
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
