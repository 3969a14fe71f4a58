//! What an account decides: pure, so that the proxy and a replay in virtual time share it to the letter.
//!
//! Books, breaker and experience of one account, with time as an argument. A [`Permit`] goes through it from the
//! reservation to the end, and each step may be taken once; what is left out is made up for by [`Admission::close`].

use std::collections::BTreeMap;
use std::time::Duration;

use quota::{Books, Cost, Dimension, Lesson, Level, Limit, Meter, Moment, Pass, Reading, Trip, Used, Window};
use tokens::Range;
use wire::Usage;

use super::calibrations::Calibrations;
use super::circuit::{Circuit, CircuitStatus};
use super::prompts::Prompts;
use super::{AccountStatus, Skip};
use crate::config::PromptCache;
use crate::estimate::{Estimate, Prefix, Whose};
use crate::failure::{Kind, Scope};

mod leasing;
mod permit;

pub use permit::Permit;

/// An answer that was cut off is charged this much more than was counted of it, in tokens.
const CUT_MARGIN: u64 = 64;
/// Providers set aside by a count of their own. Where nothing comes back, this part more than the prompt is reported at is
/// taken for it: a random walk of errors without that lean would end in refusals.
const SET_ASIDE_MARGIN: u64 = 100;
/// And that count is lower than ours by this part of the prompt at the most.
const SET_ASIDE_SPREAD: u64 = 20;
/// After a refusal that names no time the account is left alone this long at the least.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What is settled about an account from outside.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it may spend.
    pub limits: Vec<Limit>,
    /// How its provider counts.
    pub meter: Meter,
    /// Whether limits only say when others are to be preferred, but for those that the operator set: beyond them the
    /// provider takes money, or more time.
    pub soft: bool,
    /// Tokens that the provider sets aside for an answer at the most, and where the client names no maximum; `None`:
    /// what the client names.
    pub completion_reserve: Option<u64>,
    /// Requests that may be under way at once.
    pub concurrent_requests: Option<u64>,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// How its provider keeps what it has read, where a limit leaves that out.
    pub prompt_cache: Option<PromptCache>,
}

/// The state of one account.
#[derive(Debug)]
pub struct Admission {
    books: Books,
    /// What concerns all its models.
    circuit: Circuit,
    /// What concerns one of them, which another need not have; by the hash that estimates know it by.
    models: BTreeMap<u64, Circuit>,
    calibrations: Calibrations,
    prompts: Option<Prompts>,
    under_way: u64,
    /// Whether only what is leased may be spent.
    lease_only: bool,
    /// All that were ever let in.
    requests: u64,
    terms: Terms,
}

/// What followed from a provider's refusal for a quota.
#[derive(Debug)]
pub struct Refused {
    /// The books had known by then that there was not enough.
    pub foreseen: bool,
    /// What was learned.
    pub lessons: Vec<Lesson>,
}

impl Admission {
    /// An account that has spent nothing.
    #[must_use]
    pub fn new(terms: Terms, now: Moment) -> Self {
        Self {
            books: Books::new(&terms.limits, terms.meter, now),
            circuit: Circuit::new(terms.longest_pause),
            models: BTreeMap::new(),
            calibrations: Calibrations::default(),
            prompts: terms.prompt_cache.map(|cache| Prompts::new(cache, terms.meter.minute, now)),
            under_way: 0,
            lease_only: false,
            requests: 0,
            terms,
        }
    }

    /// Goes on under other terms; what has been spent, set aside and learned stays.
    pub fn set(&mut self, terms: Terms, now: Moment) {
        self.books.set_limits(&terms.limits, terms.meter, now);
        let circuits = std::iter::once(&mut self.circuit).chain(self.models.values_mut());
        circuits.for_each(|circuit| circuit.set_longest(terms.longest_pause));
        if (terms.prompt_cache, terms.meter.minute) != (self.terms.prompt_cache, self.terms.meter.minute) {
            self.prompts = terms.prompt_cache.map(|cache| Prompts::new(cache, terms.meter.minute, now));
        }
        self.terms = terms;
    }

    /// Sets aside what the request will cost, on all limits at once. `alone`: nobody else would be asked, so that
    /// waiting for a probe of a provider that was in trouble would gain nothing, and soft limits hold nobody back.
    ///
    /// # Errors
    ///
    /// [`Skip`] says why not; nothing is set aside then.
    pub fn reserve(&mut self, estimate: Estimate, alone: bool, now: Moment) -> Result<Permit, Skip> {
        let cost = self.cost(estimate, now);
        self.check_books(cost, alone, now)?;
        self.check_lease(cost, now)?;
        self.check_full()?;
        let mut model_pass = Some(self.model(estimate.whose).admit(alone, now)?);
        let admitted = self.circuit.admit(alone, now);
        let pass = admitted.inspect_err(|_| self.model(estimate.whose).undecided(&mut model_pass))?;
        self.under_way += 1;
        self.requests += 1;
        let grant = self.books.reserve_anyway(cost, now);
        Ok(Permit { grant: Some(grant), pass: Some(pass), model_pass, estimate, cost })
    }

    /// Why it would be passed over now, if it would.
    #[must_use]
    pub fn would_skip(&mut self, estimate: Estimate, now: Moment) -> Option<Skip> {
        let cost = self.cost(estimate, now);
        let short = self.check_books(cost, false, now).err().or_else(|| self.check_full().err());
        short
            .or_else(|| self.circuit.would_skip(now))
            .or_else(|| self.models.get(&estimate.whose.model)?.would_skip(now))
    }

    /// When it will take a request of this size, if nothing else happens and nobody else does; `None`: never.
    #[must_use]
    pub fn available_at(&mut self, estimate: Estimate, now: Moment) -> Option<Moment> {
        let model = self.models.get(&estimate.whose.model);
        let open = [Some(&self.circuit), model].into_iter().flatten();
        let open = open.filter_map(|circuit| circuit.open_until(now)).max().unwrap_or(now);
        match self.check_books(self.cost(estimate, now), true, now) {
            Err(Skip::Short(shortfall)) => Some(shortfall.available_at?.max(open)),
            _ => Some(open),
        }
    }

    /// How it stands.
    #[must_use]
    pub fn status(&mut self, now: Moment) -> AccountStatus {
        let smallest = Estimate { max_tokens: Some(1), ..Estimate::default() };
        AccountStatus {
            available_at: self.available_at(smallest, now),
            limits: self.books.status(now),
            settlement: self.books.settlement(),
            soft: self.terms.soft,
            circuit: self.circuit.status(now),
            in_flight: self.under_way,
            concurrent_requests: self.terms.concurrent_requests,
            requests: self.requests,
            hour: Window::Hour.length(self.terms.meter.minute),
        }
    }

    /// How the circuit of one of its models stands.
    #[must_use]
    pub fn circuit(&mut self, whose: Whose, now: Moment) -> CircuitStatus {
        self.model(whose).status(now)
    }

    /// Whether its limits only say when others are to be preferred.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.terms.soft
    }

    /// Between which numbers of tokens the prompt lies, by what answers have reported so far.
    #[must_use]
    pub fn range(&self, estimate: Estimate) -> Range {
        self.calibrations.range(estimate)
    }

    /// Whether it matters what its provider has read before.
    #[must_use]
    pub fn remembers_prompts(&self) -> bool {
        self.prompts.is_some()
    }

    /// What its provider has read lately of a prompt with these [prefixes](tokens::Keyed::prefixes).
    #[must_use]
    pub fn prefix(&self, model: u64, prefixes: &[u64], now: Moment) -> Prefix {
        self.prompts.as_ref().map(|prompts| prompts.prefix(model, prefixes, now)).unwrap_or_default()
    }

    /// What is left of each limit.
    #[must_use]
    pub fn levels(&mut self, now: Moment) -> Vec<Level> {
        self.books.levels(now)
    }

    /// The provider has taken the request in; its response's head says this of its own books.
    pub fn admitted(&mut self, permit: &mut Permit, readings: &[Reading], now: Moment) -> Vec<Lesson> {
        let Some(grant) = &mut permit.grant else { return Vec::new() };
        let lessons = self.books.sync(grant, readings, now);
        self.books.admitted(grant, now);
        lessons
    }

    /// The answer is over: `usage` is what the provider reported, if it did, `counted` what was counted of the answer.
    pub fn settle(&mut self, permit: &mut Permit, usage: Option<Usage>, counted: u64, now: Moment) {
        let counted = self.counted(permit, counted);
        let used = match usage.filter(|usage| usage.prompt_tokens > 0) {
            None => Used { tokens: counted, cached: permit.cost.cached, set_aside: permit.cost.at_most },
            Some(usage) => {
                self.calibrations.observe(permit.estimate, usage.prompt_tokens);
                // A report beyond all reason would lock the account for ages.
                let reasonable = permit.cost.at_most.max(counted).saturating_mul(4);
                let tokens = usage.total().min(reasonable);
                // Its own count of the prompt is not ours, so a little more than that.
                let prompt = usage.prompt_tokens.saturating_add(usage.prompt_tokens / SET_ASIDE_MARGIN);
                let set_aside = prompt.saturating_add(self.answer(permit.estimate)).min(reasonable);
                let cached = usage.cached_tokens.unwrap_or(0);
                if let (Some(prompts), Some(grant)) = (&mut self.prompts, &permit.grant) {
                    prompts.read(permit.estimate, usage.prompt_tokens, cached, grant.sent());
                }
                Used { tokens, cached, set_aside }
            }
        };
        if let Some(grant) = permit.grant.take() {
            self.books.settle(grant, used, now);
        }
    }

    /// The provider did nothing for it: everything comes back.
    pub fn release(&mut self, permit: &mut Permit, now: Moment) {
        if let Some(grant) = permit.grant.take() {
            self.books.release(grant, now);
        }
    }

    /// The provider refused it for a quota, of this dimension and window as far as it said so. Unless the books had known
    /// better by then, they are refuted, and the account is left alone for as long as the provider says.
    pub fn refused(
        &mut self,
        permit: &mut Permit,
        scope: (Option<Dimension>, Option<Window>),
        hint: Option<Duration>,
        readings: &[Reading],
        jitter: f64,
        now: Moment,
    ) -> Refused {
        let Some(grant) = permit.grant.take() else {
            return Refused { foreseen: true, lessons: Vec::new() };
        };
        let refused = self.books.refused(grant, scope, readings, now);
        if refused.foreseen {
            self.undecided(permit);
        } else {
            if let Some(prompts) = self.prompts.as_mut().filter(|_| permit.cost.cached > 0) {
                prompts.refuted(now);
            }
            let base = refused.available_at.map_or(Duration::ZERO, |moment| moment - now).max(SHORTEST_PAUSE);
            let trip = Trip { threshold: 1, by_rate: false, hint, base, ceiling: Duration::MAX };
            self.failed(permit, Kind::RateLimited(scope.0, scope.1), trip, jitter, now);
        }
        Refused { foreseen: refused.foreseen, lessons: refused.lessons }
    }

    /// The provider refused it because it is larger than a limit: others may fit, so it is not left alone.
    pub fn too_large(&mut self, permit: &mut Permit, readings: &[Reading], now: Moment) -> Vec<Lesson> {
        permit.grant.take().map(|grant| self.books.too_large(grant, readings, now)).unwrap_or_default()
    }

    /// The provider works, and so does its model: the circuits close.
    pub fn works(&mut self, permit: &mut Permit, now: Moment) {
        self.circuit.works(&mut permit.pass, now);
        let model = permit.estimate.whose;
        self.model(model).works(&mut permit.model_pass, now);
    }

    /// An answer has begun: a probe has found what it looked for. The rest is told when the answer is over.
    pub fn probed(&mut self, permit: &mut Permit, now: Moment) {
        if [permit.pass, permit.model_pass].contains(&Some(Pass::Probe)) {
            self.works(permit, now);
        }
    }

    /// The provider has answered, without asking its model.
    pub fn answered(&mut self, permit: &mut Permit, now: Moment) {
        self.circuit.works(&mut permit.pass, now);
    }

    /// It failed in a way that speaks against the provider, or against its model alone.
    pub fn failed(&mut self, permit: &mut Permit, kind: Kind, trip: Trip, jitter: f64, now: Moment) {
        match kind.scope() {
            Scope::Account => self.circuit.failed(&mut permit.pass, kind, trip, jitter, now),
            Scope::Model { reached } => {
                let model = permit.estimate.whose;
                self.model(model).failed(&mut permit.model_pass, kind, trip, jitter, now);
                if reached {
                    self.circuit.works(&mut permit.pass, now);
                }
            }
        }
    }

    /// It is over, whatever was told of it: what was never `sent` comes back, else what was `counted` of the answer is
    /// charged.
    pub fn close(&mut self, permit: &mut Permit, sent: bool, counted: u64, now: Moment) {
        if sent {
            self.settle(permit, None, counted, now);
        } else {
            self.release(permit, now);
        }
        self.undecided(permit);
        self.under_way = self.under_way.saturating_sub(1);
    }

    fn undecided(&mut self, permit: &mut Permit) {
        self.circuit.undecided(&mut permit.pass);
        self.model(permit.estimate.whose).undecided(&mut permit.model_pass);
    }

    fn model(&mut self, whose: Whose) -> &mut Circuit {
        let longest = self.terms.longest_pause;
        self.models.entry(whose.model).or_insert_with(|| Circuit::new(longest))
    }

    /// The prompt and what was counted of the answer, with a margin, but no more than was set aside.
    fn counted(&self, permit: &Permit, counted: u64) -> u64 {
        let prompt = self.calibrations.range(permit.estimate).high;
        prompt.saturating_add(counted).saturating_add(CUT_MARGIN).min(permit.cost.at_most)
    }

    fn check_books(&mut self, cost: Cost, alone: bool, now: Moment) -> Result<(), Skip> {
        let checked = if alone && self.terms.soft {
            self.books.check_ceilings(cost, now)
        } else {
            self.books.check(cost, now)
        };
        checked.map_err(Skip::Short)
    }

    fn check_full(&self) -> Result<(), Skip> {
        match self.terms.concurrent_requests {
            Some(most) if self.under_way >= most => Err(Skip::Full(most)),
            _ => Ok(()),
        }
    }

    /// What is set aside for an answer.
    fn answer(&self, estimate: Estimate) -> u64 {
        match (estimate.max_tokens, self.terms.completion_reserve) {
            (Some(named), Some(most)) => named.min(most),
            (named, most) => named.or(most).unwrap_or(0),
        }
    }

    fn cost(&self, estimate: Estimate, now: Moment) -> Cost {
        let prompt = self.calibrations.range(estimate);
        let cached = self.prompts.as_ref().map_or(0, |prompts| prompts.cached(estimate.prefix, now));
        let answer = self.answer(estimate);
        let at_most = prompt.high.saturating_add(answer);
        // A full bucket is enough for what fits by the best guess; only the caution around it does not.
        let largest = self.books.largest().unwrap_or(u64::MAX).max(prompt.mean.saturating_add(answer));
        Cost {
            at_least: prompt.low,
            set_aside: (prompt.low - prompt.low / SET_ASIDE_SPREAD).saturating_add(answer),
            at_most: at_most.min(largest),
            cached: cached.min(prompt.low),
        }
    }
}
