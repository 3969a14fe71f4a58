//! Pooled connections to the providers: TLS, the operator's HTTP proxy, one request out, one response head in.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use wire::Spliced;

use crate::coding::{Coding, Decoded};
use crate::failure::{Failure, Kind};
use crate::socket::Connector;
use crate::target::Target;

mod catalogue;
mod dial;
mod tls;

pub use dial::Patience;
pub use tls::TlsError;

/// Shorter than what the providers' own front ends keep an idle connection for.
const IDLE_TIMEOUT: Duration = Duration::from_secs(55);
/// Joins our log and the provider's.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const USER_AGENT: &str = concat!("qwen-3-coder-proxy/", env!("CARGO_PKG_VERSION"));

/// The body of an answer; nothing behind here sees that a provider compressed it.
pub type Incoming = Decoded<hyper::body::Incoming>;

/// The way to the providers.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<dial::Dialer, Pieces>,
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
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(dialer);
        Ok(Self { client, patience })
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
        let mut request = Request::new(Pieces::new(&body, sent));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.provider.endpoint.clone();
        let headers = request.headers_mut();
        if let Some(authorization) = &target.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.extend(HeaderValue::from_str(id).ok().map(|id| (X_REQUEST_ID, id)));
        self.ask(request).await
    }

    /// Compression is declined, and undone where it comes all the same.
    async fn ask(&self, mut request: Request<Pieces>) -> Result<Response<Incoming>, Failure> {
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let answered = self.client.request(request).await;
        let answer = answered.map_err(|error| failure(&error))?;
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

/// A request body in the pieces it was spliced from.
#[derive(Debug)]
pub struct Pieces {
    rest: std::vec::IntoIter<Bytes>,
    left: usize,
    /// Set when the first piece is taken: from then on it may be on its way.
    sent: Arc<AtomicBool>,
}

impl Pieces {
    fn new(body: &Spliced, sent: Arc<AtomicBool>) -> Self {
        Self { left: body.len(), rest: body.pieces().to_vec().into_iter(), sent }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.store(true, Ordering::Relaxed);
        Poll::Ready(self.rest.next().map(|piece| {
            self.left -= piece.len();
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
