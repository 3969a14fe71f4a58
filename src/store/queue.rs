//! What waits for the database's thread. Whoever puts something in holds the lock for as long as it takes to push it,
//! and wakes the thread only where it has nothing to do.

use std::fmt;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::Unavailable;
use super::file::Trouble;
use crate::report::Row;

/// The most rows that wait.
pub(super) const MOST_ROWS: usize = 4096;
/// The most work of the books that waits.
const MOST_JOBS: usize = 1024;
/// Rows are collected for so long, so that many share one transaction. A crash loses no more than that.
const COLLECT: Duration = Duration::from_millis(500);

/// Work for the thread: gets the connection, if there is one, and says where the database is at fault.
pub(super) type Job = Box<dyn FnOnce(Option<&mut Connection>) -> Option<Trouble> + Send>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

/// What the thread takes at once.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) jobs: Vec<Job>,
    pub(super) rows: Vec<Row>,
    /// Rows that found no room.
    pub(super) dropped: usize,
    /// Nothing comes after this.
    pub(super) closing: bool,
}

impl Queue {
    pub(super) fn push_row(&self, row: Row) {
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return;
        }
        if waiting.rows.len() == MOST_ROWS {
            waiting.dropped += 1;
            return;
        }
        waiting.rows.push(row);
        let length = waiting.rows.len();
        drop(waiting);
        if length == 1 || length == MOST_ROWS / 2 {
            self.bell.notify_one();
        }
    }

    pub(super) fn push_job(&self, job: Job) -> Result<(), Unavailable> {
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return Err(Unavailable::NoDatabase);
        }
        if waiting.jobs.len() == MOST_JOBS {
            return Err(Unavailable::Full);
        }
        waiting.jobs.push(job);
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.waiting.lock().closing = true;
        self.bell.notify_one();
    }

    /// Everything that waits; what is in no hurry is collected first. Empty-handed after `idle`.
    pub(super) fn take(&self, idle: Duration) -> Waiting {
        let mut waiting = self.waiting.lock();
        if waiting.jobs.is_empty() && waiting.rows.is_empty() && !waiting.closing {
            self.bell.wait_for(&mut waiting, idle);
        }
        let hurry = !waiting.jobs.is_empty() || waiting.closing || waiting.rows.len() >= MOST_ROWS / 2;
        if !hurry && !waiting.rows.is_empty() {
            self.bell.wait_for(&mut waiting, COLLECT);
        }
        let closing = waiting.closing;
        std::mem::replace(&mut *waiting, Waiting { closing, ..Waiting::default() })
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (jobs, rows) = (self.jobs.len(), self.rows.len());
        f.debug_struct("Waiting").field("jobs", &jobs).field("rows", &rows).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize) -> Row {
        Row {
            at_ms: 0,
            request_id: number.to_string(),
            client: None,
            model: "m".to_owned(),
            stream: false,
            took: None,
            first_choice: None,
            provider_request_id: None,
            attempts: 0,
            steps: String::new(),
            max_tokens: None,
            tokens_estimated: None,
            tokens_reserved: 0,
            usage: None,
            tokens_counted: None,
            repaired: None,
            first_payload_ms: None,
            total_ms: 0,
            status: 200,
            end: "whole",
            why: None,
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_next_batch_has_room_again() {
        let queue = Queue::default();
        (0..MOST_ROWS + 3).for_each(|number| queue.push_row(row(number)));
        let waiting = queue.take(Duration::ZERO);
        assert_eq!((waiting.rows.len(), waiting.dropped, waiting.closing), (MOST_ROWS, 3, false));
        assert_eq!(waiting.rows.last().map(|row| row.request_id.clone()), Some((MOST_ROWS - 1).to_string()));
        queue.push_row(row(0));
        queue.close();
        queue.push_row(row(1));
        assert!(queue.push_job(Box::new(|_| None)).is_err());
        let waiting = queue.take(Duration::ZERO);
        assert_eq!((waiting.rows.len(), waiting.dropped, waiting.closing), (1, 0, true));
    }

    #[test]
    fn work_is_bounded_too_and_says_so() {
        let queue = Queue::default();
        for _ in 0..MOST_JOBS {
            queue.push_job(Box::new(|_| None)).unwrap();
        }
        assert!(matches!(queue.push_job(Box::new(|_| None)), Err(Unavailable::Full)));
        assert_eq!(queue.take(Duration::ZERO).jobs.len(), MOST_JOBS);
    }
}
