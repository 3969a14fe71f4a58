//! The algorithm of the npm package `qwen-3-coder-proxy` 1.0.1, for comparison.
//!
//! Windows that slide, at 80 % of what the plan allows. A stream counts as 100 tokens, a plain answer as what the client
//! named, or 100; both when they are over. A 429 of Cerebras keeps everybody away for five minutes, and reaches the client.

use std::time::Duration;

use parking_lot::Mutex;
use quota::Moment;
use qwen_3_coder_proxy::clock::Clock;

/// 80 % of 15 and of 165,000.
const REQUESTS: usize = 12;
const TOKENS: u64 = 132_000;
const COOLDOWN_MINUTES: u32 = 5;
/// What a stream counts for.
pub(super) const FLAT: u64 = 100;

#[derive(Debug)]
pub(super) struct Original {
    clock: Clock,
    minute: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answered: Vec<(Moment, u64)>,
    cooling_until: Moment,
}

impl Original {
    pub(super) fn new(clock: Clock, minute: Duration) -> Self {
        Self { clock, minute, state: Mutex::default() }
    }

    /// Whether the next request goes to Cerebras.
    pub(super) fn prefers_cerebras(&self) -> bool {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.answered.retain(|(at, _)| now - *at < self.minute);
        let tokens: u64 = state.answered.iter().map(|(_, tokens)| tokens).sum();
        now >= state.cooling_until && state.answered.len() < REQUESTS && tokens < TOKENS
    }

    pub(super) fn answered(&self, tokens: u64) {
        self.state.lock().answered.push((self.clock.now(), tokens));
    }

    pub(super) fn refused(&self) {
        self.state.lock().cooling_until = self.clock.now() + self.minute * COOLDOWN_MINUTES;
    }
}
