//! A minute that slides: what was counted within the last 60 seconds.

use std::collections::VecDeque;
use std::time::Duration;

use quota::Moment;

use crate::config::Limits;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What may be counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) requests_per_minute: u64,
    pub(super) tokens_per_minute: u64,
    pub(super) tokens_per_day: u64,
}

impl Allowed {
    /// So many percent of a plan; what it does not limit is not limited.
    pub(super) fn of(plan: &Limits, percent: u64) -> Self {
        let part = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| limit.saturating_mul(percent) / 100);
        let tokens = [plan.tokens_per_minute, plan.uncached_tokens_per_minute].into_iter().flatten().min();
        Self {
            requests_per_minute: part(plan.requests_per_minute),
            tokens_per_minute: part(tokens),
            tokens_per_day: part(plan.tokens_per_day),
        }
    }
}

/// The last minute, and the day since it began.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    day_began: Moment,
    day: u64,
}

#[derive(Debug)]
struct Entry {
    id: usize,
    at: Moment,
    tokens: u64,
}

impl Window {
    pub(super) fn add(&mut self, id: usize, tokens: u64, now: Moment) {
        self.forget(now);
        self.entries.push_back(Entry { id, at: now, tokens });
        self.day += tokens;
    }

    /// What was counted for a request comes to this.
    pub(super) fn correct(&mut self, id: usize, counted: u64, tokens: u64) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.tokens = tokens;
        }
        self.day = self.day.saturating_sub(counted).saturating_add(tokens);
    }

    /// A request did not count after all.
    pub(super) fn remove(&mut self, id: usize, counted: u64) {
        self.entries.retain(|entry| entry.id != id);
        self.day = self.day.saturating_sub(counted);
    }

    /// Requests and tokens of the last minute, and tokens of the day.
    pub(super) fn counted(&mut self, now: Moment) -> (u64, u64, u64) {
        self.forget(now);
        let tokens = self.entries.iter().map(|entry| entry.tokens).sum();
        (self.entries.len() as u64, tokens, self.day)
    }

    fn forget(&mut self, now: Moment) {
        while self.entries.front().is_some_and(|entry| now.since(entry.at) >= MINUTE) {
            self.entries.pop_front();
        }
        if now.since(self.day_began) > DAY {
            (self.day_began, self.day) = (now, 0);
        }
    }
}
