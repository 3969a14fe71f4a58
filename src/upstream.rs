//! Pooled connections to the providers: TLS, the operator's HTTP proxy, one request out, one response head in.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use parking_lot::Mutex;
use wire::Spliced;

use crate::coding::{Coding, Decoded};
use crate::failure::{Failure, Kind};
use crate::socket::Connector;
use crate::target::Target;

mod catalogue;
mod dial;
mod flow;
mod link;
mod pool;
#[cfg(test)]
mod tests;
mod tls;

pub use dial::Patience;
use flow::Flow;
use link::{Link, Outgoing};
use pool::{Origin, Pool};
pub use tls::TlsError;

/// Joins our log and the provider's.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const USER_AGENT: &str = concat!("qwen-3-coder-proxy/", env!("CARGO_PKG_VERSION"));

/// The body of an answer; nothing behind here sees that a provider compressed it.
pub type Incoming = Decoded<Flow>;

/// The way to the providers.
#[derive(Clone, Debug)]
pub struct Upstream {
    dialer: dial::Dialer,
    pool: Arc<Pool>,
    patience: Arc<Mutex<Patience>>,
}

impl Upstream {
    /// Connects as the environment's `HTTPS_PROXY` and `NO_PROXY` say and trusts the platform's certificates and
    /// those in `extra_ca`.
    ///
    /// # Errors
    ///
    /// Certificates that can't be read.
    pub fn new(extra_ca: Option<&std::path::Path>, patience: Patience) -> Result<Self, TlsError> {
        let mut http = Connector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(30)));
        let patience = Arc::new(Mutex::new(patience));
        let tls = tls::client_config(extra_ca)?;
        let dialer = dial::Dialer::from_environment(http, tls, Arc::clone(&patience));
        Ok(Self { dialer, pool: Arc::default(), patience })
    }

    /// From now on hosts are waited for so long.
    pub fn set(&self, patience: Patience) {
        *self.patience.lock() = patience;
    }

    /// Sends a chat request under our `id` for it and waits for the head of the response.
    ///
    /// # Errors
    ///
    /// [`Kind::Connection`], or [`Kind::Unreachable`] where it took too long to get one; whether the provider may have seen
    /// the request stands in `sent`. [`Kind::NoCompletion`]: the answer is compressed in a way that can't be read.
    pub async fn send(
        &self,
        target: &Target,
        body: Spliced,
        stream: bool,
        id: &str,
        sent: Arc<AtomicBool>,
    ) -> Result<Response<Incoming>, Failure> {
        let accept = if stream { "text/event-stream" } else { "application/json" };
        let mut headers = Vec::with_capacity(6);
        headers.extend(target.authorization.clone().map(|it| (header::AUTHORIZATION, it)));
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        headers.push((header::ACCEPT, HeaderValue::from_static(accept)));
        headers.extend(HeaderValue::from_str(id).ok().map(|id| (X_REQUEST_ID, id)));
        self.ask(&Method::POST, &target.provider.endpoint, headers, Some(body), sent).await
    }

    /// Compression is declined, and undone where it comes all the same.
    async fn ask(
        &self,
        method: &Method,
        to: &Uri,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        body: Option<Spliced>,
        sent: Arc<AtomicBool>,
    ) -> Result<Response<Incoming>, Failure> {
        headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
        let head = http1::request::head(method, to, &headers, body.as_ref().map(Spliced::len));
        drop(headers);
        let request = Outgoing::new(head, body.as_ref().map(Spliced::pieces).unwrap_or_default(), sent);
        drop(body);
        let answer = self.exchange(to, request).await?;
        let coding = match Coding::of(answer.headers()) {
            Ok(coding) => coding,
            // The status of an error says enough.
            Err(_) if answer.status() != StatusCode::OK => Coding::Identity,
            Err(said) => {
                return Err(Failure::new(Kind::NoCompletion, format!("answered 200 compressed with {said}")));
            }
        };
        Ok(answer.map(|body| Decoded::new(body, coding)))
    }

    /// A connection that has waited may be closed before it hears of the request, which then goes over another one.
    async fn exchange(&self, to: &Uri, mut request: Outgoing) -> Result<Response<Flow>, Failure> {
        let origin = Origin::of(to);
        while let Some(link) = self.pool.take(&origin) {
            match link.ask(request, &self.pool).await {
                Ok(answer) => return Ok(answer),
                Err((_, unsent)) if !unsent.is_sent() => request = unsent,
                Err((lost, _)) => return Err(failure(&lost)),
            }
        }
        // Boxed: an answer is waited for without room for this.
        let wire = Box::pin(self.dialer.dial(to)).await.map_err(|error| failure(&*error))?;
        let link = Box::new(Link::new(origin, wire));
        link.ask(request, &self.pool).await.map_err(|(lost, _)| failure(&lost))
    }
}

fn failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(slow) = error.downcast_ref::<dial::Slow>() {
            return Failure::new(Kind::Unreachable, slow.to_string());
        }
        cause = error.source();
    }
    Failure::new(Kind::Connection, innermost(error))
}

/// The reason behind the reasons: the outer ones only say that a connection failed.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
