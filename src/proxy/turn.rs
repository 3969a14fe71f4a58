//! The state of one request's way through the providers: who is next, what was decided, when it is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wire::{ChatRequest, Spliced};

use super::Proxy;
use super::deadlines::{Deadlines, Until};
use super::trials::Trials;
use crate::account::{Reservation, Skip};
use crate::estimate::{Estimate, Sizes};
use crate::failure::{Failure, Kind, Next};
use crate::refusal::{self, Refusal};
use crate::report::{self, End, Report, Step, Verdict};
use crate::target::Target;

/// The longest pause within a request.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// So often a request fetches its budget from the ledger: others may be faster.
const MOST_LEASES: usize = 3;
/// So many pauses at the most.
const MOST_PAUSES: usize = 3;
/// A provider that is merely busy is asked again after this long at the soonest.
const BUSY_PAUSE: Duration = Duration::from_millis(300);

/// One request on its way.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    proxy: &'a Proxy,
    targets: &'a [Arc<Target>],
    sizes: Sizes<'a>,
    trials: Trials<'a>,
    report: Report,
    /// Still to be asked in this round.
    queue: VecDeque<Arc<Target>>,
    pauses: usize,
    /// Those left would take it for money, or slowly: now they are asked for that.
    insists: bool,
    /// Until when it must be answered to the end.
    until: Option<Until>,
}

/// What is asked of a target. The name stays the same whatever others retire meanwhile, so that all that is learned by the
/// attempt is learned of the model that was asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its name there.
    pub(super) model: String,
    /// Nobody would be asked after it. Decided before it was reserved, which may have made it the probe of an account that
    /// has the model under other names, too.
    pub(super) last: bool,
    pub(super) reservation: Reservation,
}

/// What follows from a failure.
pub(super) enum Decision {
    GoOn,
    Refuse(Refusal),
}

impl<'a> Turn<'a> {
    pub(super) fn new(proxy: &'a Proxy, request: &'a ChatRequest, report: Report) -> Self {
        let targets = proxy.targets(&request.model).unwrap_or_default();
        let sizes = Sizes::new(request, &proxy.counters, report.client.as_deref());
        let queue = targets.iter().cloned().collect();
        let until = proxy.timeouts.total.map(|total| Until::new(report.started(), total));
        let trials = Trials::new(request);
        Self { proxy, targets, sizes, trials, report, queue, pauses: 0, insists: false, until }
    }

    /// Counts the request where that takes long.
    pub(super) async fn count(&mut self) {
        self.sizes.prepare(self.targets.iter().filter_map(|target| target.current()?.template)).await;
    }

    /// Our id of the request.
    pub(super) fn id(&self) -> &str {
        &self.report.id
    }

    /// Who is next. Where everybody has been asked, and somebody is likely to answer in a moment, that moment
    /// passes first.
    pub(super) async fn next_target(&mut self) -> Option<Arc<Target>> {
        if self.queue.is_empty() && !std::mem::replace(&mut self.insists, true) {
            self.queue = self.held_back();
        }
        // Whoever is asked first says what became of it, however little time there is.
        if !self.report.steps.is_empty() && !self.is_time_for(Duration::ZERO) {
            return None;
        }
        if self.queue.is_empty() {
            let (again, pause) = self.next_round()?;
            if !self.is_time_for(pause) {
                return None;
            }
            tokio::time::sleep(pause).await;
            self.queue = again;
        }
        self.queue.pop_front()
    }

    /// Whether this leaves time for an answer.
    fn is_time_for(&self, pause: Duration) -> bool {
        let now = self.proxy.clock.now();
        self.until.is_none_or(|until| !until.is_over(now + pause))
    }

    /// Those that only a soft limit held back.
    fn held_back(&self) -> VecDeque<Arc<Target>> {
        let held_back = |step: &&&Step| {
            matches!(step.verdict, Verdict::Skipped(Skip::Short(_))) && step.target.account.is_soft()
        };
        self.report.latest().iter().filter(held_back).map(|step| Arc::clone(&step.target)).collect()
    }

    /// Those worth asking again in this request, and when; `None`: it is over.
    fn next_round(&mut self) -> Option<(VecDeque<Arc<Target>>, Duration)> {
        if self.pauses == MOST_PAUSES {
            return None;
        }
        let now = self.proxy.clock.now();
        let mut pause = LONGEST_PAUSE;
        let mut again = VecDeque::new();
        for step in self.report.latest() {
            let wait = match &step.verdict {
                Verdict::Skipped(Skip::Probing | Skip::Full(_) | Skip::Unleased) => BUSY_PAUSE,
                Verdict::Skipped(Skip::Open(until, _)) => *until - now,
                Verdict::Skipped(Skip::Short(short)) => {
                    short.available_at.map_or(Duration::MAX, |at| at - now)
                }
                // A connection from the pool may have been closed just then; once is enough to find out.
                Verdict::Failed(failure)
                    if matches!(failure.kind, Kind::Connection | Kind::Unreachable) && self.pauses == 0 =>
                {
                    BUSY_PAUSE
                }
                Verdict::Failed(failure) if failure.kind == Kind::Busy => {
                    BUSY_PAUSE.max(failure.retry_after.unwrap_or_default())
                }
                _ => Duration::MAX,
            };
            // One that was not asked is not asked again.
            let is_retry = matches!(step.verdict, Verdict::Failed(_));
            if wait <= LONGEST_PAUSE && (!is_retry || step.target.account.may_retry()) {
                pause = pause.min(wait);
                again.push_back(Arc::clone(&step.target));
            }
        }
        if again.is_empty() {
            return None;
        }
        self.pauses += 1;
        // Those who wait for the same moment do not come back together.
        let jitter = LONGEST_PAUSE.saturating_sub(pause).mul_f64(fastrand::f64() * 0.5);
        Some((again, pause + jitter))
    }

    /// Sets aside what the request costs at a target, or notes why it is passed over.
    pub(super) async fn reserve(&mut self, target: &Arc<Target>) -> Option<Asked> {
        let model = target.current()?;
        let last = self.is_last(target);
        let alone = last || self.insists && target.account.is_soft();
        let estimate = self.sizes.at(&target.account, model);
        let mut reserved = match target.account.too_long(estimate, model.context) {
            Some(too_long) => Err(Skip::TooLong(too_long)),
            None => target.account.reserve(estimate, alone),
        };
        for _ in 0..MOST_LEASES {
            let left = self.until.map_or(Duration::MAX, |until| until.left(self.proxy.clock.now()));
            if !matches!(reserved, Err(Skip::Unleased)) || left.is_zero() {
                break;
            }
            target.account.lease(estimate, left).await;
            reserved = target.account.reserve(estimate, alone);
        }
        match reserved {
            Ok(reservation) => {
                if !self.report.steps.iter().any(|step| step.failed_at(target)) {
                    target.account.asked();
                }
                self.report.reserved = reservation.reserved();
                Some(Asked { model: model.name.clone(), last, reservation })
            }
            Err(skip) => {
                let now = self.proxy.clock.now();
                let late = self.until.filter(|until| skip == Skip::Unleased && until.is_over(now));
                let verdict = late.map_or(Verdict::Skipped(skip), |until| Verdict::Failed(until.missed()));
                self.note(target, &model.name, estimate, verdict);
                None
            }
        }
    }

    /// What is sent to a target.
    pub(super) fn shape(&self, target: &Target, model: &str) -> Spliced {
        self.trials.shape(target, model)
    }

    /// How long an attempt may take that begins now.
    pub(super) fn deadlines(&self, asked: &Asked) -> Deadlines {
        Deadlines::new(self.proxy.clock, &self.proxy.timeouts, asked.last, self.until)
    }

    /// Whether nobody would be asked after this one.
    fn is_last(&self, target: &Target) -> bool {
        let usable = |other: &Arc<Target>| {
            other.current().is_some_and(|model| {
                let estimate = self.sizes.at(&other.account, model);
                other.account.too_long(estimate, model.context).is_none()
                    && other.account.would_skip(estimate).is_none()
            })
        };
        !self.queue.iter().any(|other| !std::ptr::eq(&raw const **other, target) && usable(other))
    }

    /// The target answers: the story goes on with its answer.
    pub(super) fn took(mut self, target: &Arc<Target>, asked: &Asked) -> Report {
        self.trials.taken(target, &asked.model);
        self.note(target, &asked.model, asked.reservation.estimate(), Verdict::Took);
        self.report.payload();
        self.report.status = 200;
        self.report
    }

    /// The target failed: the books and the breaker hear of it, and what follows is decided.
    pub(super) fn failed(&mut self, target: &Arc<Target>, asked: Asked, failure: Failure) -> Decision {
        let Asked { model, mut reservation, .. } = asked;
        let estimate = reservation.estimate();
        let mut failure = failure.redacted(&self.proxy.redactor);
        let once_more = self.trials.object(target, &model, &mut failure);
        self.judge(target, &model, &mut reservation, &failure);
        drop(reservation);
        let next = failure.kind.next();
        if next == Next::Model && target.retire(&model) || once_more && target.account.may_retry() {
            self.queue.push_front(Arc::clone(target));
        }
        let refusal = (next == Next::Client).then(|| refusal::passed_on(&failure));
        self.note(target, &model, estimate, Verdict::Failed(failure));
        match refusal {
            Some(refusal) => Decision::Refuse(self.refused(refusal)),
            None => Decision::GoOn,
        }
    }

    /// Tells the books and the breaker.
    fn judge(&self, target: &Target, model: &str, reservation: &mut Reservation, failure: &Failure) {
        if let Kind::RateLimited(dimension, window) = failure.kind {
            let scope = (dimension, window);
            let refused = reservation.refused(scope, failure.retry_after, &failure.readings);
            report::learned(&target.label, &refused.lessons);
            return;
        }
        if failure.kind == Kind::ContextTooLong
            && let Some(context) = failure.error.context_limit()
            && target.account.learn_context(reservation.estimate(), context)
        {
            tracing::info!(
                account = target.label,
                lesson = format!("{model} has a context of {context} tokens"),
                "learned"
            );
        }
        if failure.kind == Kind::TooLargeForLimit {
            report::learned(&target.label, &reservation.too_large(&failure.readings));
        }
        if failure.kind.is_free() {
            reservation.release();
        }
        let alone = self.targets.last().is_some_and(|last| std::ptr::eq(&raw const **last, target));
        match failure.kind.trip(failure.retry_after, alone) {
            Some(trip) => reservation.failed(failure.kind, trip),
            None if failure.kind == Kind::OutOfTime => {}
            // It was reached and gave an answer, for which it needed no model: a probe of it has found what it looked for.
            None => reservation.answered(),
        }
    }

    /// Nothing is left.
    pub(super) fn refuse(&mut self) -> Refusal {
        let now = self.proxy.clock.now();
        let refusal = refusal::refusal(&self.report.latest(), now);
        self.refused(refusal)
    }

    fn refused(&mut self, refusal: Refusal) -> Refusal {
        self.report.status = refusal.status;
        self.report.end = End::Refused;
        refusal
    }

    fn note(&mut self, target: &Arc<Target>, model: &str, estimate: Estimate, verdict: Verdict) {
        let step = Step { target: Arc::clone(target), model: model.to_owned(), estimate, verdict };
        self.report.step(step, || target.account.levels());
    }
}

#[cfg(test)]
mod tests;
