//! One credential at a provider: its books, its breaker, and what is known of its tokenizer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quota::{
    Books, Breaker, Cost, Dimension, Grant, Level, Limit, Meter, Moment, Pass, Shortfall, Trip, Window,
};
use tokens::Calibration;
use wire::Usage;

use crate::clock::Clock;
use crate::config::Limits;
use crate::failure::Kind;

/// The longest answer a provider sets tokens aside for, and what it takes where the client names none: Cerebras
/// counts `min(max_completion_tokens, 16384)` into the bucket at admission (reported 2026-09 by a client's measurements).
const COMPLETION_RESERVE: u64 = 16_384;
/// An answer that was cut off is charged this much more than was counted of it, in tokens.
const CUT_MARGIN: u64 = 64;

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
            Ok(grant) => Ok(Reservation {
                account: Arc::clone(self),
                grant: Some(grant),
                pass: Some(pass),
                estimate,
                cost,
                sent: Arc::default(),
                counted: 0,
            }),
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

/// A guard around a grant. Dropped before sending it gives everything back; dropped afterwards it is settled at the
/// prompt and what was counted of the answer. The breaker hears of it either way.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    grant: Option<Grant>,
    /// Taken when the breaker has been told the outcome.
    pass: Option<Pass>,
    estimate: Estimate,
    cost: Cost,
    /// Set as soon as the provider may have seen the request.
    sent: Arc<AtomicBool>,
    /// Tokens of the answer that have passed.
    counted: u64,
}

impl Reservation {
    /// Tokens set aside.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.cost.at_most
    }

    /// To be set as soon as the provider may have seen the request.
    #[must_use]
    pub fn sent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.sent)
    }

    /// The provider has accepted the request: its response head is there.
    pub fn admitted(&mut self) {
        let now = self.account.clock.now();
        if let Some(grant) = &mut self.grant {
            self.account.state.lock().books.admitted(grant, now);
        }
    }

    /// So many tokens of the answer have passed.
    pub fn counted(&mut self, tokens: u64) {
        self.counted = tokens;
    }

    /// The answer is over; `usage` is what the provider reported, if it did.
    pub fn settle(mut self, usage: Option<Usage>) {
        let counted = self.counted_total();
        let spent = match usage.filter(|usage| usage.prompt_tokens > 0) {
            None => counted,
            Some(usage) => {
                self.account.state.lock().calibration.observe(self.estimate.prompt, usage.prompt_tokens);
                // A report beyond all reason would lock the account for ages.
                usage.total().min(self.cost.at_most.max(counted).saturating_mul(4))
            }
        };
        self.close(spent);
    }

    /// The provider did nothing for it: everything comes back.
    pub fn release(&mut self) {
        let now = self.account.clock.now();
        if let Some(grant) = self.grant.take() {
            self.account.state.lock().books.release(grant, now);
        }
    }

    /// The provider refused it for a quota. Returns whether the books had known better by then: if not, they are
    /// refuted and the account is left alone for as long as the provider says.
    pub fn refused(
        &mut self,
        dimension: Option<Dimension>,
        window: Option<Window>,
        hint: Option<Duration>,
    ) -> bool {
        self.release();
        let now = self.account.clock.now();
        let mut state = self.account.state.lock();
        if state.books.check(self.cost, now).is_err() {
            drop(state);
            self.undecided();
            return true;
        }
        if let Some(window) = window {
            state.books.refute(dimension, window, self.cost, now);
        }
        let refilled = state.books.check(self.cost, now).err().and_then(|shortfall| shortfall.available_at);
        let base = refilled.map_or(Duration::ZERO, |moment| moment - now).max(Duration::from_secs(1));
        drop(state);
        self.failed(
            Kind::RateLimited(dimension, window),
            Trip { threshold: 1, hint, base, ceiling: Duration::MAX },
        );
        false
    }

    /// The provider works: the circuit closes.
    pub fn works(&mut self) {
        if let Some(pass) = self.pass {
            self.account.state.lock().breaker.succeeded(pass);
            // What comes after is about a closed circuit.
            self.pass = Some(Pass::Closed);
        }
    }

    /// An answer has begun: a probe has found what it looked for. The rest is told when the answer is over.
    pub fn probed(&mut self) {
        if self.pass == Some(Pass::Probe) {
            self.works();
        }
    }

    /// It failed in a way that speaks against the provider.
    pub fn failed(&mut self, kind: Kind, trip: Trip) {
        if let Some(pass) = self.pass.take() {
            let now = self.account.clock.now();
            let mut state = self.account.state.lock();
            if state.breaker.failed(pass, trip, now) {
                state.tripped_by = Some(kind);
            }
        }
    }

    fn undecided(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.account.state.lock().breaker.undecided(pass);
        }
    }

    /// The prompt and what was counted of the answer, with a margin, but no more than was set aside.
    fn counted_total(&self) -> u64 {
        let prompt = self.account.state.lock().calibration.range(self.estimate.prompt).high;
        (prompt + self.counted + CUT_MARGIN).min(self.cost.at_most)
    }

    fn close(&mut self, spent: u64) {
        let now = self.account.clock.now();
        if let Some(grant) = self.grant.take() {
            self.account.state.lock().books.settle(grant, spent, now);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.sent.load(Ordering::Relaxed) {
            let spent = self.counted_total();
            self.close(spent);
        } else {
            self.release();
        }
        self.undecided();
    }
}
