//! Bodies, and errors in the shape every client of the chat API reads: `{"error":{message, type, param, code}}`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use wire::ApiError;

use crate::refusal::Refusal;
use crate::relay::{Broken, Relay};

/// What an endpoint makes of a request.
pub(super) type Answered = Result<Response<Body>, Error>;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// Whole; `None` once it is on its way.
    Whole(Option<Bytes>),
    /// A stream.
    Relay(Box<Relay>),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Whole(None)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => Pin::new(&mut **relay).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Relay(_) => SizeHint::default(),
        }
    }
}

/// An error for the client. Its message is also what the log says of it.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    pub(crate) body: ApiError,
    /// What would be taken instead: methods or, where the media type is at fault, encodings.
    instead: Option<&'static str>,
}

impl Error {
    /// The request is at fault.
    pub(crate) fn request(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ApiError {
            message: message.into(),
            kind: "invalid_request_error".to_owned(),
            param: None,
            code: Some(code.to_owned()),
        };
        Self { status, body, instead: None }
    }

    /// The error's `type`, where the request is not at fault.
    pub(crate) fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.body.kind);
        self
    }

    pub(crate) fn param(mut self, param: Option<&str>) -> Self {
        self.body.param = param.map(str::to_owned);
        self
    }

    /// Says what would be taken.
    pub(crate) fn instead(mut self, instead: &'static str) -> Self {
        self.instead = Some(instead);
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, self.body.to_json());
        if let Some(instead) = self.instead {
            let name = match self.status {
                StatusCode::METHOD_NOT_ALLOWED => header::ALLOW,
                _ => header::ACCEPT_ENCODING,
            };
            response.headers_mut().insert(name, HeaderValue::from_static(instead));
        }
        response
    }
}

impl Refusal {
    pub(super) fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = json(status, self.error.to_json());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::BAD_GATEWAY {
            // Settings do not mend themselves; the SDKs would try twice more.
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
