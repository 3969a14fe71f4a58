use proptest::prelude::*;
use quota::{Limit, Meter, Source, Window};

use super::*;
use crate::account::admission::{Admission, Terms};
use crate::estimate::Estimate;

const HOUR: Duration = Duration::from_hours(1);

fn at(seconds: u64) -> Moment {
    Moment::new(Duration::from_secs(seconds))
}

fn limit(window: Window, left: i64) -> LimitStatus {
    LimitStatus {
        limit: Limit::new(Dimension::Tokens, window, 100, Duration::from_mins(1)),
        source: Source::Assumed,
        available: left,
        in_flight: 0,
        usual: 1,
        exhausted_until: None,
        full_at: at(0),
        per_hour: 0.0,
        forecast: None,
    }
}

fn status(limits: Vec<LimitStatus>, requests: u64) -> AccountStatus {
    AccountStatus { limits, requests, ..Admission::new(terms(Vec::new()), at(0)).status(at(0)) }
}

fn terms(limits: Vec<Limit>) -> Terms {
    Terms {
        limits,
        meter: Meter::default(),
        soft: false,
        completion_reserve: None,
        concurrent_requests: None,
        longest_pause: Duration::from_mins(5),
        prompt_cache: None,
    }
}

/// The steps that are told while so much of a day is left, one after the other.
fn told(left: &[i64]) -> Vec<u8> {
    let mut notices = Notices::new(at(0));
    let due = |left: &i64| notices.due(&status(vec![limit(Window::Day, *left)], 1), at(1));
    left.iter().flat_map(due).filter_map(|notice| notice.passed).collect()
}

#[test]
fn each_step_of_a_day_is_told_once() {
    assert_eq!(told(&[100, 51, 50, 49, 21, 20, 6, 5, 1, 0, -7]), [50, 80, 95, 100]);
    assert_eq!(told(&[100, 3]), [95], "of several at once the last");
    assert_eq!(told(&[0, 100, 50]), [100, 50], "the next day");
}

#[test]
fn a_day_without_room_for_a_usual_request_is_over() {
    let last = LimitStatus { exhausted_until: Some(at(9)), ..limit(Window::Day, 4) };
    let passed = |limit| Notices::new(at(0)).due(&status(vec![limit], 1), at(1))[0].passed;
    assert_eq!(passed(last), Some(100));
    assert_eq!(passed(LimitStatus { in_flight: 1, ..last }), Some(95), "that may come back");
}

#[test]
fn a_limit_that_stays_at_a_step_is_told_once() {
    assert_eq!(told(&[50, 51, 50, 59, 50, 45]), [50]);
    assert_eq!(told(&[50, 61, 50]), [50, 50], "it had come back by ten percent");
    assert_eq!(told(&[0, 1, 0, 9, 0]), [100]);
    assert_eq!(told(&[0, 11, 0]), [100, 100]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However a limit moves, a step is told once for each time that it comes back by ten percent.
    #[test]
    fn no_more_lines_than_times_it_came_back(left in prop::collection::vec(-20..=100i64, 1..200)) {
        let told = told(&left);
        let (mut ups, mut low) = (1, left[0]);
        for left in left {
            if left - low > i64::from(BACK) {
                ups += 1;
                low = left;
            }
            low = low.min(left);
        }
        prop_assert!(told.len() <= STEPS.len() * ups, "{told:?} with {ups} times");
    }
}

#[test]
fn once_an_hour_all_limits_of_those_that_have_traffic() {
    let mut notices = Notices::new(at(0));
    let mut lines = |requests, now| {
        notices.due(&status(vec![limit(Window::Minute, 0), limit(Window::Day, 100)], requests), now).len()
    };
    assert_eq!(lines(3, at(3_599)), 0);
    assert_eq!(lines(3, at(3_600)), 2);
    assert_eq!(lines(4, at(3_601)), 0, "told a moment ago");
    assert_eq!(lines(4, at(7_200)), 2);
    assert_eq!(lines(4, at(10_800)), 0, "nothing has happened");
    assert_eq!(lines(5, at(10_801)), 0, "its hour had begun");
    assert_eq!(lines(5, at(14_400)), 2);
    assert_eq!(status(vec![], 0).hour, HOUR);
}

#[test]
fn what_is_said_to_be_free_is_given() {
    let day = Limit::new(Dimension::Tokens, Window::Day, 10_000, Duration::from_mins(1));
    let mut admission = Admission::new(terms(vec![day]), at(0));
    let small = Estimate { max_tokens: Some(1), ..Estimate::default() };
    assert_eq!(admission.status(at(0)).available_at, Some(at(0)));
    // All but the margin, and less than the smallest request.
    let large = Estimate { max_tokens: Some(9_770), ..Estimate::default() };
    let mut permit = admission.reserve(large, false, at(0)).unwrap();
    let now = admission.status(at(0));
    assert_eq!((now.in_flight, now.requests, now.limits[0].in_flight), (1, 1, permit.reserved()));
    let free_at = now.available_at.expect("it refills");
    assert!(free_at > at(0) && admission.reserve(small, false, at(0)).is_err());
    admission.close(&mut permit, true, 9_800, at(0));
    let free_at = admission.status(at(0)).available_at.expect("it refills");
    let mut permit = admission.reserve(small, false, free_at).unwrap();
    admission.close(&mut permit, false, 0, free_at);
    assert_eq!(admission.status(free_at).in_flight, 0);
}

#[test]
fn soft_limits_keep_nobody_from_being_ready() {
    let minute = Limit::new(Dimension::Requests, Window::Minute, 1, Duration::from_mins(1));
    let mut admission = Admission::new(Terms { soft: true, ..terms(vec![minute]) }, at(0));
    let small = Estimate { max_tokens: Some(1), ..Estimate::default() };
    let mut permit = admission.reserve(small, false, at(0)).unwrap();
    admission.close(&mut permit, true, 0, at(0));
    let now = admission.status(at(0));
    assert_eq!((now.available_at, now.soft, now.limits[0].used_percent()), (Some(at(0)), true, 100));
    assert!(admission.reserve(small, false, at(0)).is_err());
    assert!(admission.reserve(small, true, at(0)).is_ok());
}
