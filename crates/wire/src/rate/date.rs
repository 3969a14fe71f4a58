//! Points in time as text, as time since 1970.

use std::time::Duration;

use super::value::billionths;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Wed, 21 Oct 2026 07:28:00 GMT`, the form of RFC 9110 that is still written.
pub(super) fn http(text: &str) -> Option<Duration> {
    let (_weekday, date) = text.split_once(", ")?;
    let mut parts = date.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if zone != "GMT" || parts.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month)?.1;
    let seconds = days(number(year, 4)?, month, number(day, 2)?)? * 86_400 + i64::from(of_day(time)?);
    since_1970(seconds, 0)
}

/// `2025-10-05T00:00:00+00:00`, `2026-09-24T12:02:59.560Z`.
pub(super) fn iso_8601(text: &str) -> Option<Duration> {
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let (time, zone) = (rest.strip_prefix(['T', 't', ' '])?.get(..8)?, rest.get(9..)?);
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let days = days(number(year, 4)?, number(month, 2)?, number(day, 2)?)?;
    let (fraction, zone) = zone.split_at(zone.find(['Z', 'z', '+', '-'])?);
    let digits = fraction.strip_prefix('.').unwrap_or(fraction);
    if !digits.bytes().all(|byte| byte.is_ascii_digit())
        || digits.len() == fraction.len() && !digits.is_empty()
    {
        return None;
    }
    let nanos = u32::try_from(billionths(digits)).ok()?;
    since_1970(days * 86_400 + i64::from(of_day(time)?) - i64::from(offset(zone)?), nanos)
}

/// `07:28:00` in seconds.
fn of_day(time: &str) -> Option<i32> {
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    // A leap second is the first of the next minute.
    let real = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    real.then_some(hour * 3_600 + minute * 60 + second)
}

/// `Z`, `+02:00` or `-0330` in seconds east of Greenwich.
fn offset(zone: &str) -> Option<i32> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, zone) = (if zone.starts_with('-') { -1 } else { 1 }, zone.get(1..)?);
    let (hours, minutes) = (zone.get(..2)?, zone.get(2..)?);
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Exactly so many digits.
fn number(text: &str, length: usize) -> Option<i32> {
    let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Days since 1970, in the Gregorian calendar.
fn days(year: i32, month: i32, day: i32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years begin in March here, so that a leap day is the last of its year: 153 days are five months from then on.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let years = i64::from(year);
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    Some(years * 365 + leap_days + i64::from((153 * month + 2) / 5 + day) - 719_469)
}

fn since_1970(seconds: i64, nanos: u32) -> Option<Duration> {
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}
