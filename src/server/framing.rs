//! What hyper does not tell: whether a request was framed twice, and what it answers on its own.
//!
//! hyper takes a request with both `Content-Length` and `Transfer-Encoding` by the latter and closes the connection
//! afterwards, which is safe; but a client that sends such a thing deserves to hear of it. And a request that hyper
//! can't read gets an answer without a body. Both are seen here, on the way between socket and hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use wire::ApiError;

/// No head is looked at beyond this.
const MAX_HEAD: usize = 64 * 1024;

/// What is known of the framing of a connection's present request.
#[derive(Clone, Debug, Default)]
pub struct Framing(Arc<AtomicBool>);

impl Framing {
    /// Whether the head named two ways to find the end of the body.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket whose request heads are looked at.
#[derive(Debug)]
pub(super) struct Watched {
    socket: TcpStream,
    framing: Framing,
    /// The head so far; `None` while a body is read.
    head: Option<Vec<u8>>,
    /// What is still to be written instead of an answer of hyper's own.
    instead: Vec<u8>,
}

impl Watched {
    pub(super) fn new(socket: TcpStream) -> (Self, Framing) {
        let framing = Framing::default();
        (Self { socket, framing: framing.clone(), head: Some(Vec::new()), instead: Vec::new() }, framing)
    }

    fn look(&mut self, read: &[u8]) {
        let Some(head) = &mut self.head else { return };
        head.extend_from_slice(read);
        let end = memchr::memmem::find(head, b"\r\n\r\n");
        if let Some(end) = end {
            head.truncate(end);
            self.framing.0.store(is_ambiguous(head), Ordering::Relaxed);
        }
        if end.is_some() || head.len() > MAX_HEAD {
            self.head = None;
        }
    }

    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(context, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

fn is_ambiguous(head: &[u8]) -> bool {
    let named = |name: &[u8]| {
        head.split(|byte| *byte == b'\n')
            .any(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    named(b"content-length:") && named(b"transfer-encoding:")
}

/// hyper's own answers have a 4xx status and no body; all of ours have one.
fn own_answer(written: &[u8]) -> Option<Vec<u8>> {
    let status = written.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let bare = status[0] == b'4' && memchr::memmem::find(written, b"content-length: 0\r\n").is_some();
    let (status, code, message) = match status {
        _ if !bare => return None,
        b"431" => (
            "431 Request Header Fields Too Large",
            "headers_too_large",
            "The request's headers are too large.",
        ),
        b"414" => ("414 URI Too Long", "uri_too_long", "The request's address is too long."),
        _ => ("400 Bad Request", "invalid_http", "This is not a well-formed HTTP/1.1 request."),
    };
    let kind = "invalid_request_error".to_owned();
    let body =
        ApiError { message: message.to_owned(), kind, param: None, code: Some(code.to_owned()) }.to_json();
    let length = body.len();
    Some(
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes(),
    )
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if self.head.is_some() {
            self.look(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(instead) = own_answer(bytes) {
            self.instead = instead;
            // What does not fit now goes out with the flush.
            if let Poll::Ready(Err(error)) = self.poll_instead(context) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        // An answer is on its way: what is read from now on is another request's head.
        self.head.get_or_insert_default();
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        self.head.get_or_insert_default();
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
