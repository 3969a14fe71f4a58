//! `POST /v1/chat/completions`: HTTP in, [`forward`], HTTP out.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use wire::ChatRequest;

use super::reply::{Answered, Body, Error};
use super::{App, body, catalogue};
use crate::auth;
use crate::coding::Coding;
use crate::proxy::{Answer, AnswerBody, Proxy, forward};
use crate::refusal::Refusal;
use crate::report::Report;

/// What the head of a request says.
pub(super) struct Asked {
    /// What the history calls whoever asks.
    client: Option<String>,
    /// How its body is compressed.
    coding: Coding,
}

impl Asked {
    /// `key`: which of the client keys it came with, if there are any.
    pub(super) fn new(app: &App, key: Option<u32>, headers: &HeaderMap) -> Result<Self, Error> {
        Ok(Self { client: client(app, key, headers), coding: body::check_headers(headers)? })
    }
}

pub(super) async fn completions<B>(app: &App, id: &str, asked: Asked, body: &mut B) -> Answered
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let proxy = &app.proxy;
    let request = read(app, asked.coding, body).await?;
    log_details(proxy, id, &request);
    let mut report = Report::new(id.to_owned(), request.model.clone(), request.stream, proxy.clock);
    report.max_tokens = request.max_tokens;
    let report = report.recorded(&app.store, asked.client);
    Ok(forward(proxy, &request, report).await.map_or_else(Refusal::into_response, respond))
}

async fn read<B>(app: &App, coding: Coding, body: &mut B) -> Result<ChatRequest, Error>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let body = body::read(body, coding, app.server.max_body_bytes, app.proxy.timeouts.body).await?;
    let request = ChatRequest::parse(body).map_err(|invalid| {
        Error::request(StatusCode::BAD_REQUEST, "invalid_request", invalid.message).param(invalid.param)
    })?;
    if app.proxy.targets(&request.model).is_none() {
        let message = catalogue::no_model(app, &request.model);
        return Err(Error::request(StatusCode::NOT_FOUND, "model_not_found", message).param(Some("model")));
    }
    Ok(request)
}

fn client(app: &App, key: Option<u32>, headers: &HeaderMap) -> Option<String> {
    if !app.store.keeps_history() {
        return None;
    }
    match key {
        Some(number) => Some(format!("key {number}")),
        None => auth::user_agent(headers).map(|agent| app.proxy.redactor.redact(agent).into_owned()),
    }
}

fn respond(answer: Answer) -> Response<Body> {
    let Answer { target, model, attempts, headers, body } = answer;
    let stream = matches!(body, AnswerBody::Stream(_));
    let mut response = Response::new(match body {
        AnswerBody::Plain(bytes) => Body::Whole(Some(bytes)),
        AnswerBody::Stream(relay) => Body::Relay(relay),
    });
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    if stream {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx in front of us would hold events back.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    add(headers, HeaderName::from_static("x-proxy-provider"), target.name());
    add(headers, HeaderName::from_static("x-proxy-model"), &model);
    headers.insert(HeaderName::from_static("x-proxy-attempts"), HeaderValue::from(attempts));
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What may hold the user's own text is for DEBUG only, and without keys even there.
fn log_details(proxy: &Proxy, id: &str, request: &ChatRequest) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        let text = |bytes: &[u8]| proxy.redactor.redact(&String::from_utf8_lossy(bytes)).into_owned();
        let functions = text(request.body.get(request.tools.clone()).unwrap_or_default());
        tracing::debug!(request_id = id, functions, body = text(&request.body), "request body");
    }
}
