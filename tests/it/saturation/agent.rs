//! An agent: a conversation that grows from 10,000 tokens to 100,000 and begins anew.

use std::fmt::Write as _;
use std::ops::Range;

use fastrand::Rng;

/// What a conversation is made of: words that are one token each at every provider, so that only what is meant to be off
/// is.
const VOCABULARY: [&str; 16] = [
    "the", "of", "and", "to", "in", "is", "it", "for", "on", "with", "that", "this", "from", "be", "are",
    "one",
];

/// How large an agent's requests are, in tokens.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    /// Its conversation begins with the lower number and is given up at the higher one.
    pub(super) prompt: Range<u64>,
    /// What a turn adds to it.
    pub(super) turn: Range<u64>,
    /// Words of most answers; one in ten is four times as long.
    pub(super) words: Range<u64>,
    /// What it names as the longest answer.
    pub(super) max_completion_tokens: Option<u64>,
    pub(super) stream: bool,
}

/// One agent's conversation.
#[derive(Debug)]
pub(super) struct Agent {
    rng: Rng,
    habits: Habits,
    /// JSON of the messages so far.
    messages: String,
    tokens: u64,
}

impl Agent {
    pub(super) fn new(habits: Habits, seed: u64) -> Self {
        let mut agent = Self { rng: Rng::with_seed(seed), habits, messages: String::new(), tokens: 0 };
        // Agents are at different points of their work.
        let start = agent.rng.u64(agent.habits.prompt.clone());
        agent.begin(start);
        agent
    }

    /// The body of its next request, in which the provider's own name of the model is filled in.
    pub(super) fn next_turn(&mut self, model: &str) -> String {
        if self.tokens >= self.habits.prompt.end {
            self.begin(self.habits.prompt.start);
        } else {
            let turn = self.rng.u64(self.habits.turn.clone());
            self.hear("user", turn);
        }
        let words = self.rng.u64(self.habits.words.clone()) * if self.rng.u8(..10) == 0 { 4 } else { 1 };
        let mut body = format!(
            r#"{{"model":"{model}","messages":[{},{{"role":"user","content":"Tell me a {words} word story."}}],"stream":{}"#,
            self.messages, self.habits.stream
        );
        if let Some(most) = self.habits.max_completion_tokens {
            let _ = write!(body, r#","max_completion_tokens":{most}"#);
        }
        body.push('}');
        body
    }

    pub(super) fn streams(&self) -> bool {
        self.habits.stream
    }

    pub(super) fn max_completion_tokens(&self) -> Option<u64> {
        self.habits.max_completion_tokens
    }

    fn begin(&mut self, tokens: u64) {
        self.messages.clear();
        self.tokens = 0;
        self.hear("system", tokens);
    }

    fn hear(&mut self, role: &str, tokens: u64) {
        let comma = if self.messages.is_empty() { "" } else { "," };
        let _ = write!(self.messages, r#"{comma}{{"role":"{role}","content":""#);
        for _ in 0..tokens {
            self.messages.push(' ');
            self.messages.push_str(VOCABULARY[self.rng.usize(..VOCABULARY.len())]);
        }
        self.messages.push_str(r#""}"#);
        self.tokens += tokens;
    }
}
