//! The database of history and books: one file, `state.db` in `STATE_DIR`, and one thread that alone speaks to it.
//!
//! Nothing on the way of a request waits for it. Rows of the history go through a bounded queue and are dropped, and
//! counted, when it is full; the books' work ([`Store::transaction`]) goes before them. Where the file can't be used,
//! the proxy goes on without, says so once, and tries again every few seconds; [`Store::condition`] tells.
//!
//! - `queue`: what waits for the thread.
//! - `worker`: the thread.
//! - `file`: opens the file, brings its tables up to date, sets a corrupt one aside.
//! - [`history`], [`ledger`]: the table of requests, the tables of the books.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Transaction, TransactionBehavior};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::report::Row;

mod file;
pub mod history;
pub mod ledger;
mod queue;
mod worker;

use file::Trouble;
pub use file::{FILE, VERSION};
use queue::{Job, Queue};
use worker::Worker;

/// How long the last rows may take to be written at the end.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// The database, or nothing in its place; copies are the same one. Closed when the last copy goes.
#[derive(Clone, Debug, Default)]
pub struct Store(Option<Arc<Handle>>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    /// Resolves when the thread has ended.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// What the thread shares with everybody else.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    condition: Mutex<Condition>,
    history_days: AtomicU32,
}

/// How the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Off,
    /// It is being opened.
    Opening,
    /// It is in use.
    Open,
    /// It can't be used now, and this is why: what matters is in memory alone.
    InMemory(String),
}

/// Why the database did not do what it was asked.
#[derive(Debug, Error)]
pub enum Unavailable {
    /// There is none, or it can't be used now.
    #[error("there is no database now")]
    NoDatabase,
    /// Too much waits for it already.
    #[error("too much waits for the database")]
    Full,
    /// It was asked, and nothing has changed in it.
    #[error(transparent)]
    Failed(#[from] rusqlite::Error),
}

impl Store {
    /// Opens the database of a directory, on a thread of its own: returns at once, whatever the disk does.
    /// Requests stay in the history for so many days; 0: there is none.
    #[must_use]
    pub fn open(directory: &Path, history_days: u32, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            queue: Queue::default(),
            condition: Mutex::new(Condition::Opening),
            history_days: AtomicU32::new(history_days),
        });
        let (end, ended) = oneshot::channel();
        let worker = Worker::new(Arc::clone(&shared), directory.join(FILE), clock);
        let started = std::thread::Builder::new().name("state".to_owned()).spawn(move || {
            worker.run();
            let _ = end.send(());
        });
        match started {
            Ok(_) => Self(Some(Arc::new(Handle { shared, ended: Mutex::new(Some(ended)) }))),
            Err(error) => {
                tracing::warn!(why = error.to_string(), "state database unusable; going on in memory");
                Self::default()
            }
        }
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.0.as_ref().map_or(Condition::Off, |handle| handle.shared.condition.lock().clone())
    }

    /// From now on requests stay in the history for so many days; 0: there is none.
    pub fn set_history_days(&self, days: u32) {
        if let Some(handle) = &self.0 {
            handle.shared.history_days.store(days, Ordering::Relaxed);
        }
    }

    /// Whether requests go into the history.
    #[must_use]
    pub fn keeps_history(&self) -> bool {
        self.0.as_ref().is_some_and(|handle| handle.shared.history_days.load(Ordering::Relaxed) > 0)
    }

    /// Puts a request into the history, some time soon. Never waits: it is dropped where too many wait already.
    pub fn record(&self, row: Row) {
        if let Some(handle) = &self.0 {
            handle.shared.queue.push_row(row);
        }
    }

    /// Runs `work` on the database's thread, in a transaction that no other process writes beside. It is queued here and
    /// now, before all rows of the history, and runs whether or not anybody awaits what comes of it. An error of `work`
    /// undoes what it has done.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; nothing has changed then.
    pub fn transaction<T, W>(&self, work: W) -> impl Future<Output = Result<T, Unavailable>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let done = connection.map(|connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let done = work(&transaction)?;
                transaction.commit().map(|()| done)
            });
            let trouble = done.as_ref().and_then(|done| Trouble::of(done.as_ref().err()?));
            let _ = tell.send(done.map_or(Err(Unavailable::NoDatabase), |done| Ok(done?)));
            trouble
        });
        let queued =
            self.0.as_ref().map_or(Err(Unavailable::NoDatabase), |handle| handle.shared.queue.push_job(job));
        async move {
            queued?;
            told.await.unwrap_or(Err(Unavailable::NoDatabase))
        }
    }

    /// Writes what waits and closes the database; what comes later is dropped.
    pub async fn close(&self) {
        let Some(handle) = &self.0 else { return };
        handle.shared.queue.close();
        let ended = handle.ended.lock().take();
        if let Some(ended) = ended
            && tokio::time::timeout(LAST_FLUSH, ended).await.is_err()
        {
            tracing::warn!(why = "the disk takes too long", "state database not closed");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// `SQLite` has no unsigned numbers.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
