//! What providers say of their own books: believed as far as it goes, and never to anybody's ruin.

use proptest::prelude::*;
use quota::{Books, Cost, Dimension, Lesson, Limit, Meter, Reading, Refill, Settlement, Used, Window};

use crate::oracle::{MINUTE, Request, World, at, cost, limit, play, request, used};

fn tokens(limit: u64, remaining: u64) -> Reading {
    Reading {
        dimension: Dimension::Tokens,
        window: Window::Minute,
        limit: Some(limit),
        remaining: Some(remaining),
        reset: None,
    }
}

fn minute(capacity: u64) -> Books {
    Books::new(&[limit(Dimension::Tokens, Window::Minute, capacity)], Meter::default(), at(0))
}

/// Sends a request of so many tokens now and takes in what its answer says, without any delay.
fn ask(books: &mut Books, amount: u64, reading: Reading, now: u64) -> Vec<Lesson> {
    let mut grant = books.reserve(cost(amount, amount), at(now)).expect("room");
    let lessons = books.sync(&grant, &[reading], at(now));
    books.admitted(&mut grant, at(now));
    books.settle(grant, used(amount), at(now));
    lessons
}

/// A provider that keeps what it sets aside, and has found nearly the whole prompt in its cache, unexpectedly: that leaves more than was
/// thought, and says nothing of what comes back.
#[test]
fn what_was_in_the_cache_is_no_evidence_that_unused_tokens_come_back() {
    let uncached = limit(Dimension::UncachedTokens, Window::Minute, 30_000);
    let meter = Meter { settlement: Settlement::Kept, ..Meter::default() };
    let mut books = Books::new(&[uncached], meter, at(0));
    let cost = Cost { at_least: 10_000, ..cost(0, 12_000) };
    for now in [0, MINUTE, 2 * MINUTE] {
        let mut grant = books.reserve(cost, at(now)).expect("room");
        let reading = Reading { dimension: Dimension::UncachedTokens, ..tokens(30_000, 30_000 - 2_016) };
        assert_eq!(books.sync(&grant, &[reading], at(now)), []);
        books.admitted(&mut grant, at(now));
        books.settle(grant, Used { tokens: 10_100, cached: 9_984, set_aside: 12_000 }, at(now));
    }
    assert_eq!(books.settlement(), Settlement::Kept);
    assert_eq!(left(&mut books, 2 * MINUTE), 30_000 - 2_016);
}

fn refuse(books: &mut Books, reading: Reading) {
    let grant = books.reserve_anyway(cost(1, 1), at(0));
    let refused = books.refused(grant, (None, Some(Window::Hour)), &[reading], at(0));
    assert!(!refused.foreseen);
}

fn left(books: &mut Books, now: u64) -> i64 {
    books.levels(at(now))[0].available
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// With honest headers a refusal is always somebody else's doing, in the time since the last answer.
    #[test]
    fn honest_headers_prevent_over_admission(
        requests in prop::collection::vec(request(), 1..100),
        rpm in 2..60u64,
        tpm in 30_000..200_000u64,
        believed in 30_000..400_000u64,
        foreign in prop::collection::vec((0..300_000u64, 0..30_000u64), 0..20),
    ) {
        let world = World { headers: true, believed_tpm: believed.min(tpm), foreign, ..World::plain(rpm, tpm) };
        let played = play(&requests, &world);
        for refused in &played.refused {
            let since = refused.heard.unwrap_or(0)..=refused.arrived;
            let spent = world.foreign.iter().any(|(at, tokens)| since.contains(at) && *tokens > 0);
            prop_assert!(spent, "{refused:?}");
        }
    }

    /// No sequence of readings, however false, keeps idle books from admitting what the settings allow.
    #[test]
    fn no_reading_locks_anybody_out(
        said in prop::collection::vec((0..4u8, any::<u64>(), any::<u64>(), 0..30_000u64, 0..90_000u64), 0..100),
    ) {
        let mut books = Books::new(
            &[limit(Dimension::Requests, Window::Minute, 12), limit(Dimension::Tokens, Window::Minute, 60_000)],
            Meter::default(),
            at(0),
        );
        let mut now = 0;
        for (kind, limit, remaining, wait, amount) in said {
            now += wait;
            let (limit, remaining) = (limit >> (limit % 64), remaining >> (remaining % 64));
            let dimension = [Dimension::Requests, Dimension::Tokens][usize::from(kind % 2)];
            let window = [Window::Minute, Window::Hour][usize::from(kind / 2)];
            let reading = Reading { dimension, window, limit: Some(limit), remaining: Some(remaining), reset: None };
            if let Ok(mut grant) = books.reserve(cost(amount / 2, amount), at(now)) {
                let _ = books.sync(&grant, &[reading], at(now));
                books.admitted(&mut grant, at(now));
                books.settle(grant, used(amount), at(now));
            } else {
                let refused = books.reserve_anyway(cost(amount / 2, amount), at(now));
                let _ = books.refused(refused, (Some(dimension), Some(window)), &[reading], at(now));
            }
        }
        // Ten minutes, after which nothing is believed that was not repeated, and what 100 requests can owe.
        let rested = at(now + 12 * MINUTE + 100 * 90_000);
        prop_assert_eq!(books.check(cost(1, 60_000), rested), Ok(()));
    }

    /// Without headers, a provider that keeps what it sets aside is found out by two refusals; afterwards it refuses
    /// nothing more.
    #[test]
    fn two_refusals_teach_that_nothing_comes_back(
        requests in prop::collection::vec(request(), 40..200),
        tpm in 40_000..200_000u64,
    ) {
        let world = World { settlement: Settlement::Kept, ..World::plain(1_000, tpm) };
        let played = play(&requests, &world);
        let learned = played.lessons.iter().find(|(_, lesson)| *lesson == Lesson::Settlement(Settlement::Kept));
        match learned {
            // Those that were on their way may still be refused, but no later one.
            Some((when, _)) => prop_assert!(played.refused.iter().all(|refused| refused.sent <= *when)),
            None => prop_assert!(played.unforeseen <= 1, "{:?}", played.refused),
        }
    }

    /// Headers teach it, too, and it is never refused by whoever believed too little of it.
    #[test]
    fn headers_teach_the_settlement_both_ways(requests in prop::collection::vec(request(), 40..120), tpm in 60_000..200_000u64) {
        for (settlement, believed) in [(Settlement::Kept, Settlement::Returned), (Settlement::Returned, Settlement::Kept)] {
            let world = World { settlement, believed, headers: true, ..World::plain(1_000, tpm) };
            let played = play(&requests, &world);
            let learned = |lesson: &&(u64, Lesson)| lesson.1 == Lesson::Settlement(settlement);
            let when = played.lessons.iter().find(learned).map_or(u64::MAX, |(when, _)| *when);
            let later = played.refused.iter().filter(|refused| refused.sent > when).count();
            prop_assert_eq!(later, 0, "{:?} at {}: {:?} {:?}", settlement, when, played.refused, played.lessons);
            if settlement == Settlement::Returned {
                prop_assert_eq!(played.refused, vec![]);
            }
        }
    }

    /// A provider that counts a prompt a little differently when it sets aside teaches nothing false.
    #[test]
    fn a_miscount_is_no_evidence(requests in prop::collection::vec(request(), 40..200), tpm in 100_000..200_000u64, kept in any::<bool>()) {
        let settlement = if kept { Settlement::Kept } else { Settlement::Returned };
        let world = World { settlement, believed: settlement, headers: true, miscounts: true, ..World::plain(1_000, tpm) };
        let played = play(&requests, &world);
        let learned = played.lessons.iter().find(|(_, lesson)| matches!(lesson, Lesson::Settlement(_)));
        prop_assert_eq!(learned, None, "{:?}", played.refused);
    }

    /// Sliding and fixed windows are never overshot either.
    #[test]
    fn other_refills_are_mirrored(
        requests in prop::collection::vec(request(), 1..120),
        rpm in 1..60u64,
        tpm in 20_000..200_000u64,
        fixed in any::<bool>(),
        kept in any::<bool>(),
    ) {
        let refill = if fixed { Refill::Fixed(at(0)) } else { Refill::Sliding };
        let settlement = if kept { Settlement::Kept } else { Settlement::Returned };
        let world = World { refill, settlement, believed: settlement, ..World::plain(rpm, tpm) };
        prop_assert_eq!(play(&requests, &world).refused, vec![]);
    }
}

#[test]
fn the_refusal_that_convinces_is_explained_by_what_it_teaches() {
    let mut books = minute(60_000);
    for _ in 0..2 {
        // Nothing came back of 20,000, of which an answer used a half.
        let mut grant = books.reserve(cost(1_000, 20_000), at(0)).expect("room");
        books.admitted(&mut grant, at(0));
        books.settle(grant, Used { tokens: 10_000, cached: 0, set_aside: 20_000 }, at(0));
    }
    let refuse = |books: &mut Books, amount, now| {
        let grant = books.reserve(cost(1_000, amount), at(now)).expect("room, as it is believed");
        books.refused(grant, (Some(Dimension::Tokens), Some(Window::Minute)), &[], at(now))
    };
    assert!(!refuse(&mut books, 30_000, 0).foreseen);
    let second = refuse(&mut books, 29_000, 1_000);
    assert_eq!((second.foreseen, second.lessons), (true, vec![Lesson::Settlement(Settlement::Kept)]));
    // 20,000 were left, and 1,000 have come back since; with the margin, 9,200 more are due at as many a second.
    assert_eq!(second.available_at, Some(at(10_200)));
}

#[test]
fn what_refusals_alone_have_taught_is_put_to_the_test_ever_more_seldom() {
    let mut books = minute(60_000);
    let spend = |books: &mut Books, now| {
        let mut grant = books.reserve(cost(0, 60_000), at(now)).expect("a full bucket");
        books.admitted(&mut grant, at(now));
        // Of 60,000 an answer used nothing: all of it is there, or nothing.
        books.settle(grant, Used { tokens: 0, cached: 0, set_aside: 60_000 }, at(now));
    };
    let refuse = |books: &mut Books, now| {
        spend(books, now);
        let grant = books.reserve(cost(0, 30_000), at(now)).expect("room, as it is believed");
        books.refused(grant, (Some(Dimension::Tokens), Some(Window::Minute)), &[], at(now)).lessons
    };
    let kept = vec![Lesson::Settlement(Settlement::Kept)];
    assert_eq!(refuse(&mut books, 0), vec![]);
    assert_eq!(refuse(&mut books, MINUTE), kept);
    let mut now = MINUTE;
    for minutes in [30, 60, 120] {
        spend(&mut books, now + (minutes - 1) * MINUTE);
        assert!(books.check(cost(0, 30_000), at(now + (minutes - 1) * MINUTE)).is_err());
        // It is time: one refusal is enough.
        now += minutes * MINUTE;
        assert_eq!(refuse(&mut books, now), kept);
    }
    // Where there is none, the tokens come back for good.
    now += 240 * MINUTE;
    for _ in 0..10 {
        spend(&mut books, now);
    }
}

#[test]
fn a_limit_is_learned_up_and_down_but_not_above_what_the_operator_set() {
    for (ceiling, expected) in [(false, 165_000), (true, 132_000)] {
        let configured = Limit { ceiling, ..limit(Dimension::Tokens, Window::Minute, 132_000) };
        let mut books = Books::new(&[configured], Meter::default(), at(0));
        ask(&mut books, 1_000, tokens(165_000, 164_000), 0);
        assert_eq!(books.levels(at(0))[0].limit.capacity, expected);
        let lessons = ask(&mut books, 1_000, tokens(100_000, 98_000), 0);
        assert!(matches!(lessons[..], [Lesson::Limit(Limit { capacity: 100_000, .. })]), "{lessons:?}");
        assert_eq!(left(&mut books, 0), 98_000);
    }
}

#[test]
fn a_limit_nobody_configured_is_opened_by_the_first_reading() {
    let mut books = Books::new(&[], Meter::default(), at(0));
    ask(&mut books, 500, tokens(6_000, 5_500), 0);
    assert_eq!(left(&mut books, 0), 5_500);
    ask(&mut books, 500, tokens(6_000, 5_000), 0);
    assert_eq!(left(&mut books, 0), 5_000);
    assert!(books.check(cost(0, 5_001), at(0)).is_err());
}

#[test]
fn what_another_program_spent_is_discovered_and_room_is_kept_for_its_next_request() {
    let mut books = minute(60_000);
    ask(&mut books, 1_000, tokens(60_000, 59_000), 0);
    assert_eq!(left(&mut books, 0), 59_000);
    // Somebody took 20,000.
    ask(&mut books, 1_000, tokens(60_000, 38_000), 0);
    assert_eq!(left(&mut books, 0), 38_000);
    assert!(books.check(cost(0, 30_000), at(0)).is_err(), "they may do so again");
    assert!(books.check(cost(0, 10_000), at(20_000)).is_ok(), "what comes back beyond that is ours");
    // Five quiet minutes later nothing is kept for them.
    assert!(books.check(cost(0, 58_000), at(5 * MINUTE)).is_ok());
}

#[test]
fn a_reading_above_its_limit_is_the_limit() {
    let mut books = minute(60_000);
    ask(&mut books, 10_000, tokens(60_000, 180_000), 0);
    assert_eq!(left(&mut books, 0), 50_000);
}

#[test]
fn a_late_answer_does_not_give_back_what_was_spent_since() {
    let mut books = minute(60_000);
    let mut early = books.reserve(cost(1_000, 1_000), at(0)).unwrap();
    for remaining in [49_000, 39_000, 29_000, 19_000, 9_000] {
        ask(&mut books, 10_000, tokens(60_000, remaining), 0);
    }
    // It was written before any of them.
    let _ = books.sync(&early, &[tokens(60_000, 59_000)], at(0));
    books.admitted(&mut early, at(0));
    books.settle(early, used(1_000), at(0));
    assert!(left(&mut books, 0) <= 9_000, "{}", left(&mut books, 0));
}

#[test]
fn a_refusal_that_says_what_is_left_is_believed() {
    let mut books = minute(60_000);
    refuse(&mut books, tokens(60_000, 700));
    assert_eq!(left(&mut books, 0), 700);
}

#[test]
fn cached_tokens_count_for_one_of_two_limits() {
    let uncached = limit(Dimension::UncachedTokens, Window::Minute, 30_000);
    let all = limit(Dimension::Tokens, Window::Minute, 90_000);
    let mut books = Books::new(&[uncached, all], Meter::default(), at(0));
    let cost = quota::Cost { cached: 20_000, ..cost(25_000, 26_000) };
    let grant = books.reserve(cost, at(0)).unwrap();
    books.settle(grant, quota::Used { tokens: 25_500, cached: 20_000, set_aside: 26_000 }, at(0));
    let levels: Vec<i64> = books.levels(at(0)).iter().map(|level| level.available).collect();
    assert_eq!(levels, [24_500, 64_500]);
    // A reading belongs to the limit it names.
    refuse(&mut books, tokens(30_000, 5_000));
    let levels: Vec<i64> = books.levels(at(0)).iter().map(|level| level.available).collect();
    assert_eq!(levels, [5_000, 64_500]);
}

#[test]
fn a_day_that_begins_at_midnight_comes_back_all_at_once() {
    let midnight = at(3_600_000);
    let day = Limit { refill: Refill::Fixed(midnight), ..limit(Dimension::Requests, Window::Day, 300) };
    let mut books = Books::new(&[day], Meter::default(), at(0));
    for _ in 0..300 {
        let grant = books.reserve(cost(1, 1), at(0)).unwrap();
        books.settle(grant, used(1), at(0));
    }
    let due = books.reserve(cost(1, 1), at(0)).unwrap_err().available_at.unwrap();
    // Two seconds late, in case the provider's clock is.
    assert_eq!(due, at(3_602_000));
    assert_eq!(left(&mut books, 3_601_000), 0);
    assert_eq!(left(&mut books, 3_602_000), 300);
}

#[test]
fn a_debt_to_a_fixed_window_is_not_carried_into_the_next() {
    let request = Request {
        gap: 0,
        delays: [0; 4],
        prompt: 10,
        prompt_low: 0,
        prompt_high: 0,
        longest: 10,
        completion: 9,
    };
    let world = World { refill: Refill::Fixed(at(0)), ..World::plain(2, 1_000) };
    let third = Request { gap: MINUTE + 1_000, ..request.clone() };
    let played = play(&[request.clone(), request.clone(), request, third], &world);
    assert_eq!((played.granted, played.refused.len()), (3, 0));
}
