//! The body of an answer, read from its connection as it is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http1::Head;

use super::link::{Link, Lost, Outgoing};
use super::pool::Pool;

/// The body of an answer.
#[derive(Debug)]
pub struct Flow {
    content: Content,
    /// `None` once nothing more comes.
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
    /// What was read behind the head.
    rest: Bytes,
    /// Where the answer came before all of its request was sent.
    unsent: Option<Box<Outgoing>>,
}

#[derive(Debug)]
struct Content {
    body: http1::Body,
    /// Its connection may be used again.
    keeps_alive: bool,
}

impl Content {
    /// The content of what was read; an empty read is the end.
    fn take(&mut self, read: &[u8]) -> Result<Bytes, Lost> {
        if read.is_empty() {
            self.body.close()?;
            return Ok(Bytes::new());
        }
        let mut content = BytesMut::with_capacity(read.len());
        let behind = self.body.take(read, &mut content)?;
        // Nobody has asked for it.
        self.keeps_alive &= behind.is_empty();
        Ok(content.freeze())
    }
}

impl Flow {
    /// The answer whose head, and `rest` behind it, was read.
    pub(super) fn answer(
        link: Box<Link>,
        head: Head,
        rest: Bytes,
        request: Outgoing,
        pool: &Arc<Pool>,
    ) -> Response<Self> {
        // What is still to be sent may be read as another request, by whoever has answered this one.
        let keeps_alive = head.keeps_alive && request.is_flushed();
        let content = Content { body: http1::Body::new(head.framing), keeps_alive };
        let unsent = (!request.is_flushed()).then(|| Box::new(request));
        let mut flow = Self { content, link: Some(link), pool: Arc::clone(pool), rest, unsent };
        if flow.content.body.is_over() {
            flow.content.keeps_alive &= flow.rest.is_empty();
            flow.end();
        }
        let mut answer = Response::new(flow);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        answer
    }

    /// The next content; none at the end.
    fn poll_content(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Lost>> {
        let Self { content, link: Some(link), rest, unsent, .. } = self else {
            return Poll::Ready(Ok(Bytes::new()));
        };
        if unsent.as_mut().is_some_and(|request| link.poll_write(request, context).is_ready()) {
            *unsent = None;
        }
        while !content.body.is_over() {
            let found = match std::mem::take(rest) {
                read if read.is_empty() => ready!(link.poll_read(context, |read| content.take(read)))??,
                read => content.take(&read)?,
            };
            if !found.is_empty() {
                return Poll::Ready(Ok(found));
            }
        }
        Poll::Ready(Ok(Bytes::new()))
    }

    /// The connection is used again where it can be.
    fn end(&mut self) {
        if let Some(link) = self.link.take()
            && self.content.body.is_over()
            && self.content.keeps_alive
        {
            self.pool.put(link);
        }
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let found = ready!(self.poll_content(context));
        if found.is_err() || self.content.body.is_over() {
            self.end();
        }
        Poll::Ready(match found {
            Ok(bytes) if bytes.is_empty() => None,
            found => Some(found.map(Frame::data)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.link.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.body.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
