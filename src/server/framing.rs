//! What hyper does not tell: whether a request was framed twice, and whether it was read to its end.
//!
//! hyper takes a request with both `Content-Length` and `Transfer-Encoding` by the latter and closes the connection
//! afterwards, which is safe; but a client that sends such a thing deserves to hear of it. And a connection that is
//! closed while a request is still arriving is reset by the kernel, which takes the answer back out of the client's
//! hands: so what is left of the request is read first, and thrown away. Nor does it tell when a client stopped reading.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::{MAX_HEAD, own_answer};
use crate::socket::Socket;

/// How long the rest of a request that was turned away is read, at most.
const LINGER: Duration = Duration::from_secs(5);

/// What is known of the framing of a connection's present request.
#[derive(Clone, Debug, Default)]
pub struct Framing(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// The head named two ways to find the end of the body.
    ambiguous: AtomicBool,
    /// The request is not read to its end.
    unread: AtomicBool,
    /// The answer may have no other end than the connection's.
    ends_by_close: AtomicBool,
}

impl Framing {
    /// Whether the head named two ways to find the end of the body. Not known of a request that came in one piece
    /// with the one before it.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous.load(Ordering::Relaxed)
    }

    pub(super) fn is_unread(&self) -> bool {
        self.0.unread.load(Ordering::Relaxed)
    }

    fn set_unread(&self, unread: bool) {
        self.0.unread.store(unread, Ordering::Relaxed);
    }

    pub(super) fn set_ends_by_close(&self, ends_by_close: bool) {
        self.0.ends_by_close.store(ends_by_close, Ordering::Relaxed);
    }

    fn head(&self, head: &[u8]) {
        self.0.ambiguous.store(is_ambiguous(head), Ordering::Relaxed);
        self.set_unread(true);
    }
}

/// The body of a request; notes its end.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    framing: Framing,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, framing: Framing) -> Self {
        framing.set_unread(!body.is_end_stream());
        Self { body, framing }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.framing.set_unread(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket whose request heads are looked at, and which is not closed before the client could read its answer.
#[derive(Debug)]
pub(super) struct Watched {
    socket: Socket,
    framing: Framing,
    /// The head so far; `None` while a body is read.
    head: Option<Vec<u8>>,
    /// What is still to be written instead of an answer of hyper's own.
    instead: Vec<u8>,
    /// Until when the rest of a request is read; set once everything is written.
    linger: Option<Pin<Box<Sleep>>>,
    /// How long a client may take nothing of what is to be written.
    patience: Duration,
    /// Until when that is; set while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(socket: impl Into<Socket>, patience: Duration) -> (Self, Framing) {
        let framing = Framing::default();
        let watched = Self {
            socket: socket.into(),
            framing: framing.clone(),
            head: None,
            instead: Vec::new(),
            linger: None,
            patience,
            stalled: None,
        };
        (watched, framing)
    }

    fn look(&mut self, read: &[u8]) {
        if self.head.is_none() && self.framing.is_unread() {
            return;
        }
        let begun = self.head.take().filter(|begun| !begun.is_empty());
        // Most heads come in one read: what stands behind is not copied.
        let head = match begun {
            Some(begun) => Cow::Owned([&begun, read].concat()),
            None => Cow::Borrowed(without_empty_lines(read)),
        };
        if ends(&head) || head.len() > MAX_HEAD {
            self.framing.head(&head);
        } else {
            self.head = Some(head.into_owned());
        }
    }

    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = Pin::new(&mut self.socket).poll_write(context, &self.instead);
            let written = ready!(self.poll_patience(context, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// What became of a write, or an error once none has become anything for too long. What the kernel still holds of the
    /// answer then goes with the connection.
    fn poll_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        let _ = self.socket.set_zero_linger();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Empty lines may stand before a request.
fn without_empty_lines(read: &[u8]) -> &[u8] {
    let blank = read.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    &read[blank..]
}

fn is_ambiguous(head: &[u8]) -> bool {
    let named = |name: &[u8]| {
        lines(head)
            // Behind the empty line is the body.
            .take_while(|line| !line.is_empty() && *line != b"\r")
            .any(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    named(b"content-length:") && named(b"transfer-encoding:")
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', head).map(move |end| {
        let line = &head[start..end];
        start = end + 1;
        line
    })
}

/// Whether there is an empty line; a line may end without its carriage return.
fn ends(head: &[u8]) -> bool {
    [b"\n\r\n".as_slice(), b"\n\n"].iter().any(|end| memchr::memmem::find(head, end).is_some())
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        self.look(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Watched {
    /// hyper drops a connection whose head does not come in time without a word; half a head deserves one. HTTP/1.0
    /// has no chunks: only a reset tells a stream that broke from one that is over.
    fn drop(&mut self) {
        let over = self.linger.is_some();
        if !over && self.head.as_ref().is_some_and(|head| !head.is_empty()) {
            let _ = self.socket.try_write(&own_answer::head_too_late());
        }
        if !over && self.framing.0.ends_by_close.load(Ordering::Relaxed) {
            let _ = self.socket.set_zero_linger();
        }
    }
}

// Not vectored: an answer of hyper's own is to come in one piece.
impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(instead) = own_answer::replaced(bytes) {
            self.framing.set_unread(true);
            self.instead = instead;
            // What does not fit now goes out with the flush.
            if let Poll::Ready(Err(error)) = self.poll_instead(context) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.poll_patience(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
            self.linger = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        let Self { socket, framing, linger: Some(linger), .. } = &mut *self else {
            return Poll::Ready(Ok(()));
        };
        if !framing.is_unread() {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0; 16 * 1024];
        while framing.is_unread() && linger.as_mut().poll(context).is_pending() {
            let mut scrap = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut *socket).poll_read(context, &mut scrap))?;
            if scrap.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
