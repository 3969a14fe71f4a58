//! The repairs at work in a stream: events are held back while they may have to change, and otherwise pass as they are.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::arguments;
use super::fragments::{Calls, Fragment, MOST_CALLS};
use super::leak::{Found, Leak};
use super::tools::Tools;
use super::{Mending, Repair, Repairs};
use crate::chunk::Chunk;
use crate::json;
use crate::splice::Edit;
use crate::sse::Frame;
use crate::stream::{Payload, edited};

/// So much is held back at the most, in bytes of events; a longer one passes as it is.
const MOST_HELD: usize = 1024 * 1024;

/// Repairs the calls of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Mender {
    repairs: Repairs,
    tools: Tools,
    leak: Leak,
    /// How much text has come.
    text: usize,
    calls: Calls,
    held: Vec<Held>,
    held_bytes: usize,
    /// It goes on as it comes: the answer is over, or is none that can be repaired.
    passes: bool,
    acted: Repairs,
}

/// An event that is held back.
#[derive(Clone, Debug)]
struct Held {
    bytes: Bytes,
    payload: Payload,
    /// Which part of the text it carries.
    text: Range<usize>,
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mended {
    /// What passes now; it may be nothing, or several events.
    pub(crate) bytes: Bytes,
    pub(crate) payload: Payload,
}

impl Mender {
    /// `None`: there is nothing to repair in an answer to such a request.
    pub(crate) fn new(mending: &Mending<'_>) -> Option<Self> {
        let Mending { repairs, tools, seed } = *mending;
        (repairs.mend_calls() && !tools.is_empty()).then(|| Self {
            repairs,
            tools: Tools::new(tools),
            leak: Leak::default(),
            text: 0,
            calls: Calls::new(repairs, seed, false),
            held: Vec::new(),
            held_bytes: 0,
            passes: false,
            acted: Repairs::NONE,
        })
    }

    /// Which of them had something to do.
    pub(crate) fn acted(&self) -> Repairs {
        self.acted.and(self.calls.acted)
    }

    /// An event that says nothing of the answer keeps its place among those that are held back.
    pub(crate) fn other(&mut self, bytes: Bytes) -> Bytes {
        if self.held.is_empty() {
            return bytes;
        }
        self.hold(&bytes, Payload::None, self.text..self.text);
        if self.held_bytes > MOST_HELD { self.give_up() } else { Bytes::new() }
    }

    /// Takes in what a chunk says. Returns the edits of its data that are certain already.
    pub(crate) fn look(&mut self, data: &str, chunk: &Chunk) -> Vec<Edit> {
        let mut edits = Vec::new();
        // Whose calls and texts are whose is only certain where there is one choice.
        if chunk.seen > 1 {
            self.passes = true;
        }
        if self.passes {
            return edits;
        }
        if let Some(content) = &chunk.parts.content
            && let Some(text) = json::unquoted(&data[content.clone()])
        {
            self.text += text.len();
            if self.repairs.has(Repair::XmlToolCalls) {
                self.leak.feed(&text, &self.tools);
            }
        }
        if let Some(list) = &chunk.parts.tool_calls {
            let parts = Fragment::all(&data[list.clone()]);
            if self.calls.all().len() + parts.len() > MOST_CALLS {
                self.passes = true;
                return edits;
            }
            for fragment in parts {
                edits.extend(self.calls.add(data, &fragment, &self.tools));
            }
        }
        if let Some(reason) = &chunk.parts.finish_reason
            && self.repairs.has(Repair::FinishReasons)
            && !self.calls.all().is_empty()
            && &data[reason.clone()] == "\"stop\""
        {
            edits.push(Edit { span: reason.clone(), with: Bytes::from_static(b"\"tool_calls\"") });
            self.acted.add(Repair::FinishReasons);
        }
        edits
    }

    /// What becomes of an event that was looked at, and of those before it.
    pub(crate) fn pass(&mut self, bytes: Bytes, payload: Payload, before: usize, ends: bool) -> Mended {
        if self.passes {
            return self.released(bytes, payload);
        }
        let suspects = self.calls.all().iter().any(|call| call.suspect);
        if self.held.is_empty() && self.leak.candidate().is_none() && !suspects && !ends {
            return Mended { bytes, payload };
        }
        self.hold(&bytes, payload, before..self.text);
        if ends {
            self.passes = true;
            let found = self.leak.finish(&self.tools);
            return self.resolved(found);
        }
        if self.held_bytes > MOST_HELD {
            self.passes = true;
        } else if suspects {
            return Mended { bytes: Bytes::new(), payload: payload.min(Payload::Calls) };
        }
        // Up to where something may still be a call, everything is certain.
        let certain = match self.leak.candidate() {
            Some(start) if !self.passes => self.held.iter().take_while(|held| held.text.end <= start).count(),
            _ => self.held.len(),
        };
        let mut released = self.release(certain);
        released.payload = released.payload.max(payload.min(Payload::Calls));
        released
    }

    /// How much text had come before.
    pub(crate) fn text(&self) -> usize {
        self.text
    }

    /// All that is held back, as it came.
    pub(crate) fn give_up(&mut self) -> Bytes {
        self.passes = true;
        self.release(self.held.len()).bytes
    }

    fn hold(&mut self, bytes: &[u8], payload: Payload, text: Range<usize>) {
        self.held_bytes += bytes.len();
        // A slice would keep all that its connection read at once for as long as it is held back.
        self.held.push(Held { bytes: Bytes::copy_from_slice(bytes), payload, text });
    }

    fn released(&mut self, bytes: Bytes, payload: Payload) -> Mended {
        if self.held.is_empty() {
            return Mended { bytes, payload };
        }
        self.hold(&bytes, payload, 0..0);
        self.release(self.held.len())
    }

    fn release(&mut self, count: usize) -> Mended {
        let mut released: Vec<Held> = self.held.drain(..count).collect();
        // A repair makes some of them longer; nothing is held back behind it.
        let released_bytes = released.iter().map(|held| held.bytes.len()).sum();
        self.held_bytes = self.held_bytes.saturating_sub(released_bytes);
        let payload = released.iter().map(|held| held.payload).max().unwrap_or(Payload::None);
        if released.len() == 1
            && let Some(only) = released.pop()
        {
            return Mended { bytes: only.bytes, payload };
        }
        let mut bytes = BytesMut::new();
        for held in &released {
            bytes.extend_from_slice(&held.bytes);
        }
        Mended { bytes: bytes.freeze(), payload }
    }

    /// The answer is over: what is held back passes, repaired where that is certain now.
    fn resolved(&mut self, found: Option<Vec<Found>>) -> Mended {
        let start = self.leak.start();
        let last = self.held.last().and_then(|held| reason(&held.bytes));
        let stops = matches!(last.as_deref(), Some("\"stop\"" | "\"tool_calls\""));
        let leaked = found.filter(|calls| stops && !calls.is_empty());
        self.decode_arguments();
        if let Some(calls) = leaked {
            self.move_calls(start, &calls);
            self.acted.add(Repair::XmlToolCalls);
        }
        self.release(self.held.len())
    }

    /// Puts calls that stand in the text from `start` on where they belong.
    fn move_calls(&mut self, start: usize, calls: &[Found]) {
        let list = self.calls.list(calls);
        let mut template = Bytes::new();
        for held in self.held.iter_mut().filter(|held| held.text.end > start) {
            template = held.bytes.clone();
            let kept = start.saturating_sub(held.text.start);
            held.bytes = rewritten(&held.bytes, |data, chunk| {
                let content = chunk.parts.content.clone()?;
                let text = json::unquoted(&data[content.clone()])?;
                let with = json::quote(text.get(..kept)?).into();
                Some(vec![Edit { span: content, with }])
            });
        }
        let calls = rewritten(&template, |_, chunk| {
            let parts = &chunk.parts;
            let with = Bytes::from(format!("{{\"tool_calls\":{list}}}"));
            let delta = Edit { span: parts.delta.clone()?, with };
            let rest = [&parts.finish_reason, &parts.usage].into_iter().flatten();
            let nulls = rest.map(|span| Edit { span: span.clone(), with: Bytes::from_static(b"null") });
            Some(std::iter::once(delta).chain(nulls).collect())
        });
        if let Some(mut last) = self.held.pop() {
            let text = last.text.clone();
            self.held.push(Held { bytes: calls, payload: Payload::Calls, text });
            last.bytes = rewritten(&last.bytes, |_, chunk| {
                let span = chunk.parts.finish_reason.clone()?;
                Some(vec![Edit { span, with: Bytes::from_static(b"\"tool_calls\"") }])
            });
            last.payload = Payload::Calls;
            self.held.push(last);
        }
    }

    /// Decodes arguments that were encoded once too often.
    fn decode_arguments(&mut self) {
        for call in self.calls.all().iter().filter(|call| call.suspect) {
            let Some(tool) = self.tools.get(&call.name) else { continue };
            let Some(meant) = arguments::repaired(&call.arguments, tool) else { continue };
            // Those before the first suspicion have passed, unless they were held back behind something else.
            let held: usize = self.held.iter().map(|held| carried(&held.bytes, call.index)).sum();
            let passed =
                call.arguments.len().checked_sub(held).and_then(|passed| call.arguments.get(..passed));
            let Some(mut rest) = passed.and_then(|passed| meant.strip_prefix(passed)) else { continue };
            for held in &mut self.held {
                held.bytes = rewritten(&held.bytes, |data, chunk| {
                    let list = chunk.parts.tool_calls.clone()?;
                    let own = |fragment: &Fragment<'_>| fragment.index() == Some(call.index);
                    let mut edits = Vec::new();
                    for fragment in Fragment::all(&data[list]).iter().filter(|fragment| own(fragment)) {
                        let Some((_, written)) = fragment.arguments() else { continue };
                        let with = json::quote(std::mem::take(&mut rest)).into();
                        edits.push(Edit { span: json::span(data, written), with });
                    }
                    Some(edits)
                });
            }
            self.acted.add(Repair::DoubleEncodedArguments);
        }
    }
}

/// Why an answer ends, as it is written in an event.
fn reason(event: &Bytes) -> Option<String> {
    let frame = Frame(event.clone());
    let data = frame.fields().data?;
    let data = std::str::from_utf8(&data).ok()?;
    Some(data[Chunk::parse(data)?.parts.finish_reason?].to_owned())
}

/// How much of a call's arguments an event carries, in bytes.
fn carried(event: &Bytes, index: u64) -> usize {
    let frame = Frame(event.clone());
    let parts = |data: &str| {
        let list = Chunk::parse(data)?.parts.tool_calls?;
        let all = Fragment::all(&data[list]);
        let own = all.iter().filter(|fragment| fragment.index() == Some(index));
        Some(own.filter_map(Fragment::arguments).map(|(text, _)| text.len()).sum())
    };
    let data = frame.fields().data;
    data.and_then(|data| parts(std::str::from_utf8(&data).ok()?)).unwrap_or(0)
}

/// An event with edits of its data; as it is where there are none.
fn rewritten(event: &Bytes, edits: impl FnOnce(&str, &Chunk) -> Option<Vec<Edit>>) -> Bytes {
    let frame = Frame(event.clone());
    let fields = frame.fields();
    let Some(data) = fields.data.as_deref().and_then(|data| std::str::from_utf8(data).ok()) else {
        return event.clone();
    };
    let edits = Chunk::parse(data).and_then(|chunk| edits(data, &chunk)).unwrap_or_default();
    edited(&frame, data.as_bytes(), fields.span.clone(), &edits)
}
