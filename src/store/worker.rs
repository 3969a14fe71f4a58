//! The database's thread: the only one that waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quota::Moment;

use super::file::{self, File, Trouble};
use super::queue::{Job, MOST_ROWS};
use super::{Condition, Shared, history};
use crate::clock::Clock;
use crate::report::Row;

/// A database in trouble is tried again after this long.
const RETRY: Duration = Duration::from_secs(3);
/// How often old rows are looked for, and how soon again where there were many.
const PRUNE: Duration = Duration::from_mins(10);
const PRUNE_MORE: Duration = Duration::from_millis(100);
/// Dropped rows are told this often at the most.
const TELL: Duration = Duration::from_mins(1);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) struct Worker {
    shared: Arc<Shared>,
    path: PathBuf,
    clock: Clock,
    file: Option<File>,
    /// Rows still to be written.
    rows: Vec<Row>,
    /// The trouble there is, as it was told.
    told: Option<Trouble>,
    retry_at: Moment,
    prune_at: Moment,
    /// Rows that were dropped and not told of yet.
    dropped: usize,
    tell_at: Moment,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, path: PathBuf, clock: Clock) -> Self {
        let now = clock.now();
        let (file, rows, told) = (None, Vec::new(), None);
        Self { shared, path, clock, file, rows, told, retry_at: now, prune_at: now, dropped: 0, tell_at: now }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        loop {
            self.open();
            let waiting = self.shared.queue.take(self.idle());
            if waiting.closing {
                self.retry_at = self.clock.now();
            }
            self.open();
            waiting.jobs.into_iter().for_each(|job| self.work(job));
            self.keep(waiting.rows, waiting.dropped);
            self.write();
            self.prune();
            self.tell_dropped(waiting.closing);
            if waiting.closing {
                return;
            }
        }
    }

    /// How long there is nothing to do if nobody asks.
    fn idle(&self) -> Duration {
        if self.file.is_some() && !self.rows.is_empty() {
            return Duration::ZERO;
        }
        let next = if self.file.is_none() { self.retry_at } else { self.prune_at };
        next - self.clock.now()
    }

    /// Opens the file where it is not open, or no longer the one at its path.
    fn open(&mut self) {
        if self.file.as_ref().is_some_and(|file| file.is_gone(&self.path)) {
            self.file = None;
            self.retry_at = self.clock.now();
        }
        if self.file.is_some() || self.clock.now() < self.retry_at {
            return;
        }
        let suspect = matches!(self.told, Some(Trouble::Corrupt(_)));
        let seen = file::identity(&self.path);
        let opened = match File::open(&self.path, suspect) {
            Err(Trouble::Corrupt(why)) => self.replace(seen, &why),
            opened => opened,
        };
        match opened {
            Ok(file) => {
                self.file = Some(file);
                self.well();
            }
            Err(trouble) => self.trouble(trouble),
        }
    }

    /// Sets a corrupt file aside and begins a new one.
    fn replace(&self, seen: Option<u64>, why: &str) -> Result<File, Trouble> {
        match file::set_aside(&self.path, seen, self.clock.unix_ms() / 1000) {
            Ok(aside) => {
                let (path, aside) = (shown(&self.path), aside.as_deref().map(shown));
                tracing::warn!(path, aside, why, "state database corrupt; a new one is begun");
                File::open(&self.path, false)
            }
            Err(error) => Err(Trouble::Unusable(format!("{why}, and can't be set aside: {error}"))),
        }
    }

    fn work(&mut self, job: Job) {
        let connection = self.file.as_mut().map(|file| &mut file.connection);
        let open = connection.is_some();
        match catch_unwind(AssertUnwindSafe(|| job(connection))) {
            Ok(Some(trouble)) => self.trouble(trouble),
            Ok(None) if open => self.well(),
            Ok(None) => {}
            Err(_) => {
                tracing::error!("work on the state database panicked; the backtrace is on standard error");
            }
        }
    }

    /// Keeps rows until they can be written, as far as there is room for them.
    fn keep(&mut self, rows: Vec<Row>, dropped: usize) {
        let room = MOST_ROWS.saturating_sub(self.rows.len());
        self.dropped += dropped + rows.len().saturating_sub(room);
        self.rows.extend(rows.into_iter().take(room));
    }

    fn write(&mut self) {
        let Some(file) = &mut self.file else { return };
        if self.rows.is_empty() {
            return;
        }
        match history::insert(&mut file.connection, &self.rows) {
            Ok(()) => {
                self.rows.clear();
                self.well();
            }
            Err(error) => self.trouble(error.into()),
        }
    }

    fn prune(&mut self) {
        let Some(file) = &self.file else { return };
        let now = self.clock.now();
        if now < self.prune_at {
            return;
        }
        let days = u64::from(self.shared.history_days.load(Ordering::Relaxed));
        match history::prune(&file.connection, self.clock.unix_ms().saturating_sub(days * DAY_MS)) {
            Ok(all) => self.prune_at = now + if all { PRUNE } else { PRUNE_MORE },
            Err(error) => {
                self.prune_at = now + PRUNE;
                self.trouble(error.into());
            }
        }
    }

    fn well(&mut self) {
        self.told = None;
        let mut condition = self.shared.condition.lock();
        if *condition != Condition::Open {
            *condition = Condition::Open;
            tracing::info!(path = shown(&self.path), "state database in use");
        }
    }

    /// Goes on in memory. The same trouble is told once.
    fn trouble(&mut self, trouble: Trouble) {
        self.file = None;
        // A corrupt file is opened again at once, and looked at as a whole.
        let pause = if matches!(trouble, Trouble::Corrupt(_)) { Duration::ZERO } else { RETRY };
        self.retry_at = self.clock.now() + pause;
        if self.told.as_ref() == Some(&trouble) {
            return;
        }
        let why = trouble.why();
        tracing::warn!(path = shown(&self.path), why, "state database unusable; going on in memory");
        *self.shared.condition.lock() = Condition::InMemory(why.to_owned());
        self.told = Some(trouble);
    }

    fn tell_dropped(&mut self, last: bool) {
        if last {
            self.dropped += self.rows.len();
        }
        let now = self.clock.now();
        if self.dropped > 0 && (last || now >= self.tell_at) {
            tracing::warn!(rows = self.dropped, "some requests are missing in the history");
            self.dropped = 0;
            self.tell_at = now + TELL;
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
