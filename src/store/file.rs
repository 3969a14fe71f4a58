//! The file: opened with its tables up to date, and set aside where it is no database.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// The name of the file in its directory.
pub const FILE: &str = "state.db";
/// What brings the tables from one version to the next. A version is never changed once it has been released: other
/// processes with the version before may be using the same file, so nothing is taken away.
const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];
/// The version of the tables, which the file's `user_version` tells.
pub const VERSION: usize = MIGRATIONS.len();
/// How long another process may keep us waiting, which writes for milliseconds if it is one of ours.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often something is tried in that time for which the library does not wait itself.
const TRIES: u32 = 100;

/// Why the database can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What stands in the file is no database, or no longer a whole one.
    Corrupt(String),
    /// Somebody else keeps it locked.
    Locked(String),
    /// Anything else: no room, no right to write, a newer version of the tables.
    Unusable(String),
}

/// An open database.
#[derive(Debug)]
pub(super) struct File {
    pub(super) connection: Connection,
    identity: Option<u64>,
}

impl Trouble {
    /// Where the database is at fault, and not who asked.
    pub(super) fn of(error: &rusqlite::Error) -> Option<Self> {
        let why = error.to_string();
        match error.sqlite_error_code()? {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(Self::Corrupt(why)),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(Self::Locked(why)),
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::NoLargeFileSupport => Some(Self::Unusable(why)),
            _ => None,
        }
    }

    /// In words.
    pub(super) fn why(&self) -> &str {
        let (Self::Corrupt(why) | Self::Locked(why) | Self::Unusable(why)) = self;
        why
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(&error).unwrap_or_else(|| Self::Unusable(error.to_string()))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

impl File {
    /// Opens or creates it. `suspect`: all of it is looked at, which takes its time.
    pub(super) fn open(path: &Path, suspect: bool) -> Result<Self, Trouble> {
        create(path)?;
        let identity = identity(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        write_ahead(&connection)?;
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -1024;",
        )?;
        if suspect {
            let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if found != "ok" {
                return Err(Trouble::Corrupt(found));
            }
        }
        migrate(&mut connection)?;
        Ok(Self { connection, identity })
    }

    /// Whether something else stands at its path by now, or nothing: what is written would be lost.
    pub(super) fn is_gone(&self, path: &Path) -> bool {
        identity(path) != self.identity
    }
}

/// Has it log what is written ahead; a file system without shared memory keeps its journal. That takes the whole file once, and
/// the library does not wait for it: of two processes that are started together with a new file, one would have none.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let mut left = 1..TRIES;
    loop {
        let done = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        match done.as_ref().map_err(Trouble::of) {
            Err(Some(Trouble::Locked(_))) if left.next().is_some() => thread::sleep(PATIENCE / TRIES),
            _ => return done,
        }
    }
}

/// Brings the tables up to date. Always writes, so that a file that can't be written is known at once.
fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
        let why = format!("its tables are of version {version}, this program knows them up to {VERSION}");
        return Err(Trouble::Unusable(why));
    };
    missing.iter().try_for_each(|sql| transaction.execute_batch(sql))?;
    transaction.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
    Ok(transaction.commit()?)
}

/// Makes sure that directory and file are there, for their owner alone. Those that are there keep their rights.
fn create(path: &Path) -> io::Result<()> {
    let mut directory = DirBuilder::new();
    let mut file = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        directory.mode(0o700);
        file.mode(0o600);
    }
    if let Some(parent) = path.parent() {
        directory.recursive(true).create(parent)?;
    }
    // One that is there is not opened beside SQLite: closing it would take the locks of the whole process with it.
    match file.write(true).create_new(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Moves a corrupt file and what belongs to it out of the way; returns where it is now. It stays where it is if somebody
/// else has put another in its place since it was `seen`.
pub(super) fn set_aside(path: &Path, seen: Option<u64>, unix: u64) -> io::Result<Option<PathBuf>> {
    if identity(path) != seen {
        return Ok(None);
    }
    let aside = with_suffix(path, &format!(".corrupt-{unix}"));
    std::fs::rename(path, &aside)?;
    for part in ["-wal", "-shm"] {
        match std::fs::rename(with_suffix(path, part), with_suffix(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(Some(aside))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What tells the file at a path from another one there; `None` where the system has no such thing, or nothing is there.
pub(super) fn identity(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|metadata| metadata.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn many_open_a_new_file_together() {
        let directory =
            std::env::temp_dir().join(format!("qwen-3-coder-proxy-file-{:016x}", fastrand::u64(..)));
        for round in 0..20 {
            let path = directory.join(round.to_string()).join(FILE);
            let together = Barrier::new(8);
            thread::scope(|scope| {
                let open = || {
                    together.wait();
                    File::open(&path, false).map(drop)
                };
                let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                for one in opened {
                    assert_eq!(one.join().expect("no panic"), Ok(()), "in round {round}");
                }
            });
        }
        std::fs::remove_dir_all(directory).expect("it is there");
    }
}
