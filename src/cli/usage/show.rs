//! Sums as a table for people, and as CSV and JSON for programs. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::tally::{Groups, Tally};

/// What stands where there is nothing to say.
const NONE: &str = "-";

/// A table, with sums below it where there is more than one line; numbers are rounded to fit a narrow terminal.
pub(super) fn table(by: &str, groups: &Groups) -> String {
    let head = [by, "requests", "answered", "failed", "prompt", "cached", "output", "first", "mean", "p95"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(groups.0.iter().map(|(name, tally)| line(name.as_deref().unwrap_or(NONE), tally)));
    if groups.0.len() > 1 {
        lines.push(line("total", &groups.total()));
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 10] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let [first, ..] = widths;
        let _ = write!(text, "{:first$} ", line[0]);
        for (cell, width) in line.iter().zip(widths).skip(1) {
            let _ = write!(text, " {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

fn line(name: &str, tally: &Tally) -> [String; 10] {
    let share = |thousandths: u64| format!("{}%", (thousandths + 5) / 10);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    [
        name.to_owned(),
        tally.requests.to_string(),
        tally.answered.to_string(),
        (tally.refused + tally.broken).to_string(),
        rounded(tally.prompt),
        rounded(tally.cached),
        rounded(tally.completion),
        or_none(tally.first_share().map(share)),
        or_none(tally.mean_ms().map(seconds)),
        or_none(tally.p95_ms().map(seconds)),
    ]
}

/// Three digits and what they count: 999, 12.3k, 1.23M.
fn rounded(number: i64) -> String {
    let mut unit = 1;
    for suffix in ["", "k", "M", "G"] {
        // Whatever would be rounded up to a thousand of them is one of the next.
        if number < unit * 1000 - unit / 2 || suffix == "G" {
            return scaled(number, unit) + suffix;
        }
        unit *= 1000;
    }
    number.to_string()
}

/// `number` in units of `unit`, with three digits where it has a fraction.
fn scaled(number: i64, unit: i64) -> String {
    let decimals = match number {
        _ if unit == 1 => 0,
        _ if number * 1000 < unit * 9995 => 2,
        _ if number * 100 < unit * 9995 => 1,
        _ => 0,
    };
    let parts = [1, 10, 100][decimals];
    let rounded = (number * parts + unit / 2) / unit;
    match decimals {
        0 => rounded.to_string(),
        _ => format!("{}.{:0decimals$}", rounded / parts, rounded % parts),
    }
}

fn seconds(millis: i64) -> String {
    scaled(millis, 1000) + "s"
}

/// One line for each, in full, below a line of names.
pub(super) fn csv(by: &str, groups: &Groups) -> String {
    let names = fields(&Tally::default()).map(|(name, _)| name).join(",");
    let mut text = format!("{by},{names}\n");
    for (name, tally) in &groups.0 {
        text.push_str(&quoted(name.as_deref().unwrap_or_default()));
        for (_, value) in fields(tally) {
            let _ = if value.is_null() { write!(text, ",") } else { write!(text, ",{value}") };
        }
        text.push('\n');
    }
    text
}

/// As RFC 4180 wants it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A list of objects, one a line.
pub(super) fn json(by: &str, groups: &Groups) -> String {
    let object = |(name, tally): &(Option<String>, Tally)| {
        let fields = fields(tally).map(|(field, value)| format!(",\"{field}\":{value}")).concat();
        format!("{{\"{by}\":{}{fields}}}", json!(name))
    };
    format!("[{}]\n", groups.0.iter().map(object).collect::<Vec<_>>().join(",\n "))
}

/// Everything of a line but its name.
fn fields(tally: &Tally) -> [(&'static str, Value); 10] {
    let share = tally.first_share().map(|thousandths| json!(thousandths).to_string());
    let share = share.and_then(|digits| format!("{digits}e-3").parse::<f64>().ok());
    [
        ("requests", json!(tally.requests)),
        ("answered", json!(tally.answered)),
        ("refused", json!(tally.refused)),
        ("broken", json!(tally.broken)),
        ("prompt_tokens", json!(tally.prompt)),
        ("cached_tokens", json!(tally.cached)),
        ("completion_tokens", json!(tally.completion)),
        ("first_share", json!(share)),
        ("mean_ms", json!(tally.mean_ms())),
        ("p95_ms", json!(tally.p95_ms())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        let mut groups = Groups::default();
        let fast = groups.of(Some("fast".to_owned()));
        for (time, cached) in [(400, 0), (1_600, 100_000)] {
            fast.outcome("whole", time);
            fast.tokens(1_234_567, cached, 1_000);
            fast.choice(Some(true));
        }
        fast.outcome("broken", 9);
        fast.tokens(0, 0, 40);
        fast.choice(Some(false));
        groups.of(None).outcome("refused", 3);
        groups.of(Some("a, \"b\"".to_owned())).outcome("client left", 3);
        groups.sort(false);
        groups
    }

    #[test]
    fn a_table_fits_and_sums_up() {
        let expected = "\
provider  requests answered failed prompt cached output first  mean   p95
fast             3        2      1  2.47M   100k  2.04k   67% 1.00s 1.60s
-                1        0      1      0      0      0     -     -     -
a, \"b\"           1        0      0      0      0      0     -     -     -
total            5        2      2  2.47M   100k  2.04k   67% 1.00s 1.60s
";
        assert_eq!(table("provider", &groups()), expected);
    }

    #[test]
    fn csv_is_exact_and_quoted() {
        let expected = "\
provider,requests,answered,refused,broken,prompt_tokens,cached_tokens,completion_tokens,first_share,mean_ms,p95_ms
fast,3,2,0,1,2469134,100000,2040,0.667,1000,1600
,1,0,1,0,0,0,0,,,
\"a, \"\"b\"\"\",1,0,0,0,0,0,0,,,
";
        assert_eq!(csv("provider", &groups()), expected);
    }

    #[test]
    fn json_is_exact_and_in_order() {
        let text = json("provider", &groups());
        let first = r#"[{"provider":"fast","requests":3,"answered":2,"refused":0,"broken":1,"prompt_tokens":2469134,"cached_tokens":100000,"completion_tokens":2040,"first_share":0.667,"mean_ms":1000,"p95_ms":1600},"#;
        assert_eq!(text.lines().next(), Some(first));
        let list: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((list.len(), &list[1]["provider"], &list[1]["p95_ms"]), (3, &Value::Null, &Value::Null));
        assert_eq!(json("day", &Groups::default()), "[]\n");
    }

    #[test]
    fn numbers_keep_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.00k"),
            (9_994, "9.99k"),
            (9_995, "10.0k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (12_345_678, "12.3M"),
            (1_234_567_890_123, "1235G"),
        ] {
            assert_eq!(rounded(number), text);
        }
        assert_eq!([0, 7, 1_234, 59_990, 754_321].map(seconds), ["0.00s", "0.01s", "1.23s", "60.0s", "754s"]);
    }
}
