//! What a whole chat stream has said so far, and what becomes of each event.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::chunk::{Chunk, Reader};
use crate::error::ProviderError;
use crate::json;
use crate::repair::{Mended, Mender, Mending, Repair, Repairs};
use crate::splice::{Edit, Spliced};
use crate::sse::{Fields, Frame};
use crate::usage::Usage;

/// Watches one chat stream on its way to the client.
#[derive(Clone, Debug)]
pub struct ChatStream {
    /// The client's name of the model, as a JSON string.
    model: Bytes,
    /// The client did not ask for usage: a chunk that has nothing else is kept from it.
    hide_usage: bool,
    usage: Option<Usage>,
    tokens: u64,
    /// Chunks in which the model spoke.
    chunks: u64,
    seen: u128,
    finished: u128,
    done: bool,
    reader: Reader,
    /// What is to be repaired.
    repairs: Repairs,
    mender: Option<Box<Mender>>,
    /// The end marker was missing.
    acted_done: bool,
}

/// What an event carries of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payload {
    /// Nothing.
    None,
    /// What is of no use before the rest is there: parts of calls, blanks, a finish reason.
    Calls,
    /// What a person reads as it comes.
    Text,
}

/// What becomes of one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It goes to the client as these bytes.
    Pass {
        /// The event, the model's name mapped back.
        bytes: Bytes,
        /// What it carries of the answer.
        payload: Payload,
    },
    /// It is kept from the client.
    Withhold,
    /// The provider failed, in band.
    Failed(ProviderError),
}

impl ChatStream {
    /// A stream for a client that knows the model as `model` and did or did not ask for usage.
    #[must_use]
    pub fn new(model: &str, wants_usage: bool) -> Self {
        // Kept as long as the stream: no more room than it needs.
        let model = Bytes::copy_from_slice(json::quote(model).as_bytes());
        let hide_usage = !wants_usage;
        Self {
            model,
            hide_usage,
            usage: None,
            tokens: 0,
            chunks: 0,
            seen: 0,
            finished: 0,
            done: false,
            reader: Reader::default(),
            repairs: Repairs::NONE,
            mender: None,
            acted_done: false,
        }
    }

    /// The same with repairs of known damage.
    #[must_use]
    pub fn mending(mut self, mending: &Mending<'_>) -> Self {
        self.repairs = mending.repairs;
        self.mender = Mender::new(mending).map(Box::new);
        self
    }

    /// Takes in the next event.
    pub fn step(&mut self, frame: &Frame) -> Step {
        let Fields { event, data: Some(data), span } = frame.fields() else {
            let bare = frame.bare_json().and_then(|json| ProviderError::parse(&frame.0[json]));
            return bare.map_or_else(|| self.other(frame), Step::Failed);
        };
        let named_error = event == Some(b"error");
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return self.other(frame);
        }
        let text = simdutf8::basic::from_utf8(&data).ok();
        match text.and_then(|text| self.reader.read(text).map(|chunk| (text, chunk))) {
            _ if named_error => Step::Failed(
                ProviderError::parse(&data)
                    .unwrap_or_else(|| ProviderError::new("The provider sent an error event.")),
            ),
            None => self.other(frame),
            Some((_, Chunk { error: Some(error), .. })) => Step::Failed(error),
            Some((text, chunk)) => {
                self.add(&chunk);
                if self.hide_usage && chunk.only_usage {
                    return Step::Withhold;
                }
                let payload = match (chunk.says, chunk.payload) {
                    (true, _) => Payload::Text,
                    (false, true) => Payload::Calls,
                    (false, false) => Payload::None,
                };
                let Some(mut mender) = self.mender.take() else {
                    return Step::Pass { bytes: self.mapped(frame, &data, span, &chunk), payload };
                };
                let before = mender.text();
                let mut edits = mender.look(text, &chunk);
                let bytes = if edits.is_empty() {
                    self.mapped(frame, &data, span, &chunk)
                } else {
                    edits.extend(chunk.model.map(|span| Edit { span, with: self.model.clone() }));
                    edited(frame, &data, span, &edits)
                };
                let ends = chunk.finished != 0;
                let Mended { bytes, payload } = mender.pass(bytes, payload, before, ends);
                self.mender = Some(mender);
                Step::Pass { bytes, payload }
            }
        }
    }

    /// An event that says nothing of the answer.
    fn other(&mut self, frame: &Frame) -> Step {
        let bytes = frame.0.clone();
        let bytes = self.mender.as_mut().map_or_else(|| bytes.clone(), |mender| mender.other(bytes.clone()));
        Step::Pass { bytes, payload: Payload::None }
    }

    /// No more events come: what is still held back, as it came.
    pub fn give_up(&mut self) -> Option<Bytes> {
        self.mender.as_mut().map(|mender| mender.give_up()).filter(|bytes| !bytes.is_empty())
    }

    /// The end marker that a whole stream lacks, if it is to have one.
    pub fn missing_done(&mut self) -> Option<Bytes> {
        let missing = self.is_whole() && !self.done && self.repairs.has(Repair::DoneMarker);
        self.done |= missing;
        self.acted_done |= missing;
        missing.then_some(Bytes::from_static(b"data: [DONE]\n\n"))
    }

    /// What was repaired.
    #[must_use]
    pub fn repaired(&self) -> Repairs {
        let mut repaired = self.mender.as_ref().map_or(Repairs::NONE, |mender| mender.acted());
        if self.acted_done {
            repaired.add(Repair::DoneMarker);
        }
        repaired
    }

    fn add(&mut self, chunk: &Chunk) {
        self.usage = chunk.usage.or(self.usage);
        self.tokens += chunk.tokens;
        self.chunks += u64::from(chunk.seen != 0);
        self.seen |= chunk.seen;
        self.finished |= chunk.finished;
    }

    /// The event with the client's name of the model.
    fn mapped(&self, frame: &Frame, data: &[u8], span: Option<Range<usize>>, chunk: &Chunk) -> Bytes {
        let Some(model) = &chunk.model else { return frame.0.clone() };
        if let Some(span) = span {
            let model = span.start + model.start..span.start + model.end;
            if frame.0[model.clone()] == self.model {
                return frame.0.clone();
            }
            let mut event = BytesMut::with_capacity(frame.0.len() + self.model.len());
            event.extend_from_slice(&frame.0[..model.start]);
            event.extend_from_slice(&self.model);
            event.extend_from_slice(&frame.0[model.end..]);
            return event.freeze();
        }
        edited(frame, data, None, &[Edit { span: model.clone(), with: self.model.clone() }])
    }

    /// Whether every choice that began has finished.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.finished != 0 && self.seen & !self.finished == 0
    }

    /// Whether the provider said that nothing more comes.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What the provider reported.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// In how many chunks the model has spoken, an empty delta included. A provider's pings and comments are none, so this is
    /// what tells an answer that goes on from a connection that is merely kept open.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// About how many tokens of the answer have passed.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.tokens
    }
}

/// An event with edits of its data.
pub(crate) fn edited(frame: &Frame, data: &[u8], span: Option<Range<usize>>, edits: &[Edit]) -> Bytes {
    if edits.is_empty() {
        return frame.0.clone();
    }
    if let Some(span) = span {
        let moved = |edit: &Edit| Edit {
            span: span.start + edit.span.start..span.start + edit.span.end,
            with: edit.with.clone(),
        };
        let edits: Vec<Edit> = edits.iter().map(moved).collect();
        return Spliced::new(&frame.0, &edits).to_bytes();
    }
    // Data over several lines, which no provider is known to send: the lines are written anew.
    let data = Spliced::new(&Bytes::copy_from_slice(data), edits).to_bytes();
    let mut event = Vec::with_capacity(data.len() + 64);
    for line in data.split(|byte| *byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

#[cfg(test)]
mod tests;
