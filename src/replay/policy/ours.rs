//! This proxy: the admission core that requests pass in production.

use std::collections::BTreeMap;
use std::time::Duration;

use quota::{Dimension, Limit, Meter, Moment, Settlement, Window};
use wire::Usage;

use super::{Choice, Policy, Refused};
use crate::account::Skip;
use crate::account::admission::{Admission, Permit, Terms};
use crate::estimate::Estimate;
use crate::replay::provider::{self, Counts};
use crate::replay::scenario::Scenario;
use crate::replay::trace::Request;

const MINUTE: Duration = Duration::from_mins(1);
/// `COOLDOWN_PERIOD`.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The admission of one account.
#[derive(Debug)]
pub struct Ours {
    admission: Admission,
    sent: BTreeMap<usize, Permit>,
}

impl Ours {
    /// On this scenario's plan; `margin`: tokens that are left at the edge, where not as many as usual.
    #[must_use]
    pub fn new(scenario: &Scenario, margin: Option<u64>) -> Self {
        let settlement = if scenario.returns_unused { Settlement::Returned } else { Settlement::Kept };
        let terms = Terms {
            limits: provider::limits(&scenario.limits).into_iter().map(limit).collect(),
            meter: Meter { settlement, margin, ..Meter::default() },
            soft: false,
            completion_reserve: scenario.completion_reserve,
            concurrent_requests: scenario.limits.concurrent_requests,
            // A trace has no text to know a beginning by.
            prompt_cache: None,
            longest_pause: LONGEST_PAUSE,
        };
        Self { admission: Admission::new(terms, Moment::default()), sent: BTreeMap::new() }
    }
}

impl Policy for Ours {
    fn name(&self) -> &'static str {
        "this proxy"
    }

    fn offer(&mut self, id: usize, request: &Request, now: Moment) -> Choice {
        let prompt = request.estimate.unwrap_or(request.prompt_tokens);
        let counted = request.estimate.is_none();
        let estimate = Estimate { prompt, counted, max_tokens: request.max_tokens, ..Estimate::default() };
        let until = |at: Option<Moment>| at.map_or(Choice::Spill, |at| Choice::Wait(at.since(now)));
        match self.admission.reserve(estimate, false, now) {
            Ok(permit) => {
                self.sent.insert(id, permit);
                Choice::Fast
            }
            Err(Skip::Short(shortfall)) => until(shortfall.available_at),
            Err(Skip::Open(at, _)) => until(Some(at)),
            Err(_) => Choice::Spill,
        }
    }

    fn head(&mut self, id: usize, now: Moment) {
        if let Some(permit) = self.sent.get_mut(&id) {
            self.admission.admitted(permit, &[], now);
            self.admission.probed(permit, now);
        }
    }

    fn settled(&mut self, id: usize, request: &Request, now: Moment) {
        let Some(mut permit) = self.sent.remove(&id) else { return };
        let usage = Usage {
            prompt_tokens: request.prompt_tokens,
            cached_tokens: Some(request.cached_tokens),
            completion_tokens: request.completion_tokens,
        };
        self.admission.works(&mut permit, now);
        self.admission.settle(&mut permit, Some(usage), request.completion_tokens, now);
        self.admission.close(&mut permit, true, request.completion_tokens, now);
    }

    fn refused(&mut self, id: usize, refusal: &provider::Refusal, now: Moment) -> Refused {
        let Some(mut permit) = self.sent.remove(&id) else { return Refused::Spill };
        let Limit { dimension, window, .. } = limit(refusal.limit);
        let hint = Some(Duration::from_micros(refusal.retry_after));
        self.admission.refused(&mut permit, (Some(dimension), Some(window)), hint, &[], 0.0, now);
        self.admission.close(&mut permit, false, 0, now);
        Refused::Spill
    }
}

/// A limit as the books know it.
fn limit(limit: provider::Limit) -> Limit {
    let dimension = match limit.counts {
        Counts::Requests => Dimension::Requests,
        Counts::Tokens => Dimension::Tokens,
        Counts::Uncached => Dimension::UncachedTokens,
    };
    let window = match limit.window / 1_000_000 {
        1 => Window::Second,
        60 => Window::Minute,
        3_600 => Window::Hour,
        _ => Window::Day,
    };
    Limit::new(dimension, window, limit.capacity, MINUTE)
}
