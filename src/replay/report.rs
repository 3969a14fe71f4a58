//! A row for each policy.

use serde::Serialize;

use super::clairvoyant::{self, Asked};
use super::policy::Policy;
use super::run::{Lane, Turn, run};
use super::scenario::Scenario;
use super::trace::Trace;

mod table;

/// What came of a trace under several policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Requests in the trace.
    pub requests: usize,
    /// Sessions in the trace.
    pub sessions: usize,
    /// From the first request to the last, in milliseconds.
    pub span_ms: u64,
    /// Prompt and completion tokens of all requests.
    pub tokens: u64,
    /// Whether a turn's length moves those after it.
    pub closed: bool,
    /// Whether the provider gives back what it set aside and was not used.
    pub returns_unused: bool,
    /// By policy.
    pub rows: Vec<Row>,
}

/// What came of it under one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Who decided.
    pub policy: &'static str,
    /// Requests that the rationed provider answered.
    pub fast: usize,
    /// Requests that the provider behind it answered.
    pub spilled: usize,
    /// Requests whose client saw a 429.
    pub refused: usize,
    /// 429s that the rationed provider sent.
    pub drawn_429: usize,
    /// Prompt and completion tokens of what the rationed provider answered.
    pub tokens: u64,
    /// Completion tokens of it.
    pub completion_tokens: u64,
    /// Tokens that nobody could have exceeded, asked at the same moments.
    pub bound: u64,
    /// `tokens` of `bound`, in thousandths, rounded down.
    pub share_permille: u64,
    /// Mean time from question to the end of the answer, refused ones left out, in milliseconds.
    pub mean_ms: u64,
    /// 19 of 20 were answered within this time.
    pub p95_ms: u64,
    /// When the last turn was over, in milliseconds since the trace began.
    pub over_ms: u64,
}

impl Report {
    /// Plays the trace under each policy.
    #[must_use]
    pub fn new(scenario: &Scenario, trace: &Trace, policies: Vec<Box<dyn Policy>>) -> Self {
        let row = |mut policy: Box<dyn Policy>| {
            let turns = run(scenario, trace, policy.as_mut());
            Row::new(policy.name(), scenario, trace, &turns)
        };
        Self {
            requests: trace.requests().len(),
            sessions: trace.sessions(),
            span_ms: trace.span_ms(),
            tokens: trace.requests().iter().map(super::trace::Request::tokens).sum(),
            closed: scenario.closed,
            returns_unused: scenario.returns_unused,
            rows: policies.into_iter().map(row).collect(),
        }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers and static strings always serialise.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Row {
    fn new(policy: &'static str, scenario: &Scenario, trace: &Trace, turns: &[Turn]) -> Self {
        let requests = trace.requests();
        let asked: Vec<Asked<'_>> = (requests.iter().zip(turns).enumerate())
            .map(|(id, (request, turn))| Asked {
                request,
                at: turn.asked,
                chance: scenario.chance(id, request),
            })
            .collect();
        let bound = clairvoyant::bound(scenario, &asked);
        let count = |lane| turns.iter().filter(|turn| turn.lane == lane).count();
        let fast = || requests.iter().zip(turns).filter(|(_, turn)| turn.lane == Lane::Fast);
        let tokens: u64 = fast().map(|(request, _)| request.tokens()).sum();
        let answered = turns.iter().filter(|turn| turn.lane != Lane::Refused);
        let mut times: Vec<u64> = answered.map(|turn| (turn.over - turn.asked) / 1_000).collect();
        times.sort_unstable();
        Self {
            policy,
            fast: count(Lane::Fast),
            spilled: count(Lane::Spilled),
            refused: count(Lane::Refused),
            drawn_429: turns.iter().filter(|turn| turn.drew_429).count(),
            tokens,
            completion_tokens: fast().map(|(request, _)| request.completion_tokens).sum(),
            bound,
            share_permille: (tokens * 1_000).checked_div(bound).unwrap_or(0),
            mean_ms: times.iter().sum::<u64>().checked_div(times.len() as u64).unwrap_or(0),
            p95_ms: times.get((times.len() * 19).div_ceil(20).saturating_sub(1)).copied().unwrap_or(0),
            over_ms: turns.iter().map(|turn| turn.over / 1_000).max().unwrap_or(0),
        }
    }
}
