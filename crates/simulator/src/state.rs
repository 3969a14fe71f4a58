//! What the requests to one simulator share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde::Serialize;

use crate::admission::{Admission, Asked};
use crate::books::{Books, OverLimit, Scope};
use crate::cache::Cache;
use crate::count::Prompt;
use crate::fault::{Fault, Times};
use crate::headers::Headers;
use crate::ledger::{Answered, Ledger, Spent};
use crate::profile::{Profile, Vendor};
use crate::script::Reply;
use crate::{clock, hash, headers};

const REMEMBERED_REQUESTS: usize = 1_000;

/// Requests refused by each limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RefusedByScope {
    /// By requests per second.
    pub requests_second: u64,
    /// By requests per minute.
    pub requests_minute: u64,
    /// By uncached tokens per minute.
    pub uncached_minute: u64,
    /// By tokens per minute.
    pub tokens_minute: u64,
    /// By requests per hour.
    pub requests_hour: u64,
    /// By uncached tokens per hour.
    pub uncached_hour: u64,
    /// By tokens per hour.
    pub tokens_hour: u64,
    /// By requests per day.
    pub requests_day: u64,
    /// By tokens per day.
    pub tokens_day: u64,
}

impl RefusedByScope {
    /// Refused by any limit.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.requests_second
            + self.requests_minute
            + self.uncached_minute
            + self.tokens_minute
            + self.requests_hour
            + self.uncached_hour
            + self.tokens_hour
            + self.requests_day
            + self.tokens_day
    }

    fn of(&mut self, scope: Scope) -> &mut u64 {
        match scope {
            Scope::RequestsSecond => &mut self.requests_second,
            Scope::RequestsMinute => &mut self.requests_minute,
            Scope::UncachedMinute => &mut self.uncached_minute,
            Scope::TokensMinute => &mut self.tokens_minute,
            Scope::RequestsHour => &mut self.requests_hour,
            Scope::UncachedHour => &mut self.uncached_hour,
            Scope::TokensHour => &mut self.tokens_hour,
            Scope::RequestsDay => &mut self.requests_day,
            Scope::TokensDay => &mut self.tokens_day,
        }
    }
}

/// Counts of completion requests, of chats and of raw prompts, since the start or the last reset.
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
    /// Refused because what the account has paid for is used up.
    pub over_quota: u64,
    /// Refused while the model was loaded, or because everyone else asked too.
    pub unavailable: u64,
    /// Turned away for what they are: no or wrong key, unknown model, bad format, too long.
    pub rejected: u64,
    /// Hit by an injected fault, [`Fault::SlowTokens`] included.
    pub faulted: u64,
    /// The client went away before the end of its answer.
    pub aborted: u64,
    /// Tokens reserved by all admissions together.
    pub tokens_reserved: u64,
    /// Tokens of prompts and answers that were settled, all together.
    pub tokens_used: u64,
    /// What the limits were charged for them: where nothing comes back, what was reserved.
    pub tokens_charged: u64,
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
    ledger: Ledger,
    cache: Cache,
    /// When the model is loaded; `None` until somebody asks for it.
    warm_at: Option<Instant>,
    stats: Stats,
    seen: VecDeque<Seen>,
    fault: Option<(Fault, Times)>,
    script: Arc<[Reply]>,
}

impl Inner {
    fn new(profile: &Profile) -> Self {
        let now = clock::now();
        Self {
            books: Books::new(profile, now),
            ledger: Ledger::default(),
            cache: Cache::default(),
            warm_at: (profile.vendor == Vendor::LlamaCpp).then(|| now + profile.cold_start),
            stats: Stats::default(),
            seen: VecDeque::new(),
            fault: None,
            script: Arc::new([]),
        }
    }
}

/// Shared by all connections. One lock, never held across an await.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) profile: Profile,
    inner: Mutex<Inner>,
}

impl State {
    pub(crate) fn new(profile: Profile) -> Arc<Self> {
        let inner = Inner::new(&profile);
        Arc::new(Self { profile, inner: Mutex::new(inner) })
    }

    /// As new, but for requests in flight.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner.lock();
        let in_flight = inner.stats.in_flight;
        *inner = Inner::new(&self.profile);
        inner.stats.in_flight = in_flight;
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

    pub(crate) fn left(&self, scope: Scope) -> Option<i128> {
        self.inner.lock().books.left(scope, clock::now())
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

    /// Counts a request that has just arrived, and gives it its number.
    pub(crate) fn arrive(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.stats.received += 1;
        inner.stats.received
    }

    /// The random source of a request, which depends on nothing but the seed and the request's number.
    pub(crate) fn rng(&self, number: u64) -> Rng {
        Rng::with_seed(hash::more(
            hash::START,
            self.profile.seed.to_le_bytes().into_iter().chain(number.to_le_bytes()),
        ))
    }

    /// Whether the model is loaded; the first to ask starts that.
    pub(crate) fn is_warm(&self) -> bool {
        let mut inner = self.inner.lock();
        let now = clock::now();
        now >= *inner.warm_at.get_or_insert(now + self.profile.cold_start)
    }

    /// Whether the account has paid for another answer.
    pub(crate) fn check_quota(&self) -> Result<(), Spent> {
        if self.profile.vendor != Vendor::Chutes {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        let checked = inner.ledger.check(&self.profile, clock::since_epoch());
        inner.stats.over_quota += u64::from(checked.is_err());
        checked
    }

    /// The quota of the day and what is used of it.
    pub(crate) fn quota(&self) -> (u64, u64) {
        self.inner.lock().ledger.quota(&self.profile, clock::since_epoch())
    }

    /// Admits a request, or says which limit refuses it. `miscount` is how many percent its prompt is
    /// taken for.
    pub(crate) fn admit(self: &Arc<Self>, asked: &Asked, miscount: u64) -> Result<Admission, OverLimit> {
        let mut inner = self.inner.lock();
        // Read under the lock, so that the books see time in order.
        let now = clock::now();
        let cached = if self.profile.prompt_cache {
            inner.cache.cached(&asked.prompt, now, self.profile.minute)
        } else {
            0
        };
        let reserved = asked.prompt.tokens * miscount / 100 + asked.completion;
        if let Err(scope) = inner.books.admit_cached(reserved, cached, now) {
            *inner.stats.refused_by_scope.of(scope) += 1;
            return Err(inner.books.over(scope, reserved, cached, now));
        }
        inner.stats.admitted += 1;
        inner.stats.in_flight += 1;
        inner.stats.tokens_reserved += reserved;
        Ok(Admission::new(Arc::clone(self), reserved, cached, asked))
    }

    /// A prompt was read, and can be found in the cache from now on.
    pub(crate) fn read(&self, prompt: &Prompt) {
        if self.profile.prompt_cache {
            self.inner.lock().cache.read(prompt, clock::now(), self.profile.minute);
        }
    }

    pub(crate) fn settle(&self, reserved: u64, used: u64, count: impl FnOnce(&mut Stats)) {
        let mut inner = self.inner.lock();
        inner.stats.tokens_charged += inner.books.settle(reserved, used, clock::now());
        inner.stats.in_flight = inner.stats.in_flight.saturating_sub(1);
        inner.stats.tokens_used += used;
        count(&mut inner.stats);
    }

    /// Counts a complete answer against what the account has paid for.
    pub(crate) fn complete(&self, answered: Answered) {
        self.inner.lock().ledger.complete(&self.profile, answered, clock::since_epoch());
    }

    /// The headers that tell how much the books still hold.
    pub(crate) fn rate_headers(&self) -> Headers {
        headers::rate(&self.profile, &mut self.inner.lock().books, clock::now(), clock::since_epoch())
    }
}
