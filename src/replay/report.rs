//! A row for each policy.

use serde::Serialize;

use super::clairvoyant::{self, Asked, Worth};
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
    /// How long a request may wait for the rationed provider, in milliseconds.
    pub wait_ms: u64,
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
    /// `tokens` that nobody could have exceeded, asked at the same moments.
    pub bound: u64,
    /// `tokens` of `bound`, in thousandths, rounded down.
    pub share_permille: u64,
    /// Tokens that it took from the ration: the same, or more where the provider keeps what it set aside.
    pub charged: u64,
    /// `charged` that nobody could have exceeded.
    pub ration: u64,
    /// `charged` of `ration`, in thousandths, rounded down.
    pub used_permille: u64,
    /// Requests that waited for the rationed provider, and went to the one behind it all the same.
    pub waited_in_vain: usize,
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
            wait_ms: scenario.wait / 1_000,
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
        let asked: Vec<Asked<'_>> = (trace.requests().iter().zip(turns).enumerate())
            .map(|(id, (request, turn))| Asked {
                request,
                at: turn.asked,
                chance: scenario.chance(id, request),
            })
            .collect();
        let sum = |worth: Worth| {
            let fast = asked.iter().zip(turns).filter(|(_, turn)| turn.lane == Lane::Fast);
            fast.map(|(asked, _)| worth.of(scenario, asked.request, asked.chance)).sum::<u64>()
        };
        let (tokens, bound) = (sum(Worth::Served), clairvoyant::bound(scenario, &asked, Worth::Served));
        // Where what was not used comes back, both are the same.
        let (charged, ration) = if scenario.returns_unused {
            (tokens, bound)
        } else {
            (sum(Worth::Charged), clairvoyant::bound(scenario, &asked, Worth::Charged))
        };
        let fast = asked.iter().zip(turns).filter(|(_, turn)| turn.lane == Lane::Fast);
        let count = |is: fn(&&Turn) -> bool| turns.iter().filter(is).count();
        let answered = turns.iter().filter(|turn| turn.lane != Lane::Refused);
        let mut times: Vec<u64> = answered.map(|turn| (turn.over - turn.asked) / 1_000).collect();
        times.sort_unstable();
        Self {
            policy,
            fast: count(|turn| turn.lane == Lane::Fast),
            spilled: count(|turn| turn.lane == Lane::Spilled),
            refused: count(|turn| turn.lane == Lane::Refused),
            drawn_429: count(|turn| turn.drew_429),
            tokens,
            completion_tokens: fast.map(|(asked, _)| asked.request.completion_tokens).sum(),
            bound,
            share_permille: permille(tokens, bound),
            charged,
            ration,
            used_permille: permille(charged, ration),
            waited_in_vain: count(|turn| {
                turn.sent > turn.asked && turn.lane == Lane::Spilled && !turn.drew_429
            }),
            mean_ms: times.iter().sum::<u64>().checked_div(times.len() as u64).unwrap_or(0),
            p95_ms: times.get((times.len() * 19).div_ceil(20).saturating_sub(1)).copied().unwrap_or(0),
            over_ms: turns.iter().map(|turn| turn.over / 1_000).max().unwrap_or(0),
        }
    }
}

/// 0 of nothing is all of it.
fn permille(part: u64, whole: u64) -> u64 {
    (part * 1_000).checked_div(whole).unwrap_or(1_000)
}
