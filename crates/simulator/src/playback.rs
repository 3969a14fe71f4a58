//! A response body that performs a list of steps.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

use crate::admission::Admission;
use crate::clock;
use crate::steps::{Cut, Step};

const PING_EVERY: Duration = Duration::from_secs(1);

/// Breaks off a response; the server then drops the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is broken on purpose")]
pub(crate) struct Broken;

/// Tells a connection how it shall end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// The connection shall be reset, not closed.
    pub(crate) fn reset(&self) -> Broken {
        self.0.store(true, Ordering::Release);
        Broken
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What an answer costs when it is written to its end, and the guard that will be charged.
#[derive(Debug)]
pub(crate) struct Bill {
    pub(crate) admission: Admission,
    pub(crate) completion: u64,
}

/// A response body that performs steps, one poll at a time.
#[derive(Debug)]
pub(crate) struct Playback {
    steps: VecDeque<Step>,
    started: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    bill: Option<Bill>,
    ending: Ending,
}

impl Playback {
    pub(crate) fn new(steps: Vec<Step>, bill: Option<Bill>, ending: Ending) -> Self {
        Self { steps: steps.into(), started: None, sleep: None, bill, ending }
    }

    fn rest_until(&mut self, since_start: Duration) {
        let now = clock::now();
        let elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let left = since_start.saturating_sub(elapsed);
        if !left.is_zero() {
            self.sleep = Some(Box::pin(sleep(left)));
        }
    }

    fn broken(&mut self) {
        if let Some(bill) = &mut self.bill {
            bill.admission.broken();
        }
    }
}

impl http_body::Body for Playback {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let Some(step) = self.steps.pop_front() else {
                self.broken();
                return Poll::Ready(None);
            };
            match step {
                Step::At(since_start) => self.rest_until(since_start),
                Step::Pause(length) => self.sleep = Some(Box::pin(sleep(length))),
                Step::Settle => {
                    if let Some(bill) = &mut self.bill {
                        bill.admission.served(bill.completion);
                    }
                }
                Step::Send(bytes, tokens) => {
                    if let Some(bill) = &mut self.bill {
                        bill.admission.produced(tokens);
                    }
                    // With a declared length nobody asks for more after the last bytes.
                    if self.steps.is_empty() {
                        self.broken();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Cut(how) => {
                    self.broken();
                    self.steps.clear();
                    let broken = if how == Cut::Rst { self.ending.reset() } else { Broken };
                    return Poll::Ready(Some(Err(broken)));
                }
                Step::Pings => {
                    self.sleep = Some(Box::pin(sleep(PING_EVERY)));
                    self.steps.extend([Step::Send(Bytes::from_static(b": ping\n\n"), 0), Step::Pings]);
                }
                // Only the end of the connection wakes it from here.
                Step::Silence => {
                    self.steps.push_front(Step::Silence);
                    return Poll::Pending;
                }
            }
        }
    }
}
