//! The events in their order, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quota::Moment;

use super::policy::{Choice, Policy, Refused};
use super::provider::{self, Charge, Limit, Provider, Refusal};
use super::scenario::{Scenario, Speed};
use super::trace::{Request, Trace};

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The rationed provider.
    Fast,
    /// The one behind it.
    Spilled,
    /// Nobody: the client saw the refusal.
    Refused,
}

/// What became of one request. Moments are microseconds since the trace began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When the agent asked.
    pub asked: u64,
    /// When it was sent, to whomever first.
    pub sent: u64,
    /// When its answer was over, or the refusal was there.
    pub over: u64,
    /// Who answered.
    pub lane: Lane,
    /// Whether the rationed provider refused it.
    pub drew_429: bool,
}

/// Plays a trace under a policy. The turns are in the order of the trace.
#[must_use]
pub fn run(scenario: &Scenario, trace: &Trace, policy: &mut dyn Policy) -> Vec<Turn> {
    let requests = trace.requests();
    let limits = provider::limits(&scenario.limits);
    let unasked = Turn { asked: 0, sent: 0, over: 0, lane: Lane::Spilled, drew_429: false };
    let mut play = Play {
        scenario,
        requests,
        followers: if scenario.closed { followers(requests) } else { BTreeMap::new() },
        policy,
        provider: Provider::new(&limits),
        limits,
        turns: vec![unasked; requests.len()],
        queue: BTreeMap::new(),
        pushed: 0,
    };
    let following: BTreeSet<usize> = play.followers.values().map(|(next, _)| *next).collect();
    for (id, request) in requests.iter().enumerate().filter(|(id, _)| !following.contains(id)) {
        play.push(request.at_ms * 1_000, id, Event::Ask);
    }
    while let Some(((now, _), (id, event))) = play.queue.pop_first() {
        play.happens(id, event, now);
    }
    play.turns
}

/// By request, the next one of its session, and how long the agent works or thinks between them, in microseconds: what
/// the trace has between the two beyond an answer of the rationed provider.
fn followers(requests: &[Request]) -> BTreeMap<usize, (usize, u64)> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let mut followers = BTreeMap::new();
    for (id, request) in requests.iter().enumerate() {
        if let Some(before) = last.insert(&request.session, id) {
            let gap = (request.at_ms - requests[before].at_ms) * 1_000;
            followers.insert(before, (id, gap.saturating_sub(Speed::FAST.whole(&requests[before]))));
        }
    }
    followers
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The agent asks.
    Ask,
    /// It has waited for the rationed provider.
    AskAgain,
    /// The request reaches the rationed provider.
    Arrive,
    /// The head of the answer is here.
    Head,
    /// The rationed provider is done.
    End,
    /// The answer is here to its end.
    Settle,
    /// The refusal is here.
    Refuse(Refusal),
    /// The turn is over.
    Over,
}

struct Play<'a> {
    scenario: &'a Scenario,
    requests: &'a [Request],
    followers: BTreeMap<usize, (usize, u64)>,
    policy: &'a mut dyn Policy,
    provider: Provider,
    limits: Vec<Limit>,
    turns: Vec<Turn>,
    /// By moment; of those at the same one, what was pushed first comes first.
    queue: BTreeMap<(u64, u64), (usize, Event)>,
    pushed: u64,
}

impl Play<'_> {
    fn push(&mut self, at: u64, id: usize, event: Event) {
        self.queue.insert((at, self.pushed), (id, event));
        self.pushed += 1;
    }

    fn happens(&mut self, id: usize, event: Event, now: u64) {
        let request = &self.requests[id];
        let chance = self.scenario.chance(id, request);
        match event {
            Event::Ask => {
                self.turns[id].asked = now;
                self.offer(id, now);
            }
            Event::AskAgain => self.offer(id, now),
            Event::Arrive => match self.provider.arrive(&self.charges(id), now) {
                Ok(()) => {
                    self.push(now + Speed::FAST.first_token(request) + chance.back, id, Event::Head);
                    self.push(now + Speed::FAST.whole(request), id, Event::End);
                }
                Err(refusal) => self.push(now + chance.back, id, Event::Refuse(refusal)),
            },
            Event::Head => self.policy.head(id, moment(now)),
            Event::End => {
                self.provider.end(&self.charges(id), now);
                self.push(now + chance.back, id, Event::Settle);
            }
            Event::Settle => {
                self.policy.settled(id, request, moment(now));
                self.turns[id].lane = Lane::Fast;
                self.over(id, now);
            }
            Event::Refuse(refusal) => {
                self.turns[id].drew_429 = true;
                match self.policy.refused(id, &refusal, moment(now)) {
                    Refused::Spill => self.spill(id, now),
                    Refused::PassOn => {
                        self.turns[id].lane = Lane::Refused;
                        self.over(id, now);
                    }
                }
            }
            Event::Over => self.over(id, now),
        }
    }

    fn offer(&mut self, id: usize, now: u64) {
        let request = &self.requests[id];
        self.turns[id].sent = now;
        match self.policy.offer(id, request, moment(now)) {
            Choice::Fast => self.push(now + self.scenario.chance(id, request).there, id, Event::Arrive),
            Choice::Spill => self.spill(id, now),
            Choice::Wait(time) => {
                // Rounded up, so that what it waits for has happened.
                let wait = u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
                let again = now.saturating_add(wait);
                if again <= self.turns[id].asked.saturating_add(self.scenario.wait) {
                    self.push(again, id, Event::AskAgain);
                } else {
                    self.spill(id, now);
                }
            }
        }
    }

    fn spill(&mut self, id: usize, now: u64) {
        self.push(now + Speed::FALLBACK.whole(&self.requests[id]), id, Event::Over);
    }

    fn over(&mut self, id: usize, now: u64) {
        self.turns[id].over = now;
        if let Some((next, pause)) = self.followers.get(&id) {
            self.push(now + pause, *next, Event::Ask);
        }
    }

    fn charges(&self, id: usize) -> Vec<Charge> {
        let request = &self.requests[id];
        let chance = self.scenario.chance(id, request);
        self.limits.iter().map(|limit| provider::charge(self.scenario, *limit, request, chance)).collect()
    }
}

fn moment(at: u64) -> Moment {
    Moment::new(Duration::from_micros(at))
}
