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
    let hint = hint.map(Duration::from_secs);
    Trip { threshold, by_rate: false, hint, base: Duration::from_secs(1), ceiling }
}

#[test]
fn opens_for_the_hint_and_ends_with_one_probe() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(60)), 0.0, at(0));
    assert_eq!(breaker.admit(at(59)), Err(Some(at(60))));
    assert_eq!(breaker.admit(at(60)), Ok(Pass::Probe));
    assert_eq!(breaker.admit(at(60)), Err(None), "a herd must wait for the probe");
    breaker.succeeded(Pass::Probe, at(60));
    assert_eq!(breaker.admit(at(61)), Ok(Pass::Closed));
}

#[test]
fn no_pause_is_longer_than_the_longest() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(86_399)), 0.0, at(0));
    assert_eq!(breaker.open_until(at(1)), Some(at(300)));
    breaker.failed(Pass::Closed, trip(1, Some(299)), 1.0, at(100));
    assert_eq!(breaker.open_until(at(100)), Some(Moment::new(Duration::from_millis(399_500))));
}

#[test]
fn a_failing_probe_doubles_the_pause_up_to_the_ceiling() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, None), 0.0, at(0));
    let mut now = 0;
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(breaker.open_until(at(now)), Some(at(now + pause)));
        now += pause;
        assert_eq!(breaker.admit(at(now)), Ok(Pass::Probe));
        breaker.failed(Pass::Probe, trip(3, None), 0.0, at(now));
    }
}

#[test]
fn opens_after_as_many_failures_in_a_row_as_the_threshold() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(3, None), 0.0, at(0));
    breaker.failed(Pass::Closed, trip(3, None), 0.0, at(0));
    breaker.succeeded(Pass::Closed, at(0));
    breaker.failed(Pass::Closed, trip(3, None), 0.0, at(0));
    breaker.failed(Pass::Closed, trip(3, None), 0.0, at(0));
    assert_eq!(breaker.admit(at(0)), Ok(Pass::Closed));
    breaker.failed(Pass::Closed, trip(3, None), 0.0, at(0));
    assert_eq!(breaker.admit(at(0)), Err(Some(at(1))));
}

#[test]
fn a_pause_is_extended_never_shortened() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, Some(60)), 0.0, at(0));
    breaker.failed(Pass::Closed, trip(1, Some(5)), 0.0, at(1));
    assert_eq!(breaker.open_until(at(1)), Some(at(60)));
    breaker.failed(Pass::Closed, trip(1, Some(90)), 0.0, at(2));
    assert_eq!(breaker.open_until(at(2)), Some(at(92)));
    breaker.succeeded(Pass::Closed, at(3));
    assert_eq!(breaker.open_until(at(3)), Some(at(92)), "an answer from before the trip proves nothing");
}

#[test]
fn a_probe_without_a_verdict_leaves_room_for_the_next() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, None), 0.0, at(0));
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
    let granted = (0..1_000).filter(|_| budget.withdraw(at(0))).count();
    assert_eq!(granted, 30);
}

#[test]
fn time_gives_back_ten_retries_and_no_more() {
    let mut budget = RetryBudget::default();
    let mut granted = |now| (0..1_000).filter(|_| budget.withdraw(at(now))).count();
    assert_eq!([granted(0), granted(9), granted(35), granted(39), granted(40)], [10, 0, 3, 0, 1]);
    assert_eq!(granted(100_000), 10);
}

#[test]
fn what_it_lets_through_is_told_without_a_try() {
    let mut breaker = Breaker::new(LONGEST);
    assert_eq!(breaker.state(at(0)), State::Closed);
    breaker.failed(Pass::Closed, trip(1, Some(5)), 0.0, at(0));
    assert_eq!(breaker.state(at(4)), State::Open { until: at(5) });
    assert_eq!(breaker.state(at(5)), State::HalfOpen { probing: false });
    assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
    assert_eq!(breaker.state(at(5)), State::HalfOpen { probing: true });
    breaker.succeeded(Pass::Probe, at(5));
    assert_eq!(breaker.state(at(5)), State::Closed);
}
