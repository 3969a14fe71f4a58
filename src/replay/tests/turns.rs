//! The order of events, and what becomes of turns.

use std::time::Duration;

use quota::Moment;

use super::{request, scenario};
use crate::replay::policy::{Choice, Ours, Policy, Refused};
use crate::replay::provider::Refusal;
use crate::replay::run::{Lane, Turn, run};
use crate::replay::scenario::{Scenario, Speed};
use crate::replay::trace::{Request, Trace};

/// Says the same every time.
struct Always(Choice);

impl Policy for Always {
    fn name(&self) -> &'static str {
        "always"
    }
    fn offer(&mut self, _id: usize, _request: &Request, _now: Moment) -> Choice {
        self.0
    }
    fn head(&mut self, _id: usize, _now: Moment) {}
    fn settled(&mut self, _id: usize, _request: &Request, _now: Moment) {}
    fn refused(&mut self, _id: usize, _refusal: &Refusal, _now: Moment) -> Refused {
        Refused::Spill
    }
}

fn session(mut requests: Vec<Request>) -> Trace {
    for request in &mut requests {
        "one".clone_into(&mut request.session);
    }
    Trace::new(requests)
}

#[test]
fn a_turn_takes_what_its_lane_takes() {
    let scenario = scenario();
    let trace = Trace::new(vec![request(7, 30_000, 1_000, 600)]);
    let asked = 7_000;
    let [turn] = run(&scenario, &trace, &mut Always(Choice::Fast))[..] else { panic!() };
    assert_eq!(turn.over - asked, Speed::FAST.whole(&trace.requests()[0]));
    let [turn] = run(&scenario, &trace, &mut Always(Choice::Spill))[..] else { panic!() };
    let over = asked + Speed::FALLBACK.whole(&trace.requests()[0]);
    assert_eq!(turn, Turn { asked, sent: asked, over, lane: Lane::Spilled, drew_429: false });
}

#[test]
fn a_refused_request_is_answered_by_the_other_one() {
    let trace = Trace::new(vec![request(0, 50_000, 9_000, 600), request(0, 50_000, 9_000, 600)]);
    let turns = run(&scenario(), &trace, &mut Always(Choice::Fast));
    assert_eq!([turns[0].lane, turns[1].lane], [Lane::Fast, Lane::Spilled]);
    assert_eq!([turns[0].drew_429, turns[1].drew_429], [false, true]);
}

#[test]
fn a_request_waits_no_longer_than_it_may() {
    let trace = Trace::new(vec![request(0, 1_000, 0, 0)]);
    let waited = |wait, choice| {
        let turns = run(&Scenario { wait, ..scenario() }, &trace, &mut Always(choice));
        (turns[0].sent, turns[0].lane)
    };
    let second = Choice::Wait(Duration::from_secs(1));
    assert_eq!(waited(0, second), (0, Lane::Spilled));
    assert_eq!(waited(3_500_000, second), (3_000_000, Lane::Spilled));
    // Not even one that would wait for nothing.
    assert_eq!(waited(2, Choice::Wait(Duration::ZERO)), (2, Lane::Spilled));
}

#[test]
fn waiting_gets_the_fast_provider_as_soon_as_there_is_enough() {
    let trace = Trace::new(vec![request(0, 40_000, 0, 0), request(1_000, 20_000, 0, 0)]);
    let sent = |wait| {
        let scenario = Scenario { wait, ..scenario() };
        let turn = run(&scenario, &trace, &mut Ours::new(&scenario, None))[1];
        (turn.lane, turn.sent)
    };
    assert_eq!(sent(0).0, Lane::Spilled);
    let (lane, sent) = sent(10_000_000);
    assert_eq!(lane, Lane::Fast);
    // 20,000 are left when the first answer begins, and a thousand comes each second: for the books' margin of 1,200.
    assert!((1_000_001..=3_000_000).contains(&sent), "{sent}");
}

#[test]
fn in_a_closed_loop_slow_turns_make_the_next_ones_late() {
    let trace = session(vec![request(0, 50_000, 0, 600), request(5_000, 50_000, 0, 600)]);
    let asked = |closed, choice| {
        let scenario = Scenario { closed, ..scenario() };
        run(&scenario, &trace, &mut Always(choice))[1].asked
    };
    assert_eq!(asked(false, Choice::Spill), 5_000_000);
    assert_eq!(asked(true, Choice::Fast), 5_000_000);
    // The same pause of 3.6 seconds, after an answer of 11.2 instead of 1.4.
    assert_eq!(asked(true, Choice::Spill), 11_200_000 + 3_600_000);
}
