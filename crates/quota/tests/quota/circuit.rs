//! The breaker under any order of events: no herd, no pause cut short, none too long, none for ever.

use std::time::Duration;

use proptest::prelude::*;
use quota::breaker::State;
use quota::{Breaker, Moment, Pass, Trip};

const LONGEST: Duration = Duration::from_mins(5);

fn after(millis: u64) -> Moment {
    Moment::new(Duration::from_millis(millis))
}

fn trip(threshold: u32, by_rate: bool, hint: Option<u64>) -> Trip {
    let hint = hint.map(Duration::from_millis);
    Trip { threshold, by_rate, hint, base: Duration::from_secs(1), ceiling: Duration::from_secs(30) }
}

/// What happens next, so many milliseconds later.
#[derive(Clone, Debug)]
enum Event {
    /// A request comes.
    Ask,
    /// One of those under way succeeds, fails, or ends without a verdict.
    Succeed(usize),
    Fail(usize, Trip, f64),
    Vanish(usize),
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let fail = (any::<usize>(), 1..4u32, any::<bool>(), prop::option::of(1..400_000u64), 0.0..=1.0f64);
    let event = prop_oneof![
        4 => Just(Event::Ask),
        2 => any::<usize>().prop_map(Event::Succeed),
        3 => fail.prop_map(|(which, threshold, by_rate, hint, jitter)| {
            Event::Fail(which, trip(threshold, by_rate, hint), jitter)
        }),
        1 => any::<usize>().prop_map(Event::Vanish),
    ];
    (prop_oneof![3 => 0..500u64, 1 => 0..60_000u64], event)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_probe_at_a_time_and_no_pause_is_shortened(events in prop::collection::vec(event(), 1..300)) {
        let mut breaker = Breaker::new(LONGEST);
        let mut under_way: Vec<Pass> = Vec::new();
        let mut now = 0;
        let mut open: Option<Moment> = None;
        for (later, event) in events {
            now += later;
            let at = after(now);
            let take = |under_way: &mut Vec<Pass>, which: usize| {
                (!under_way.is_empty()).then(|| under_way.swap_remove(which % under_way.len()))
            };
            match event {
                Event::Ask => match breaker.admit(at) {
                    Ok(pass) => {
                        prop_assert!(open.is_none_or(|until| at >= until), "let in before the end of a pause");
                        under_way.push(pass);
                    }
                    Err(Some(until)) => prop_assert!(until > at && until <= at + LONGEST),
                    Err(None) => {}
                },
                Event::Succeed(which) => {
                    if let Some(pass) = take(&mut under_way, which) {
                        breaker.succeeded(pass, at);
                    }
                }
                Event::Fail(which, trip, jitter) => {
                    if let Some(pass) = take(&mut under_way, which) {
                        breaker.failed(pass, trip, jitter, at);
                        // Whatever a provider asks for holds from then on, unless nothing is held against it yet.
                        if let (State::Open { until }, Some(hint)) = (breaker.state(at), trip.hint) {
                            prop_assert!(until >= at + hint.min(Duration::from_millis(299_500)), "shorter than asked for");
                        }
                    }
                }
                Event::Vanish(which) => {
                    if let Some(pass) = take(&mut under_way, which) {
                        breaker.undecided(pass);
                    }
                }
            }
            if let State::Open { until } = breaker.state(at) {
                prop_assert!(open.is_none_or(|before| until >= before || before <= at), "a pause was shortened");
                prop_assert!(until <= at + LONGEST, "longer than any may be");
                open = Some(until);
            }
            let probing = breaker.state(at) == State::HalfOpen { probing: true };
            let probes = under_way.iter().filter(|pass| **pass == Pass::Probe).count();
            prop_assert!(probing <= (probes > 0), "waits for a probe that nobody makes");
        }
        // It always drains: when nothing more happens, somebody is let in again.
        for pass in under_way {
            breaker.undecided(pass);
        }
        prop_assert!(breaker.admit(after(now) + LONGEST).is_ok());
    }

    /// A second past its own hint the provider is used again, found out by a single probe, however many ask.
    #[test]
    fn it_is_used_again_within_a_second_of_its_own_hint(hint in 1..300_000u64, jitter in 0.0..=1.0f64, herd in 1..200usize) {
        let mut breaker = Breaker::new(LONGEST);
        breaker.failed(Pass::Closed, trip(1, false, Some(hint)), jitter, after(0));
        prop_assert_eq!(breaker.admit(after(hint - 1)).ok(), None);
        let later = after(hint) + Duration::from_millis(500);
        let passed = (0..herd).filter(|_| breaker.admit(later).is_ok()).count();
        prop_assert_eq!(passed, 1);
        breaker.succeeded(Pass::Probe, later);
        prop_assert_eq!(breaker.admit(later), Ok(Pass::Closed));
    }

    /// Two processes that met the same failure do not come back at the same moment.
    #[test]
    fn jitter_tells_processes_apart(hint in prop::option::of(1_000..600_000u64), one in 0.0..0.4f64) {
        let until = |jitter: f64| {
            let mut breaker = Breaker::new(LONGEST);
            breaker.failed(Pass::Closed, trip(1, false, hint), jitter, after(0));
            breaker.open_until(after(0)).expect("open")
        };
        prop_assume!(hint.is_none_or(|hint| !(299_500..=300_000).contains(&hint)));
        prop_assert_ne!(until(one), until(one + 0.5));
    }
}

#[test]
fn half_of_ten_within_half_a_minute_open_it() {
    let fails = |times: u32, apart: u64, by_rate: bool| {
        let mut breaker = Breaker::new(LONGEST);
        for index in 0..times {
            let now = after(u64::from(index) * apart);
            breaker.succeeded(Pass::Closed, now);
            if breaker.failed(Pass::Closed, trip(5, by_rate, None), 0.0, now) {
                return Some(2 * (index + 1));
            }
        }
        None
    };
    assert_eq!(fails(50, 100, true), Some(10), "with the tenth outcome");
    assert_eq!(fails(50, 2_000, true), Some(10));
    assert_eq!(fails(50, 8_000, true), None, "never ten within half a minute");
    assert_eq!(fails(50, 100, false), None, "where nobody else could be asked");
}

#[test]
fn a_third_does_not_open_it() {
    let mut breaker = Breaker::new(LONGEST);
    for index in 0..100 {
        let now = after(index * 100);
        breaker.succeeded(Pass::Closed, now);
        breaker.succeeded(Pass::Closed, now);
        assert!(!breaker.failed(Pass::Closed, trip(3, true, None), 0.0, now));
    }
}

#[test]
fn what_was_long_ago_does_not_count() {
    let mut breaker = Breaker::new(LONGEST);
    for index in 0..9 {
        breaker.succeeded(Pass::Closed, after(index));
        breaker.failed(Pass::Closed, trip(2, false, None), 0.0, after(index));
    }
    // Half a minute later, and after ages: each outcome is the first of its window.
    for now in [31_000, 4_000_000, 400_000_000] {
        breaker.succeeded(Pass::Closed, after(now));
        assert!(!breaker.failed(Pass::Closed, trip(2, true, None), 0.0, after(now)), "{now}");
    }
}

#[test]
fn a_failure_from_before_the_trip_is_heard_where_it_names_a_time() {
    let mut breaker = Breaker::new(LONGEST);
    breaker.failed(Pass::Closed, trip(1, false, Some(1_000)), 0.0, after(0));
    assert_eq!(breaker.admit(after(1_000)), Ok(Pass::Probe));
    breaker.failed(Pass::Closed, trip(1, false, None), 0.0, after(1_100));
    assert_eq!(breaker.state(after(1_100)), State::HalfOpen { probing: true });
    breaker.failed(Pass::Closed, trip(1, false, Some(9_000)), 0.0, after(1_200));
    assert_eq!(breaker.open_until(after(1_200)), Some(after(10_200)));
}
