//! One credential at a provider: what it may spend, what it has spent, and whether it is to be left alone.
//!
//! - `circuit`: whether it, or one of its models, is to be left alone.
//! - `calibrations`: how far estimates of prompts have been off.
//! - `prompts`: what the provider has read lately, and finds in its cache.
//! - `admission`: what is decided, without clock and lock.
//! - `contexts`: how long a conversation may be for each model.
//! - `leasing`: where its budget comes from, if it is not its own.
//! - `status`: how it stands, and when that is worth a line in the log.
//! - `reservation`: a guard around one request's way through it.
//! - `terms`: what the settings make of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use quota::{Level, Moment, RetryBudget, Shortfall};

use crate::clock::Clock;
use crate::config::Provider;
use crate::estimate::{Estimate, Prefix, Whose};
use crate::failure::Kind;

pub mod admission;
mod calibrations;
mod circuit;
mod contexts;
mod leasing;
mod prompts;
mod reservation;
pub mod status;
mod terms;

use admission::Admission;
pub use circuit::CircuitStatus;
use contexts::Contexts;
pub use contexts::TooLong;
use leasing::Leasing;
pub use reservation::Reservation;
pub use status::AccountStatus;

/// One credential at a provider.
#[derive(Debug)]
pub struct Account {
    admission: Mutex<Admission>,
    /// Pays for asking again.
    retries: Mutex<RetryBudget>,
    contexts: Mutex<Contexts>,
    /// Its side of the ledger, if there is one.
    leasing: OnceLock<Leasing>,
    clock: Clock,
}

/// Why an account takes no request now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skip {
    /// A limit is used up.
    Short(Shortfall),
    /// It, or its model, is being left alone until then, because of this kind of failure.
    Open(Moment, Option<Kind>),
    /// Another request is finding out whether it works again.
    Probing,
    /// Its budget is to be fetched from the ledger first.
    Unleased,
    /// So many requests are under way, which is all that it takes.
    Full(u64),
    /// It does not fit into the model's context there.
    TooLong(TooLong),
}

impl Account {
    /// An account at this provider, where a minute lasts `minute` and no pause is longer than `longest_pause`.
    #[must_use]
    pub fn new(provider: &Provider, minute: Duration, longest_pause: Duration, clock: Clock) -> Self {
        let terms = terms::terms(provider, minute, longest_pause, clock);
        let admission = Mutex::new(Admission::new(terms, clock.now()));
        let (retries, contexts) = (Mutex::default(), Mutex::default());
        Self { admission, retries, contexts, leasing: OnceLock::new(), clock }
    }

    /// Goes on with other settings; what has been spent, set aside and learned stays.
    pub fn set(&self, provider: &Provider, minute: Duration, longest_pause: Duration) {
        let terms = terms::terms(provider, minute, longest_pause, self.clock);
        self.admission.lock().set(terms, self.clock.now());
    }

    /// Sets aside what the request will cost; see [`Admission::reserve`].
    ///
    /// # Errors
    ///
    /// [`Skip`] says why not; nothing is set aside then.
    pub fn reserve(self: &Arc<Self>, estimate: Estimate, alone: bool) -> Result<Reservation, Skip> {
        let permit = self.admission.lock().reserve(estimate, alone, self.clock.now())?;
        self.renew();
        Ok(Reservation::new(Arc::clone(self), permit))
    }

    /// A request goes to it for the first time, and pays for a part of a retry.
    pub fn asked(&self) {
        self.retries.lock().deposit();
    }

    /// Whether it may be asked again for a request that it has failed; if so, that is paid for. Each account pays for its own:
    /// what spares it in an outage must not depend on how many requests others serve.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.retries.lock().withdraw(self.clock.now())
    }

    /// Why it would be passed over now, if it would.
    #[must_use]
    pub fn would_skip(&self, estimate: Estimate) -> Option<Skip> {
        self.admission.lock().would_skip(estimate, self.clock.now())
    }

    /// Whether its limits only say when others are to be preferred.
    #[must_use]
    pub fn is_soft(&self) -> bool {
        self.admission.lock().is_soft()
    }

    /// Whether a request is certain not to fit into the model's context: what is `known` of it, and what refusals have said.
    #[must_use]
    pub fn too_long(&self, estimate: Estimate, known: Option<u64>) -> Option<TooLong> {
        let range = self.admission.lock().range(estimate);
        self.contexts.lock().too_long(estimate, range, known, self.clock.since_1970())
    }

    /// The provider has refused a request as longer than so many tokens. Returns whether it will be believed.
    pub fn learn_context(&self, estimate: Estimate, context: u64) -> bool {
        let range = self.admission.lock().range(estimate);
        let learned = self.contexts.lock().refused(estimate, range, context, self.clock.since_1970());
        let believed = learned.is_some();
        self.remember(learned.into_iter().collect());
        believed
    }

    /// What its provider has read lately of a prompt with these [prefixes](tokens::Keyed::prefixes), which are asked for only where
    /// that matters to a limit.
    #[must_use]
    pub fn prefix<'a>(&self, model: u64, prefixes: impl FnOnce() -> &'a [u64]) -> Prefix {
        if !self.admission.lock().remembers_prompts() {
            return Prefix::default();
        }
        let prefixes = prefixes();
        self.admission.lock().prefix(model, prefixes, self.clock.now())
    }

    /// What is left of each limit.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        self.admission.lock().levels(self.clock.now())
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        self.admission.lock().status(self.clock.now())
    }

    /// How the circuit of one of its models stands.
    #[must_use]
    pub fn circuit(&self, whose: Whose) -> CircuitStatus {
        self.admission.lock().circuit(whose, self.clock.now())
    }

    /// When it will take a request of this size, if nothing else happens and nobody else does; `None`: never.
    #[must_use]
    pub fn available_at(&self, estimate: Estimate) -> Option<Moment> {
        self.admission.lock().available_at(estimate, self.clock.now())
    }
}
