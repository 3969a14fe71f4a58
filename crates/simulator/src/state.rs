//! What the requests to one simulator share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde::Serialize;

use crate::admission::Admission;
use crate::books::{Books, Scope};
use crate::clock;
use crate::fault::{Fault, Times};
use crate::profile::Profile;
use crate::script::Reply;

const REMEMBERED_REQUESTS: usize = 1_000;

/// Requests refused by each limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RefusedByScope {
    /// By requests per minute.
    pub requests_minute: u64,
    /// By tokens per minute.
    pub tokens_minute: u64,
    /// By requests per day.
    pub requests_day: u64,
    /// By tokens per day.
    pub tokens_day: u64,
}

impl RefusedByScope {
    /// Refused by any limit.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests_minute + self.tokens_minute + self.requests_day + self.tokens_day
    }

    fn of(&mut self, scope: Scope) -> &mut u64 {
        match scope {
            Scope::RequestsMinute => &mut self.requests_minute,
            Scope::TokensMinute => &mut self.tokens_minute,
            Scope::RequestsDay => &mut self.requests_day,
            Scope::TokensDay => &mut self.tokens_day,
        }
    }
}

/// Counts of chat completion requests since the start or the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Arrived.
    pub received: u64,
    /// Admitted by the books.
    pub admitted: u64,
    /// Answered whole. Counted before the last bytes are written: who has seen the end finds it here.
    pub served: u64,
    /// Refused by the books.
    pub refused_by_scope: RefusedByScope,
    /// Turned away for what they are: no or wrong key, unknown model, bad format, too long.
    pub rejected: u64,
    /// Hit by an injected fault, [`Fault::SlowTokens`] included.
    pub faulted: u64,
    /// The client went away before the end of its answer.
    pub aborted: u64,
    /// Tokens reserved by all admissions together.
    pub tokens_reserved: u64,
    /// Tokens charged by all settlements together.
    pub tokens_used: u64,
    /// Admitted and not yet settled.
    pub in_flight: u64,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; empty where a fault kept it from being read.
    pub body: Bytes,
}

#[derive(Debug)]
struct Inner {
    books: Books,
    stats: Stats,
    seen: VecDeque<Seen>,
    fault: Option<(Fault, Times)>,
    script: Arc<[Reply]>,
    rng: Rng,
}

/// Shared by all connections. One lock, never held across an await.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) profile: Profile,
    inner: Mutex<Inner>,
}

impl State {
    pub(crate) fn new(profile: Profile) -> Arc<Self> {
        let inner = Inner {
            books: Books::new(&profile, clock::now()),
            stats: Stats::default(),
            seen: VecDeque::new(),
            fault: None,
            script: Arc::new([]),
            rng: Rng::with_seed(profile.seed),
        };
        Arc::new(Self { profile, inner: Mutex::new(inner) })
    }

    /// As new, but for requests in flight.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner.lock();
        inner.books = Books::new(&self.profile, clock::now());
        inner.stats = Stats { in_flight: inner.stats.in_flight, ..Stats::default() };
        inner.seen.clear();
        inner.fault = None;
        inner.script = Arc::new([]);
    }

    pub(crate) fn inject(&self, fault: Fault, times: Times) {
        self.inner.lock().fault = Some((fault, times)).filter(|_| times != Times::Count(0));
    }

    pub(crate) fn heal(&self) {
        self.inner.lock().fault = None;
    }

    /// The injected fault, if `wanted`; this uses it up by one.
    pub(crate) fn take_fault(&self, wanted: impl FnOnce(Fault) -> bool) -> Option<Fault> {
        let mut inner = self.inner.lock();
        let (fault, times) = inner.fault.filter(|(fault, _)| wanted(*fault))?;
        inner.fault = times.after_one().map(|left| (fault, left));
        inner.stats.faulted += 1;
        Some(fault)
    }

    pub(crate) fn set_script(&self, replies: Vec<Reply>) {
        self.inner.lock().script = replies.into();
    }

    pub(crate) fn script(&self) -> Arc<[Reply]> {
        Arc::clone(&self.inner.lock().script)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.inner.lock().stats
    }

    pub(crate) fn count(&self, what: impl FnOnce(&mut Stats)) {
        what(&mut self.inner.lock().stats);
    }

    pub(crate) fn remember(&self, seen: Seen) {
        let mut inner = self.inner.lock();
        if inner.seen.len() == REMEMBERED_REQUESTS {
            inner.seen.pop_front();
        }
        inner.seen.push_back(seen);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.lock().seen.iter().cloned().collect()
    }

    /// A random source of a request's own.
    pub(crate) fn rng(&self) -> Rng {
        self.inner.lock().rng.fork()
    }

    /// Admits a request of so many prompt and completion tokens, or says which limit refuses it.
    pub(crate) fn admit(self: &Arc<Self>, prompt: u64, completion: u64) -> Result<Admission, Scope> {
        let mut inner = self.inner.lock();
        let off = i128::from(self.profile.miscount_percent.unsigned_abs().min(100));
        let percent = 100 + inner.rng.i128(-off..=off);
        let estimate = u64::try_from(i128::from(prompt) * percent / 100).unwrap_or(prompt);
        let reserved = estimate + completion;
        // Read under the lock, so that the books see time in order.
        if let Err(scope) = inner.books.admit(reserved, clock::now()) {
            *inner.stats.refused_by_scope.of(scope) += 1;
            return Err(scope);
        }
        inner.stats.admitted += 1;
        inner.stats.in_flight += 1;
        inner.stats.tokens_reserved += reserved;
        Ok(Admission::new(Arc::clone(self), reserved, prompt))
    }

    pub(crate) fn settle(&self, reserved: u64, used: u64, count: impl FnOnce(&mut Stats)) {
        let mut inner = self.inner.lock();
        inner.books.settle(reserved, used, clock::now());
        inner.stats.in_flight = inner.stats.in_flight.saturating_sub(1);
        inner.stats.tokens_used += used;
        count(&mut inner.stats);
    }

    /// The six `x-ratelimit-*` headers, or those of them whose limit exists.
    ///
    /// The reset is the time to the next whole window of the wall clock, although the bucket refills
    /// continuously: that is what the real ones show.
    pub(crate) fn rate_headers(&self) -> Vec<(String, String)> {
        let mut inner = self.inner.lock();
        let named = [(Scope::RequestsDay, "requests-day"), (Scope::TokensMinute, "tokens-minute")];
        let headers = |(scope, name): (Scope, &str)| {
            let (limit, remaining) = inner.books.remaining(scope, clock::now())?;
            let reset = until_next(scope.window(&self.profile)).as_secs_f64();
            Some([
                (format!("x-ratelimit-limit-{name}"), limit.to_string()),
                (format!("x-ratelimit-remaining-{name}"), remaining.to_string()),
                (format!("x-ratelimit-reset-{name}"), reset.to_string()),
            ])
        };
        named.into_iter().filter_map(headers).flatten().collect()
    }
}

fn until_next(window: Duration) -> Duration {
    let window = window.as_nanos().max(1);
    let left = window - clock::since_epoch().as_nanos() % window;
    Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}
