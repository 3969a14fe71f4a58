//! One request from reservation to answer: the only loop over providers in the program.
//!
//! - `deadlines`: how long it may take, phase by phase.
//! - `turn`: the state of one request in that loop: who is next, what was decided.
//! - `trials`: the request as it is sent, and what is tried where it is refused for its form.
//! - `attempt`: one target asked, up to the commit point.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use secrecy::ExposeSecret;
use wire::{ChatRequest, Redactor};

use crate::clock::Clock;
use crate::config::{Config, Timeouts};
use crate::estimate::Counters;
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::refusal::Refusal;
use crate::relay::Relay;
use crate::report::Report;
use crate::rules::Rules;
use crate::store::{Condition, Store};
use crate::target::{Known, Model, Target};
use crate::upstream::{Patience, Upstream};

mod attempt;
mod deadlines;
mod trials;
mod turn;

use attempt::attempt;
pub use deadlines::Until;
use turn::{Decision, Turn};

/// Everything that all requests share.
#[derive(Debug)]
pub struct Proxy {
    /// What clients may ask for; at least one.
    pub models: Vec<Model>,
    /// One for each key.
    accounts: Vec<Known>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The process's time.
    pub clock: Clock,
    /// Takes keys out of text.
    pub redactor: Arc<Redactor>,
    /// Counts prompts.
    pub counters: Arc<Counters>,
    upstream: Upstream,
}

/// An answer that is on its way to the client.
#[derive(Debug)]
pub struct Answer {
    /// Who gives it.
    pub target: Arc<Target>,
    /// Its model there.
    pub model: String,
    /// How many times a provider was asked.
    pub attempts: usize,
    /// Headers of the provider that clients may see.
    pub headers: HeaderMap,
    /// What it says.
    pub body: AnswerBody,
}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// A plain one, whole and checked.
    Plain(Bytes),
    /// A stream, past its commit point.
    Stream(Box<Relay>),
}

/// Answers `request` from the first provider that can.
///
/// Cancel safety: dropped at any point, it gives back or settles what is reserved and drops the connection.
///
/// # Errors
///
/// One [`Refusal`] when nothing is left.
pub async fn forward(proxy: &Proxy, request: &ChatRequest, report: Report) -> Result<Answer, Refusal> {
    let mut turn = Turn::new(proxy, request, report);
    turn.count().await;
    while let Some(target) = turn.next_target().await {
        let Some(mut asked) = turn.reserve(&target).await else { continue };
        let (body, deadlines) = (turn.shape(&target, &asked.model), turn.deadlines(&asked));
        match attempt(proxy, request, &target, body, turn.id(), &mut asked.reservation, deadlines).await {
            Ok(taken) => return Ok(taken.into_answer(turn.took(&target, &asked), asked, target)),
            Err(failure) => match turn.failed(&target, asked, failure) {
                Decision::GoOn => {}
                Decision::Refuse(refusal) => return Err(refusal),
            },
        }
    }
    Err(turn.refuse())
}

impl Proxy {
    /// The proxy of a configuration. What `before` has learned, spent and connected goes on.
    ///
    /// # Errors
    ///
    /// Certificates or keys that can't be used.
    pub fn new(config: &Config, before: Option<&Self>, clock: Clock) -> anyhow::Result<Self> {
        let own = config.providers.iter().flat_map(|provider| provider.keys.iter().map(|key| &key.secret));
        let keys = own.chain(&config.server.client_keys);
        let redactor = Arc::new(Redactor::new(keys.map(ExposeSecret::expose_secret)));
        let patience = Patience { connect: config.timeouts.connect, tls: config.timeouts.tls };
        let accounts = Known::all(config, before.map_or(&[], |before| &before.accounts), clock)?;
        Ok(Self {
            models: Model::all(config, &accounts),
            accounts,
            timeouts: config.timeouts,
            clock,
            redactor,
            counters: before.map(|before| Arc::clone(&before.counters)).unwrap_or_default(),
            upstream: match before {
                Some(before) => {
                    before.upstream.set(patience);
                    before.upstream.clone()
                }
                None => Upstream::new(config.extra_ca.as_deref(), patience)?,
            },
        })
    }

    /// Accounts get their budgets from this database from now on.
    pub fn attach(&self, store: &Store) {
        if store.condition() == Condition::Off {
            return;
        }
        let process = Ledger::process();
        for known in &self.accounts {
            known.account.attach(Ledger::new(store, known.fingerprint(), &process, self.clock));
        }
        self.rules().for_each(|rules| rules.attach(store));
    }

    /// What each provider has taught of the requests that it takes.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rules>> {
        let providers = self.accounts.chunk_by(|one, next| Arc::ptr_eq(&one.rules, &next.rules));
        providers.filter_map(|accounts| Some(&accounts.first()?.rules))
    }

    /// One account for each key, in order of preference.
    #[must_use]
    pub fn accounts(&self) -> &[Known] {
        &self.accounts
    }

    /// Which models an account's provider says it has.
    ///
    /// # Errors
    ///
    /// No connection, another status than 200, or no list of models.
    pub async fn catalogue(&self, account: &Known) -> Result<Vec<String>, Failure> {
        let provider = account.provider();
        let (catalogue, authorization) = (provider.catalogue.clone(), account.authorization());
        let listed = self.upstream.catalogue(catalogue, authorization, &provider.preset.errors).await;
        listed.map_err(|failure| failure.redacted(&self.redactor))
    }

    /// Where a model is to be had; `None`: it is none of ours.
    #[must_use]
    pub fn targets(&self, model: &str) -> Option<&[Arc<Target>]> {
        self.models.iter().find(|known| known.name == model).map(|known| known.targets.as_slice())
    }
}
