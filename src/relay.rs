//! A streamed answer on its way: events are looked at, mapped and passed on; nothing else waits for them.
//!
//! Until the first payload the stream may be given up for another provider, so what comes before is held back.
//! From then on it ends in one of two ways: whole, or with a broken connection. A client must never take
//! half an answer for a whole one, so a stream that ends without a finish reason is broken, however cleanly the
//! provider ended it.
//!
//! Cancel safety: a relay that is dropped drops the provider's connection with it and settles what has passed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use thiserror::Error;
use tokio::time::Sleep;

use crate::account::Reservation;
use crate::failure::Kind;
use crate::proxy::Until;
use crate::report::{End, Report};
use quota::Moment;

mod source;

pub use source::Source;
use source::SourceEnd;

/// How long the connection may take to end behind `[DONE]`; one that has ended can be used again.
const ENDING: Duration = Duration::from_millis(250);

/// The body of a streamed answer after its commit point.
#[derive(Debug)]
pub struct Relay {
    source: Source,
    idle: Duration,
    deadline: Pin<Box<Sleep>>,
    /// When the model was heard last; pings and comments are not it. The deadline is put off only once it is there: most
    /// never are.
    heard: Moment,
    /// Until when all of it must be here; few set it, so it takes little room.
    until: Option<Box<Until>>,
    reservation: Option<Reservation>,
    /// Nobody else could have been asked.
    alone: bool,
    /// The connection is to be broken next.
    broken: Option<Broken>,
    report: Report,
}

/// Breaks the client's connection: neither a last chunk nor a `[DONE]` is sent.
#[derive(Debug, Error)]
#[error("the provider's stream broke: {0}")]
pub struct Broken(String);

impl Relay {
    /// Relays a source that has reached its commit point, from whom `alone` could be asked. A silence longer than `idle`
    /// breaks it, and so does `until`.
    #[must_use]
    pub fn new(
        source: Source,
        idle: Duration,
        until: Option<Until>,
        alone: bool,
        reservation: Reservation,
        report: Report,
    ) -> Self {
        let clock = report.clock();
        let (heard, until) = (clock.now(), until.map(Box::new));
        let reservation = Some(reservation);
        let deadline = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut relay =
            Self { source, idle, deadline, heard, until, reservation, alone, broken: None, report };
        // All of it may have come in one read.
        let left = relay.left(heard);
        relay.deadline.as_mut().reset(clock.deadline(left));
        relay
    }

    /// How long nothing may come from `now` on.
    fn left(&self, now: Moment) -> Duration {
        let silence = if self.source.stream.is_done() { ENDING } else { self.idle };
        let left = silence.saturating_sub(now - self.heard);
        self.until.as_ref().map_or(left, |until| left.min(until.left(now)))
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
                Some(cut) => {
                    let why = cut.why();
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
            let clock = self.report.clock();
            let (chunks, was_done) = (self.source.stream.chunks(), self.source.stream.is_done());
            if self.source.poll_events(context).is_ready() {
                let now = clock.now();
                let is_done = self.source.stream.is_done();
                if is_done != was_done || self.source.stream.chunks() != chunks {
                    self.heard = now;
                }
                if is_done != was_done {
                    self.deadline.as_mut().reset(clock.deadline(ENDING));
                }
                if let Some(until) = self.until.as_ref().filter(|until| until.is_over(now)) {
                    self.source.finish(&until.describe());
                }
                continue;
            }
            ready!(self.deadline.as_mut().poll(context));
            let now = clock.now();
            let left = self.left(now);
            if !left.is_zero() {
                self.deadline.as_mut().reset(clock.deadline(left));
                continue;
            }
            let silence = self.idle.as_secs_f64();
            let why = match self.until.as_ref().filter(|until| until.is_over(now)) {
                Some(until) => until.describe(),
                None => format!("nothing came for {silence} s in the middle of the answer"),
            };
            self.source.finish(&why);
        }
    }

    /// The stream is over: the books get what was used, the breaker a verdict.
    fn settle(&mut self, end: End) {
        let Some(mut reservation) = self.reservation.take() else { return };
        self.note_usage();
        reservation.counted(self.source.stream.counted());
        if let End::Broken(_) = end {
            // What took too long in all may have come as fast as any.
            let now = self.report.clock().now();
            let is_late = self.until.as_ref().is_some_and(|until| until.is_over(now));
            if let Some(trip) = Kind::ErrorInAnswer.trip(None, self.alone).filter(|_| !is_late) {
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
        self.report.repaired = self.source.stream.repaired();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream keeps it for as long as it lasts.
    #[test]
    fn a_relay_stays_small() {
        assert!(size_of::<Relay>() <= 1024, "{} bytes", size_of::<Relay>());
    }
}
