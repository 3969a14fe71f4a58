//! What is asked, and what a provider is told to say to it: its name and the turn's number in every word, so that no part of an
//! answer could be another's.

use serde_json::{Value, json};

/// How the client wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// A call of the tool `write`.
    Call,
}

/// What one turn asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) turn: u64,
    pub(super) words: u32,
    pub(super) shape: Shape,
    pub(super) stream: bool,
}

impl Question {
    /// A streamed text.
    pub(super) fn text(turn: u64, words: u32) -> Self {
        Self { turn, words, shape: Shape::Text, stream: true }
    }

    /// Any, by chance.
    pub(super) fn random(turn: u64, rng: &mut fastrand::Rng) -> Self {
        let shape = if rng.u8(0..3) == 0 { Shape::Call } else { Shape::Text };
        Self { turn, words: rng.u32(1..25), shape, stream: rng.u8(0..4) > 0 }
    }

    /// As an agent sends it.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "model": "qwen-3-coder",
            "messages": [{"role": "user", "content": format!("turn {} {} words", self.turn, self.words)}],
            "max_tokens": 4000,
            "stream": self.stream,
        });
        if self.shape == Shape::Call {
            let parameters = json!({"type": "object", "properties": {"text": {"type": "string"}}});
            body["tools"] =
                json!([{"type": "function", "function": {"name": "write", "parameters": parameters}}]);
        }
        body
    }

    /// What was asked in the body that reached a provider.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut words = body["messages"][0]["content"].as_str()?.split(' ').skip(1);
        let (turn, count) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let shape = if body["tools"].is_array() { Shape::Call } else { Shape::Text };
        Some(Self { turn, words: count, shape, stream: body["stream"] == true })
    }

    /// The answer of this provider, in its tokens.
    pub(super) fn tokens(&self, provider: &str) -> Vec<String> {
        let words = (0..self.words).map(|word| format!("{provider}-{}-{word} ", self.turn));
        match self.shape {
            Shape::Text => words.collect(),
            Shape::Call => {
                let (begin, end) = ("{\"text\": \"".to_owned(), "\"}".to_owned());
                std::iter::once(begin).chain(words).chain([end]).collect()
            }
        }
    }

    /// How many those are.
    pub(super) fn length(&self) -> u32 {
        self.words + if self.shape == Shape::Call { 2 } else { 0 }
    }

    /// How a whole answer ends.
    pub(super) fn reason(&self) -> &'static str {
        match self.shape {
            Shape::Text => "stop",
            Shape::Call => "tool_calls",
        }
    }

    /// The events of a stream: the role, the tokens, the end.
    pub(super) fn events(&self, provider: &str) -> Vec<Value> {
        let delta = |delta: Value, reason: Value| {
            json!({
                "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "theirs",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            })
        };
        let token = |(index, token): (usize, String)| match self.shape {
            Shape::Text => json!({"content": token}),
            Shape::Call if index == 0 => json!({"tool_calls": [{
                "index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": token},
            }]}),
            Shape::Call => json!({"tool_calls": [{"index": 0, "function": {"arguments": token}}]}),
        };
        let tokens = self.tokens(provider).into_iter().enumerate().map(token);
        let role = json!({"role": "assistant", "content": ""});
        let deltas = std::iter::once(role).chain(tokens).map(|it| delta(it, Value::Null));
        let usage = json!({
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "theirs",
            "choices": [], "usage": self.usage(),
        });
        deltas.chain([delta(json!({}), self.reason().into()), usage]).collect()
    }

    /// The body of a plain answer.
    pub(super) fn plain(&self, provider: &str) -> Value {
        let said = self.tokens(provider).concat();
        let message = match self.shape {
            Shape::Text => json!({"role": "assistant", "content": said}),
            Shape::Call => json!({"role": "assistant", "content": null, "tool_calls": [{
                "id": "call_1", "type": "function", "function": {"name": "write", "arguments": said},
            }]}),
        };
        json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "theirs", "usage": self.usage(),
            "choices": [{"index": 0, "message": message, "finish_reason": self.reason()}],
        })
    }

    fn usage(&self) -> Value {
        let (prompt, answer) = (40, self.length());
        json!({"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer})
    }
}
