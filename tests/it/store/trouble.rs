//! Whatever the disk does, requests are served; and what can be kept is.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use qwen_3_coder_proxy::clock::Clock;
use qwen_3_coder_proxy::report::Report;
use qwen_3_coder_proxy::store::{Condition, Store, Unavailable};
use rusqlite::Connection;
use serde_json::Value;

use super::{Stage, rows};
use crate::client;
use crate::harness::question;
use crate::process::{Process, Scratch};

const UNUSABLE: &str = "state database unusable; going on in memory";
const IN_USE: &str = "state database in use";

async fn state(process: &Process) -> Value {
    client::exchange(process.address, &client::get("/ready", &[])).await.json()["state"].clone()
}

fn count(process: &Process, message: &str) -> usize {
    process.log().iter().filter(|line| line["message"] == message).count()
}

#[tokio::test]
async fn a_killed_process_loses_no_more_than_it_had_in_hand() {
    let stage = Stage::new().await;
    let mut process = stage.start(&[]).await;
    for _ in 0..5 {
        process.chat(&question(false)).await.good();
    }
    stage.rows_when(5).await;
    process.chat(&question(false)).await.good();
    process.signal("KILL");
    process.exit_code().await;

    let process = stage.start(&[]).await;
    process.chat(&question(false)).await.good();
    let rows = stage.rows_when(6).await.len();
    assert!((6..=7).contains(&rows), "{rows}");
    assert_eq!(count(&process, UNUSABLE), 0, "{:?}", process.log());
    let connection = Connection::open(stage.file()).expect("a database");
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn it_is_for_its_owner_alone() {
    let stage = Stage::new().await;
    let inner = stage.state.0.join("a/b");
    let process = stage.start(&[("STATE_DIR", &inner.display().to_string())]).await;
    process.line(IN_USE).await;
    let mode = |path: &str| std::fs::metadata(stage.state.0.join(path)).expect("it is there").mode() & 0o777;
    assert_eq!(["a", "a/b", "a/b/state.db", "a/b/state.db-wal"].map(mode), [0o700, 0o700, 0o600, 0o600]);
}

#[tokio::test]
async fn a_corrupt_file_is_set_aside() {
    let stage = Stage::new().await;
    let garbage = "not a database; ".repeat(1000);
    stage.state.write("state.db", &garbage);
    let process = stage.start(&[]).await;
    process.chat(&question(false)).await.good();
    let line = process.line("state database corrupt; a new one is begun").await;
    let aside = line["aside"].as_str().expect("where it is").to_owned();
    assert!(
        aside.contains("/state.db.corrupt-") && line["path"].as_str().is_some_and(|it| aside.starts_with(it))
    );
    assert_eq!(std::fs::read_to_string(&aside).expect("it is there"), garbage);
    assert_eq!(stage.rows_when(1).await.len(), 1);
    assert_eq!(state(&process).await, "open");
}

#[tokio::test]
async fn a_file_that_breaks_or_goes_while_it_is_used_is_replaced() {
    let stage = Stage::new().await;
    let process = stage.start(&[]).await;
    process.chat(&question(false)).await.good();
    stage.rows_when(1).await;
    std::fs::remove_file(stage.file()).expect("it is there");
    process.chat(&question(false)).await.good();
    assert_eq!(stage.rows_when(1).await.len(), 1, "a new file");
    // The schema stays, the table's pages don't.
    let page = 4096;
    Connection::open(stage.file())
        .and_then(|it| it.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"))
        .expect("a checkpoint");
    let mut bytes = std::fs::read(stage.file()).expect("it is there");
    assert!(bytes.len() > page);
    bytes[page..].fill(0x55);
    std::fs::write(stage.file(), bytes).expect("it can be written");
    process.chat(&question(false)).await.good();
    process.line("state database corrupt; a new one is begun").await;
    assert_eq!(stage.rows_when(1).await.len(), 1, "the row that met it is in the new one");
    process.chat(&question(false)).await.good();
    stage.rows_when(2).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_costs_no_request() {
    let stage = Stage::new().await;
    stage.state.write("in-the-way", "");
    let directory = stage.state.0.join("in-the-way");
    let process = stage.start(&[("STATE_DIR", &directory.display().to_string())]).await;
    process.chat(&question(false)).await.good();
    let line = process.line(UNUSABLE).await;
    assert!(line["why"].as_str().is_some_and(|why| !why.is_empty()), "{line}");
    assert_eq!(line["path"], directory.join("state.db").display().to_string());
    assert_eq!(state(&process).await, "in memory");
    std::fs::remove_file(&directory).expect("it is there");
    process.line(IN_USE).await;
    assert_eq!(state(&process).await, "open");
    let written = async {
        while rows(&directory.join("state.db")).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(client::HANG, written).await.expect("what was asked in the meantime is written");
    assert_eq!(count(&process, UNUSABLE), 1, "it is told once");
}

#[tokio::test]
async fn while_another_process_holds_the_lock_everything_else_goes_on() {
    let stage = Stage::new().await;
    let locking = Connection::open(stage.file()).expect("a database");
    locking.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE theirs (x)").expect("a lock");
    let process = stage.start(&[]).await;
    process.chat(&question(false)).await.good();
    let line = process.line(UNUSABLE).await;
    assert!(line["why"].as_str().is_some_and(|why| why.contains("locked")), "{line}");
    locking.execute_batch("COMMIT").expect("the lock goes");
    drop(locking);
    process.line(IN_USE).await;
    assert_eq!(stage.rows_when(1).await.len(), 1);
    assert_eq!(state(&process).await, "open");
}

#[tokio::test]
async fn the_tables_of_a_newer_version_are_left_alone() {
    let stage = Stage::new().await;
    let newer = Connection::open(stage.file()).expect("a database");
    newer.execute_batch("CREATE TABLE newer (x); PRAGMA user_version = 99").expect("it can be written");
    let process = stage.start(&[]).await;
    process.chat(&question(false)).await.good();
    let line = process.line(UNUSABLE).await;
    assert!(line["why"].as_str().is_some_and(|why| why.contains("version 99")), "{line}");
    let tables: Vec<String> = newer
        .prepare("SELECT name FROM sqlite_schema")
        .and_then(|mut it| it.query_map([], |row| row.get(0))?.collect())
        .expect("names");
    assert_eq!(tables, ["newer"]);
}

#[tokio::test]
async fn two_processes_share_a_file() {
    let stage = Stage::new().await;
    let (mut first, mut second) = tokio::join!(stage.start(&[]), stage.start(&[]));
    for _ in 0..10 {
        let body = question(false);
        let (one, other) = tokio::join!(first.chat(&body), second.chat(&body));
        one.good();
        other.good();
    }
    for process in [&mut first, &mut second] {
        process.signal("TERM");
        assert_eq!(process.exit_code().await, Some(0));
        assert_eq!(count(process, UNUSABLE), 0, "{:?}", process.log());
    }
    assert_eq!(stage.rows().len(), 20);
}

fn request(store: &Store, clock: Clock) {
    drop(Report::new("req_1".to_owned(), "m".to_owned(), false, clock).recorded(store, None));
}

async fn becomes(store: &Store, is: impl Fn(&Condition) -> bool) {
    let change = async {
        while !is(&store.condition()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(client::HANG, change).await.expect("its condition changes");
}

#[tokio::test]
async fn a_disk_that_fills_up_is_waited_for() {
    let (directory, clock) = (Scratch::new(), Clock::start());
    let store = Store::open(&directory.0, 30, clock);
    let full = store.transaction(|transaction| {
        let pages: i64 = transaction.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        transaction.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    });
    full.await.expect("it is open");
    for _ in 0..500 {
        request(&store, clock);
    }
    becomes(&store, |is| matches!(is, Condition::InMemory(why) if why.contains("full"))).await;
    let asked = store.transaction(|_| Ok(())).await;
    assert!(matches!(asked, Err(Unavailable::NoDatabase)), "{asked:?}");
    for _ in 0..500 {
        request(&store, clock);
    }
    // Opened again, it has room.
    becomes(&store, |is| *is == Condition::Open).await;
    store.close().await;
    assert_eq!(rows(&directory.0.join("state.db")).len(), 1000);
}

/// As a database looks to a machine whose clock is set back by so much, or forth where it is negative.
fn set_back(file: &std::path::Path, time: i64) {
    let connection = Connection::open(file).expect("a database");
    for (table, column) in
        [("bucket", "as_of_ms"), ("lease", "heartbeat_ms"), ("learned", "updated_ms"), ("request", "at_ms")]
    {
        connection
            .execute(&format!("UPDATE {table} SET {column} = {column} + ?1"), [time])
            .expect("a column");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_neither_locks_a_limit_nor_makes_it_larger() {
    const DAY_MS: i64 = 86_400_000;
    const LIMIT: usize = 20;
    for time in [DAY_MS, 365 * DAY_MS, -DAY_MS, -365 * DAY_MS] {
        let stage = Stage::new().await;
        let limit =
            [("CEREBRAS_REQUESTS_PER_MINUTE", "20"), ("RATE_WINDOW_MS", "3600000"), ("HISTORY_DAYS", "0")];
        let mut process = stage.start(&limit).await;
        let served = async |process: &Process, times: usize| {
            let mut cerebras = 0;
            for _ in 0..times {
                let reply = process.chat(&question(false)).await.good();
                cerebras += usize::from(reply.provider() == "cerebras");
            }
            cerebras
        };
        process.line(IN_USE).await;
        assert_eq!(served(&process, 5).await, 5);
        process.signal("TERM");
        process.exit_code().await;
        set_back(&stage.file(), time);
        let process = stage.start(&limit).await;
        process.line(IN_USE).await;
        let served = served(&process, 2 * LIMIT).await;
        // Set back, what was left is there; set forth, time has passed, and the limit is full but no more.
        let expected = if time > 0 { LIMIT - 5..=LIMIT - 4 } else { LIMIT..=LIMIT + 1 };
        assert!(expected.contains(&served), "{time}: {served}");
    }
}
