//! Nobody exceeds the bound.

use std::time::Duration;

use proptest::prelude::*;
use quota::Moment;

use super::{request, scenario};
use crate::config::Limits;
use crate::replay::clairvoyant::{Asked, Worth, bound};
use crate::replay::policy::{Choice, Counting, Original, Ours, Policy, Refused, Strict};
use crate::replay::provider::Refusal;
use crate::replay::report::Report;
use crate::replay::run::{Lane, run};
use crate::replay::scenario::Scenario;
use crate::replay::trace::{Request, Trace};

/// Sends, spills and waits at random; 429s do not deter it.
struct Random {
    dice: fastrand::Rng,
    sends: f64,
    waits: f64,
}

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }
    fn offer(&mut self, _id: usize, _request: &Request, _now: Moment) -> Choice {
        if self.dice.f64() < self.waits {
            return Choice::Wait(Duration::from_micros(self.dice.u64(0..20_000_000)));
        }
        if self.dice.f64() < self.sends { Choice::Fast } else { Choice::Spill }
    }
    fn head(&mut self, _id: usize, _now: Moment) {}
    fn settled(&mut self, _id: usize, _request: &Request, _now: Moment) {}
    fn refused(&mut self, _id: usize, _refusal: &Refusal, _now: Moment) -> Refused {
        Refused::Spill
    }
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let one = (
        prop_oneof![Just(0u64), 0..3_000u64, 0..90_000u64],
        0..3u8,
        1..60_000u64,
        0.0..1.0f64,
        prop::option::of(0..40_000u64),
        0..9_000u64,
    );
    prop::collection::vec(one, 1..60).prop_map(|all| {
        let mut at_ms = 0;
        let request = |(gap, session, prompt_tokens, cached, max_tokens, completion_tokens)| {
            at_ms += gap;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "test data"
            )]
            let cached_tokens = (prompt_tokens as f64 * cached) as u64;
            let session = format!("{session}");
            let estimate = None;
            let stream = true;
            Request {
                at_ms,
                session,
                prompt_tokens,
                cached_tokens,
                estimate,
                max_tokens,
                completion_tokens,
                stream,
            }
        };
        all.into_iter().map(request).collect()
    })
}

fn plans() -> impl Strategy<Value = Limits> {
    let some = |range: std::ops::Range<u64>| prop::option::of(range);
    (some(1..4), some(1..30), some(5_000..200_000), some(5_000..90_000), some(10_000..500_000), some(2..40))
        .prop_map(|(second, minute, tokens, uncached, hour, day)| Limits {
            requests_per_second: second,
            requests_per_minute: minute,
            requests_per_day: day,
            tokens_per_minute: tokens,
            uncached_tokens_per_minute: uncached,
            tokens_per_hour: hour,
            ..Limits::default()
        })
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let chances = (0..30u64, 0..3_000_000u64, prop_oneof![Just(0u64), 0..60_000_000u64]);
    (plans(), any::<bool>(), prop::option::of(0..20_000u64), chances, any::<bool>(), any::<u64>()).prop_map(
        |(limits, returns_unused, completion_reserve, (miscount_percent, jitter, wait), closed, seed)| {
            Scenario {
                limits,
                completion_reserve,
                returns_unused,
                miscount_percent,
                jitter,
                wait,
                closed,
                seed,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Not even by chance, whatever the plan, the network and the counting.
    #[test]
    fn nobody_exceeds_it(scenario in scenarios(), requests in requests(), sends in 0.0..=1.0f64, waits in 0.0..1.0f64) {
        let random = |sends, waits| -> Box<dyn Policy> {
            Box::new(Random { dice: fastrand::Rng::with_seed(scenario.seed), sends, waits })
        };
        let policies = vec![
            random(sends, waits),
            random(1.0, waits),
            random(1.0, 0.0),
            Box::new(Original::new(&scenario.limits, Counting::True)),
            Box::new(Strict::new(&scenario)),
            Box::new(Ours::new(&scenario, None)),
        ];
        for row in Report::new(&scenario, &Trace::new(requests.clone()), policies).rows {
            prop_assert!(row.tokens <= row.bound, "{row:?}");
            prop_assert!(row.charged <= row.ration, "{row:?}");
        }
    }
}

/// Sends those whose bit is set.
struct Chosen(usize);

impl Policy for Chosen {
    fn name(&self) -> &'static str {
        "chosen"
    }
    fn offer(&mut self, id: usize, _request: &Request, _now: Moment) -> Choice {
        if self.0 >> id & 1 == 1 { Choice::Fast } else { Choice::Spill }
    }
    fn head(&mut self, _id: usize, _now: Moment) {}
    fn settled(&mut self, _id: usize, _request: &Request, _now: Moment) {}
    fn refused(&mut self, _id: usize, _refusal: &Refusal, _now: Moment) -> Refused {
        Refused::Spill
    }
}

/// A few requests that come at once or soon after one another, so that many choices are among the best.
fn few() -> impl Strategy<Value = Vec<Request>> {
    let one = (
        prop_oneof![Just(0u64), 0..200u64, 0..20_000u64],
        1..40_000u64,
        prop_oneof![Just(0u64), 0..17_000u64],
        0..9_000u64,
    );
    prop::collection::vec(one, 1..8).prop_map(|all| {
        let mut at_ms = 0;
        let request = |(gap, prompt, max_tokens, completion)| {
            at_ms += gap;
            request(at_ms, prompt, max_tokens, completion)
        };
        all.into_iter().map(request).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every choice of requests there is, on one limit alone.
    #[test]
    fn no_choice_of_few_requests_exceeds_it(requests in few(), returns_unused in any::<bool>(), jitter in 0..300_000u64) {
        let scenario = Scenario { returns_unused, jitter, ..scenario() };
        let bound = bound_of(&scenario, &requests, Worth::Served);
        let trace = Trace::new(requests.clone());
        for chosen in 0..1usize << requests.len() {
            let turns = run(&scenario, &trace, &mut Chosen(chosen));
            let fast = requests.iter().zip(&turns).filter(|(_, turn)| turn.lane == Lane::Fast);
            let served: u64 = fast.map(|(request, _)| request.tokens()).sum();
            prop_assert!(served <= bound, "{served} of {bound} by {chosen:b}");
        }
    }
}

fn bound_of(scenario: &Scenario, requests: &[Request], worth: Worth) -> u64 {
    let asked: Vec<Asked<'_>> = (requests.iter().enumerate())
        .map(|(id, request)| Asked {
            request,
            at: request.at_ms * 1_000,
            chance: scenario.chance(id, request),
        })
        .collect();
    bound(scenario, &asked, worth)
}

#[test]
fn a_burst_gets_what_the_bucket_holds_and_a_late_one_what_was_refilled() {
    let burst = [0, 0, 0, 30_000].map(|at_ms| request(at_ms, 39_000, 1_000, 1_000));
    assert_eq!(bound_of(&scenario(), &burst[..1], Worth::Served), 40_000);
    assert_eq!(bound_of(&scenario(), &burst[..3], Worth::Served), 60_000);
    assert_eq!(bound_of(&scenario(), &burst, Worth::Served), 60_000 + 30_000);
    let waiting = Scenario { wait: 5_000_000, ..scenario() };
    assert_eq!(bound_of(&waiting, &burst[..3], Worth::Served), 60_000 + 5_000);
}

#[test]
fn what_a_full_bucket_does_not_take_is_lost() {
    // Ten minutes between two bursts refill no more than the bucket holds.
    let bursts = [0, 0, 600_000, 600_000].map(|at_ms| request(at_ms, 40_000, 0, 0));
    assert_eq!(bound_of(&scenario(), &bursts, Worth::Served), 120_000);
}

#[test]
fn what_never_fits_does_not_count() {
    let requests = [request(0, 59_000, 2_000, 0), request(0, 1_000, 0, 0)];
    assert_eq!(bound_of(&scenario(), &requests, Worth::Served), 1_000);
}

#[test]
fn where_requests_are_scarce_the_longest_are_sent() {
    let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    let scenario = Scenario { limits, ..scenario() };
    let requests = [5_000, 9_000, 1_000, 7_000].map(|prompt| request(0, prompt, 0, 0));
    assert_eq!(bound_of(&scenario, &requests, Worth::Served), 16_000);
}

#[test]
fn where_reservations_are_kept_those_that_leave_little_unused_are_sent() {
    let scenario = Scenario { returns_unused: false, ..scenario() };
    // 60,000 hold two of the first kind, or four of the second.
    let mut requests = vec![request(0, 29_000, 1_000, 0); 2];
    requests.extend(vec![request(0, 1_000, 14_000, 0); 4]);
    assert_eq!(bound_of(&scenario, &requests, Worth::Served), 58_000);
    assert_eq!(bound_of(&scenario, &requests, Worth::Charged), 60_000);
}

/// Overlapping stretches bind at once; a price for each of some that do not overlap would allow 114,000.
#[test]
fn stretches_that_overlap_count_all_at_once() {
    let scenario = Scenario { returns_unused: false, ..scenario() };
    // A bucketful at a time: half of it worth something, nine tenths, all.
    let burst = |at_ms, prompt, max_tokens| vec![request(at_ms, prompt, max_tokens, 0); 4];
    let bursts = [burst(0, 7_500, 7_500), burst(30_000, 13_500, 1_500), burst(60_000, 15_000, 0)].concat();
    // The last is taken whole. What is refilled before it, and before the one before, leaves half of each.
    assert_eq!(bound_of(&scenario, &bursts, Worth::Served), 60_000 + 27_000 + 15_000);
}

/// Refill goes on while a reservation is held, and what comes back comes on top: a bucket of true usage would allow
/// less.
#[test]
fn what_requests_in_flight_give_back_counts() {
    let limits = Limits { tokens_per_minute: Some(6_000_000), ..Limits::default() };
    let scenario = Scenario { limits, ..scenario() };
    let trace = Trace::new(vec![
        // A second under way; what it holds is refilled by then, and 16,384 tokens of it come back.
        request(0, 50_000, 16_384, 0),
        request(990, 6_000_000, 0, 0),
        request(1_001, 16_384, 0, 0),
    ]);
    let random = Random { dice: fastrand::Rng::with_seed(1), sends: 1.0, waits: 0.0 };
    let row = Report::new(&scenario, &trace, vec![Box::new(random)]).rows.remove(0);
    assert_eq!((row.fast, row.tokens), (3, 6_066_384));
    assert_eq!(row.bound, 6_066_384);
    // The last two within 11 milliseconds, in which 1,100 are refilled.
    assert!(6_000_000 + 16_384 > limits.tokens_per_minute.unwrap() + 1_100);
}
