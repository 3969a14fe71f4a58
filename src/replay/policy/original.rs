//! The npm package `qwen-3-coder-proxy` 1.0.1, and the same with true counts.

use std::time::Duration;

use quota::Moment;

use super::window::{Allowed, Window};
use super::{Choice, Policy, Refused};
use crate::config::Limits;
use crate::replay::provider::Refusal;
use crate::replay::trace::Request;

/// Its documented defaults are this part of the plan they were made for.
const PERCENT: u64 = 80;
/// `COOLDOWN_PERIOD`.
const COOLDOWN: Duration = Duration::from_mins(5);
/// What it counts for a stream, and for a plain answer whose client names no maximum.
const FLAT: u64 = 100;

/// What is counted for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// 100 tokens for a stream; the client's maximum for a plain answer, or 100.
    Flat,
    /// What the provider reported.
    True,
}

/// A minute that slides at 80 % of the plan. An answer counts when it is over; a refusal reaches the client and
/// keeps everybody away for five minutes.
#[derive(Debug)]
pub struct Original {
    counting: Counting,
    allowed: Allowed,
    window: Window,
    cooldown_until: Moment,
}

impl Original {
    /// On this plan.
    #[must_use]
    pub fn new(plan: &Limits, counting: Counting) -> Self {
        let allowed = Allowed::of(plan, PERCENT);
        Self { counting, allowed, window: Window::default(), cooldown_until: Moment::default() }
    }
}

impl Policy for Original {
    fn name(&self) -> &'static str {
        match self.counting {
            Counting::Flat => "original",
            Counting::True => "true counts",
        }
    }

    fn offer(&mut self, _id: usize, _request: &Request, now: Moment) -> Choice {
        let (requests, tokens, day) = self.window.counted(now);
        let Allowed { requests_per_minute, tokens_per_minute, tokens_per_day } = self.allowed;
        let within = requests < requests_per_minute && tokens < tokens_per_minute && day < tokens_per_day;
        if now >= self.cooldown_until && within { Choice::Fast } else { Choice::Spill }
    }

    fn head(&mut self, _id: usize, _now: Moment) {}

    fn settled(&mut self, id: usize, request: &Request, now: Moment) {
        let tokens = match self.counting {
            Counting::True => request.tokens(),
            Counting::Flat if request.stream => FLAT,
            Counting::Flat => request.max_tokens.filter(|named| *named > 0).unwrap_or(FLAT),
        };
        self.window.add(id, tokens, now);
    }

    fn refused(&mut self, _id: usize, _refusal: &Refusal, now: Moment) -> Refused {
        self.cooldown_until = now + COOLDOWN;
        Refused::PassOn
    }
}
