//! What an account may spend.

use super::{number::Unit, written::Written};

/// Highest limit that can be meant.
const HIGHEST: u64 = 1_000_000_000_000;
/// A number that a problem proposes where nothing better is known.
const EXAMPLE: u64 = 1000;

/// An account's limits; `None` where nothing is known. Each is at least 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second.
    pub requests_per_second: Option<u64>,
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Requests an hour.
    pub requests_per_hour: Option<u64>,
    /// Requests a day.
    pub requests_per_day: Option<u64>,
    /// Tokens a minute, cached ones too.
    pub tokens_per_minute: Option<u64>,
    /// Tokens an hour.
    pub tokens_per_hour: Option<u64>,
    /// Tokens a day.
    pub tokens_per_day: Option<u64>,
    /// Tokens a minute that the provider had not in its prompt cache.
    pub uncached_tokens_per_minute: Option<u64>,
    /// Requests under way at once.
    pub concurrent_requests: Option<u64>,
}

impl Limits {
    /// Each limit by the name of its setting.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<u64>); 9] {
        [
            ("requests_per_second", self.requests_per_second),
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_hour", self.requests_per_hour),
            ("requests_per_day", self.requests_per_day),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_per_hour", self.tokens_per_hour),
            ("tokens_per_day", self.tokens_per_day),
            ("uncached_tokens_per_minute", self.uncached_tokens_per_minute),
            ("concurrent_requests", self.concurrent_requests),
        ]
    }

    /// Those of these limits that are written below a key.
    pub(super) fn only_written(mut self, written: &Written, key: &str) -> Self {
        for (name, _) in self.named() {
            if written.setting(&format!("{key}.{name}")).is_none()
                && let Some(limit) = self.by_name(name)
            {
                *limit = None;
            }
        }
        self
    }

    /// The limit with this name of a setting, if there is one.
    pub fn by_name(&mut self, name: &str) -> Option<&mut Option<u64>> {
        Some(match name {
            "requests_per_second" => &mut self.requests_per_second,
            "requests_per_minute" => &mut self.requests_per_minute,
            "requests_per_hour" => &mut self.requests_per_hour,
            "requests_per_day" => &mut self.requests_per_day,
            "tokens_per_minute" => &mut self.tokens_per_minute,
            "tokens_per_hour" => &mut self.tokens_per_hour,
            "tokens_per_day" => &mut self.tokens_per_day,
            "uncached_tokens_per_minute" => &mut self.uncached_tokens_per_minute,
            "concurrent_requests" => &mut self.concurrent_requests,
            _ => return None,
        })
    }

    /// The limits written below a key, over these.
    pub(super) fn overridden(self, written: &mut Written, key: &str) -> Self {
        let mut read = |name: &str, known: Option<u64>| {
            let example = known.unwrap_or(EXAMPLE);
            written.number(&format!("{key}.{name}"), Unit::Count, &(1..=HIGHEST), example).or(known)
        };
        Self {
            requests_per_second: read("requests_per_second", self.requests_per_second),
            requests_per_minute: read("requests_per_minute", self.requests_per_minute),
            requests_per_hour: read("requests_per_hour", self.requests_per_hour),
            requests_per_day: read("requests_per_day", self.requests_per_day),
            tokens_per_minute: read("tokens_per_minute", self.tokens_per_minute),
            tokens_per_hour: read("tokens_per_hour", self.tokens_per_hour),
            tokens_per_day: read("tokens_per_day", self.tokens_per_day),
            uncached_tokens_per_minute: read("uncached_tokens_per_minute", self.uncached_tokens_per_minute),
            concurrent_requests: read("concurrent_requests", self.concurrent_requests),
        }
    }
}
