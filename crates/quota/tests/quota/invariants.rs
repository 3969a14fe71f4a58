//! The invariants of the books, against a provider whose bucket is written down a second time here.

use proptest::prelude::*;
use quota::{Books, Cost, Dimension, Meter, Settlement, Used, Window};

use crate::oracle::{World, at, cost, limit, play, request, used};

fn meter(returns_unused: bool) -> Meter {
    let settlement = if returns_unused { Settlement::Returned } else { Settlement::Kept };
    Meter { settlement, ..Meter::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 1 and 2: spent is the sum of what was settled, and no interleaving overshoots.
    #[test]
    fn never_more_than_the_provider_admits(
        requests in prop::collection::vec(request(), 1..120),
        rpm in 1..60u64,
        tpm in 20_000..200_000u64,
    ) {
        let played = play(&requests, &World::plain(rpm, tpm));
        prop_assert_eq!(&played.refused, &vec![]);
        let spent = played.books.map(|books| books.spent()).unwrap_or_default();
        prop_assert_eq!(spent[0].1, played.granted as i128);
        prop_assert_eq!(spent[1].1, i128::from(played.used));
    }

    /// Invariant 2, second half: debt is carried until it is repaid, to the unit.
    #[test]
    fn debt_is_repaid_before_anything_is_admitted(over in 1..500_000u64) {
        let mut books = Books::new(&[limit(Dimension::Tokens, Window::Minute, 60_000)], Meter::default(), at(0));
        let cost = cost(10, 10);
        let grant = books.reserve(cost, at(0)).unwrap();
        books.settle(grant, used(60_000 + over), at(0));
        prop_assert_eq!(books.levels(at(0))[0].available, -i64::try_from(over).unwrap());
        let shortfall = books.reserve(cost, at(0)).unwrap_err();
        let due = shortfall.available_at.unwrap();
        // One token a millisecond: the debt, the request and the margin of a fiftieth.
        prop_assert_eq!(due, at(over + 10 + 1_200));
        prop_assert!(books.check(cost, at(over + 10 + 1_200 - 1)).is_err());
        prop_assert!(books.check(cost, due).is_ok());
    }

    /// Invariant 3: whatever was done to them, idle books admit a full bucket again after a window and its debt.
    #[test]
    fn always_drains(steps in prop::collection::vec((0..5u8, 0..70_000u64, 0..20_000u64), 0..200)) {
        let limits = [limit(Dimension::Requests, Window::Minute, 12), limit(Dimension::Tokens, Window::Minute, 60_000)];
        let mut books = Books::new(&limits, meter(steps.len() % 2 == 0), at(0));
        let mut open = Vec::new();
        let (mut now, mut debt) = (0, 0);
        for (step, tokens, wait) in steps {
            now += wait;
            let cost = cost(tokens / 3, tokens);
            match (step, open.pop()) {
                (0 | 1, last) => {
                    open.extend(last);
                    open.extend(books.reserve(cost, at(now)));
                }
                (2, Some(grant)) => books.release(grant, at(now)),
                (3, Some(mut grant)) => {
                    books.admitted(&mut grant, at(now));
                    open.insert(0, grant);
                }
                (4, Some(grant)) => {
                    debt += tokens;
                    books.settle(grant, used(tokens), at(now));
                }
                (_, last) => {
                    open.extend(last);
                    let refused = books.reserve_anyway(cost, at(now));
                    let _ = books.refused(refused, (None, Some(Window::Minute)), &[], at(now));
                }
            }
        }
        for grant in open {
            books.settle(grant, used(0), at(now));
        }
        let rested = at(now + 120_000 + debt);
        prop_assert_eq!(books.check(cost(1, 60_000), rested), Ok(()));
        prop_assert_eq!(books.levels(rested)[0].available, 12);
    }
}

#[test]
fn a_burst_then_one_every_twelfth_of_a_minute() {
    let mut books = Books::new(&[limit(Dimension::Requests, Window::Minute, 12)], Meter::default(), at(0));
    let cost = cost(100, 1_000_000);
    for _ in 0..12 {
        let mut grant = books.reserve(cost, at(0)).unwrap();
        books.admitted(&mut grant, at(0));
        books.settle(grant, used(100), at(0));
    }
    let shortfall = books.reserve(cost, at(0)).unwrap_err();
    assert_eq!(shortfall.limit.to_string(), "12 requests a minute");
    assert_eq!(shortfall.available_at, Some(at(5_000)));
    assert!(books.check(cost, at(4_999)).is_err());
    assert!(books.check(cost, at(5_000)).is_ok());
}

#[test]
fn a_full_bucket_earns_nothing_before_the_provider_has_debited() {
    let mut books = Books::new(&[limit(Dimension::Requests, Window::Minute, 1)], Meter::default(), at(0));
    let cost = cost(0, 0);
    let mut grant = books.reserve(cost, at(0)).unwrap();
    // The head comes 40 s later, so the provider may have debited as late as that.
    books.admitted(&mut grant, at(40_000));
    assert_eq!(books.reserve(cost, at(60_000)).unwrap_err().available_at, Some(at(100_000)));
    books.settle(grant, used(5), at(60_000));
}

#[test]
fn larger_than_the_limit_is_never() {
    let mut books = Books::new(&[limit(Dimension::Tokens, Window::Day, 1_000)], Meter::default(), at(0));
    assert_eq!(books.reserve(cost(1, 1_001), at(0)).unwrap_err().available_at, None);
    let whole = books.reserve(cost(1, 1_000), at(0)).unwrap();
    books.release(whole, at(0));
}

#[test]
fn nothing_is_held_where_one_limit_says_no() {
    let limits =
        [limit(Dimension::Requests, Window::Minute, 5), limit(Dimension::Tokens, Window::Minute, 1_000)];
    let mut books = Books::new(&limits, Meter::default(), at(0));
    let _held = books.reserve(cost(0, 800), at(0)).unwrap();
    let before = books.levels(at(0));
    let shortfall = books.reserve(cost(0, 900), at(0)).unwrap_err();
    assert_eq!(shortfall.limit.dimension, Dimension::Tokens);
    assert_eq!(books.levels(at(0)), before);
}

#[test]
fn a_provider_that_keeps_the_unused_part_is_charged_for_it() {
    let mut books = Books::new(&[limit(Dimension::Tokens, Window::Minute, 1_000)], meter(false), at(0));
    let grant = books.reserve(cost(100, 900), at(0)).unwrap();
    // What it set aside turns out to be a little less than was thought.
    books.settle(grant, Used { set_aside: 880, ..used(150) }, at(0));
    assert_eq!(books.levels(at(0))[0].available, 120);
}

#[test]
fn what_was_thought_to_be_cached_and_was_not_is_debt() {
    let limits = [
        limit(Dimension::UncachedTokens, Window::Minute, 30_000),
        limit(Dimension::Tokens, Window::Minute, 90_000),
    ];
    let mut books = Books::new(&limits, Meter::default(), at(0));
    let cost = Cost { cached: 38_400, ..cost(40_000, 42_000) };
    let grant = books.reserve(cost, at(0)).unwrap();
    let left =
        |books: &mut Books| books.levels(at(0)).iter().map(|level| level.available).collect::<Vec<_>>();
    assert_eq!(left(&mut books), [30_000 - 3_600, 90_000 - 42_000]);
    books.settle(grant, Used { cached: 0, ..used(40_500) }, at(0));
    assert_eq!(left(&mut books), [30_000 - 40_500, 90_000 - 40_500]);
}

#[test]
fn a_refuted_limit_grants_less_than_was_refused() {
    let mut books = Books::new(&[limit(Dimension::Tokens, Window::Minute, 60_000)], Meter::default(), at(0));
    let cost = cost(10, 5_000);
    let refuse = |books: &mut Books, window| {
        let grant = books.reserve(cost, at(0)).unwrap();
        books.refused(grant, (Some(Dimension::Tokens), Some(window)), &[], at(0))
    };
    assert!(!refuse(&mut books, Window::Day).foreseen);
    assert!(books.check(cost, at(0)).is_ok(), "another window was meant");
    assert!(!refuse(&mut books, Window::Minute).foreseen);
    assert_eq!(books.levels(at(0))[0].available, 4_999);
}

#[test]
fn what_the_provider_gives_back_to_a_full_bucket_is_not_counted_again() {
    // A thousand tokens a second.
    let mut books = Books::new(&[limit(Dimension::Tokens, Window::Minute, 60_000)], Meter::default(), at(0));
    let mut first = books.reserve(cost(10_000, 26_000), at(0)).unwrap();
    books.admitted(&mut first, at(0));
    // At 30 s the provider's bucket is full again, and the 16,000 it gives back then are lost in it. Ours hears of
    // the end at 40 s, after another 40,000 have gone.
    let mut second = books.reserve(cost(40_000, 40_000), at(31_000)).unwrap();
    books.admitted(&mut second, at(31_000));
    books.settle(first, used(10_000), at(40_000));
    // 60,000 - 40,000, and 9 s of refill.
    assert_eq!(books.levels(at(40_000))[0].available, 29_000);
    books.settle(second, used(40_000), at(40_000));
}

proptest! {
    /// Other limits forgive nothing: what was spent of a limit stays spent, what is set aside stays set aside, and it all
    /// comes back as it would have.
    #[test]
    fn other_limits_forgive_nothing(
        before in 1_000..1_000_000u64,
        after in 1_000..1_000_000u64,
        tokens in prop::collection::vec((1..400u64, 0..3u8), 0..12),
        now in 0..30_000u64,
    ) {
        let limits = |tokens| [
            limit(Dimension::Requests, Window::Minute, 1_000),
            limit(Dimension::Tokens, Window::Minute, tokens),
        ];
        let mut books = Books::new(&limits(before), Meter::default(), at(0));
        let mut under_way = Vec::new();
        for (tokens, fate) in tokens {
            let cost = cost(tokens / 2, tokens);
            let Ok(mut grant) = books.reserve(cost, at(0)) else { continue };
            match fate {
                0 => books.settle(grant, used(tokens), at(0)),
                1 => { books.admitted(&mut grant, at(0)); under_way.push(grant); }
                _ => under_way.push(grant),
            }
        }
        let taken = |books: &mut Books| books.levels(at(now)).iter()
            .map(|level| i64::try_from(level.limit.capacity).expect("small") - level.available).collect::<Vec<_>>();
        let old = taken(&mut books);
        books.set_limits(&limits(after), Meter::default(), at(now));
        let new = taken(&mut books);
        prop_assert!(new.iter().zip(&old).all(|(new, old)| (0..=1).contains(&(new - old))), "{old:?} {new:?}");
        for grant in under_way {
            books.release(grant, at(now));
        }
        let hour = at(3_600_000);
        prop_assert!(books.levels(hour).iter().all(|level| level.available == i64::try_from(level.limit.capacity).expect("small")));
        // A limit that was not there before counts what is under way, too.
        let grant = books.reserve(cost(10, 100), hour).expect("full books");
        let day = limit(Dimension::Tokens, Window::Day, 5_000);
        books.set_limits(&[day], Meter::default(), hour);
        prop_assert_eq!(books.levels(hour)[0].available, 4_900);
        books.release(grant, hour);
        prop_assert_eq!(books.levels(hour)[0].available, 5_000);
    }
}
