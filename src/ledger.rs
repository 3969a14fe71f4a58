//! Where accounts get their budget from: blocks leased from the database, so that a crash forgives nothing and several
//! processes on this machine live on one budget.
//!
//! A process spends what it has leased without asking; the next block is fetched beside it, on the database's thread. Only a
//! request larger than what is left of the lease waits for that, and not for long: where there is no database, or it
//! is slow, the books go on in memory and tell it later what was spent.

use std::sync::Arc;
use std::time::Duration;

use quota::{Draw, Lease, Lesson, Pool};
use rusqlite::Connection;

use crate::clock::Clock;
use crate::store::ledger::{self, Bucket, Key};
use crate::store::{Store, Unavailable};

/// A process that was not heard of for so long is dead. What it had leased is spent.
const LIFE: Duration = Duration::from_secs(90);
/// So often each process is heard of, if it is quiet otherwise.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// The ledger as one account sees it.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
    /// The account's name in the database.
    account: Arc<str>,
    /// This process's.
    process: Arc<str>,
    clock: Clock,
}

impl Ledger {
    /// The account of this name in a database, for a process with this one.
    #[must_use]
    pub fn new(store: &Store, account: String, process: &Arc<str>, clock: Clock) -> Self {
        Self { store: store.clone(), account: account.into(), process: Arc::clone(process), clock }
    }

    /// A name for this process that no other has.
    #[must_use]
    pub fn process() -> Arc<str> {
        format!("{}-{:016x}", std::process::id(), fastrand::u64(..)).into()
    }

    /// Leases what was drawn at `now`, since 1970, or a moment after it; `closing`: for the last time.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; nothing was leased.
    pub async fn lease(
        &self,
        draws: Vec<Draw>,
        closing: bool,
        now: Duration,
    ) -> Result<Vec<(Draw, Lease)>, Unavailable> {
        let Self { store, account, process, .. } = self.clone();
        let now = whole_millis(now);
        let done = store.transaction(move |transaction| {
            let lease =
                |draw: Draw| Ok((draw, exchange(transaction, &account, &process, &draw, closing, now)?));
            draws.into_iter().map(lease).collect()
        });
        done.await
    }

    /// Remembers what was learned, whenever there is time.
    pub fn learn(&self, lessons: &[Lesson]) {
        let known = lessons.iter().map(|lesson| match lesson {
            Lesson::Settlement(settlement) => ("settlement".to_owned(), settlement.name().to_owned()),
            Lesson::Limit(limit) => (
                format!("limit {} {}", limit.dimension.name(), limit.window.name()),
                limit.capacity.to_string(),
            ),
        });
        let known: Vec<(String, String)> = known.collect();
        self.remember(known);
    }

    /// Remembers these, each under its key.
    pub fn remember(&self, known: Vec<(String, String)>) {
        if known.is_empty() {
            return;
        }
        let (account, clock) = (Arc::clone(&self.account), self.clock);
        drop(self.store.transaction(move |transaction| {
            let now = millis(clock.since_1970());
            known.iter().try_for_each(|(key, value)| ledger::learn(transaction, &account, key, value, now))
        }));
    }

    /// What was learned in earlier lives, by key.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub async fn remembered(&self) -> Result<std::collections::BTreeMap<String, String>, Unavailable> {
        let account = Arc::clone(&self.account);
        self.store.transaction(move |transaction| ledger::learned(transaction, &account)).await
    }
}

/// One limit's pool in the database: read, decided by the books' own rule, written.
fn exchange(
    connection: &Connection,
    account: &str,
    process: &str,
    draw: &Draw,
    closing: bool,
    now: Duration,
) -> rusqlite::Result<Lease> {
    let key = Key { account, dimension: draw.limit.dimension.name(), window: draw.limit.window.name() };
    let now_ms = millis(now);
    let (mut before, mut others): (i128, i128) = (0, 0);
    for lease in ledger::leases(connection, key)? {
        if lease.process == process {
            before = lease.amount;
        } else if now_ms.saturating_sub(lease.heartbeat_ms) > millis(LIFE) {
            ledger::end_lease(connection, key, &lease.process)?;
        } else {
            others = others.saturating_add(lease.amount);
        }
    }
    let mut pool = match ledger::bucket(connection, key)? {
        Some(Bucket { level, capacity, as_of_ms }) => {
            Pool { level: narrow(level), as_of: Duration::from_millis(as_of_ms), capacity }
        }
        None => Pool::opened(draw, now),
    };
    let lease = pool.lease(draw, narrow(before), narrow(others), now);
    let level = i128::from(pool.level);
    let bucket = Bucket { level, capacity: pool.capacity, as_of_ms: millis(pool.as_of) };
    ledger::set_bucket(connection, key, bucket)?;
    if closing {
        ledger::end_lease(connection, key, process)?;
    } else {
        let amount = i128::from(lease.leased);
        let ours = ledger::Lease { process: process.to_owned(), amount, heartbeat_ms: now_ms };
        ledger::set_lease(connection, key, &ours)?;
    }
    Ok(lease)
}

fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The database keeps no smaller parts, and refill must not be counted twice.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(millis(time))
}
