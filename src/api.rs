//! The endpoints.
//!
//! - `chat`: `POST /v1/chat/completions`
//! - `catalogue`: models, and what is only there to say that the proxy is
//! - `ready`: `GET /ready`, and how the accounts stand
//! - `body`: reads a request's body within its limits
//! - `reply`: errors and bodies in the shape clients read
//! - `guard`: what holds for every endpoint
//! - `cors`: what browsers ask and are told
//! - `live`: the settings in use, and their replacement

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use crate::clock::Clock;
use crate::config::{Config, Server};
use crate::proxy::Proxy;
use crate::server::{self, Framing};
use crate::store::Store;

mod body;
mod catalogue;
mod chat;
mod cors;
mod guard;
mod live;
mod ready;
pub(crate) mod reply;

pub use live::Live;
pub use reply::Body;
use reply::Error;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every endpoint can reach.
#[derive(Debug)]
pub struct App {
    /// The providers.
    pub proxy: Proxy,
    /// What holds for clients.
    pub server: Server,
    /// Where the history goes.
    pub store: Store,
}

impl App {
    /// What a configuration makes of it, without a database.
    ///
    /// # Errors
    ///
    /// Certificates or keys that can't be used.
    pub fn new(config: &Config, clock: Clock) -> anyhow::Result<Arc<Self>> {
        Self::with_store(config, Store::default(), clock)
    }

    /// What a configuration makes of it.
    ///
    /// # Errors
    ///
    /// Certificates or keys that can't be used.
    pub fn with_store(config: &Config, store: Store, clock: Clock) -> anyhow::Result<Arc<Self>> {
        let proxy = Proxy::new(config, None, clock)?;
        proxy.attach(&store);
        Ok(Arc::new(Self { proxy, server: config.server.clone(), store }))
    }

    /// What another configuration makes of it; budgets, breakers and connections go on.
    ///
    /// # Errors
    ///
    /// Keys that can't be used.
    pub fn renewed(config: &Config, before: &Self) -> anyhow::Result<Arc<Self>> {
        let clock = before.proxy.clock;
        let proxy = Proxy::new(config, Some(&before.proxy), clock)?;
        proxy.attach(&before.store);
        before.store.set_history_days(config.history_days);
        Ok(Arc::new(Self { proxy, server: config.server.clone(), store: before.store.clone() }))
    }
}

/// What some endpoint takes.
const EVERY_METHOD: &str = "GET,HEAD,POST,OPTIONS";

/// An endpoint.
enum Endpoint<'a> {
    Chat,
    Completions,
    Models,
    Model(&'a str),
    Warming,
    Root,
    Health,
    Ready,
}

/// All endpoints; those of the API with and without `/v1`.
fn endpoint(path: &str) -> Option<Endpoint<'_>> {
    match path {
        "/" => return Some(Endpoint::Root),
        "/health" => return Some(Endpoint::Health),
        "/ready" => return Some(Endpoint::Ready),
        _ => {}
    }
    match path.strip_prefix("/v1").unwrap_or(path) {
        "/chat/completions" => Some(Endpoint::Chat),
        "/completions" => Some(Endpoint::Completions),
        "/models" => Some(Endpoint::Models),
        "/tcp_warming" => Some(Endpoint::Warming),
        path => path.strip_prefix("/models/").filter(|id| !id.is_empty()).map(Endpoint::Model),
    }
}

impl Endpoint<'_> {
    fn takes(&self, method: &Method) -> bool {
        match self {
            Self::Chat | Self::Completions => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Chat | Self::Completions => "POST,OPTIONS",
            _ => "GET,HEAD,OPTIONS",
        }
    }

    fn asks_for_key(&self) -> bool {
        matches!(self, Self::Chat | Self::Completions | Self::Models | Self::Model(_))
    }
}

/// Answers one request. What is turned away, here or further in, is logged here.
///
/// Its head is read before there is a future, and let go: it is made of slices of what its connection read, and would take
/// room for as long as an answer is waited for.
pub fn handle<B>(app: Arc<App>, request: Request<B>) -> impl Future<Output = Response<Body>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (head, mut body) = request.into_parts();
    let id = server::request_id();
    let is_preflight = head.method == Method::OPTIONS;
    let origin = cors::origin(&head.headers);
    let routed = guard::caught(|| routed(&app, &head));
    async move {
        let answered = match routed {
            // Pinned here: a future that takes another one by value has room for it twice.
            Ok(Routed::Chat(asked)) => {
                guard::caught_later(pin!(chat::completions(&app, &id, asked, &mut body))).await
            }
            Ok(Routed::Answered(response)) => Ok(response),
            Err(rejected) => Err(rejected),
        };
        let mut response = answered.unwrap_or_else(|rejected| {
            let (status, message) = (rejected.status.as_u16(), &rejected.body.message);
            let reason = app.proxy.redactor.redact(message);
            tracing::info!(request_id = id, status, reason = &*reason, "rejected");
            rejected.into_response()
        });
        if !is_preflight {
            cors::add(&app.server.cors, origin.as_ref(), response.headers_mut());
        }
        if let Ok(id) = HeaderValue::from_maybe_shared(Bytes::from(id)) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        response
    }
}

/// What the head of a request leads to.
enum Routed {
    Answered(Response<Body>),
    Chat(chat::Asked),
}

fn routed(app: &App, head: &Parts) -> Result<Routed, Error> {
    guard::framing(head.extensions.get::<Framing>(), &head.headers)?;
    guard::host(head.version, &head.headers)?;
    let path = head.uri.path();
    let endpoint = endpoint(path);
    if head.method == Method::OPTIONS {
        let methods = endpoint.as_ref().map_or(EVERY_METHOD, Endpoint::methods);
        return Ok(Routed::Answered(cors::preflight(&app.server.cors, &head.headers, methods)));
    }
    guard::origin(app, &head.headers)?;
    let Some(endpoint) = endpoint else {
        let message = format!("There is nothing at {path}; the base URL for agents is /v1.");
        return Err(Error::request(StatusCode::NOT_FOUND, "not_found", message));
    };
    if !endpoint.takes(&head.method) {
        let message = format!("{} is not what {path} takes.", head.method);
        let error = Error::request(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        return Err(error.instead(endpoint.methods()));
    }
    let key = if endpoint.asks_for_key() { guard::client_key(app, &head.headers)? } else { None };
    Ok(Routed::Answered(match endpoint {
        Endpoint::Chat => return chat::Asked::new(app, key, &head.headers).map(Routed::Chat),
        Endpoint::Completions => return Err(catalogue::completions()),
        Endpoint::Models => catalogue::models(app),
        Endpoint::Model(model) => catalogue::model(app, model)?,
        Endpoint::Warming | Endpoint::Health => catalogue::up(),
        Endpoint::Root => catalogue::root(app),
        Endpoint::Ready => ready::ready(app, &head.headers),
    }))
}

#[cfg(test)]
mod tests {
    use http::header;
    use http_body_util::Empty;

    use super::*;
    use crate::config::Overrides;

    /// Thousands may wait for their first token at once.
    #[test]
    fn a_request_that_waits_takes_little_and_keeps_nothing_of_what_was_read() {
        let vars = [("CEREBRAS_API_KEY".to_owned(), "csk-0123456789".to_owned())];
        let config = Config::from_vars(vars, &Overrides::default()).expect("settings");
        let app = App::new(&config, Clock::start()).expect("usable settings");
        let read = Bytes::from(b"http://localhost application/json".to_vec());
        let value = |span| HeaderValue::from_maybe_shared(read.slice(span)).expect("a value");
        let request = Request::post("/v1/chat/completions").header(header::HOST, "localhost");
        let request =
            request.header(header::ORIGIN, value(0..16)).header(header::CONTENT_TYPE, value(17..33));
        let waiting = handle(app, request.body(Empty::new()).expect("a request"));
        assert!(size_of_val(&waiting) <= 3840, "{} bytes", size_of_val(&waiting));
        assert!(read.is_unique());
    }
}
