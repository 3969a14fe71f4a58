//! Lines on their way to standard error: a request leaves its line and goes on, a thread writes what has gathered.
//!
//! The thread is woken once for all lines of a moment, since waking it costs more than a line does.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather.
const MOMENT: Duration = Duration::from_millis(2);
/// A reader that stalls must not stall the proxy: what would be more than this, in bytes, is dropped.
const MOST_WAITING: usize = 1024 * 1024;
/// How long a reader that stalls may hold up the end of the program.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are left.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

/// Has what is left written when it is dropped.
#[derive(Debug)]
pub struct Guard(Lines);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// No line comes any more.
    over: bool,
    /// The thread has nothing left to do.
    done: bool,
}

impl Lines {
    /// Starts the thread that writes them.
    pub(super) fn start(mut to: impl Write + Send + 'static) -> io::Result<(Self, Guard)> {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(&mut to))?;
        Ok((lines.clone(), Guard(lines)))
    }
}

impl Shared {
    fn write(&self, to: &mut impl Write) {
        let mut gathered = Vec::new();
        let mut over = false;
        while !over {
            let mut waiting = self.waiting.lock();
            self.changed.wait_while(&mut waiting, |waiting| waiting.bytes.is_empty() && !waiting.over);
            self.changed.wait_while_for(&mut waiting, |waiting| !waiting.over, MOMENT);
            std::mem::swap(&mut waiting.bytes, &mut gathered);
            over = waiting.over;
            drop(waiting);
            // There is no place left to say that it can't be written.
            let _ = to.write_all(&gathered).and_then(|()| to.flush());
            gathered.clear();
        }
        self.waiting.lock().done = true;
        self.changed.notify_all();
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting.lock();
        if waiting.bytes.len() + line.len() <= MOST_WAITING {
            let first = waiting.bytes.is_empty();
            waiting.bytes.extend_from_slice(line);
            drop(waiting);
            if first {
                self.0.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Lines(shared) = &self.0;
        let mut waiting = shared.waiting.lock();
        waiting.over = true;
        shared.changed.notify_all();
        shared.changed.wait_while_for(&mut waiting, |waiting| !waiting.done, PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes on what it is given; the first `write` waits until it is told to go on.
    struct Reader {
        go_on: Option<mpsc::Receiver<()>>,
        read: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(go_on) = self.go_on.take() {
                let _ = go_on.recv();
            }
            self.read.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_by_the_end() {
        let (read, got) = mpsc::channel();
        let (lines, guard) = Lines::start(Reader { go_on: None, read }).unwrap();
        let sent: Vec<String> = (0..1_000).map(|number| format!("line {number}\n")).collect();
        for line in &sent {
            (&lines).write_all(line.as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(got.iter().collect::<Vec<_>>().concat(), sent.concat().into_bytes());
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_never_time() {
        let (release, go_on) = mpsc::channel();
        let (read, got) = mpsc::channel();
        let (lines, guard) = Lines::start(Reader { go_on: Some(go_on), read }).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..3 * MOST_WAITING / line.len() {
            (&lines).write_all(&line).unwrap();
        }
        release.send(()).unwrap();
        drop(guard);
        let written = got.iter().map(|bytes| bytes.len()).sum::<usize>();
        assert!((MOST_WAITING..=2 * MOST_WAITING).contains(&written), "{written}");
    }
}
