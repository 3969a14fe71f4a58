//! The only place that reads the time.

use std::time::{Duration, Instant, SystemTime};

use quota::Moment;

/// The process's time; a copy tells the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// From 1970 to the origin.
    started: Duration,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn start() -> Self {
        Self { origin: Instant::now(), started: since_1970() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::new(self.origin.elapsed())
    }

    /// When the clock was started, in seconds since 1970.
    #[must_use]
    pub fn started_unix(&self) -> u64 {
        self.started.as_secs()
    }

    /// From 1970 to now by the wall clock, which other machines' times can be compared with: unlike [`Clock::now`] it
    /// goes on while the machine sleeps, and it may be set.
    #[must_use]
    pub fn since_1970(&self) -> Duration {
        since_1970()
    }

    /// The time of day, in milliseconds since 1970. It may be set back or forth, and goes on while the machine sleeps,
    /// which a [`Moment`] does not.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
