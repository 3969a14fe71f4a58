//! Pauses end with one probe; retries are paid for.

use std::time::Duration;

use quota::breaker::State;
use quota::{Breaker, Moment, Pass, RetryBudget, Trip};

const LONGEST: Duration = Duration::from_mins(5);

fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

fn trip(threshold: u32, hint: Option<u64>) -> Trip {
    let ceiling = Duration::from_secs(30);
    Trip { threshold, hint: hint.map(Duration::from_secs), base: Duration::from_secs(1), ceiling }
}

#[test]
fn opens_for_the_hint_and_ends_with_one_probe() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(60)), at(0));
    assert_eq!(breaker.admit(at(59)), Err(Some(at(60))));
    assert_eq!(breaker.admit(at(60)), Ok(Pass::Probe));
    assert_eq!(breaker.admit(at(60)), Err(None), "a herd must wait for the probe");
    breaker.succeeded(Pass::Probe);
    assert_eq!(breaker.admit(at(61)), Ok(Pass::Closed));
}

#[test]
fn no_pause_is_longer_than_the_longest() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(86_399)), at(0));
    assert_eq!(breaker.open_until(at(1)), Some(at(300)));
}

#[test]
fn a_failing_probe_doubles_the_pause_up_to_the_ceiling() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, None), at(0));
    let mut now = 0;
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(breaker.open_until(at(now)), Some(at(now + pause)));
        now += pause;
        assert_eq!(breaker.admit(at(now)), Ok(Pass::Probe));
        breaker.failed(Pass::Probe, trip(3, None), at(now));
    }
}

#[test]
fn opens_after_as_many_failures_in_a_row_as_the_threshold() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(3, None), at(0));
    breaker.failed(Pass::Closed, trip(3, None), at(0));
    breaker.succeeded(Pass::Closed);
    breaker.failed(Pass::Closed, trip(3, None), at(0));
    breaker.failed(Pass::Closed, trip(3, None), at(0));
    assert_eq!(breaker.admit(at(0)), Ok(Pass::Closed));
    breaker.failed(Pass::Closed, trip(3, None), at(0));
    assert_eq!(breaker.admit(at(0)), Err(Some(at(1))));
}

#[test]
fn a_pause_is_extended_never_shortened() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(60)), at(0));
    breaker.failed(Pass::Closed, trip(1, Some(5)), at(1));
    assert_eq!(breaker.open_until(at(1)), Some(at(60)));
    breaker.failed(Pass::Closed, trip(1, Some(90)), at(2));
    assert_eq!(breaker.open_until(at(2)), Some(at(92)));
    breaker.succeeded(Pass::Closed);
    assert_eq!(breaker.open_until(at(3)), Some(at(92)), "an answer from before the trip proves nothing");
}

#[test]
fn a_probe_without_a_verdict_leaves_room_for_the_next() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, None), at(0));
    assert_eq!(breaker.admit(at(1)), Ok(Pass::Probe));
    breaker.undecided(Pass::Probe);
    assert_eq!(breaker.admit(at(1)), Ok(Pass::Probe));
}

#[test]
fn retries_are_a_fifth_of_the_requests_and_ten() {
    let mut budget = RetryBudget::default();
    for _ in 0..100 {
        budget.deposit();
    }
    let granted = (0..1_000).filter(|_| budget.withdraw()).count();
    assert_eq!(granted, 30);
}

#[test]
fn what_it_lets_through_is_told_without_a_try() {
    let mut breaker = Breaker::new(LONGEST);
    assert_eq!(breaker.state(at(0)), State::Closed);
    breaker.failed(Pass::Closed, trip(1, Some(5)), at(0));
    assert_eq!(breaker.state(at(4)), State::Open { until: at(5) });
    assert_eq!(breaker.state(at(5)), State::HalfOpen { probing: false });
    assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
    assert_eq!(breaker.state(at(5)), State::HalfOpen { probing: true });
    breaker.succeeded(Pass::Probe);
    assert_eq!(breaker.state(at(5)), State::Closed);
}
