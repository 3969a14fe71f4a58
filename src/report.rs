//! What was decided about one request, step by step: feeds the log line, the history, the answer's headers and the
//! refusal.
//!
//! - `row`: what is left of it at the end: the log line and the history's row.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use quota::{Lesson, Level, Moment};
use wire::{Repairs, Usage};

use crate::account::Skip;
use crate::clock::Clock;
use crate::estimate::Estimate;
use crate::failure::{Failure, Kind};
use crate::store::Store;
use crate::target::Target;

mod row;

pub use row::Row;

/// What became of one target.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which target.
    pub target: Arc<Target>,
    /// Which of its models.
    pub model: String,
    /// What the request was expected to cost there.
    pub estimate: Estimate,
    /// What became of it.
    pub verdict: Verdict,
}

impl Step {
    /// Whether it is a failure of this target.
    #[must_use]
    pub fn failed_at(&self, target: &Arc<Target>) -> bool {
        matches!(self.verdict, Verdict::Failed(_)) && Arc::ptr_eq(&self.target, target)
    }
}

/// What became of one target.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It was not asked.
    Skipped(Skip),
    /// It was asked, and failed.
    Failed(Failure),
    /// It answered.
    Took,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The client went away before anything else happened.
    ClientLeft,
    /// A whole answer.
    Whole,
    /// An error instead of an answer.
    Refused,
    /// The answer broke off after it had begun, for this reason.
    Broken(String),
}

/// One request's story; writes its log line and its row of the history when it is dropped, however that comes about.
#[derive(Debug)]
pub struct Report {
    /// The id the client, the log and the history know it by.
    pub id: String,
    /// Who asked, as the history calls it.
    pub client: Option<String>,
    /// The model the client asked for.
    pub model: String,
    /// Whether it is a stream.
    pub stream: bool,
    /// The longest answer that the client allows, if it names one.
    pub max_tokens: Option<u64>,
    /// What became of each target, in order.
    pub steps: Vec<Step>,
    /// Tokens set aside where it was sent last.
    pub reserved: u64,
    /// Its id at the provider that answered, where that tells one.
    pub provider_request_id: Option<String>,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// Tokens counted from the answer where it reported nothing.
    pub counted: u64,
    /// What was repaired in the answer.
    pub repaired: Repairs,
    /// The client's status.
    pub status: u16,
    /// How it ended.
    pub end: End,
    first_payload: Option<Duration>,
    started: Moment,
    clock: Clock,
    store: Store,
}

impl Report {
    /// A request that came in now.
    #[must_use]
    pub fn new(id: String, model: String, stream: bool, clock: Clock) -> Self {
        Self {
            id,
            client: None,
            model,
            stream,
            max_tokens: None,
            steps: Vec::new(),
            reserved: 0,
            provider_request_id: None,
            usage: None,
            counted: 0,
            repaired: Repairs::NONE,
            status: 499,
            end: End::ClientLeft,
            first_payload: None,
            started: clock.now(),
            clock,
            store: Store::default(),
        }
    }

    /// Also goes into the history of this store.
    #[must_use]
    pub fn recorded(mut self, store: &Store, client: Option<String>) -> Self {
        self.store = store.clone();
        self.client = client;
        self
    }

    /// Notes what became of a target, and logs it as a decision.
    pub fn step(&mut self, step: Step, levels: impl FnOnce() -> Vec<Level>) {
        if tracing::enabled!(tracing::Level::INFO) {
            let verdict = step.verdict.describe(self.clock.now());
            let budget = describe(&levels());
            let (provider, upstream_model) = (step.target.name(), &step.model);
            tracing::info!(request_id = self.id, provider, upstream_model, verdict, budget, "decision");
        }
        // Most requests have one step, and keep it for as long as their stream lasts.
        self.steps.reserve_exact(1);
        self.steps.push(step);
    }

    /// The first payload is on its way to the client.
    pub fn payload(&mut self) {
        self.first_payload.get_or_insert(self.clock.since(self.started));
    }

    /// The process's time.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// When it came in.
    #[must_use]
    pub fn started(&self) -> Moment {
        self.started
    }

    /// How many times a provider was asked.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.steps.iter().filter(|step| !matches!(step.verdict, Verdict::Skipped(_))).count()
    }

    /// The last that was decided about each target, in order of preference.
    #[must_use]
    pub fn latest(&self) -> Vec<&Step> {
        let mut latest: Vec<&Step> = Vec::new();
        for step in &self.steps {
            match latest.iter_mut().find(|seen| Arc::ptr_eq(&seen.target, &step.target)) {
                Some(seen) => *seen = step,
                None => latest.push(step),
            }
        }
        latest
    }

    fn story(&self) -> String {
        let now = self.clock.now();
        let mut story = String::new();
        for step in &self.steps {
            let gap = if story.is_empty() { "" } else { "; " };
            let _ = write!(story, "{gap}{}: {}", step.target.name(), step.verdict.describe(now));
            if matches!(step.verdict, Verdict::Took) && !self.repaired.is_empty() {
                let _ = write!(story, ", repaired {}", self.repaired.names());
            }
        }
        story
    }
}

/// Logs what a provider has taught its account's books.
pub fn learned(account: &str, lessons: &[Lesson]) {
    for lesson in lessons {
        tracing::info!(account, lesson = %lesson, "learned");
    }
}

impl Verdict {
    /// In words, with times as seen from `now`.
    #[must_use]
    pub fn describe(&self, now: Moment) -> String {
        match self {
            Self::Took => "took".to_owned(),
            Self::Failed(failure) => failure.to_string(),
            Self::Skipped(skip) => skip.describe(now),
        }
    }
}

impl Skip {
    /// In words, with times as seen from `now`.
    #[must_use]
    pub fn describe(&self, now: Moment) -> String {
        match self {
            Self::Short(short) => match short.available_at {
                Some(at) => format!("{} used up, free again in {}", short.limit, seconds(at - now)),
                None => format!("larger than its {}", short.limit),
            },
            Self::Open(until, kind) => {
                let why = kind.map_or("a failure", Kind::name);
                format!("paused for {} more after {why}", seconds(*until - now))
            }
            Self::Full(most) => format!("{most} requests are under way, which is all that it takes"),
            Self::TooLong(too_long) => too_long.to_string(),
            Self::Unleased => "its budget is being fetched".to_owned(),
            Self::Probing => "another request is finding out whether it works again".to_owned(),
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn describe(levels: &[Level]) -> String {
    let mut text = String::with_capacity(levels.len() * 64);
    for Level { limit, available } in levels {
        let gap = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{gap}{available} left of {limit}");
    }
    text
}
