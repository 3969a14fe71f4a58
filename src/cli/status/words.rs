//! Amounts and times as a tired person reads them.

/// `12`, `2,400`, `118k`, `6.01M`; JSON has the exact ones.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn amount(units: i128) -> String {
    let size = units.unsigned_abs();
    let sign = if units < 0 { "-" } else { "" };
    let short = match size {
        0..1_000 => size.to_string(),
        1_000..10_000 => format!("{},{:03}", size / 1_000, size % 1_000),
        10_000..1_000_000 => format!("{}k", size / 1_000),
        1_000_000..1_000_000_000 => digits(size as f64 / 1e6, 'M'),
        _ => digits(size as f64 / 1e9, 'G'),
    };
    format!("{sign}{short}")
}

/// Three digits, never rounded up: what is left is not more than that.
fn digits(number: f64, unit: char) -> String {
    let places = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    let scale = 10f64.powi(i32::try_from(places).unwrap_or(0));
    format!("{:.places$}{unit}", (number * scale).floor() / scale)
}

/// `15s`, `12m`, `3h20m`, `16h`, `2d4h`, rounded up: what is awaited is there by then.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and saturates")]
pub(super) fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).ceil() as u64;
    let minutes = seconds.div_ceil(60);
    let hours = seconds.div_ceil(3_600);
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{minutes}m"),
        6_000..36_000 => format!("{}h{:02}m", minutes / 60, minutes % 60),
        36_000..172_800 => format!("{hours}h"),
        _ => format!("{}d{}h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_never_more_than_there_is() {
        for (units, expected) in [
            (0, "0"),
            (9, "9"),
            (999, "999"),
            (2_400, "2,400"),
            (9_999, "9,999"),
            (10_999, "10k"),
            (999_999, "999k"),
            (6_019_999, "6.01M"),
            (19_200_000, "19.2M"),
            (165_900_000, "165M"),
            (1_000_000_000_000, "1000G"),
            (-1_234, "-1,234"),
        ] {
            assert_eq!(amount(units), expected);
        }
    }

    #[test]
    fn times_are_short_and_never_sooner_than_it_is() {
        for (seconds, expected) in [
            (0.0, "0s"),
            (0.1, "1s"),
            (99.0, "99s"),
            (99.5, "2m"),
            (121.0, "3m"),
            (5_999.0, "100m"),
            (6_001.0, "1h41m"),
            (12_000.0, "3h20m"),
            (35_999.0, "10h00m"),
            (86_401.0, "25h"),
            (172_801.0, "2d1h"),
        ] {
            assert_eq!(time(seconds), expected, "{seconds}");
        }
    }
}
