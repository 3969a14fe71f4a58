//! Another program that spends on the same account, and asks nobody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use fastrand::Rng;

use super::agent::{Agent, Habits};
use super::cell::{Lane, MINUTE, TOKENS_PER_MINUTE, send};
use crate::harness::CEREBRAS_KEY;

/// Its requests, in tokens.
const SIZES: std::ops::Range<u64> = 5_000..30_000;
const MAX_COMPLETION_TOKENS: u64 = 1_000;
/// What it would like to have of the quota, in percent.
const SHARE: u64 = 40;

#[derive(Debug, Default)]
pub(super) struct Stranger {
    pub(super) asked: AtomicU64,
    pub(super) refused: AtomicU64,
    gone: AtomicBool,
}

impl Stranger {
    pub(super) fn leave(&self) {
        self.gone.store(true, Relaxed);
    }

    /// Asks at random moments, whatever the answers are.
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub(super) async fn spend(&self, lane: &Lane) {
        let mut rng = Rng::with_seed(7);
        let size = SIZES.start.midpoint(SIZES.end) + MAX_COMPLETION_TOKENS / 2;
        let gap = MINUTE.mul_f64((size * 100) as f64 / (TOKENS_PER_MINUTE * SHARE) as f64);
        while !self.gone.load(Relaxed) {
            tokio::time::sleep(gap.mul_f64(-(1.0 - rng.f64()).ln())).await;
            let habits = Habits {
                prompt: SIZES,
                turn: 10..20,
                words: 100..400,
                max_completion_tokens: Some(MAX_COMPLETION_TOKENS),
                stream: false,
            };
            let body = Agent::new(habits, rng.u64(..)).next_turn("qwen-3-coder-480b");
            self.asked.fetch_add(1, Relaxed);
            let reply = send(lane.house.cerebras.addr(), CEREBRAS_KEY, &body).await;
            self.refused.fetch_add(u64::from(reply.status == 429), Relaxed);
        }
    }
}
