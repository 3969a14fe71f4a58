//! The model of the provider, by hand.

use super::{request, scenario};
use crate::config::Limits;
use crate::replay::provider::{Charge, Counts, Provider, charge, charged, limits};
use crate::replay::scenario::Scenario;
use crate::replay::trace::Request;

const SECOND: u64 = 1_000_000;

fn charges(scenario: &Scenario, request: &Request) -> Vec<Charge> {
    let chance = scenario.chance(0, request);
    limits(&scenario.limits).into_iter().map(|limit| charge(scenario, limit, request, chance)).collect()
}

#[test]
fn it_sets_aside_the_prompt_and_the_longest_answer_and_refills_by_the_microsecond() {
    let scenario = scenario();
    let mut provider = Provider::new(&limits(&scenario.limits));
    let mut large = request(0, 40_000, 0, 500);
    large.max_tokens = None;
    provider.arrive(&charges(&scenario, &large), 0).unwrap();
    assert_eq!(provider.levels(0), [60_000 - 40_000 - 16_384]);

    let small = charges(&scenario, &request(0, 5_000, 1_000, 100));
    let refusal = provider.arrive(&small, 2_383_999).unwrap_err();
    assert_eq!((refusal.limit.counts, refusal.retry_after), (Counts::Tokens, 60 * SECOND));
    provider.arrive(&small, 2_384_000).unwrap();
    assert_eq!(provider.levels(2_384_000), [0]);
}

#[test]
fn a_named_maximum_counts_up_to_what_it_sets_aside_at_the_most() {
    let scenario = scenario();
    let reserved = |max| charges(&scenario, &request(0, 1_000, max, 0))[0].reserved;
    assert_eq!([reserved(0), reserved(4_096), reserved(32_000)], [1_000, 5_096, 17_384]);
}

#[test]
fn unused_tokens_come_back_at_the_end_and_never_beyond_full() {
    let scenario = scenario();
    let mut provider = Provider::new(&limits(&scenario.limits));
    let charges = charges(&scenario, &request(0, 20_000, 16_384, 500));
    provider.arrive(&charges, 0).unwrap();
    provider.end(&charges, SECOND);
    assert_eq!(provider.levels(SECOND), [60_000 - 20_500 + 1_000]);
    provider.arrive(&charges, 40 * SECOND).unwrap();
    // What was set aside has been refilled long ago.
    provider.end(&charges, 80 * SECOND);
    assert_eq!(provider.levels(80 * SECOND), [60_000]);
}

#[test]
fn or_they_stay_spent() {
    let scenario = Scenario { returns_unused: false, ..scenario() };
    let mut provider = Provider::new(&limits(&scenario.limits));
    let request = request(0, 20_000, 16_384, 500);
    let charges = charges(&scenario, &request);
    provider.arrive(&charges, 0).unwrap();
    provider.end(&charges, 0);
    assert_eq!(provider.levels(0), [60_000 - 36_384]);
    assert_eq!(charged(&scenario, &request, scenario.chance(0, &request)), 36_384);
}

#[test]
fn what_exceeds_a_reservation_is_debt() {
    let scenario = scenario();
    let mut provider = Provider::new(&limits(&scenario.limits));
    let charges = charges(&scenario, &request(0, 60_000, 0, 2_000));
    provider.arrive(&charges, 0).unwrap();
    provider.end(&charges, 0);
    assert_eq!(provider.levels(0), [-2_000]);
    assert_eq!(provider.levels(2 * SECOND), [0]);
}

#[test]
fn every_limit_has_to_have_enough_and_a_refusal_takes_nothing() {
    let plan = Limits {
        requests_per_minute: Some(2),
        uncached_tokens_per_minute: Some(10_000),
        tokens_per_minute: Some(30_000),
        ..Limits::default()
    };
    let scenario = Scenario { limits: plan, ..scenario() };
    let mut provider = Provider::new(&limits(&plan));
    let mut cached = request(0, 19_000, 1_000, 0);
    cached.cached_tokens = 18_000;
    provider.arrive(&charges(&scenario, &cached), 0).unwrap();
    assert_eq!(provider.levels(0), [1, 8_000, 10_000]);
    let refusal = provider.arrive(&charges(&scenario, &request(0, 9_000, 0, 0)), 0).unwrap_err();
    assert_eq!(refusal.limit.counts, Counts::Uncached);
    assert_eq!(provider.levels(0), [1, 8_000, 10_000]);
    provider.arrive(&charges(&scenario, &request(0, 8_000, 0, 0)), 0).unwrap();
    let refusal = provider.arrive(&charges(&scenario, &request(0, 1, 0, 0)), 29 * SECOND).unwrap_err();
    assert_eq!(refusal.limit.counts, Counts::Requests);
    provider.arrive(&charges(&scenario, &request(0, 1, 0, 0)), 30 * SECOND).unwrap();
}

#[test]
fn its_guess_of_a_prompt_is_off_within_bounds_and_the_same_each_time() {
    let scenario = Scenario { miscount_percent: 3, jitter: 5, ..scenario() };
    let request = request(0, 10_000, 0, 0);
    let guesses: Vec<u64> = (0..1_000).map(|id| scenario.chance(id, &request).guessed_prompt).collect();
    assert!(guesses.iter().all(|guess| (9_700..=10_300).contains(guess)));
    assert!(guesses.iter().any(|guess| *guess < 9_710) && guesses.iter().any(|guess| *guess > 10_290));
    assert_eq!(scenario.chance(7, &request), scenario.chance(7, &request));
}
