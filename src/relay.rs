//! A streamed answer on its way: events are looked at, mapped and passed on; nothing else waits for them.
//!
//! Until the first payload the stream may be given up for another provider, so what comes before is held back.
//! From then on it ends in one of two ways: whole, or with a broken connection. A client must never take
//! half an answer for a whole one, so a stream that ends without a finish reason is broken, however cleanly the
//! provider ended it.
//!
//! Cancel safety: a relay that is dropped drops the provider's connection with it and settles what has passed.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::Sleep;
use wire::sse::Decoder;
use wire::{ChatStream, ProviderError, Redactor, Step};

use crate::account::Reservation;
use crate::clock::Clock;
use crate::failure::{Failure, Kind};
use crate::report::{End, Report};
use crate::upstream::innermost;

/// What may come before the first payload, in bytes: comments and an opening chunk.
const MAX_PREAMBLE: usize = 256 * 1024;
/// How long the connection may take to end behind `[DONE]`; one that has ended can be used again.
const ENDING: Duration = Duration::from_millis(250);

/// Events as they come from the provider.
#[derive(Debug)]
pub struct Source {
    body: Incoming,
    decoder: Decoder,
    stream: ChatStream,
    redactor: Arc<Redactor>,
    /// What the client may see next.
    ready: VecDeque<Bytes>,
    /// How the stream ended, once it has.
    end: Option<SourceEnd>,
}

/// How the provider's side of a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SourceEnd {
    /// With every choice finished.
    Whole,
    /// The provider reported an error in band.
    Error(ProviderError),
    /// It ended, or broke, in the middle of the answer.
    Cut(String),
}

impl Source {
    /// The events of a response's body, for a client that sees what `stream` makes of them.
    #[must_use]
    pub fn new(body: Incoming, stream: ChatStream, redactor: Arc<Redactor>) -> Self {
        Self { body, decoder: Decoder::default(), stream, redactor, ready: VecDeque::new(), end: None }
    }

    /// Reads up to the first payload: the commit point.
    ///
    /// # Errors
    ///
    /// The failure of a stream that has none.
    pub async fn commit(&mut self) -> Result<(), Failure> {
        let mut held = 0;
        loop {
            let before = self.ready.len();
            let payload = poll_fn(|context| self.poll_events(context)).await;
            // What broke off within the same read can still be fetched elsewhere.
            if payload && matches!(self.end, None | Some(SourceEnd::Whole)) {
                return Ok(());
            }
            held += self.ready.iter().skip(before).map(Bytes::len).sum::<usize>();
            match self.end.take() {
                None if held > MAX_PREAMBLE => {
                    return Err(Failure::new(Kind::NoCompletion, "sent a stream without payload"));
                }
                None => {}
                Some(SourceEnd::Error(error)) => return Err(Failure::in_answer(error)),
                Some(SourceEnd::Whole) => {
                    return Err(Failure::new(Kind::EmptyStream, "sent a stream without payload"));
                }
                Some(SourceEnd::Cut(message)) => return Err(Failure::new(Kind::EmptyStream, message)),
            }
        }
    }

    /// Takes in what the provider sent next. Ready with whether there was payload in it; the end is noted.
    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => frame.into_data().is_ok_and(|data| self.take_in(&data)),
            Some(Err(error)) => {
                self.finish(&format!("its connection broke: {}", innermost(&error)));
                false
            }
            None => {
                let last = std::mem::take(&mut self.decoder).finish();
                let payload = last.is_some_and(|frame| self.tail(&frame));
                self.finish("the stream ended in the middle of the answer");
                payload
            }
        })
    }

    fn take_in(&mut self, data: &[u8]) -> bool {
        if let Err(error) = self.decoder.feed(data) {
            self.end.get_or_insert(SourceEnd::Cut(error.to_string()));
            return false;
        }
        let mut payload = false;
        while let Some(frame) = self.decoder.next() {
            payload |= self.event(&frame);
            if self.end.is_some() {
                break;
            }
        }
        payload
    }

    fn event(&mut self, frame: &wire::sse::Frame) -> bool {
        let step = self.stream.step(frame);
        self.follow(frame, step)
    }

    /// An event without its empty line. Half of one is not the client's concern either.
    fn tail(&mut self, frame: &wire::sse::Frame) -> bool {
        let done = self.stream.is_done();
        match self.stream.step(frame) {
            Step::Pass { payload: false, .. } if self.stream.is_done() == done => false,
            step => self.follow(frame, step),
        }
    }

    fn follow(&mut self, frame: &wire::sse::Frame, step: Step) -> bool {
        match step {
            // A `[DONE]` in the middle of an answer would make half of it look whole.
            Step::Pass { .. } if self.stream.is_done() && !self.stream.is_whole() => {
                self.finish("the stream said [DONE] in the middle of the answer");
                false
            }
            Step::Pass { bytes, payload } => {
                self.ready.push_back(bytes);
                payload
            }
            Step::Withhold => false,
            // Nothing is missing: what fails behind the end of an answer is not the client's concern.
            Step::Failed(_) if self.stream.is_whole() => {
                self.finish("");
                false
            }
            Step::Failed(error) => {
                let error = error.redacted(&self.redactor);
                // What came as no event becomes none: more agents try again by themselves when they see nothing
                // but a broken connection.
                if frame.data().is_some() {
                    self.ready.push_back(error_event(&error));
                }
                self.end.get_or_insert(SourceEnd::Error(error));
                false
            }
        }
    }

    fn finish(&mut self, otherwise: &str) {
        let end =
            if self.stream.is_whole() { SourceEnd::Whole } else { SourceEnd::Cut(otherwise.to_owned()) };
        self.end.get_or_insert(end);
    }

    /// What is ready, in one piece.
    fn pop_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        if self.ready.is_empty() {
            return Some(first);
        }
        let mut joined = BytesMut::from(first);
        self.ready.drain(..).for_each(|bytes| joined.extend_from_slice(&bytes));
        Some(joined.freeze())
    }
}

/// A provider's error in the middle of an answer, for the client. It is written anew, since a key may hide in what
/// a provider escapes; and it reads like a 503, which is what moves some agents to try again.
fn error_event(error: &ProviderError) -> Bytes {
    let mut error = error.to_api("server_error");
    error.message = format!("503 provider overloaded or failing: {}", error.message);
    format!("data: {}\n\n", error.to_json()).into()
}

/// The body of a streamed answer after its commit point.
#[derive(Debug)]
pub struct Relay {
    source: Source,
    clock: Clock,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    /// Something came since the deadline was set.
    flowing: bool,
    reservation: Option<Reservation>,
    /// The connection is to be broken next.
    broken: Option<Broken>,
    report: Report,
}

/// Breaks the client's connection: neither a last chunk nor a `[DONE]` is sent.
#[derive(Debug, Error)]
#[error("the provider's stream broke: {0}")]
pub struct Broken(String);

impl Relay {
    /// Relays a source that has reached its commit point. A silence longer than `idle` breaks it.
    #[must_use]
    pub fn new(
        source: Source,
        idle: Duration,
        reservation: Reservation,
        report: Report,
        clock: Clock,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep(idle));
        let reservation = Some(reservation);
        Self { source, clock, idle, deadline, flowing: true, reservation, broken: None, report }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            if let Some(bytes) = self.source.pop_ready() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            match self.source.end.take() {
                Some(SourceEnd::Whole) => {
                    self.settle(End::Whole);
                    return Poll::Ready(None);
                }
                Some(SourceEnd::Error(ProviderError { message: why, .. }) | SourceEnd::Cut(why)) => {
                    self.settle(End::Broken(why.clone()));
                    self.broken = Some(Broken(why));
                    // The server writes out what it has when nothing is ready, and throws it away with an error.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None if self.broken.is_some() => return Poll::Ready(self.broken.take().map(Err)),
                None if self.reservation.is_none() => return Poll::Ready(None),
                None => {}
            }
            if self.source.poll_events(context).is_ready() {
                self.flowing = true;
                continue;
            }
            if std::mem::take(&mut self.flowing) {
                let silence = if self.source.stream.is_done() { ENDING } else { self.idle };
                let deadline = self.clock.deadline(silence);
                self.deadline.as_mut().reset(deadline);
            }
            ready!(self.deadline.as_mut().poll(context));
            let silence = format!("nothing came for {} s", self.idle.as_secs_f64());
            self.source.finish(&silence);
        }
    }

    /// The stream is over: the books get what was used, the breaker a verdict.
    fn settle(&mut self, end: End) {
        let Some(mut reservation) = self.reservation.take() else { return };
        self.note_usage();
        reservation.counted(self.source.stream.counted());
        if let End::Broken(_) = end {
            if let Some(trip) = Kind::ErrorInAnswer.trip(None, false) {
                reservation.failed(Kind::ErrorInAnswer, trip);
            }
        } else {
            reservation.works();
        }
        // A report from the middle of an answer that broke off does not know its end.
        let usage = self.source.stream.usage().filter(|_| end == End::Whole);
        reservation.settle(usage);
        self.report.end = end;
    }

    fn note_usage(&mut self) {
        self.report.usage = self.source.stream.usage();
        self.report.counted = self.source.stream.counted();
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.poll_next(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The client left: what has passed is charged, the rest comes back.
        if let Some(mut reservation) = self.reservation.take() {
            self.note_usage();
            reservation.counted(self.source.stream.counted());
            if self.source.stream.is_whole() {
                self.report.end = End::Whole;
                reservation.works();
                reservation.settle(self.source.stream.usage());
            }
        }
    }
}
