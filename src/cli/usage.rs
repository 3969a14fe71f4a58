//! `usage`: what the history says, summed up by day, model, provider or client.
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rusqlite::{Connection, OptionalExtension};

use super::{USAGE, generate, history};

mod show;
mod tally;

use tally::Groups;

#[derive(Debug, Args)]
pub(super) struct Usage {
    /// What to sum up by; days are those of this machine's time zone
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// Only so many days up to today (7d), or from this day on (2026-11-01)
    #[arg(long)]
    since: Option<Since>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Configuration file that says where the history is, as for `serve`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What requests are summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Day,
    /// What clients asked for
    Model,
    /// Who answered
    Provider,
    /// Which client key, or which program
    Client,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

/// Where to begin.
#[derive(Clone, Debug)]
enum Since {
    /// With the first of so many days, of which today is the last.
    Days(u32),
    /// With this day, written as in `2026-11-01`.
    Day(String),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        let looks_like_a_day =
            text.len() == 10 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        match days {
            Some(days @ 1..) => Ok(Self::Days(days)),
            None if looks_like_a_day => Ok(Self::Day(text.to_owned())),
            _ => Err("write a number of days such as 7d, or a day such as 2026-11-01"),
        }
    }
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Client => "client",
        }
    }

    fn expression(self) -> &'static str {
        match self {
            Self::Day => "date(at_ms / 1000, 'unixepoch', 'localtime')",
            _ => self.name(),
        }
    }
}

pub(super) fn run(args: &Usage) -> anyhow::Result<ExitCode> {
    let (history, path) = match history::open(args.config.as_deref())? {
        Ok(history) => history,
        Err(code) => return Ok(code),
    };
    let Some(since) = since_ms(&history, args.since.as_ref())? else {
        eprintln!("--since: there is no such day.");
        return Ok(ExitCode::from(USAGE));
    };
    let groups = read(&history, args.by, since).with_context(|| history::unreadable(&path))?;
    match args.format {
        Format::Table if groups.0.is_empty() => {
            eprintln!("There is no request in the history at {} for that time.", path.display());
            Ok(ExitCode::SUCCESS)
        }
        Format::Table => generate::print(show::table(args.by.name(), &groups).as_bytes()),
        Format::Csv => generate::print(show::csv(args.by.name(), &groups).as_bytes()),
        Format::Json => generate::print(show::json(args.by.name(), &groups).as_bytes()),
    }
}

/// In milliseconds since 1970; `None`: there is no such day. The database knows the time zone.
fn since_ms(connection: &Connection, since: Option<&Since>) -> rusqlite::Result<Option<i64>> {
    let seconds = match since {
        None => return Ok(Some(0)),
        Some(Since::Days(days)) => connection.query_row(
            "SELECT unixepoch('now', 'localtime', 'start of day', ?1, 'utc')",
            [format!("-{} days", days - 1)],
            |row| row.get(0),
        )?,
        Some(Since::Day(day)) => connection
            .query_row("SELECT unixepoch(?1, 'utc') WHERE date(?1) = ?1", [day], |row| row.get(0))
            .optional()?,
    };
    Ok(seconds.map(|seconds: i64| seconds * 1000))
}

fn read(connection: &Connection, by: By, since_ms: i64) -> rusqlite::Result<Groups> {
    let mut select = connection.prepare(&format!(
        "SELECT {}, outcome, coalesce(prompt_tokens, 0), coalesce(cached_tokens, 0), \
         coalesce(completion_tokens, tokens_counted, 0), first_choice, total_ms FROM request WHERE at_ms >= ?1",
        by.expression()
    ))?;
    let mut groups = Groups::default();
    let mut rows = select.query([since_ms])?;
    while let Some(row) = rows.next()? {
        let tally = groups.of(row.get(0)?);
        tally.outcome(row.get_ref(1)?.as_str()?, row.get(6)?);
        tally.tokens(row.get(2)?, row.get(3)?, row.get(4)?);
        tally.choice(row.get(5)?);
    }
    groups.sort(by == By::Day);
    Ok(groups)
}
