//! How the proxy stands, as `/ready`, the log and the `status` command tell it: the same fields in all three.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quota::breaker::State;
use quota::{Forecast, LimitStatus, Moment};
use serde::{Deserialize, Serialize};

use crate::account::status::Notice;
use crate::account::{AccountStatus, CircuitStatus};
use crate::clock::{self, Clock};
use crate::proxy::Proxy;
use crate::store::{Condition, Store};
use crate::target::Target;

mod follow;

pub use follow::follow;

/// How the proxy stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether somebody takes a small request now.
    pub ready: bool,
    /// If not, when somebody will, in seconds; `None`: nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_in_s: Option<f64>,
    /// Whether each provider does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, bool>,
    /// How its database is: `opening`, `open`, or `in memory` where none can be used; absent where none is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Each account, in order of preference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
}

/// How an account stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// For people: the provider, and which of its keys where it has several.
    pub account: String,
    /// For machines.
    pub provider: String,
    /// Its models.
    pub models: Vec<Model>,
    /// Whether it takes a small request now.
    pub ready: bool,
    /// If not, when it will, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_in_s: Option<f64>,
    /// Requests under way.
    pub requests_in_flight: u64,
    /// So many may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u64>,
    /// Whether its limits only say when others are to be preferred.
    pub soft_limits: bool,
    /// What is believed of tokens that were set aside and not used: `returned` or `kept`.
    pub unused_tokens: String,
    /// What concerns all its models.
    #[serde(flatten)]
    pub circuit: Circuit,
    /// Its limits.
    pub limits: Vec<Limit>,
}

/// A model, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What clients ask for.
    pub model: String,
    /// Its name there.
    pub upstream_model: String,
    /// What concerns it alone.
    #[serde(flatten)]
    pub circuit: Circuit,
}

/// How a circuit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circuit {
    /// `closed`, `open` or `half-open`.
    #[serde(rename = "circuit")]
    pub state: String,
    /// Why it is not closed.
    #[serde(rename = "circuit_reason", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The setting to correct, where one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_setting: Option<String>,
    /// How long it stays open, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for_s: Option<f64>,
    /// Until when, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<String>,
}

/// How a limit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What is counted: `requests`, `tokens` or `uncached_tokens`.
    pub dimension: String,
    /// By which span: `second`, `minute`, `hour` or `day`.
    pub window: String,
    /// The most that can be spent at once, in requests or tokens.
    pub capacity: u64,
    /// What is left beside requests in flight; negative in debt.
    pub available: i64,
    /// What is set aside for requests in flight.
    pub in_flight: u64,
    /// How much is spent, in percent; requests in flight left out.
    pub used_percent: u8,
    /// How it comes back: `continuous`, `sliding` or `fixed`.
    pub refill: String,
    /// Who says so: `operator`, `assumed` or `provider`.
    pub source: String,
    /// What a request usually sets aside of it.
    pub usual_request: u64,
    /// How long there is no room for a usual request, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhausted_for_s: Option<f64>,
    /// When all of it is there again, in seconds.
    pub full_in_s: f64,
    /// The same in UTC.
    pub full_at: String,
    /// What was spent in an hour, by about the last one.
    pub per_hour: u64,
    /// Of a limit by the day at this rate: `lasts` or `runs out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<String>,
    /// When it runs out, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_out_in_s: Option<f64>,
    /// The same in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_out_at: Option<String>,
}

/// Now, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Now {
    moment: Moment,
    since_1970: Duration,
}

impl Now {
    fn read(clock: Clock) -> Self {
        Self { moment: clock.now(), since_1970: clock.since_1970() }
    }

    /// How long it is until then, in seconds to a tenth; what is past is zero away.
    fn until(self, then: Moment) -> f64 {
        ((then - self.moment).as_secs_f64() * 10.0).ceil() / 10.0
    }

    /// The same moment in UTC.
    fn utc(self, then: Moment) -> String {
        clock::utc(self.since_1970.saturating_add(then - self.moment))
    }
}

impl Status {
    /// How the accounts stand that requests may go to.
    #[must_use]
    pub fn of(proxy: &Proxy, store: &Store) -> Self {
        let targets =
            || proxy.models.iter().flat_map(|model| model.targets.iter().map(move |it| (model, it)));
        let mut seen: Vec<(&Arc<Target>, AccountStatus, Vec<Route<'_>>)> = Vec::new();
        for (model, target) in targets() {
            let route = Route { model: &model.name, target, circuit: target.circuit() };
            match seen.iter_mut().find(|(known, ..)| Arc::ptr_eq(&known.account, &target.account)) {
                Some((.., routes)) => routes.push(route),
                None => seen.push((target, target.account.status(), vec![route])),
            }
        }
        // Read last: "at once" is a moment ago by now.
        let now = Now::read(proxy.clock);
        let accounts: Vec<Account> = seen
            .into_iter()
            .map(|(target, status, routes)| Account::new(target, &status, &routes, now))
            .collect();
        let ready = accounts.iter().any(|account| account.ready);
        let soonest = accounts.iter().filter_map(|account| account.ready_in_s).min_by(f64::total_cmp);
        let mut providers = BTreeMap::new();
        for account in &accounts {
            *providers.entry(account.provider.clone()).or_insert(false) |= account.ready;
        }
        let state = match store.condition() {
            Condition::Off => None,
            Condition::Opening => Some("opening"),
            Condition::Open => Some("open"),
            // Why is for the log: it tells of this machine.
            Condition::InMemory(_) => Some("in memory"),
        };
        let state = state.map(str::to_owned);
        Self { ready, ready_in_s: soonest.filter(|_| !ready), providers, state, accounts }
    }

    /// What those may know who have shown no key.
    #[must_use]
    pub fn without_details(&self) -> Self {
        Self {
            ready: self.ready,
            ready_in_s: None,
            providers: BTreeMap::new(),
            state: None,
            accounts: Vec::new(),
        }
    }
}

impl Account {
    /// How long a request of the usual size goes elsewhere, in seconds; `None`: it is taken now, as far as that is known.
    #[must_use]
    pub fn no_room_for_s(&self) -> Option<f64> {
        let limits = self.limits.iter().filter(|_| !self.soft_limits);
        limits.filter_map(|limit| limit.exhausted_for_s).max_by(f64::total_cmp)
    }

    fn new(target: &Target, status: &AccountStatus, routes: &[Route<'_>], now: Now) -> Self {
        // As soon as one of its models is, too.
        let models_at = routes.iter().map(|route| open_until(route.circuit).unwrap_or(now.moment)).min();
        let ready_in = status.available_at.map(|at| now.until(at.max(models_at.unwrap_or(at))));
        let ready = ready_in == Some(0.0);
        let models = routes.iter().map(|route| Model {
            model: route.model.to_owned(),
            upstream_model: route.target.model().to_owned(),
            circuit: Circuit::new(route.target, route.circuit, now),
        });
        Self {
            account: target.label.clone(),
            provider: target.name().to_owned(),
            models: models.collect(),
            ready,
            ready_in_s: ready_in.filter(|_| !ready),
            requests_in_flight: status.in_flight,
            concurrent_requests: status.concurrent_requests,
            soft_limits: status.soft,
            unused_tokens: status.settlement.name().to_owned(),
            circuit: Circuit::new(target, status.circuit, now),
            limits: status.limits.iter().map(|limit| Limit::new(limit, now)).collect(),
        }
    }
}

impl Circuit {
    fn new(target: &Target, status: CircuitStatus, now: Now) -> Self {
        let CircuitStatus { state, tripped_by } = status;
        let setting = tripped_by.and_then(|kind| target.provider.settings.to_correct(kind));
        let until = open_until(status);
        Self {
            state: state.name().to_owned(),
            reason: tripped_by.map(|kind| kind.name().to_owned()),
            check_setting: setting.map(str::to_owned),
            open_for_s: until.map(|until| now.until(until)),
            open_until: until.map(|until| now.utc(until)),
        }
    }
}

/// One way to a model.
struct Route<'a> {
    /// What clients ask for.
    model: &'a str,
    target: &'a Target,
    circuit: CircuitStatus,
}

fn open_until(circuit: CircuitStatus) -> Option<Moment> {
    match circuit.state {
        State::Open { until } => Some(until),
        _ => None,
    }
}

impl Limit {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and saturates"
    )]
    fn new(status: &LimitStatus, now: Now) -> Self {
        let runs_out = match status.forecast {
            Some(Forecast::RunsOut(then)) => Some(then),
            _ => None,
        };
        let forecast = status.forecast.map(|_| if runs_out.is_some() { "runs out" } else { "lasts" });
        Self {
            dimension: status.limit.dimension.name().to_owned(),
            window: status.limit.window.name().to_owned(),
            capacity: status.limit.capacity,
            available: status.available,
            in_flight: status.in_flight,
            used_percent: status.used_percent(),
            refill: status.limit.refill.name().to_owned(),
            source: status.source.name().to_owned(),
            usual_request: status.usual,
            exhausted_for_s: status.exhausted_until.map(|until| now.until(until)),
            full_in_s: now.until(status.full_at),
            full_at: now.utc(status.full_at),
            per_hour: status.per_hour.round() as u64,
            forecast: forecast.map(str::to_owned),
            runs_out_in_s: runs_out.map(|then| now.until(then)),
            runs_out_at: runs_out.map(|then| now.utc(then)),
        }
    }
}

/// Writes the log line about a limit.
fn tell(account: &str, status: &AccountStatus, notice: &Notice, now: Now) {
    let limit = Limit::new(&notice.limit, now);
    tracing::info!(
        account,
        dimension = limit.dimension,
        window = limit.window,
        capacity = limit.capacity,
        available = limit.available,
        in_flight = limit.in_flight,
        used_percent = limit.used_percent,
        passed_percent = notice.passed,
        usual_request = limit.usual_request,
        refill = limit.refill,
        source = limit.source,
        full_in_s = limit.full_in_s,
        per_hour = limit.per_hour,
        forecast = limit.forecast,
        runs_out_in_s = limit.runs_out_in_s,
        unused_tokens = status.settlement.name(),
        circuit = status.circuit.state.name(),
        "budget"
    );
}
