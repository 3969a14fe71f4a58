//! Numbers, times and durations as headers spell them.

use std::time::Duration;

use super::date;

/// No honest value is longer, in bytes.
const LONGEST: usize = 64;
/// No honest wait is longer.
const MOST: Duration = Duration::from_hours(400 * 24);
/// A bare number from here on is a time since 1970: as a wait in seconds it would last 31 years.
const EPOCH_SECONDS: u64 = 1_000_000_000;
/// A bare number from here on is in milliseconds: in seconds it would be the year 5138.
const EPOCH_MILLIS: u64 = 100_000_000_000;

/// A number of requests or tokens: digits alone.
pub(super) fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A number of milliseconds, as in `retry-after-ms`.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    let text = short(text)?;
    let (number, rest) = Decimal::read(text)?;
    number.times(1_000_000).filter(|time| rest.is_empty() && *time <= MOST)
}

/// How long it is until what a header names: whole or broken seconds, a Go duration (`2m59.56s`), seconds or
/// milliseconds since 1970, an HTTP date, or ISO 8601. What is past is zero away; `None`: none of these, or more than
/// 400 days.
#[must_use]
pub fn time_until(text: &str, since_1970: Duration) -> Option<Duration> {
    let text = short(text)?;
    let time = match Decimal::read(text) {
        Some((number, "")) if number.whole >= EPOCH_MILLIS => {
            number.times(1_000_000)?.saturating_sub(since_1970)
        }
        Some((number, "")) if number.whole >= EPOCH_SECONDS => {
            number.times(1_000_000_000)?.saturating_sub(since_1970)
        }
        Some((number, "")) => number.times(1_000_000_000)?,
        Some(_) => match go_duration(text) {
            Some(time) => time,
            None => date::iso_8601(text)?.saturating_sub(since_1970),
        },
        None => date::http(text)?.saturating_sub(since_1970),
    };
    (time <= MOST).then_some(time)
}

/// A duration as Go prints it: `116ms`, `2m59.56s`, `1h0m0s`.
pub(super) fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = short(text)?;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = Decimal::read(rest)?;
        let digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (unit, after) = after.split_at(after.find(digit).unwrap_or(after.len()));
        let nanos = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        sum = sum.checked_add(number.times(nanos)?)?;
        rest = after;
    }
    (sum <= MOST).then_some(sum)
}

fn short(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= LONGEST).then_some(text)
}

/// A number with as many decimals as a nanosecond needs; more are cut off.
#[derive(Clone, Copy)]
struct Decimal {
    whole: u64,
    billionths: u64,
}

impl Decimal {
    /// The number at the start of a text, and what follows it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (whole, rest) = digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let billionths = billionths(fraction);
        Some((Self { whole, billionths }, rest))
    }

    /// So many of a unit of `nanos`; `None` beyond some 580 years.
    fn times(self, nanos: u64) -> Option<Duration> {
        let unit = u128::from(nanos);
        let sum = u128::from(self.whole) * unit + u128::from(self.billionths) * unit / 1_000_000_000;
        u64::try_from(sum).ok().map(Duration::from_nanos)
    }
}

/// The digits behind a decimal point as billionths; further ones are cut off.
pub(super) fn billionths(digits: &str) -> u64 {
    let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    nine.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}
