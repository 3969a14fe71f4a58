//! The history as commands read it: beside a proxy that writes it, or without one.
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};

use super::{FAILED, USAGE};
use crate::config::{Config, Overrides};
use crate::store;

/// How long a process that writes may keep us waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// The history of these settings, and where it is; else it is said why not.
pub(super) fn open(config: Option<&Path>) -> anyhow::Result<Result<(Connection, PathBuf), ExitCode>> {
    // Only its place matters here.
    let overrides = Overrides { allow_open: true, file: config.map(Path::to_owned), ..Overrides::default() };
    let config = match Config::load(&overrides) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(Err(ExitCode::from(USAGE)));
        }
    };
    let path = config.state_dir.join(store::FILE);
    if !path.is_file() {
        eprintln!("There is no history at {}; STATE_DIR says where it is.", path.display());
        return Ok(Err(ExitCode::from(FAILED)));
    }
    let history = read_only(&path).with_context(|| unreadable(&path))?;
    Ok(Ok((history, path)))
}

/// What is said of one that can't be read.
pub(super) fn unreadable(path: &Path) -> String {
    format!("The history at {} can't be read", path.display())
}

/// So that a proxy that writes is not disturbed.
fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}
