//! The only place that reads the time.

use std::time::{Duration, SystemTime};

use quota::Moment;
use tokio::time::Instant;

/// The process's time; a copy tells the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The runtime's: in a test whose clock is paused it is as virtual as the timers are.
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
    pub fn unix_ms(&self) -> u64 {
        u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment `time` from now, for the timers of the runtime.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
    pub fn deadline(&self, time: Duration) -> Instant {
        Instant::now() + time
    }

    /// From an earlier moment to now.
    #[must_use]
    pub fn since(&self, earlier: Moment) -> Duration {
        self.now().since(earlier)
    }
}

/// From 1970 to now by the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A time since 1970 in UTC as RFC 3339 writes it, to the second.
#[must_use]
pub fn utc(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Years that begin in March end with the leap day, and 400 of them always have as many days; counted from 0000-03-01.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) =
        if month < 10 { (era * 400 + year, month + 3) } else { (era * 400 + year + 1, month - 9) };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_followed_by_the_next_and_reads_back_as_itself() {
        let mut before = String::new();
        for day in 0..200_000 {
            let time = Duration::from_secs(day * 86_400 + 86_399);
            let text = utc(time);
            assert!(text > before, "{text} after {before}");
            assert_eq!(wire::rate::time_until(&text, time), Some(Duration::ZERO), "{text}");
            assert_eq!(
                wire::rate::time_until(&text, time.saturating_sub(Duration::from_secs(1))),
                Some(Duration::from_secs(1).min(time)),
                "{text}"
            );
            before = text;
        }
        assert_eq!(utc(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(utc(Duration::from_secs(951_782_401)), "2000-02-29T00:00:01Z");
        assert_eq!(utc(Duration::from_secs(1_772_323_199)), "2026-02-28T23:59:59Z");
    }
}
