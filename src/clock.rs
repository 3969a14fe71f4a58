//! The only place that reads the time.

use std::time::{Duration, Instant, SystemTime};

use quota::Moment;

/// The process's time; a copy tells the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Time since 1970 at the origin.
    unix: Duration,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
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
        self.unix.as_secs()
    }

    /// The time since 1970.
    #[must_use]
    pub fn since_1970(&self) -> Duration {
        self.unix.saturating_add(self.origin.elapsed())
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
