//! The report for a terminal.

use std::fmt;

use super::{Report, Row};

/// A heading, how wide, and what stands below it.
type Column = (&'static str, usize, fn(&Row) -> String);

impl Report {
    /// What there is to say, given what was asked.
    fn columns(&self) -> Vec<Column> {
        let mut columns: Vec<Column> = vec![
            ("fast", 6, |row| row.fast.to_string()),
            ("spilled", 9, |row| row.spilled.to_string()),
            ("refused", 9, |row| row.refused.to_string()),
            ("429s", 6, |row| row.drawn_429.to_string()),
            ("tokens", 9, |row| short(row.tokens)),
            ("answers", 9, |row| short(row.completion_tokens)),
            ("share", 9, |row| percent(row.share_permille)),
        ];
        // Else the same as the share.
        if !self.returns_unused {
            columns.push(("used", 9, |row| percent(row.used_permille)));
        }
        columns.push(("mean", 9, |row| seconds(row.mean_ms)));
        columns.push(("p95", 9, |row| seconds(row.p95_ms)));
        if self.wait_ms > 0 {
            columns.push(("in vain", 9, |row| row.waited_in_vain.to_string()));
        }
        if self.closed {
            columns.push(("over", 9, |row| format!("{} min", row.over_ms / 60_000)));
        }
        columns
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, sessions, span_ms, tokens, .. } = self;
        let (minutes, tokens) = (span_ms / 60_000, short(*tokens));
        writeln!(f, "{requests} requests of {sessions} sessions in {minutes} min, {tokens} tokens.")?;
        if let ([row, ..], false) = (&self.rows[..], self.closed) {
            writeln!(f, "Nobody could get more than {} of them served.", short(row.bound))?;
        }
        let columns = self.columns();
        write!(f, "\n{:<16}", "")?;
        columns.iter().try_for_each(|(heading, width, _)| write!(f, "{heading:>width$}"))?;
        for row in &self.rows {
            write!(f, "\n{:<16}", row.policy)?;
            columns.iter().try_for_each(|(_, width, text)| write!(f, "{:>width$}", text(row)))?;
        }
        writeln!(f, "\n\ntokens  served by the rationed provider; answers: completions of them")?;
        writeln!(f, "share   of the tokens that nobody could exceed")?;
        if !self.returns_unused {
            writeln!(f, "used    of what could be charged to the ration, unused reservations with it")?;
        }
        writeln!(f, "mean    of a turn, refused ones left out; p95: 19 of 20 were shorter")
    }
}

/// 12.34M, 567k.
fn short(tokens: u64) -> String {
    match tokens {
        0..10_000 => tokens.to_string(),
        10_000..1_000_000 => format!("{}k", tokens / 1_000),
        _ => format!("{}.{:02}M", tokens / 1_000_000, tokens / 10_000 % 100),
    }
}

fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms / 100 % 10)
}
