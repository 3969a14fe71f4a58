//! What responses say of a provider's rate limits: headers, and the words of a refusal.
//!
//! Nothing in it is trusted, and whatever can't be read is left out: the books decide what to make of it.
//!
//! - `dialect`: who spells them how.
//! - `value`: numbers, times and durations in all their spellings.
//! - `date`: points in time as text.
//! - `ietf`: the structured fields of the IETF's draft.
//! - `said`: what the text of a refusal says.

use std::time::Duration;

use quota::{Dimension, Reading, Window};

use crate::error::ProviderError;
use dialect::Part;
use ietf::Ietf;
use value::count;

mod date;
mod dialect;
mod ietf;
mod said;
#[cfg(test)]
mod tests;
mod value;

pub use dialect::Dialect;
pub use said::Said;
pub use value::time_until;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What the headers of an answer say, at `since_1970`; `headers` are their names in lower case and their values, all of
/// them, since some limits are spread over several lines of one name. Without such a header nothing is allocated.
pub fn readings<'a>(
    dialect: Dialect,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    since_1970: Duration,
) -> Vec<Reading> {
    let mut reader = Reader::new(dialect, since_1970);
    if dialect != Dialect::None {
        headers.into_iter().for_each(|(name, value)| reader.take(name, value));
    }
    reader.finish(true)
}

/// What a refusal says of the provider's books, and when it wants to be asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Of its headers, of those that its body quotes, and of its words.
    pub readings: Vec<Reading>,
    /// What it asks for, else until what is used up starts anew.
    pub retry_after: Option<Duration>,
}

/// What the headers and the error of a refusal say, at `since_1970`; `headers` as for [`readings`].
pub fn evidence<'a>(
    dialect: Dialect,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    error: &'a ProviderError,
    since_1970: Duration,
) -> Evidence {
    let mut reader = Reader::new(dialect, since_1970);
    let (mut millis, mut after) = (None, None);
    for (name, value) in headers {
        match name {
            "retry-after-ms" => millis = text(value).and_then(value::milliseconds),
            "retry-after" => after = text(value).and_then(|text| time_until(text, since_1970)),
            _ => reader.take(name, value),
        }
    }
    for (name, value) in &error.quoted {
        reader.take(name, value.as_bytes());
    }
    let mut readings = reader.finish(false);
    let said = Said::read(&error.message);
    if dialect == Dialect::OpenRouter
        && let ([reading], Some(window)) = (readings.as_mut_slice(), said.window)
    {
        reading.window = window;
    }
    if let Some(reading) = said.reading() {
        let known = entry(&mut readings, reading.dimension, reading.window);
        known.limit = known.limit.or(reading.limit);
        known.remaining = known.remaining.or(reading.remaining);
    }
    let used_up = readings.iter().filter(|reading| reading.remaining == Some(0));
    let anew = used_up.filter_map(|reading| reading.reset).max();
    Evidence { retry_after: millis.or(after).or(said.retry_after).or(anew), readings }
}

/// Takes headers in, one by one.
struct Reader<'a> {
    dialect: Dialect,
    since_1970: Duration,
    readings: Vec<Reading>,
    ietf: Ietf<'a>,
}

impl<'a> Reader<'a> {
    fn new(dialect: Dialect, since_1970: Duration) -> Self {
        Self { dialect, since_1970, readings: Vec::new(), ietf: Ietf::default() }
    }

    fn take(&mut self, name: &str, value: &'a [u8]) {
        match self.dialect {
            Dialect::None | Dialect::Fireworks => {}
            Dialect::Chutes => self.chutes(name, value),
            Dialect::Ietf => self.ietf.take(name, value),
            _ => self.spelled(name, value),
        }
    }

    fn spelled(&mut self, name: &str, value: &[u8]) {
        let Some((prefix, part, suffix)) = dialect::parts(name) else { return };
        let spellings = self.dialect.spellings();
        let spelling = spellings.iter().find(|spelling| spelling.1 == suffix && spelling.0 == prefix);
        let (Some((.., dimension, window)), Some(text)) = (spelling, text(value)) else { return };
        if self.readings.capacity() == 0 {
            self.readings.reserve_exact(spellings.len());
        }
        let reading = entry(&mut self.readings, *dimension, *window);
        match part {
            Part::Limit => reading.limit = count(text),
            Part::Remaining => reading.remaining = count(text),
            Part::Reset if self.dialect != Dialect::Cerebras => {
                reading.reset = time_until(text, self.since_1970);
            }
            Part::Reset => {}
        }
    }

    fn chutes(&mut self, name: &str, value: &[u8]) {
        let Some(text) = text(value) else { return };
        let day = |readings| entry(readings, Dimension::Requests, Window::Day);
        match name {
            "x-chutes-quota-total" => day(&mut self.readings).limit = count(text),
            "x-chutes-quota-remaining" => day(&mut self.readings).remaining = count(text),
            // In the body of a 402: the quota is used up until then.
            "quota_reset_timestamp" => {
                let reset = time_until(text, self.since_1970);
                let reading = day(&mut self.readings);
                (reading.remaining, reading.reset) = (Some(0), reset);
            }
            _ => {}
        }
    }

    /// What was read. `taken`: the provider took the request in.
    fn finish(mut self, taken: bool) -> Vec<Reading> {
        match self.dialect {
            Dialect::Ietf => self.readings = self.ietf.readings(),
            Dialect::OpenRouter => self.readings.retain_mut(|reading| {
                reading.window = match reading.reset {
                    Some(reset) if reset > MINUTE => Window::Day,
                    _ => Window::Minute,
                };
                reading.reset.is_some()
            }),
            Dialect::Chutes => {
                self.readings.retain(|reading| reading.limit != Some(0));
                for reading in &mut self.readings {
                    reading.remaining = reading.remaining.map(|left| left.saturating_sub(u64::from(taken)));
                    reading.reset = reading.reset.or(Some(until_midnight(self.since_1970)));
                }
            }
            _ => {}
        }
        self.readings.retain(|reading| reading.limit.is_some() || reading.remaining.is_some());
        self.readings
    }
}

/// The reading of this limit, an empty one if there is none yet.
fn entry(readings: &mut Vec<Reading>, dimension: Dimension, window: Window) -> &mut Reading {
    let same = |reading: &Reading| (reading.dimension, reading.window) == (dimension, window);
    let index = readings.iter().position(same).unwrap_or_else(|| {
        readings.push(Reading { dimension, window, limit: None, remaining: None, reset: None });
        readings.len() - 1
    });
    &mut readings[index]
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

fn until_midnight(since_1970: Duration) -> Duration {
    DAY.saturating_sub(Duration::new(since_1970.as_secs() % DAY.as_secs(), since_1970.subsec_nanos()))
}
