//! Several processes, and those that are killed, live on one budget.

use std::time::Duration;

use proptest::prelude::*;
use quota::{Books, Dimension, Draw, Grant, Lease, Meter, Pool, Window};

use crate::oracle::{Oracle, at, cost, limit, used};

/// Tokens a minute: so few that they are used up again and again.
const CAPACITY: u64 = 100_000;

/// A ledger of one limit.
#[derive(Default)]
struct Ledger {
    pool: Option<Pool>,
    /// Leased to each process, in millionths.
    leased: Vec<i64>,
}

impl Ledger {
    fn exchange(&mut self, process: usize, books: &mut Books, closing: bool, now: u64) {
        let draws = books.draws(closing, at(now));
        let leases: Vec<(Draw, Lease)> =
            draws.into_iter().map(|draw| (draw, self.lease(process, &draw, now))).collect();
        books.leased(&leases, at(now));
    }

    fn lease(&mut self, process: usize, draw: &Draw, now: u64) -> Lease {
        self.leased.resize(self.leased.len().max(process + 1), 0);
        let others = self
            .leased
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != process)
            .map(|(_, leased)| leased)
            .sum();
        let now = Duration::from_millis(now);
        let before = self.leased[process];
        let pool = self.pool.get_or_insert_with(|| Pool::opened(draw, now));
        let lease = pool.lease(draw, before, others, now);
        self.leased[process] = lease.leased;
        lease
    }
}

fn books(now: u64) -> Books {
    Books::new(&[limit(Dimension::Tokens, Window::Minute, CAPACITY)], Meter::default(), at(now))
}

/// A process: its books, and what it has under way: prompt and longest answer.
struct Process {
    books: Books,
    open: Vec<(Grant, u64, u64)>,
}

impl Process {
    fn start(now: u64) -> Self {
        Self { books: books(now), open: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Send { process: usize, prompt: u64, longest: u64 },
    Settle { process: usize, share: f64 },
    Exchange { process: usize },
    Kill { process: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let process = 0..2usize;
    prop_oneof![
        6 => (process.clone(), 1..30_000u64, 0..20_000u64)
            .prop_map(|(process, prompt, longest)| Act::Send { process, prompt, longest }),
        4 => (process.clone(), 0.0..=1.0f64).prop_map(|(process, share)| Act::Settle { process, share }),
        5 => process.clone().prop_map(|process| Act::Exchange { process }),
        1 => process.prop_map(|process| Act::Kill { process }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two processes, killed and started again at any time, never exceed the provider's one bucket.
    #[test]
    fn one_budget_for_all(acts in prop::collection::vec((act(), 0..3_000u64), 1..150)) {
        let mut oracle = Oracle::full(CAPACITY, quota::Refill::Continuous);
        let mut ledger = Ledger::default();
        let mut now = 0;
        let mut processes = [Process::start(0), Process::start(0)];
        for (index, process) in processes.iter_mut().enumerate() {
            ledger.exchange(index, &mut process.books, false, 0);
        }
        for (act, wait) in acts {
            now += wait;
            match act {
                Act::Send { process, prompt, longest } => {
                    let Process { books, open } = &mut processes[process];
                    let cost = cost(prompt, prompt + longest);
                    if books.check(cost, at(now)).is_ok() && !books.is_leased(cost) {
                        ledger.exchange(process, books, false, now);
                    }
                    if books.check(cost, at(now)).is_ok() && books.is_leased(cost) {
                        let mut grant = books.reserve_anyway(cost, at(now));
                        let left = oracle.left(now);
                        let reserved = i128::from(prompt + longest);
                        prop_assert!(left >= reserved, "{left} left, {reserved} sent");
                        oracle.take(reserved, now);
                        books.admitted(&mut grant, at(now));
                        open.push((grant, prompt, longest));
                    }
                }
                Act::Settle { process, share } => {
                    let Process { books, open } = &mut processes[process];
                    if let Some((grant, prompt, longest)) = open.pop() {
                        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "test data")]
                        let completion = (longest as f64 * share) as u64;
                        oracle.take(-i128::from(longest - completion), now);
                        books.settle(grant, used(prompt + completion), at(now));
                    }
                }
                Act::Exchange { process } => ledger.exchange(process, &mut processes[process].books, false, now),
                Act::Kill { process } => {
                    // The provider ends what it was answering.
                    for (_, _, longest) in processes[process].open.drain(..) {
                        oracle.take(-i128::from(longest), now);
                    }
                    ledger.leased[process] = 0;
                    processes[process] = Process::start(now);
                    ledger.exchange(process, &mut processes[process].books, false, now);
                }
            }
        }
        // What all of them have is no more than there is, and after a while all of it is there again.
        for (index, Process { books, open }) in processes.iter_mut().enumerate() {
            for (grant, prompt, longest) in open.drain(..) {
                oracle.take(-i128::from(longest), now);
                books.settle(grant, used(prompt), at(now));
            }
            ledger.exchange(index, books, true, now);
        }
        let rested = now + 120_000;
        ledger.exchange(0, &mut processes[0].books, false, rested);
        prop_assert_eq!(processes[0].books.check(cost(0, CAPACITY), at(rested)), Ok(()));
    }
}

#[test]
fn a_process_that_stops_gives_its_lease_back_and_the_next_goes_on_with_what_is_left() {
    let mut ledger = Ledger::default();
    let mut first = books(0);
    ledger.exchange(0, &mut first, false, 0);
    let grant = first.reserve_anyway(cost(40_000, 40_000), at(0));
    first.settle(grant, used(40_000), at(0));
    ledger.exchange(0, &mut first, true, 0);
    let mut second = books(0);
    ledger.exchange(0, &mut second, false, 0);
    assert_eq!(second.levels(at(0))[0].available, 60_000);
}

#[test]
fn a_killed_process_costs_no_more_than_a_block() {
    let mut ledger = Ledger::default();
    let mut first = books(0);
    ledger.exchange(0, &mut first, false, 0);
    for _ in 0..10 {
        assert!(first.is_leased(cost(1_000, 1_000)) || first.should_lease());
        let grant = first.reserve_anyway(cost(1_000, 1_000), at(0));
        first.settle(grant, used(1_000), at(0));
        ledger.exchange(0, &mut first, false, 0);
    }
    let mut second = books(0);
    ledger.leased[0] = 0;
    ledger.exchange(0, &mut second, false, 0);
    let left = second.levels(at(0))[0].available;
    assert!((88_000..=90_000).contains(&left), "{left}");
}

#[test]
fn what_came_back_before_a_request_does_not_count_after_it() {
    let mut ledger = Ledger::default();
    let mut books = books(0);
    assert!(!books.is_leased(cost(20_000, 20_000)));
    ledger.exchange(0, &mut books, false, 0);
    // Full for ten seconds, so nothing has come back when the first tokens go.
    let grant = books.reserve_anyway(cost(30_000, 30_000), at(10_000));
    books.settle(grant, used(30_000), at(10_000));
    for _ in 0..3 {
        ledger.exchange(0, &mut books, false, 10_000);
        assert_eq!(books.levels(at(10_000))[0].available, 70_000);
    }
}
