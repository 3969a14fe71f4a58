//! What the books cost a request, with as many limits as any plan known.
#![expect(clippy::expect_used, reason = "a benchmark stops where its data is wrong")]

use std::time::Duration;

use divan::{Bencher, black_box};
use quota::{Books, Cost, Dimension, Limit, Meter, Moment, Used, Window};

fn main() {
    divan::main();
}

fn books() -> Books {
    let windows = [Window::Minute, Window::Hour, Window::Day];
    let limits: Vec<Limit> = [Dimension::Requests, Dimension::Tokens]
        .into_iter()
        .flat_map(|dimension| {
            windows.map(|window| Limit::new(dimension, window, 1 << 40, Duration::from_mins(1)))
        })
        .collect();
    Books::new(&limits, Meter::default(), Moment::default())
}

const COST: Cost = Cost { at_least: 9_000, set_aside: 25_384, at_most: 26_384, cached: 0 };

#[divan::bench]
fn reserve_and_settle(bencher: Bencher<'_, '_>) {
    let mut books = books();
    let mut now = Moment::default();
    bencher.bench_local(|| {
        now = now + Duration::from_micros(50);
        let mut grant = books.reserve(black_box(COST), now).expect("room");
        books.admitted(&mut grant, now);
        books.settle(grant, Used { tokens: 10_000, cached: 0, set_aside: 25_384 }, now);
    });
}

#[divan::bench]
fn reserve_and_release(bencher: Bencher<'_, '_>) {
    let mut books = books();
    let now = Moment::default();
    bencher.bench_local(|| {
        let grant = books.reserve(black_box(COST), now).expect("room");
        books.release(grant, now);
    });
}
