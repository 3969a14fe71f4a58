//! The provider's side of a stream: what it sent, looked at and made ready for the client.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use wire::sse::{Decoder, Frame};
use wire::{ChatStream, ProviderError, Redactor, Step};

use crate::failure::{Failure, Kind, Rule};
use crate::upstream::{Incoming, innermost};

/// What may come before the first payload, in bytes: comments and an opening chunk.
const MAX_PREAMBLE: usize = 256 * 1024;
/// Events as they come from the provider.
#[derive(Debug)]
pub struct Source {
    body: Incoming,
    decoder: Decoder,
    pub(super) stream: ChatStream,
    redactor: Arc<Redactor>,
    /// What the client may see next.
    ready: VecDeque<Bytes>,
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
        Self { body, decoder: Decoder::default(), stream, redactor, ready: VecDeque::new(), end: None }
    }

    /// Reads up to the first payload: the commit point.
    ///
    /// # Errors
    ///
    /// The failure of a stream that has none.
    pub async fn commit(&mut self, rules: &[Rule]) -> Result<(), Failure> {
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
                Some(SourceEnd::Error(error)) => return Err(Failure::in_answer(*error, rules)),
                Some(SourceEnd::Whole) => {
                    return Err(Failure::new(Kind::EmptyStream, "sent a stream without payload"));
                }
                Some(SourceEnd::Cut(message)) => return Err(Failure::new(Kind::EmptyStream, message)),
            }
        }
    }

    /// Takes in what the provider sent next. Ready with whether there was payload in it; the end is noted.
    pub(super) fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => frame.into_data().is_ok_and(|data| self.take_in(data)),
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

    fn take_in(&mut self, data: Bytes) -> bool {
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

    fn event(&mut self, frame: &Frame) -> bool {
        let step = self.stream.step(frame);
        self.follow(frame, step)
    }

    /// An event without its empty line. Half of one is not the client's concern either.
    fn tail(&mut self, frame: &Frame) -> bool {
        let done = self.stream.is_done();
        match self.stream.step(frame) {
            Step::Pass { payload: false, .. } if self.stream.is_done() == done => false,
            step => self.follow(frame, step),
        }
    }

    fn follow(&mut self, frame: &Frame, step: Step) -> bool {
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
                if frame.fields().data.is_some() {
                    self.ready.push_back(error_event(&error));
                }
                self.end.get_or_insert(SourceEnd::Error(Box::new(error)));
                false
            }
        }
    }

    /// Notes the end: whole, or cut for this reason.
    pub(super) fn finish(&mut self, otherwise: &str) {
        let end =
            if self.stream.is_whole() { SourceEnd::Whole } else { SourceEnd::Cut(otherwise.to_owned()) };
        self.end.get_or_insert(end);
    }

    /// What is ready, in one piece.
    pub(super) fn pop_ready(&mut self) -> Option<Bytes> {
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
