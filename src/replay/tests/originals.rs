//! What the original fails at, in its smallest form.

use std::time::Duration;

use quota::Moment;

use super::{request, scenario};
use crate::config::Limits;
use crate::replay::policy::{Choice, Counting, Original, Policy, Refused, Strict};
use crate::replay::provider::{Refusal, limits};
use crate::replay::run::{Lane, run};
use crate::replay::scenario::Scenario;
use crate::replay::trace::Trace;

/// The plan that its defaults are 80 % of.
const PLAN: Limits = Limits {
    requests_per_second: None,
    requests_per_minute: Some(15),
    requests_per_hour: None,
    requests_per_day: None,
    tokens_per_minute: Some(165_000),
    tokens_per_hour: None,
    tokens_per_day: Some(24_000_000),
    uncached_tokens_per_minute: None,
    concurrent_requests: None,
};

fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

/// Settles so many streams of 90,000 tokens, one a second, and says where the next one goes.
fn after_streams(counting: Counting, count: usize) -> Choice {
    let mut policy = Original::new(&PLAN, counting);
    let large = request(0, 89_000, 4_096, 1_000);
    for id in 0..count {
        policy.settled(id, &large, at(id as u64));
    }
    policy.offer(count, &large, at(count as u64))
}

#[test]
fn a_stream_counts_as_100_tokens_whatever_it_was() {
    assert_eq!(after_streams(Counting::True, 1), Choice::Fast);
    assert_eq!(after_streams(Counting::True, 2), Choice::Spill);
    // A million tokens, counted as 1,100; what ends it is the number of requests.
    assert_eq!(after_streams(Counting::Flat, 11), Choice::Fast);
    assert_eq!(after_streams(Counting::Flat, 12), Choice::Spill);
}

#[test]
fn a_plain_answer_counts_as_its_maximum_or_100() {
    let mut policy = Original::new(&PLAN, Counting::Flat);
    let mut plain = request(0, 10, 66_000, 1);
    plain.stream = false;
    policy.settled(0, &plain, at(0));
    assert_eq!(policy.offer(1, &plain, at(0)), Choice::Fast);
    policy.settled(1, &plain, at(0));
    assert_eq!(policy.offer(2, &plain, at(59)), Choice::Spill);
    assert_eq!(policy.offer(2, &plain, at(60)), Choice::Fast);
    plain.max_tokens = None;
    (2..13).for_each(|id| policy.settled(id, &plain, at(60)));
    assert_eq!(policy.offer(13, &plain, at(60)), Choice::Fast);
}

#[test]
fn requests_under_way_are_not_seen() {
    let mut policy = Original::new(&PLAN, Counting::True);
    let mut careful = Strict::new(&Scenario { limits: PLAN, ..scenario() });
    let large = request(0, 89_000, 4_096, 1_000);
    assert!((0..50).all(|id| policy.offer(id, &large, at(0)) == Choice::Fast));
    assert_eq!(careful.offer(0, &large, at(0)), Choice::Fast);
    assert_eq!(careful.offer(1, &large, at(0)), Choice::Spill);
}

#[test]
fn a_refusal_reaches_the_client_and_five_minutes_are_lost() {
    let mut policy = Original::new(&PLAN, Counting::Flat);
    let large = request(0, 89_000, 4_096, 1_000);
    let limit = limits(&PLAN)[1];
    let refusal = Refusal { limit, retry_after: limit.window };
    assert_eq!(policy.refused(0, &refusal, at(10)), Refused::PassOn);
    assert_eq!(policy.offer(1, &large, at(309)), Choice::Spill);
    assert_eq!(policy.offer(1, &large, at(310)), Choice::Fast);
}

#[test]
fn although_the_bucket_would_have_had_enough_after_twenty_seconds() {
    let scenario = Scenario { limits: PLAN, ..scenario() };
    // Two at once are one too many; then one every 30 seconds.
    let mut requests = vec![request(0, 100_000, 1_000, 500), request(1, 100_000, 1_000, 500)];
    requests.extend((1..=11).map(|half| request(half * 30_000, 50_000, 1_000, 500)));
    let trace = Trace::new(requests);
    let lanes = |policy: &mut dyn Policy| {
        run(&scenario, &trace, policy).into_iter().map(|turn| turn.lane).collect::<Vec<_>>()
    };
    let original = lanes(&mut Original::new(&PLAN, Counting::Flat));
    assert_eq!(original[..2], [Lane::Fast, Lane::Refused]);
    assert!(original[2..12].iter().all(|lane| *lane == Lane::Spilled), "{original:?}");
    assert_eq!(original[12], Lane::Fast);
    let ours = lanes(&mut crate::replay::policy::Ours::new(&scenario, None));
    assert_eq!(ours[..2], [Lane::Fast, Lane::Spilled]);
    assert!(ours[2..].iter().all(|lane| *lane == Lane::Fast), "{ours:?}");
}
