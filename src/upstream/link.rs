//! One connection to a provider: a request out, an answer in.
//!
//! No task of its own: whoever waits for the answer, or for more of it, reads and writes on the way, so an event wakes one task
//! once, and whoever is dropped takes the connection along. No buffer either: what is read is looked at on the stack, and what
//! is content of it gets as much room as it needs. Thousands of streams wait for their next event most of the time.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http::Response;
use http1::head::Reader;
use http1::{Head, Incomplete, Malformed};
use thiserror::Error;
use tokio::io::ReadBuf;
use tokio::task::coop::unconstrained;

use super::dial::Wire;
use super::flow::Flow;
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
    /// Why no more of it can be written.
    failed: Option<io::Error>,
    /// Set with the first byte: from then on the provider may have seen it. Behind TLS a part may be on its way earlier, of a
    /// request that will never be whole.
    sent: Arc<AtomicBool>,
}

impl Outgoing {
    pub(super) fn new(head: Bytes, body: &[Bytes], sent: Arc<AtomicBool>) -> Self {
        let pieces = std::iter::once(head).chain(body.iter().filter(|piece| !piece.is_empty()).cloned());
        Self { pieces: pieces.collect(), is_flushed: false, failed: None, sent }
    }

    /// Whether the other side may have seen something of it.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Ready once it is written, or can't be.
    fn poll_write(&mut self, wire: &mut dyn Wire, context: &mut Context<'_>) -> Poll<()> {
        if self.failed.is_none() {
            self.failed = ready!(self.poll_pieces(wire, context)).err();
        }
        Poll::Ready(())
    }

    fn poll_pieces(&mut self, wire: &mut dyn Wire, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Reads while it writes: an answer may come before all of its request is taken, and whoever refuses one may close its
    /// connection before that. What it has said counts.
    fn poll_head(
        &mut self,
        request: &mut Outgoing,
        reader: &mut Reader,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Head, Bytes), Lost>> {
        let _ = self.poll_write(request, context);
        let head = ready!(self.poll_answer(reader, context));
        Poll::Ready(head.map_err(|lost| request.failed.take().map_or(lost, Lost::from)))
    }

    pub(super) fn poll_write(&mut self, request: &mut Outgoing, context: &mut Context<'_>) -> Poll<()> {
        request.poll_write(&mut *self.wire, context)
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

    /// What `take` makes of what comes next; an empty read is the end.
    pub(super) fn poll_read<T>(
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
        // Whoever has read much is told that nothing came, so that others go first.
        let nothing = unconstrained(poll_fn(|context| self.poll_read(context, |_| ())));
        pin!(nothing).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}
