//! How long to stay away from a provider that failed, and the single probe afterwards.
//!
//! Open means no traffic. Every pause ends half-open: one request goes through, the others wait for what becomes
//! of it. A pause is extended by what happens meanwhile, never shortened.
//!
//! It opens after some failures in a row, and where half of at least ten requests failed within half a minute: a provider that fails
//! every other time is never down, and still costs every other request a detour.

use std::time::Duration;

use crate::time::Moment;

mod recent;

use recent::Recent;

/// A pause of our own making is longer by up to this part of it, so that several processes do not probe together.
const JITTER: f64 = 0.25;
/// One that the provider asked for by this much at the most: it knows when it is back.
const HINT_JITTER: Duration = Duration::from_millis(500);

/// One circuit breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    /// Failures in a row while closed.
    failures: u32,
    /// What came of the last requests while closed.
    recent: Recent,
    /// Pauses in a row without a success between them; each doubles the next.
    pauses: u32,
    /// No pause is longer.
    longest: Duration,
}

/// What the circuit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing, until then.
    Open {
        /// When it becomes half-open.
        until: Moment,
    },
    /// One request, which finds out whether the provider has recovered.
    HalfOpen {
        /// Whether that one is under way.
        probing: bool,
    },
}

impl State {
    /// For logs and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }
}

/// How a request got past the breaker. The outcome must be told with the same pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The circuit is closed.
    Closed,
    /// The single request that finds out whether the provider has recovered.
    Probe,
}

/// How a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The circuit opens with this many failures in a row; 1 opens at once.
    pub threshold: u32,
    /// And with this one if half of the last requests failed. Not where nobody else could be asked: an answer every other time is
    /// better than none.
    pub by_rate: bool,
    /// What the provider asked for.
    pub hint: Option<Duration>,
    /// The first pause where it asked for none; doubled each time the probe fails.
    pub base: Duration,
    /// The longest pause where it asked for none.
    pub ceiling: Duration,
}

impl Breaker {
    /// A closed breaker whose pauses never exceed `longest`.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { state: State::Closed, failures: 0, recent: Recent::default(), pauses: 0, longest }
    }

    /// No later pause exceeds `longest`; one that runs ends as it was told.
    pub fn set_longest(&mut self, longest: Duration) {
        self.longest = longest;
    }

    /// Lets one request pass.
    ///
    /// # Errors
    ///
    /// The moment until which the circuit is open; `None` while a probe is under way.
    pub fn admit(&mut self, now: Moment) -> Result<Pass, Option<Moment>> {
        match self.state(now) {
            State::Closed => Ok(Pass::Closed),
            State::Open { until } => Err(Some(until)),
            State::HalfOpen { probing: true } => Err(None),
            State::HalfOpen { probing: false } => {
                self.state = State::HalfOpen { probing: true };
                Ok(Pass::Probe)
            }
        }
    }

    /// What it lets through now.
    #[must_use]
    pub fn state(&self, now: Moment) -> State {
        match self.state {
            State::Open { until } if now >= until => State::HalfOpen { probing: false },
            state => state,
        }
    }

    /// Until when it is open; `None` where a request could pass or a probe is under way.
    #[must_use]
    pub fn open_until(&self, now: Moment) -> Option<Moment> {
        match self.state(now) {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// The request reached a provider that works.
    pub fn succeeded(&mut self, pass: Pass, now: Moment) {
        match (self.state, pass) {
            (State::Closed, _) => {
                self.failures = 0;
                self.recent.add(false, now);
            }
            (State::HalfOpen { .. }, Pass::Probe) => {
                *self = Self::new(self.longest);
            }
            // An answer to a question from before the trip says nothing about now.
            (State::Open { .. } | State::HalfOpen { .. }, _) => {}
        }
    }

    /// The request failed in a way that speaks against the provider. `jitter`, from 0 to 1, is chance: how much a pause is
    /// lengthened of what it may be. Returns whether the circuit was opened.
    pub fn failed(&mut self, pass: Pass, trip: Trip, jitter: f64, now: Moment) -> bool {
        let before = self.state;
        match (self.state, pass) {
            (State::Closed, _) => {
                self.failures += 1;
                self.recent.add(true, now);
                if self.failures >= trip.threshold || trip.by_rate && self.recent.mostly_failed() {
                    self.open(trip, jitter, now);
                }
            }
            (State::HalfOpen { .. }, Pass::Probe) => self.open(trip, jitter, now),
            (State::Open { until }, _) => {
                let hinted = trip.hint.map_or(until, |hint| now + self.pause(hint, true, jitter));
                self.state = State::Open { until: until.max(hinted) };
            }
            // It was sent before the trip, but what the provider asks for it asks for now.
            (State::HalfOpen { .. }, Pass::Closed) => {
                if let Some(hint) = trip.hint {
                    self.state = State::Open { until: now + self.pause(hint, true, jitter) };
                }
            }
        }
        !matches!(before, State::Open { .. }) && matches!(self.state, State::Open { .. })
    }

    /// The request ended without a verdict on the provider, because its client left for instance.
    pub fn undecided(&mut self, pass: Pass) {
        if pass == Pass::Probe && self.state == (State::HalfOpen { probing: true }) {
            self.state = State::HalfOpen { probing: false };
        }
    }

    fn open(&mut self, trip: Trip, jitter: f64, now: Moment) {
        let doubled = trip.base.saturating_mul(1 << self.pauses.min(16)).min(trip.ceiling);
        let pause = self.pause(trip.hint.unwrap_or(doubled), trip.hint.is_some(), jitter);
        self.pauses = self.pauses.saturating_add(1);
        self.failures = 0;
        self.recent = Recent::default();
        self.state = State::Open { until: now + pause };
    }

    /// A pause with its jitter, which never makes it shorter than was asked for, nor longer than any may be.
    fn pause(&self, pause: Duration, hinted: bool, jitter: f64) -> Duration {
        let most = pause.min(self.longest).mul_f64(JITTER);
        let more = if hinted { most.min(HINT_JITTER) } else { most }.mul_f64(jitter.clamp(0.0, 1.0));
        // What is cut short anyway varies below the bound.
        if pause > self.longest {
            self.longest.saturating_sub(more)
        } else {
            (pause + more).min(self.longest)
        }
    }
}
