//! A guard around one admitted request: whatever happens to it, its reservation is settled once.

use std::sync::Arc;

use crate::state::State;

/// An admitted request.
///
/// Dropped before the end, it is settled at what was written so far and counted as aborted: the client
/// went away.
#[derive(Debug)]
pub(crate) struct Admission {
    state: Arc<State>,
    reserved: u64,
    prompt: u64,
    produced: u64,
    open: bool,
}

impl Admission {
    pub(crate) fn new(state: Arc<State>, reserved: u64, prompt: u64) -> Self {
        Self { state, reserved, prompt, produced: 0, open: true }
    }

    /// More completion tokens were written.
    pub(crate) fn produced(&mut self, tokens: u64) {
        self.produced += tokens;
    }

    /// The answer is written to its end: all of `completion` is charged.
    pub(crate) fn served(&mut self, completion: u64) {
        self.produced = completion;
        self.settle(|stats| stats.served += 1);
    }

    /// The answer ended, but not as it should.
    pub(crate) fn broken(&mut self) {
        self.settle(|_| ());
    }

    fn settle(&mut self, count: impl FnOnce(&mut crate::state::Stats)) {
        if std::mem::replace(&mut self.open, false) {
            self.state.settle(self.reserved, self.prompt + self.produced, count);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.settle(|stats| stats.aborted += 1);
    }
}
