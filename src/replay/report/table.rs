//! The report for a terminal.

use std::fmt;

use super::{Report, Row};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, sessions, span_ms, tokens, .. } = self;
        writeln!(
            f,
            "{requests} requests of {sessions} sessions in {} min, {} tokens; {}, unused reservations {}.",
            span_ms / 60_000,
            short(*tokens),
            if self.closed { "closed loop" } else { "open loop" },
            if self.returns_unused { "returned" } else { "kept" },
        )?;
        writeln!(
            f,
            "\n{:<16}{:>6}{:>9}{:>9}{:>6}{:>9}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}",
            "policy",
            "fast",
            "spilled",
            "refused",
            "429s",
            "tokens",
            "answers",
            "share",
            "of",
            "mean",
            "p95",
            "over"
        )?;
        self.rows.iter().try_for_each(|row| line(f, row))?;
        writeln!(
            f,
            "\ntokens, answers: what the rationed provider served, and its completions. share: of what nobody could exceed (of). \
             mean, p95: a turn. over: the last turn."
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    writeln!(
        f,
        "{:<16}{:>6}{:>9}{:>9}{:>6}{:>9}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}",
        row.policy,
        row.fast,
        row.spilled,
        row.refused,
        row.drawn_429,
        short(row.tokens),
        short(row.completion_tokens),
        format!("{}.{} %", row.share_permille / 10, row.share_permille % 10),
        short(row.bound),
        seconds(row.mean_ms),
        seconds(row.p95_ms),
        format!("{} min", row.over_ms / 60_000),
    )
}

/// 12.34M, 567k.
fn short(tokens: u64) -> String {
    match tokens {
        0..10_000 => tokens.to_string(),
        10_000..1_000_000 => format!("{}k", tokens / 1_000),
        _ => format!("{}.{:02}M", tokens / 1_000_000, tokens / 10_000 % 100),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms / 100 % 10)
}
