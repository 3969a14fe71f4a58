//! The tables of the books: what is left of each limit, who has leased how much of it, and what was learned.
//!
//! Storage alone. Whoever decides runs on the database's thread, within [`Store::transaction`](super::Store::transaction),
//! which makes a decision and what it was based on one step for all processes on the machine. Times are milliseconds
//! since 1970; levels and amounts are exact integers in the unit of the books.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{self, SHA256};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};

use super::int;

/// So much of a digest is an account's name: 128 bits.
const NAME_BYTES: usize = 16;

/// Which limit of which account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// As [`account`] names it.
    pub account: &'a str,
    /// What is counted.
    pub dimension: &'a str,
    /// The span it is counted over.
    pub window: &'a str,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What is left; negative where more was spent than there was.
    pub level: i128,
    /// What the limit allowed then, in requests or tokens.
    pub capacity: u64,
    /// When that was.
    pub as_of_ms: u64,
}

/// What one process may spend of a limit without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which process.
    pub process: String,
    /// How much.
    pub amount: i128,
    /// When it was heard of last.
    pub heartbeat_ms: u64,
}

/// The name of an account in the database: no one can read the key from it, and no other account has the same.
#[must_use]
pub fn account(provider: &str, endpoint: &str, key: Option<&SecretString>) -> String {
    let key = key.map_or("", |key| key.expose_secret());
    let mut digest = digest::Context::new(&SHA256);
    for part in [provider, endpoint, key] {
        // The length first, or one part's end could be the next one's beginning.
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    let name = digest
        .finish()
        .as_ref()
        .iter()
        .take(NAME_BYTES)
        .fold(0, |name: u128, byte| name << 8 | u128::from(*byte));
    format!("{name:032x}")
}

/// What is left of a limit, if anything is known of it.
///
/// # Errors
///
/// Those of the database, as of all functions here.
pub fn bucket(connection: &Connection, key: Key<'_>) -> rusqlite::Result<Option<Bucket>> {
    let sql =
        "SELECT level, capacity, as_of_ms FROM bucket WHERE account = ?1 AND dimension = ?2 AND win = ?3";
    let bucket = |row: &rusqlite::Row<'_>| {
        Ok(Bucket {
            level: row.get::<_, Exact>(0)?.0,
            capacity: unsigned(row.get(1)?),
            as_of_ms: unsigned(row.get(2)?),
        })
    };
    connection.query_row(sql, params![key.account, key.dimension, key.window], bucket).optional()
}

/// Notes what is left of a limit.
///
/// # Errors
///
/// Those of the database.
pub fn set_bucket(connection: &Connection, key: Key<'_>, bucket: Bucket) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO bucket (account, dimension, win, level, capacity, as_of_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Bucket { level, capacity, as_of_ms } = bucket;
    let values = params![key.account, key.dimension, key.window, Exact(level), int(capacity), int(as_of_ms)];
    connection.execute(sql, values).map(drop)
}

/// All leases of a limit, by the names of the processes.
///
/// # Errors
///
/// Those of the database.
pub fn leases(connection: &Connection, key: Key<'_>) -> rusqlite::Result<Vec<Lease>> {
    let mut select = connection.prepare(
        "SELECT process, amount, heartbeat_ms FROM lease WHERE account = ?1 AND dimension = ?2 AND win = ?3 \
         ORDER BY process",
    )?;
    let lease = |row: &rusqlite::Row<'_>| {
        let (process, amount) = (row.get(0)?, row.get::<_, Exact>(1)?.0);
        Ok(Lease { process, amount, heartbeat_ms: unsigned(row.get(2)?) })
    };
    select.query_map(params![key.account, key.dimension, key.window], lease)?.collect()
}

/// Notes a lease, instead of the one that this process had of the limit.
///
/// # Errors
///
/// Those of the database.
pub fn set_lease(connection: &Connection, key: Key<'_>, lease: &Lease) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO lease (account, dimension, win, process, amount, heartbeat_ms) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Lease { process, amount, heartbeat_ms } = lease;
    let values = params![key.account, key.dimension, key.window, process, Exact(*amount), int(*heartbeat_ms)];
    connection.execute(sql, values).map(drop)
}

/// Ends a lease, if there is one.
///
/// # Errors
///
/// Those of the database.
pub fn end_lease(connection: &Connection, key: Key<'_>, process: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM lease WHERE account = ?1 AND dimension = ?2 AND win = ?3 AND process = ?4";
    connection.execute(sql, params![key.account, key.dimension, key.window, process]).map(drop)
}

/// A process was heard of: all its leases live on. Returns how many it has.
///
/// # Errors
///
/// Those of the database.
pub fn heartbeat(connection: &Connection, process: &str, now_ms: u64) -> rusqlite::Result<usize> {
    let sql = "UPDATE lease SET heartbeat_ms = ?2 WHERE process = ?1";
    connection.execute(sql, params![process, int(now_ms)])
}

/// What was learned of an account.
///
/// # Errors
///
/// Those of the database.
pub fn learned(connection: &Connection, account: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = connection.prepare("SELECT key, value FROM learned WHERE account = ?1")?;
    select.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Notes what was learned of an account, instead of what was known of it before.
///
/// # Errors
///
/// Those of the database.
pub fn learn(
    connection: &Connection,
    account: &str,
    key: &str,
    value: &str,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO learned (account, key, value, updated_ms) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, params![account, key, value, int(now_ms)]).map(drop)
}

/// Something that was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// Of what: an account, or a provider.
    pub account: String,
    /// What it is about.
    pub key: String,
    /// When it was learned.
    pub updated_ms: u64,
    /// The same in this machine's time, for people.
    pub updated: String,
}

/// Everything that was learned, in that order.
///
/// # Errors
///
/// Those of the database.
pub fn all_learned(connection: &Connection) -> rusqlite::Result<Vec<Learned>> {
    let mut select = connection.prepare(
        "SELECT account, key, updated_ms, datetime(updated_ms / 1000, 'unixepoch', 'localtime') FROM learned \
         ORDER BY updated_ms, key",
    )?;
    let learned = |row: &rusqlite::Row<'_>| {
        let (account, key, updated_ms) = (row.get(0)?, row.get(1)?, unsigned(row.get(2)?));
        Ok(Learned { account, key, updated_ms, updated: row.get(3)? })
    };
    select.query_map([], learned)?.collect()
}

/// Forgets what was learned under a key.
///
/// # Errors
///
/// Those of the database.
pub fn forget(connection: &Connection, account: &str, key: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM learned WHERE account = ?1 AND key = ?2", [account, key]).map(drop)
}

/// A number that may need more than the 64 bits that `SQLite` has.
struct Exact(i128);

impl ToSql for Exact {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Exact {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
