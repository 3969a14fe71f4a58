//! Whole numbers, and the number that `30s`, `10MB` or `132,000` should have been.

use std::ops::RangeInclusive;

/// What a number counts, which decides the suffixes we recognise in a mistake.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Count,
    Millis,
    Bytes,
    Port,
}

impl Unit {
    const fn noun(self) -> &'static str {
        match self {
            Self::Count => "a whole number",
            Self::Millis => "a whole number of milliseconds",
            Self::Bytes => "a whole number of bytes",
            Self::Port => "a port number",
        }
    }

    /// The suffixes that occur in mistakes, and how many of the unit they stand for.
    const fn suffixes(self) -> &'static [(&'static [&'static str], u128)] {
        match self {
            Self::Count => &[(&["k"], 1000), (&["m"], 1_000_000)],
            Self::Millis => &[
                (&["ms", "msec", "msecs", "millis", "millisecond", "milliseconds"], 1),
                (&["s", "sec", "secs", "second", "seconds"], 1000),
                (&["m", "min", "mins", "minute", "minutes"], 60_000),
                (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
                (&["d", "day", "days"], 86_400_000),
            ],
            Self::Bytes => &[
                (&["b", "byte", "bytes"], 1),
                (&["k", "kb"], 1000),
                (&["kib"], 1 << 10),
                (&["m", "mb"], 1_000_000),
                (&["mib"], 1 << 20),
                (&["g", "gb"], 1_000_000_000),
                (&["gib"], 1 << 30),
            ],
            Self::Port => &[],
        }
    }

    fn factor(self, suffix: &str) -> Option<u128> {
        let known = self.suffixes().iter().find(|(names, _)| names.contains(&suffix));
        if suffix.is_empty() { Some(1) } else { known.map(|(_, factor)| *factor) }
    }
}

/// The number, if it is one and within `range`; else what is wrong and what to write.
pub(super) fn parse(
    text: &str,
    unit: Unit,
    range: &RangeInclusive<u64>,
    example: u64,
) -> Result<u64, String> {
    let noun = unit.noun();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let out_of_range = || format!("out of range; write {noun} from {} to {}", range.start(), range.end());
        return text.parse().ok().filter(|number| range.contains(number)).ok_or_else(out_of_range);
    }
    match meant(text, unit).filter(|number| range.contains(number)) {
        Some(number) => Err(format!("not {noun}; write {number}")),
        None => Err(format!("not {noun}; write a number such as {example}")),
    }
}

/// The number that was meant by a text with a unit, a fraction, digit groups or quotes.
fn meant(text: &str, unit: Unit) -> Option<u64> {
    let text = text.trim_matches(['"', '\'']).trim();
    let (number, suffix) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let factor = unit.factor(&suffix.to_lowercase())?;
    let number = number.trim();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = ungrouped(whole)? + fraction;
    if digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = digits.parse::<u128>().ok()? * factor;
    (scaled % scale == 0).then(|| u64::try_from(scaled / scale).ok())?
}

/// `132,000`, `132_000` or `132 000` without the separators; `None` if the groups are not thousands.
fn ungrouped(whole: &str) -> Option<String> {
    let groups: Vec<&str> = whole.split([',', '_', ' ', '\'']).collect();
    groups[1..].iter().all(|group| group.len() == 3).then(|| groups.concat())
}
