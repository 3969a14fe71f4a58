//! How limits stand, how fast they are spent, and how long that can go on.

use std::time::Duration;

use proptest::prelude::*;
use quota::{
    Books, Dimension, Forecast, Limit, LimitStatus, Meter, Moment, Rate, Reading, Refill, Settlement, Source,
    Used, Window,
};

use crate::oracle::{at, cost, limit, used};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// Agents in these tests spend something this often.
const STEP: u64 = 10 * SECOND;
/// A forecast is right if it comes true within so much of a day.
const NEAR: u64 = 1_500 * SECOND;

fn rate() -> Rate {
    Rate::new(Duration::from_millis(HOUR), at(0))
}

fn per_hour(rate: &Rate, now: u64) -> f64 {
    rate.in_time(Duration::from_millis(HOUR), at(now))
}

/// Books with one limit by the day.
#[derive(Clone)]
struct Day(Books);

impl Day {
    fn new(capacity: u64, refill: Refill) -> Self {
        let limit = Limit { refill, ..limit(Dimension::Tokens, Window::Day, capacity) };
        Self(Books::new(&[limit], Meter::default(), at(0)))
    }

    fn spend(&mut self, tokens: u64, now: u64) {
        let grant = self.0.reserve_anyway(cost(tokens, tokens), at(now));
        self.0.settle(grant, used(tokens), at(now));
    }

    fn status(&mut self, now: u64) -> LimitStatus {
        self.0.status(at(now))[0]
    }
}

fn refill() -> impl Strategy<Value = Refill> {
    let mark = (0..DAY).prop_map(|ms| Refill::Fixed(at(ms)));
    prop_oneof![Just(Refill::Continuous), Just(Refill::Sliding), mark]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// An even use is told as it is, from the fifth minute on.
    #[test]
    fn an_even_use_is_told_exactly(units in 1..1_000_000u64, step in 1..10u64, minutes in 5..600u64) {
        let mut rate = rate();
        let mut now = 0;
        while now < minutes * 60 * SECOND {
            now += step * SECOND;
            rate.add(units, at(now));
        }
        #[expect(clippy::cast_precision_loss, reason = "test data")]
        let expected = (units * 3_600) as f64 / step as f64;
        let told = per_hour(&rate, now);
        prop_assert!((told / expected - 1.0).abs() < 0.05, "{told} instead of {expected}");
    }

    /// Whatever happened, and even if moments came out of order: a number, and never more than a burst in the shortest time
    /// that a rate is told of.
    #[test]
    fn a_rate_is_always_a_possible_one(spent in prop::collection::vec((0..u64::MAX / 4, 0..DAY), 0..50), now in 0..2 * DAY) {
        let mut rate = rate();
        for (units, ms) in &spent {
            rate.add(*units, at(*ms));
        }
        #[expect(clippy::cast_precision_loss, reason = "test data")]
        let all: f64 = spent.iter().map(|(units, _)| *units as f64).sum();
        let told = per_hour(&rate, now);
        prop_assert!((0.0..=all * 14.0).contains(&told), "{told} of {all}");
    }

    /// What is forecast comes true, however the limit refills, if agents go on as they did.
    #[test]
    fn what_is_forecast_comes_true(refill in refill(), share in prop_oneof![1..80u64, 130..1_000u64], warm_up in 30..360u64) {
        const CAPACITY: u64 = 100_000_000;
        // So many percent of the limit in a day.
        let tokens = CAPACITY / 100 * share * STEP / DAY;
        let mut day = Day::new(CAPACITY, refill);
        let mut now = 0;
        while now < warm_up * 60 * SECOND && day.status(now).exhausted_until.is_none() {
            now += STEP;
            day.spend(tokens, now);
        }
        let told = day.status(now).forecast.expect("a limit by the day");
        let horizon = match refill {
            Refill::Fixed(mark) => {
                let mark = u64::try_from((mark - at(0)).as_millis()).expect("a day");
                if now < mark { mark } else { mark + DAY }
            }
            _ => now + DAY,
        };
        while now < horizon && day.status(now).exhausted_until.is_none() {
            now += STEP;
            day.spend(tokens, now);
        }
        match told {
            Forecast::Lasts => prop_assert!(now + NEAR >= horizon, "used up {} s before", (horizon - now) / SECOND),
            Forecast::RunsOut(then) => {
                let late = (at(now) - then).max(then - at(now));
                prop_assert!(late <= Duration::from_millis(NEAR), "{late:?} off");
            }
        }
    }

    /// A status agrees with the books: what it says is available is, and it is full when it says so, if nothing else happens.
    #[test]
    fn a_status_agrees_with_the_books(refill in refill(), spent in prop::collection::vec((1..400_000u64, 0..3 * HOUR), 1..20)) {
        let mut day = Day::new(1_000_000, refill);
        let mut now = 0;
        for (tokens, gap) in spent {
            now += gap;
            day.spend(tokens, now);
        }
        let status = day.status(now);
        prop_assert_eq!(status.available, day.0.levels(at(now))[0].available);
        let usual = cost(status.usual, status.usual);
        prop_assert_eq!(status.exhausted_until.is_some(), day.0.check(usual, at(now)).is_err());
        let ms = |moment: Moment| u64::try_from((moment - at(0)).as_nanos().div_ceil(1_000_000)).expect("days");
        if let Some(until) = status.exhausted_until {
            prop_assert!(day.clone().0.check(usual, at(ms(until))).is_ok());
        }
        let mut later = day.clone();
        prop_assert_eq!(later.status(ms(status.full_at)).available, 1_000_000);
        if ms(status.full_at) > now + 1 {
            prop_assert!(day.status(ms(status.full_at) - 2).available < 1_000_000);
        }
    }
}

#[test]
fn half_an_hour_of_silence_makes_it_a_third() {
    let mut rate = rate();
    let even = (1..=6 * 360).map(|step| step * STEP);
    even.for_each(|now| rate.add(100, at(now)));
    let (busy, silent) = (per_hour(&rate, 6 * HOUR), per_hour(&rate, 6 * HOUR + HOUR / 2));
    assert!((silent / busy - 0.368).abs() < 0.001, "{silent} after {busy}");
}

#[test]
fn a_unit_spent_in_flight_or_at_the_edge_counts_as_it_should() {
    let mut day = Day::new(100_000, Refill::Continuous);
    let grant = day.0.reserve_anyway(cost(10_000, 30_000), at(0));
    let status = day.status(0);
    assert_eq!((status.available, status.in_flight, status.used_percent()), (70_000, 30_000, 0));
    // In flight it may take all of it: 0.3 days.
    assert_eq!(status.full_at, at(DAY * 3 / 10));
    day.0.settle(grant, used(20_000), at(0));
    let status = day.status(0);
    assert_eq!((status.available, status.in_flight, status.used_percent()), (80_000, 0, 20));
    assert_eq!((status.usual, status.is_exhausted()), (30_000, false));
    // The margin of a fiftieth is left alone, so another must wait for it and for what is usual now.
    day.spend(80_000, 0);
    let status = day.status(0);
    assert_eq!((status.available, status.used_percent(), status.usual), (0, 100, 36_250));
    assert_eq!((status.is_exhausted(), status.forecast), (true, Some(Forecast::RunsOut(at(0)))));
    // 38,250 of 100,000 a day.
    assert_eq!(status.exhausted_until, Some(at(DAY * 3_825 / 10_000)));
    let _in_flight = day.0.reserve_anyway(cost(1, 1), at(DAY * 3 / 10));
    assert!(!day.status(DAY * 3 / 10).is_exhausted(), "what is in flight may come back");
}

#[test]
fn nothing_runs_out_that_nobody_uses_and_shorter_limits_are_not_forecast() {
    let mut day = Day::new(1_000, Refill::Continuous);
    assert_eq!(day.status(0).forecast, Some(Forecast::Lasts));
    let minute = limit(Dimension::Requests, Window::Minute, 12);
    assert_eq!(Books::new(&[minute], Meter::default(), at(0)).status(at(0))[0].forecast, None);
}

#[test]
fn where_nothing_comes_back_what_was_set_aside_is_spent() {
    let limit = limit(Dimension::Tokens, Window::Day, 1_000_000);
    let hourly = |settlement| {
        let mut books = Books::new(&[limit], Meter { settlement, ..Meter::default() }, at(0));
        let grant = books.reserve_anyway(cost(100, 1_000), at(0));
        books.settle(grant, Used { set_aside: 1_000, ..used(100) }, at(0));
        books.status(at(HOUR))[0].per_hour
    };
    let ratio = hourly(Settlement::Kept) / hourly(Settlement::Returned);
    assert!((ratio - 10.0).abs() < 1e-6, "{ratio}");
}

#[test]
fn who_says_what_a_limit_is() {
    let source = |ceiling, named: Option<u64>| {
        let limit = Limit { ceiling, ..limit(Dimension::Requests, Window::Minute, 12) };
        let mut books = Books::new(&[limit], Meter::default(), at(0));
        let grant = books.reserve_anyway(cost(1, 1), at(0));
        let reading = Reading {
            dimension: Dimension::Requests,
            window: Window::Minute,
            limit: named,
            remaining: None,
            reset: None,
        };
        books.sync(&grant, &[reading], at(0));
        books.release(grant, at(0));
        books.status(at(0))[0].source
    };
    assert_eq!(source(false, None), Source::Assumed);
    assert_eq!(source(false, Some(12)), Source::Provider);
    assert_eq!(source(false, Some(30)), Source::Provider);
    assert_eq!(source(true, None), Source::Operator);
    assert_eq!(source(true, Some(30)), Source::Operator, "the provider does not lift what the operator set");
    assert_eq!(source(true, Some(5)), Source::Provider);
}

#[test]
fn a_limit_that_is_believed_no_longer_is_not_shown() {
    let mut books = Books::new(&[], Meter::default(), at(0));
    let grant = books.reserve_anyway(cost(1, 1), at(0));
    let named = Reading {
        dimension: Dimension::Tokens,
        window: Window::Hour,
        limit: Some(1_000),
        remaining: Some(1),
        reset: None,
    };
    books.sync(&grant, &[named], at(0));
    books.release(grant, at(0));
    assert_eq!(books.status(at(0)).len(), 1);
    assert_eq!(books.status(at(11 * 60 * SECOND)), vec![]);
}
