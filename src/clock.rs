//! The only place that reads the time.

use std::time::{Duration, Instant, SystemTime};

use quota::Moment;

/// The process's time; a copy tells the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Seconds since 1970 at the origin.
    unix: u64,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { origin: Instant::now(), unix }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::new(self.origin.elapsed())
    }

    /// When the clock was started, in seconds since 1970.
    #[must_use]
    pub fn started_unix(&self) -> u64 {
        self.unix
    }

    /// The moment `time` from now, for the timers of the runtime.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn deadline(&self, time: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + time
    }

    /// From an earlier moment to now.
    #[must_use]
    pub fn since(&self, earlier: Moment) -> Duration {
        self.now().since(earlier)
    }
}
