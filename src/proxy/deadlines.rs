//! How long one attempt may take, phase by phase. Each limit counts from when the attempt began, and a failure names the one
//! that was over.

use std::future::Future;
use std::time::Duration;

use quota::Moment;

use crate::clock::Clock;
use crate::config::Timeouts;
use crate::failure::{Failure, Kind};

/// The last target that is left gets this many times the others' deadlines: nobody would answer sooner, and a model may
/// have to be loaded. A connection is there at once or not at all, so it gets no more.
const LAST_GRACE: u32 = 4;

/// Until when a request must be answered to the end, whoever answers.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    moment: Moment,
    total: Duration,
}

/// The limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    clock: Clock,
    began: Moment,
    head: Duration,
    payload: Duration,
    /// Nobody would be asked after it.
    last: bool,
    until: Option<Until>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A connection, and the head of a response.
    Head,
    /// The first payload of a stream.
    Payload,
    /// All of a plain answer.
    Body,
}

impl Until {
    /// So long after it `started`.
    pub(super) fn new(started: Moment, total: Duration) -> Self {
        Self { moment: started + total, total }
    }

    /// Whether it must be over.
    #[must_use]
    pub fn is_over(self, now: Moment) -> bool {
        now >= self.moment
    }

    /// How long it still may take.
    #[must_use]
    pub fn left(self, now: Moment) -> Duration {
        self.moment - now
    }

    /// What is said of whoever took too long.
    pub(super) fn missed(self) -> Failure {
        Failure::new(Kind::OutOfTime, self.describe())
    }

    /// In words.
    #[must_use]
    pub fn describe(self) -> String {
        format!("took longer than {} s in all", self.total.as_secs_f64())
    }
}

impl Deadlines {
    /// For an attempt that begins now.
    pub(super) fn new(clock: Clock, timeouts: &Timeouts, last: bool, until: Option<Until>) -> Self {
        let grace = if last { LAST_GRACE } else { 1 };
        let payload = timeouts.request * grace;
        Self { clock, began: clock.now(), head: (timeouts.head * grace).min(payload), payload, last, until }
    }

    /// Until when the answer must be over.
    pub(super) fn until(&self) -> Option<Until> {
        self.until
    }

    /// Whether nobody would be asked after it: then what it says of calls is passed on as it comes.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// The work of an answer that has begun, as far as there is time for it.
    pub(super) async fn in_all<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(until) = self.until else { return work.await };
        let left = until.left(self.clock.now());
        tokio::time::timeout(left, work).await.map_err(|_| until.missed()).flatten()
    }

    /// The work of a phase, as far as there is time for it.
    pub(super) async fn within<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let now = self.clock.now();
        let limit = if phase == Phase::Head { self.head } else { self.payload };
        let own = (self.began + limit) - now;
        let whole = self.until.filter(|until| until.left(now) < own);
        let left = whole.map_or(own, |until| until.left(now));
        let late = || match whole {
            Some(until) => until.missed(),
            None => Failure::new(Kind::Timeout, phase.missed(limit)),
        };
        tokio::time::timeout(left, work).await.map_err(|_| late()).flatten()
    }
}

impl Phase {
    fn missed(self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        match self {
            Self::Head => format!("sent no response head within {seconds} s"),
            Self::Payload => format!("sent a head but no payload within {seconds} s"),
            Self::Body => format!("sent a head but no whole answer within {seconds} s"),
        }
    }
}
