//! What a whole chat stream has said so far, and what becomes of each event.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::chunk::Chunk;
use crate::error::ProviderError;
use crate::json;
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
}

/// What becomes of one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It goes to the client as these bytes.
    Pass {
        /// The event, the model's name mapped back.
        bytes: Bytes,
        /// Whether it carries payload.
        payload: bool,
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
        Self { model, hide_usage, usage: None, tokens: 0, chunks: 0, seen: 0, finished: 0, done: false }
    }

    /// Takes in the next event.
    pub fn step(&mut self, frame: &Frame) -> Step {
        let pass = |payload| Step::Pass { bytes: frame.0.clone(), payload };
        let Fields { event, data: Some(data), span } = frame.fields() else {
            let bare = frame.bare_json().and_then(|json| ProviderError::parse(&frame.0[json]));
            return bare.map_or_else(|| pass(false), Step::Failed);
        };
        let named_error = event == Some(b"error");
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return pass(false);
        }
        let chunk = simdutf8::basic::from_utf8(&data).ok().and_then(Chunk::parse);
        match chunk {
            _ if named_error => Step::Failed(
                ProviderError::parse(&data)
                    .unwrap_or_else(|| ProviderError::new("The provider sent an error event.")),
            ),
            None => pass(false),
            Some(Chunk { error: Some(error), .. }) => Step::Failed(error),
            Some(chunk) => {
                self.add(&chunk);
                if self.hide_usage && chunk.only_usage {
                    return Step::Withhold;
                }
                Step::Pass { bytes: self.mapped(frame, &data, span, &chunk), payload: chunk.payload }
            }
        }
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
        // Data over several lines, which no provider is known to send: the lines are written anew.
        let edit = Edit { span: model.clone(), with: self.model.clone() };
        let data = Spliced::new(&Bytes::copy_from_slice(data), &[edit]).to_bytes();
        let mut event = Vec::with_capacity(data.len() + 64);
        for line in data.split(|byte| *byte == b'\n') {
            event.extend_from_slice(b"data: ");
            event.extend_from_slice(line);
            event.push(b'\n');
        }
        event.push(b'\n');
        event.into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Decoder;

    fn chunk(delta: &str, rest: &str) -> String {
        format!("data: {{\"model\" : \"up\",\"choices\":[{{\"index\":0,\"delta\":{delta}{rest}}}]}}\n\n")
    }

    fn run(stream: &mut ChatStream, text: &str) -> Vec<Step> {
        let mut decoder = Decoder::default();
        decoder.feed(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let mut steps: Vec<Step> =
            std::iter::from_fn(|| decoder.next()).map(|frame| stream.step(&frame)).collect();
        steps.extend(decoder.finish().map(|frame| stream.step(&frame)));
        steps
    }

    fn passed(steps: &[Step]) -> String {
        let bytes = |step: &Step| match step {
            Step::Pass { bytes, .. } => bytes.to_vec(),
            _ => Vec::new(),
        };
        String::from_utf8(steps.iter().flat_map(bytes).collect()).unwrap()
    }

    const USAGE: &str =
        "data: {\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";

    #[test]
    fn only_the_models_name_changes() {
        let text = [
            ": ping\n\n",
            &chunk("{\"role\":\"assistant\"}", ""),
            &chunk("{\"content\": \"é  \" }", ""),
            &chunk("{}", ",\"finish_reason\":\"stop\""),
            USAGE,
            "data: [DONE]\n\n",
        ]
        .concat();
        let mut stream = ChatStream::new("mine\"", true);
        let steps = run(&mut stream, &text);
        assert_eq!(passed(&steps), text.replace("\"up\"", "\"mine\\\"\""));
        assert!(stream.is_whole() && stream.is_done());
        assert_eq!(stream.usage().unwrap().total(), 7);
        assert_eq!(stream.counted(), 1);
    }

    #[test]
    fn only_the_model_is_heard_in_chunks_of_its_own() {
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        for (text, chunks) in [
            (": keep-alive\n\n", 0),
            ("data:\n\n", 0),
            (ping, 0),
            ("data: {\"type\":\"ping\"}\n\n", 0),
            ("data: {\"choices\":[]}\n\n", 0),
            (USAGE, 0),
            (&chunk("{}", ""), 1),
            (&chunk("{\"content\":\"\"}", ""), 1),
            (&chunk("{\"content\":\"a\"}", ""), 1),
        ] {
            let mut stream = ChatStream::new("m", true);
            run(&mut stream, text);
            assert_eq!(stream.chunks(), chunks, "{text}");
        }
    }

    #[test]
    fn a_usage_chunk_nobody_asked_for_is_withheld() {
        let mut stream = ChatStream::new("up", false);
        let steps = run(&mut stream, &[&chunk("{\"content\":\"a\"}", ""), USAGE].concat());
        assert_eq!(steps[1], Step::Withhold);
        assert_eq!(stream.usage().unwrap().prompt_tokens, 5);
    }

    #[test]
    fn usage_on_the_finish_chunk_stays() {
        let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
        let mut stream = ChatStream::new("m", false);
        assert_eq!(passed(&run(&mut stream, finish)), finish);
    }

    #[test]
    fn a_choice_without_a_finish_reason_is_not_whole() {
        let mut stream = ChatStream::new("m", false);
        run(&mut stream, &chunk("{\"content\":\"a\"}", ""));
        assert!(!stream.is_whole());
        run(
            &mut stream,
            "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        );
        assert!(!stream.is_whole() && stream.is_done());
    }

    #[test]
    fn failures_in_band_are_told() {
        for text in [
            "data: {\"error\":{\"message\":\"boom\"}}\n\n",
            "event: error\ndata: {\"message\":\"boom\"}\n\n",
            "{\"error\":\"boom\"}\n",
            "{\"error\":\"boom\"}",
            "{\n  \"error\": \"boom\"\n}\n",
            "event: error\ndata: boom\n\n",
        ] {
            let mut stream = ChatStream::new("m", false);
            let steps = run(&mut stream, text);
            assert!(matches!(&steps[..], [Step::Failed(_)]), "{text}: {steps:?}");
        }
    }

    #[test]
    fn data_over_several_lines_is_mapped_too() {
        let mut stream = ChatStream::new("m", false);
        let steps = run(
            &mut stream,
            "data: {\"model\":\"up\",\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
        );
        assert_eq!(
            passed(&steps),
            "data: {\"model\":\"m\",\ndata: \"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
        );
    }
}
