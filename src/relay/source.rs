//! The provider's side of a stream: what it sent, looked at and made ready for the client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::time::sleep;
use wire::sse::{Decoder, Frame};
use wire::{ChatStream, Payload, ProviderError, Redactor, Step, calls};

use crate::account::Reservation;
use crate::failure::{Failure, Kind, Rule};
use crate::upstream::{Incoming, innermost};

/// What may come before the first payload, in bytes: comments and an opening chunk.
const MAX_PREAMBLE: usize = 256 * 1024;
/// So many bytes of calls are held back at the most: a minute of an engine that writes 50 tokens a second, each an event
/// of its own. Whoever waits has heard nothing until then.
const MAX_HELD: usize = 1024 * 1024;

/// Events as they come from the provider.
#[derive(Debug)]
pub struct Source {
    body: Incoming,
    decoder: Decoder,
    pub(super) stream: ChatStream,
    redactor: Arc<Redactor>,
    /// What the client may see next.
    ready: VecDeque<Bytes>,
    /// How many bytes that is.
    held: usize,
    /// There has been text among it.
    says: bool,
    /// How the stream ended, once it has.
    pub(super) end: Option<SourceEnd>,
}

/// How the provider's side of a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourceEnd {
    /// With every choice finished.
    Whole,
    /// The provider reported an error in band.
    Error(Box<ProviderError>),
    /// It ended, or broke, in the middle of the answer.
    Cut(String),
}

impl SourceEnd {
    /// What was wrong with it.
    pub(super) fn why(self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Error(error) => error.message,
            Self::Cut(why) => why,
        }
    }
}

impl Source {
    /// The events of a response's body, for a client that sees what `stream` makes of them.
    #[must_use]
    pub fn new(body: Incoming, stream: ChatStream, redactor: Arc<Redactor>) -> Self {
        let ready = VecDeque::new();
        Self { body, decoder: Decoder::default(), stream, redactor, ready, held: 0, says: false, end: None }
    }

    /// Reads up to the first payload. The books hear of what there was in it, since it may fail within the same read.
    ///
    /// # Errors
    ///
    /// The failure of a stream that has none.
    pub async fn begin(&mut self, rules: &[Rule], reservation: &mut Reservation) -> Result<(), Failure> {
        let mut own = 0;
        loop {
            let payload = poll_fn(|context| self.poll_events(context)).await;
            reservation.counted(self.stream.counted());
            if let Some(failure) = self.failed(rules, Kind::EmptyStream) {
                return Err(failure);
            }
            if payload > Payload::None {
                return Ok(());
            }
            let why = match self.end {
                Some(_) => Kind::EmptyStream,
                None if self.held > MAX_PREAMBLE => Kind::NoCompletion,
                None => {
                    own = self.own(own);
                    continue;
                }
            };
            return Err(Failure::new(why, "sent a stream without payload"));
        }
    }

    /// Copies what is ready behind the first `own`, which have been copied; how many have now. Each is a slice of what came
    /// with it, up to 16 KiB where that was compressed, and would keep all of it for as long as it is held back.
    fn own(&mut self, own: usize) -> usize {
        self.ready.iter_mut().skip(own).for_each(|held| *held = Bytes::copy_from_slice(held));
        self.ready.len()
    }

    /// Reads up to the commit point of a stream that has begun and that somebody else could still give in its place.
    /// Text is passed on as it comes. Calls are of no use before they are whole, so until then they may still fail: by
    /// what breaks off, by a silence longer than `idle`, by arguments that are no JSON. The books hear of each part, since
    /// the client may leave meanwhile.
    ///
    /// # Errors
    ///
    /// The failure of calls that nobody can make.
    pub async fn commit(
        &mut self,
        rules: &[Rule],
        idle: Duration,
        reservation: &mut Reservation,
    ) -> Result<(), Failure> {
        let mut silence = pin!(sleep(idle));
        let mut own = 0;
        while !self.says && !self.stream.is_whole() && self.held <= MAX_HELD {
            own = self.own(own);
            let chunks = self.stream.chunks();
            let heard = poll_fn(|context| match self.poll_events(context) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending => silence.as_mut().poll(context).map(|()| false),
            });
            if !heard.await {
                let silence = format!("sent nothing more of a tool call for {} s", idle.as_secs_f64());
                return Err(Failure::new(Kind::Timeout, silence));
            }
            if self.stream.chunks() != chunks {
                silence.set(sleep(idle));
            }
            reservation.counted(self.stream.counted());
            if let Some(failure) = self.failed(rules, Kind::BrokenOff) {
                return Err(failure);
            }
        }
        if !self.says && self.stream.is_whole() && !calls::can_be_made(self.ready.iter()) {
            // Where it has come by now: it is not worth waiting for.
            reservation.settle(self.stream.usage());
            return Err(Failure::new(Kind::BrokenCall, "sent a tool call whose arguments are no JSON"));
        }
        Ok(())
    }

    /// How it failed before it was whole; what was cut is of this kind. Whoever has begun to answer has worked for it,
    /// whatever it says then.
    fn failed(&mut self, rules: &[Rule], cut: Kind) -> Option<Failure> {
        match self.end.take_if(|end| *end != SourceEnd::Whole)? {
            SourceEnd::Error(error) => {
                let failure = Failure::in_answer(*error, rules);
                let kind = if self.stream.counted() > 0 { Kind::ErrorInAnswer } else { failure.kind };
                Some(Failure { kind, ..failure })
            }
            SourceEnd::Cut(message) => Some(Failure::new(cut, message)),
            SourceEnd::Whole => None,
        }
    }

    /// Takes in what the provider sent next. Ready with what there was in it; the end is noted.
    pub(super) fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Payload> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => frame.into_data().map_or(Payload::None, |data| self.take_in(data)),
            Some(Err(error)) => {
                self.finish(&format!("its connection broke: {}", innermost(&error)));
                Payload::None
            }
            None => {
                let last = std::mem::take(&mut self.decoder).finish();
                let payload = last.map_or(Payload::None, |frame| self.tail(&frame));
                self.finish("the stream ended in the middle of the answer");
                payload
            }
        })
    }

    fn take_in(&mut self, data: Bytes) -> Payload {
        if let Err(error) = self.decoder.feed(data) {
            self.end.get_or_insert(SourceEnd::Cut(error.to_string()));
            return Payload::None;
        }
        let mut payload = Payload::None;
        while let Some(frame) = self.decoder.next() {
            payload = payload.max(self.event(&frame));
            if self.end.is_some() {
                break;
            }
        }
        payload
    }

    fn event(&mut self, frame: &Frame) -> Payload {
        let step = self.stream.step(frame);
        self.follow(frame, step)
    }

    /// An event without its empty line. Half of one is not the client's concern either.
    fn tail(&mut self, frame: &Frame) -> Payload {
        let done = self.stream.is_done();
        match self.stream.step(frame) {
            Step::Pass { payload: Payload::None, .. } if self.stream.is_done() == done => Payload::None,
            step => self.follow(frame, step),
        }
    }

    fn follow(&mut self, frame: &Frame, step: Step) -> Payload {
        match step {
            // A `[DONE]` in the middle of an answer would make half of it look whole.
            Step::Pass { .. } if self.stream.is_done() && !self.stream.is_whole() => {
                self.finish("the stream said [DONE] in the middle of the answer");
                Payload::None
            }
            Step::Pass { bytes, payload } => {
                if !bytes.is_empty() {
                    self.push(bytes);
                }
                self.says |= payload == Payload::Text;
                payload
            }
            Step::Withhold => Payload::None,
            // Nothing is missing: what fails behind the end of an answer is not the client's concern.
            Step::Failed(_) if self.stream.is_whole() => {
                self.finish("");
                Payload::None
            }
            Step::Failed(error) => {
                let error = error.redacted(&self.redactor);
                self.give_up();
                // What came as no event becomes none: more agents try again by themselves when they see nothing
                // but a broken connection.
                if frame.fields().data.is_some() {
                    self.push(error_event(&error));
                }
                self.end.get_or_insert(SourceEnd::Error(Box::new(error)));
                Payload::None
            }
        }
    }

    /// What was held back for a repair passes as it came.
    fn give_up(&mut self) {
        if let Some(bytes) = self.stream.give_up() {
            self.push(bytes);
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.held += bytes.len();
        self.ready.push_back(bytes);
    }

    /// Notes the end: whole, or cut for this reason.
    pub(super) fn finish(&mut self, otherwise: &str) {
        self.give_up();
        if let Some(done) = self.stream.missing_done() {
            let is_open = |event: &Bytes| !event.ends_with(b"\n\n") && !event.ends_with(b"\r\n\r\n");
            if self.ready.back().is_some_and(is_open) {
                self.push(Bytes::from_static(b"\n\n"));
            }
            self.push(done);
        }
        let end =
            if self.stream.is_whole() { SourceEnd::Whole } else { SourceEnd::Cut(otherwise.to_owned()) };
        self.end.get_or_insert(end);
    }

    /// What is ready, in one piece.
    pub(super) fn pop_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        self.held = 0;
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
