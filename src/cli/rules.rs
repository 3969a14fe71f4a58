//! `rules`: what of requests is changed for each provider and model, where that comes from, and how it is forgotten.
#![expect(clippy::print_stdout, reason = "what was forgotten is this command's output")]
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use rusqlite::{Connection, OpenFlags};

use super::{FAILED, USAGE, generate};
use crate::config::{Config, Overrides};
use crate::rules::Written;
use crate::store::{self, ledger};

mod show;

use show::Line;

/// How long a process that writes may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print a list for programs
    #[arg(long)]
    json: bool,
    /// Configuration file that says where the database is, as for `serve`
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Forget rules that a provider has taught; a running proxy goes by it within half a minute
    Forget {
        /// As `rules` names it
        provider: String,
        /// Only of this model there
        model: Option<String>,
        /// Only this rule
        #[arg(value_name = "FIELD")]
        rule: Option<String>,
    },
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Only its providers and the database's place matter here.
    let overrides = Overrides { allow_open: true, file: args.config.clone(), ..Overrides::default() };
    let config = match Config::load(&overrides) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let path = config.state_dir.join(store::FILE);
    let Some(Action::Forget { provider, model, rule }) = &args.action else {
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let learned = if path.is_file() { learned(&path, read_only)?.1 } else { Vec::new() };
        let lines = Line::all(&config, &learned);
        let text = if args.json { show::json(&lines) } else { show::table(&lines) };
        return generate::print(text.as_bytes());
    };
    let is_meant = |known: &Written| {
        known.provider == *provider
            && model.as_ref().is_none_or(|model| known.model == *model)
            && rule.as_ref().is_none_or(|rule| show::name(&known.rule) == *rule)
    };
    let mut forgotten = Vec::new();
    if path.is_file() {
        let (connection, known) = learned(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        forgotten.extend(known.into_iter().filter(is_meant));
        for known in &forgotten {
            ledger::forget(&connection, &known.row.account, &known.row.key)
                .with_context(|| unusable(&path))?;
            println!("{} {}: {}", known.provider, known.model, known.rule);
        }
    }
    if forgotten.is_empty() {
        eprintln!("Nothing like that was learned; `rules` lists what was.");
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// What was learned of all providers, and the database that says so.
fn learned(path: &Path, mode: OpenFlags) -> anyhow::Result<(Connection, Vec<Written>)> {
    let read = || {
        let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        let known = ledger::all_learned(&connection)?.into_iter().filter_map(Written::read).collect();
        Ok::<_, rusqlite::Error>((connection, known))
    };
    read().with_context(|| unusable(path))
}

fn unusable(path: &Path) -> String {
    format!("The database at {} can't be used", path.display())
}
