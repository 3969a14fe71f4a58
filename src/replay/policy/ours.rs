//! This proxy: the books, the breaker and the calibration that requests pass in production.

use std::collections::BTreeMap;
use std::time::Duration;

use quota::{Books, Breaker, Cost, Dimension, Grant, Limit, Meter, Moment, Pass, Trip, Window};
use tokens::Calibration;

use super::{Choice, Policy, Refused};
use crate::replay::provider::{self, Counts};
use crate::replay::scenario::Scenario;
use crate::replay::trace::Request;

const MINUTE: Duration = Duration::from_mins(1);
/// `COOLDOWN_PERIOD`.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The admission of one account.
#[derive(Debug)]
pub struct Ours {
    books: Books,
    breaker: Breaker,
    calibration: Calibration,
    completion_reserve: Option<u64>,
    /// Tokens that must be left beside what the books keep themselves.
    extra_margin: u64,
    sent: BTreeMap<usize, Sent>,
}

#[derive(Debug)]
struct Sent {
    grant: Grant,
    cost: Cost,
    pass: Pass,
    guess: u64,
}

impl Ours {
    /// On this scenario's plan, with so many more tokens kept at the edge.
    #[must_use]
    pub fn new(scenario: &Scenario, extra_margin: u64) -> Self {
        let limits: Vec<Limit> = provider::limits(&scenario.limits).into_iter().map(limit).collect();
        let meter = Meter { returns_unused: scenario.returns_unused };
        Self {
            books: Books::new(&limits, meter, Moment::default()),
            breaker: Breaker::new(LONGEST_PAUSE),
            calibration: Calibration::default(),
            completion_reserve: scenario.completion_reserve,
            extra_margin,
            sent: BTreeMap::new(),
        }
    }

    fn cost(&self, guess: u64, request: &Request) -> Cost {
        let prompt = self.calibration.range(guess);
        let most = self.completion_reserve.unwrap_or(u64::MAX);
        let answer = request.max_tokens.or(self.completion_reserve).unwrap_or(0).min(most);
        let largest = self.books.largest().unwrap_or(u64::MAX).max(prompt.mean.saturating_add(answer));
        Cost { at_least: prompt.low, at_most: prompt.high.saturating_add(answer).min(largest) }
    }
}

impl Policy for Ours {
    fn name(&self) -> &'static str {
        "this proxy"
    }

    fn offer(&mut self, id: usize, request: &Request, now: Moment) -> Choice {
        let guess = request.estimate.unwrap_or(request.prompt_tokens);
        let cost = self.cost(guess, request);
        let careful = Cost { at_most: cost.at_most.saturating_add(self.extra_margin), ..cost };
        if let Err(shortfall) = self.books.check(careful, now) {
            return shortfall.available_at.map_or(Choice::Spill, |at| Choice::Wait(at.since(now)));
        }
        let pass = match self.breaker.admit(now) {
            Ok(pass) => pass,
            Err(until) => return until.map_or(Choice::Spill, |until| Choice::Wait(until.since(now))),
        };
        let Ok(grant) = self.books.reserve(cost, now) else {
            self.breaker.undecided(pass);
            return Choice::Spill;
        };
        self.sent.insert(id, Sent { grant, cost, pass, guess });
        Choice::Fast
    }

    fn head(&mut self, id: usize, now: Moment) {
        if let Some(sent) = self.sent.get_mut(&id) {
            self.books.admitted(&mut sent.grant, now);
            self.breaker.succeeded(sent.pass);
            sent.pass = Pass::Closed;
        }
    }

    fn settled(&mut self, id: usize, request: &Request, now: Moment) {
        if let Some(sent) = self.sent.remove(&id) {
            self.calibration.observe(sent.guess, request.prompt_tokens);
            self.books.settle(sent.grant, request.tokens(), now);
        }
    }

    fn refused(&mut self, id: usize, refusal: &provider::Refusal, now: Moment) -> Refused {
        let Some(Sent { grant, cost, pass, .. }) = self.sent.remove(&id) else { return Refused::Spill };
        self.books.release(grant, now);
        if self.books.check(cost, now).is_err() {
            self.breaker.undecided(pass);
            return Refused::Spill;
        }
        let Limit { dimension, window, .. } = limit(refusal.limit);
        self.books.refute(Some(dimension), window, cost, now);
        let hint = Some(Duration::from_micros(refusal.retry_after));
        let trip = Trip { threshold: 1, hint, base: Duration::from_secs(1), ceiling: Duration::MAX };
        self.breaker.failed(pass, trip, now);
        Refused::Spill
    }
}

/// A limit as the books know it. Until cached tokens are told apart, all of them count as uncached.
fn limit(limit: provider::Limit) -> Limit {
    let dimension = match limit.counts {
        Counts::Requests => Dimension::Requests,
        Counts::Tokens | Counts::Uncached => Dimension::Tokens,
    };
    let window = match limit.window / 1_000_000 {
        1 => Window::Second,
        60 => Window::Minute,
        3_600 => Window::Hour,
        _ => Window::Day,
    };
    Limit::new(dimension, window, limit.capacity, MINUTE)
}
