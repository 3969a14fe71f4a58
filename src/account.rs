//! One credential at a provider: its books, its breaker, and what is known of its tokenizer.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quota::{Books, Breaker, Cost, Dimension, Level, Limit, Meter, Moment, Pass, Shortfall, Window};
use tokens::Calibration;

use crate::clock::Clock;
use crate::config::Limits;
use crate::failure::Kind;

mod reservation;

pub use reservation::Reservation;

/// The longest answer a provider sets tokens aside for, and what it takes where the client names none: Cerebras
/// counts `min(max_completion_tokens, 16384)` into the bucket at admission (reported 2026-09 by a client's measurements).
const COMPLETION_RESERVE: u64 = 16_384;

/// One credential at a provider.
#[derive(Debug)]
pub struct Account {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    books: Books,
    breaker: Breaker,
    calibration: Calibration,
    /// What opened the breaker last.
    tripped_by: Option<Kind>,
}

/// Why an account takes no request now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skip {
    /// A limit is used up.
    Short(Shortfall),
    /// It is being left alone until then, because of this kind of failure.
    Open(Moment, Option<Kind>),
    /// Another request is finding out whether it works again.
    Probing,
}

/// What a request is expected to cost at any account.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// A guess of the prompt's tokens, not calibrated.
    pub prompt: u64,
    /// The longest answer the client allows.
    pub max_tokens: Option<u64>,
}

impl Account {
    /// An account with these limits, where a minute lasts `minute` and no pause is longer than `longest_pause`.
    #[must_use]
    pub fn new(limits: Limits, minute: Duration, longest_pause: Duration, clock: Clock) -> Self {
        let limit = |dimension, window, capacity: Option<u64>| {
            capacity.map(|capacity| Limit::new(dimension, window, capacity, minute))
        };
        let limits = [
            limit(Dimension::Requests, Window::Minute, limits.requests_per_minute),
            limit(Dimension::Tokens, Window::Minute, limits.tokens_per_minute),
            limit(Dimension::Tokens, Window::Day, limits.tokens_per_day),
        ];
        let limits: Vec<Limit> = limits.into_iter().flatten().collect();
        let books = Books::new(&limits, Meter::default(), clock.now());
        let breaker = Breaker::new(longest_pause);
        Self {
            state: Mutex::new(State {
                books,
                breaker,
                calibration: Calibration::default(),
                tripped_by: None,
            }),
            clock,
        }
    }

    /// Sets aside what the request will cost, on all limits at once. `alone`: nobody else would be asked, so that
    /// waiting for a probe of a provider that was in trouble would gain nothing.
    ///
    /// # Errors
    ///
    /// [`Skip`] says why not; nothing is set aside then.
    pub fn reserve(self: &Arc<Self>, estimate: Estimate, alone: bool) -> Result<Reservation, Skip> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let cost = state.cost(estimate);
        state.books.check(cost, now).map_err(Skip::Short)?;
        let tripped_by = state.tripped_by;
        let skip = |until: Option<Moment>| until.map_or(Skip::Probing, |until| Skip::Open(until, tripped_by));
        let quota = matches!(tripped_by, Some(Kind::RateLimited(..)));
        let pass = match state.breaker.admit(now) {
            Err(None) if alone && !quota => Pass::Closed,
            admitted => admitted.map_err(skip)?,
        };
        match state.books.reserve(cost, now) {
            Ok(grant) => Ok(Reservation::new(Arc::clone(self), grant, pass, estimate, cost)),
            Err(shortfall) => {
                state.breaker.undecided(pass);
                Err(Skip::Short(shortfall))
            }
        }
    }

    /// Why it would be passed over now, if it would.
    #[must_use]
    pub fn would_skip(&self, estimate: Estimate) -> Option<Skip> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let cost = state.cost(estimate);
        let short = state.books.check(cost, now).err().map(Skip::Short);
        short.or_else(|| state.breaker.open_until(now).map(|until| Skip::Open(until, state.tripped_by)))
    }

    /// What is left of each limit.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        self.state.lock().books.levels(self.clock.now())
    }

    /// When it will take a request of this size, if nothing else happens; `None`: never.
    #[must_use]
    pub fn available_at(&self, estimate: Estimate) -> Option<Moment> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let cost = state.cost(estimate);
        let open = state.breaker.open_until(now).unwrap_or(now);
        match state.books.check(cost, now) {
            Ok(()) => Some(open),
            Err(shortfall) => Some(shortfall.available_at?.max(open)),
        }
    }
}

impl State {
    fn cost(&self, estimate: Estimate) -> Cost {
        let prompt = self.calibration.range(estimate.prompt);
        let answer = estimate.max_tokens.unwrap_or(COMPLETION_RESERVE).min(COMPLETION_RESERVE);
        let at_most = prompt.high.saturating_add(answer);
        // A full bucket is enough for what fits by the best guess; only the caution around it does not.
        let largest = self.books.largest().unwrap_or(u64::MAX).max(prompt.mean.saturating_add(answer));
        Cost { at_least: prompt.low, at_most: at_most.min(largest) }
    }
}
