//! One connection to a provider: a request out, an answer in.
//!
//! No task of its own: whoever waits for the answer, or for more of it, reads and writes on the way, so an event wakes one task
//! once, and whoever is dropped takes the connection along. No buffer either: what is read is looked at on the stack, and what
//! is content of it gets as much room as it needs. Thousands of streams wait for their next event most of the time.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http1::head::Reader;
use http1::{Head, Incomplete, Malformed};
use thiserror::Error;
use tokio::io::ReadBuf;

use super::dial::Wire;
use super::pool::{Origin, Pool};

/// How much is read at once, in bytes.
const READ: usize = 8 * 1024;
/// How many pieces are written at once.
const PIECES: usize = 16;

/// Why there is no more of an answer.
#[derive(Debug, Error)]
pub enum Lost {
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// It ended too early.
    #[error(transparent)]
    Incomplete(#[from] Incomplete),
    /// Something else came.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A request on its way.
pub(super) struct Outgoing {
    /// What is not written yet. It begins with the head, which holds a key.
    pieces: VecDeque<Bytes>,
    is_flushed: bool,
    /// Set with the first byte: from then on the provider may have seen it.
    sent: Arc<AtomicBool>,
}

impl Outgoing {
    pub(super) fn new(head: Bytes, body: &[Bytes], sent: Arc<AtomicBool>) -> Self {
        let pieces = std::iter::once(head).chain(body.iter().filter(|piece| !piece.is_empty()).cloned());
        Self { pieces: pieces.collect(), is_flushed: false, sent }
    }

    /// Whether the other side may have seen something of it.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    fn poll_write(&mut self, wire: &mut dyn Wire, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            slices.iter_mut().zip(&self.pieces).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
            let mut written = ready!(Pin::new(&mut *wire).poll_write_vectored(context, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent.store(true, Ordering::Relaxed);
            while let Some(piece) = self.pieces.front_mut().filter(|_| written > 0) {
                let part = written.min(piece.len());
                piece.advance(part);
                written -= part;
                if piece.is_empty() {
                    self.pieces.pop_front();
                }
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(wire).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outgoing").field("is_flushed", &self.is_flushed).finish_non_exhaustive()
    }
}

/// A connection on which one request at a time is asked.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) origin: Origin,
    wire: Box<dyn Wire>,
}

impl Link {
    pub(super) fn new(origin: Origin, wire: Box<dyn Wire>) -> Self {
        Self { origin, wire }
    }

    /// Sends a request and waits for the head of its answer. When the answer is over, the connection goes into `pool`.
    ///
    /// # Errors
    ///
    /// The connection broke, or what came is no answer.
    pub(super) async fn ask(
        mut self: Box<Self>,
        mut request: Outgoing,
        pool: &Arc<Pool>,
    ) -> Result<Response<Flow>, (Lost, Outgoing)> {
        let mut reader = Reader::default();
        match poll_fn(|context| self.poll_head(&mut request, &mut reader, context)).await {
            Ok((head, rest)) => Ok(Flow::answer(self, head, rest, request, pool)),
            Err(lost) => Err((lost, request)),
        }
    }

    /// Reads while it writes: an answer may come before all of its request is taken.
    fn poll_head(
        &mut self,
        request: &mut Outgoing,
        reader: &mut Reader,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Head, Bytes), Lost>> {
        let written = request.poll_write(&mut *self.wire, context);
        let head = self.poll_answer(reader, context);
        match (written, head) {
            // Whoever refuses a request may close its connection before all of it is there; what it said counts.
            (_, Poll::Ready(Ok(head))) => Poll::Ready(Ok(head)),
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(error.into())),
            (_, head) => head,
        }
    }

    fn poll_answer(
        &mut self,
        reader: &mut Reader,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Head, Bytes), Lost>> {
        loop {
            let fed = ready!(self.poll_read(context, |read| {
                if read.is_empty() { Err(Lost::from(Incomplete)) } else { Ok(reader.feed(read)?) }
            }))?;
            if let Some(whole) = fed? {
                return Poll::Ready(Ok(whole));
            }
        }
    }

    /// What `take` makes of what comes next; nothing comes at the end.
    fn poll_read<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        let mut room = [const { MaybeUninit::uninit() }; READ];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *self.wire).poll_read(context, &mut read))?;
        Poll::Ready(Ok(take(read.filled())))
    }

    /// Whether another request may be asked here, as far as can be seen from this side: nothing has come, not even the end.
    pub(super) fn is_idle(&mut self) -> bool {
        self.poll_read(&mut Context::from_waker(Waker::noop()), |_| ()).is_pending()
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Flow {
    content: Content,
    /// `None` once the answer is over.
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
    /// The content of what was read; nothing is at the end.
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
    fn answer(
        link: Box<Link>,
        head: Head,
        rest: Bytes,
        request: Outgoing,
        pool: &Arc<Pool>,
    ) -> Response<Self> {
        let content = Content { body: http1::Body::new(head.framing), keeps_alive: head.keeps_alive };
        let unsent = (!request.is_flushed).then(|| Box::new(request));
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
        // Where that fails, what still comes says more.
        if let Some(request) = unsent
            && let Poll::Ready(Ok(())) = request.poll_write(&mut *link.wire, context)
        {
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
            && self.unsent.is_none()
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
