//! A connection to a host: TCP, straight or through the operator's HTTP proxy, then TLS where it is spoken. Each has a
//! limit of its own, so that a failure names what was waited for.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::socket::{Connector, Socket};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection. Boxed by its kind: what TLS has to remember takes a kilobyte, and one without it carries none of that.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + Debug> Wire for T {}

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

    pub(super) async fn dial(&self, to: &Uri) -> Result<Box<dyn Wire>, BoxError> {
        let Patience { connect, tls } = *self.patience.lock();
        let tcp = timeout(connect, self.tcp(to, connect)).await.map_err(|_| Slow::Connect(connect))?;
        let tcp =
            tcp.map_err(|error| if timed_out(&*error) { Slow::Connect(connect).into() } else { error })?;
        if to.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Box::new(tcp));
        }
        let name = ServerName::try_from(host(to).to_owned())?;
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp);
        Ok(Box::new(timeout(tls, handshake).await.map_err(|_| Slow::Tls(tls))??))
    }

    async fn tcp(&self, to: &Uri, patience: Duration) -> Result<Socket, BoxError> {
        let mut http = self.http.clone();
        // Of several addresses each gets its share.
        http.set_connect_timeout(Some(patience));
        let intercept = if is_loopback(to) { None } else { self.proxies.intercept(to) };
        let Some(intercept) = intercept else { return Ok(http.call(to.clone()).await?.into_inner()) };
        let mut tunnel = Tunnel::new(intercept.uri().clone(), http);
        if let Some(auth) = intercept.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        Ok(tunnel.call(to.clone()).await?.into_inner())
    }
}

fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    error.downcast_ref().is_some_and(is_late) || error.source().is_some_and(timed_out)
}

fn is_loopback(uri: &Uri) -> bool {
    let host = host(uri);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A name or an address, without the brackets of one of IPv6.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}
