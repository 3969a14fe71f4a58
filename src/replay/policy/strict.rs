//! A strict sliding minute: what careful clients do without a bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use quota::Moment;

use super::window::{Allowed, Window};
use super::{Choice, Policy, Refused};
use crate::replay::provider::Refusal;
use crate::replay::scenario::Scenario;
use crate::replay::trace::Request;

/// A minute that slides at the whole plan. A request counts from the moment it is sent, with the longest answer it may
/// get until it is over. Draws no 429 from a bucket, but what a minute leaves is lost.
#[derive(Debug)]
pub struct Strict {
    allowed: Allowed,
    completion_reserve: Option<u64>,
    returns_unused: bool,
    window: Window,
    sent: BTreeMap<usize, u64>,
    paused_until: Moment,
}

impl Strict {
    /// On this scenario's plan.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            allowed: Allowed::of(&scenario.limits, 100),
            completion_reserve: scenario.completion_reserve,
            returns_unused: scenario.returns_unused,
            window: Window::default(),
            sent: BTreeMap::new(),
            paused_until: Moment::default(),
        }
    }
}

impl Policy for Strict {
    fn name(&self) -> &'static str {
        "sliding minute"
    }

    fn offer(&mut self, id: usize, request: &Request, now: Moment) -> Choice {
        let most = self.completion_reserve.unwrap_or(u64::MAX);
        let answer = request.max_tokens.or(self.completion_reserve).unwrap_or(0).min(most);
        let wanted = request.estimate.unwrap_or(request.prompt_tokens) + answer;
        let (requests, tokens, day) = self.window.counted(now);
        let fits = requests < self.allowed.requests_per_minute
            && tokens.saturating_add(wanted) <= self.allowed.tokens_per_minute
            && day.saturating_add(wanted) <= self.allowed.tokens_per_day;
        if !fits || now < self.paused_until {
            return Choice::Spill;
        }
        self.window.add(id, wanted, now);
        self.sent.insert(id, wanted);
        Choice::Fast
    }

    fn head(&mut self, _id: usize, _now: Moment) {}

    fn settled(&mut self, id: usize, request: &Request, _now: Moment) {
        let counted = self.sent.remove(&id).unwrap_or_default();
        let tokens = if self.returns_unused { request.tokens() } else { request.tokens().max(counted) };
        self.window.correct(id, counted, tokens);
    }

    fn refused(&mut self, id: usize, refusal: &Refusal, now: Moment) -> Refused {
        let counted = self.sent.remove(&id).unwrap_or_default();
        self.window.remove(id, counted);
        self.paused_until = now + Duration::from_micros(refusal.retry_after);
        Refused::Spill
    }
}
