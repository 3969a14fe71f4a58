//! The tables of the books, and work that runs on the database's thread.

use qwen_3_coder_proxy::clock::Clock;
use qwen_3_coder_proxy::store::ledger::{self, Bucket, Key, Lease};
use qwen_3_coder_proxy::store::{Store, Unavailable, VERSION};
use rusqlite::Connection;
use secrecy::SecretString;

use super::rows;
use crate::process::Scratch;

const KEY: Key<'static> = Key { account: "a", dimension: "tokens", window: "day" };

#[tokio::test]
async fn what_is_written_is_there_after_a_restart_to_the_last_unit() {
    let directory = Scratch::new();
    let bucket = Bucket { level: -1_658_880_000_000_000_000_001, capacity: 9, as_of_ms: 1_795_000_000_123 };
    let lease = |process: &str, amount| Lease { process: process.to_owned(), amount, heartbeat_ms: 5 };
    let store = Store::open(&directory.0, 30, Clock::start());
    let leases = [lease("p1", i128::MAX), lease("p2", 7)];
    let written = store.transaction(move |transaction| {
        ledger::set_bucket(transaction, KEY, Bucket { level: 1, ..bucket })?;
        ledger::set_bucket(transaction, KEY, bucket)?;
        leases.iter().try_for_each(|lease| ledger::set_lease(transaction, KEY, lease))?;
        ledger::set_lease(transaction, Key { window: "minute", ..KEY }, &leases[0])?;
        ledger::learn(transaction, "a", "limit", "{\"tokens\":1}", 1)?;
        ledger::learn(transaction, "a", "limit", "{\"tokens\":2}", 2)?;
        ledger::learn(transaction, "b", "limit", "{}", 2)
    });
    written.await.expect("it is written");
    store.close().await;

    let store = Store::open(&directory.0, 30, Clock::start());
    let read = store.transaction(|transaction| {
        assert_eq!(ledger::heartbeat(transaction, "p1", 9)?, 2);
        ledger::end_lease(transaction, KEY, "p2")?;
        let learned = ledger::learned(transaction, "a")?;
        let other = ledger::bucket(transaction, Key { dimension: "requests", ..KEY })?;
        Ok((ledger::bucket(transaction, KEY)?, other, ledger::leases(transaction, KEY)?, learned))
    });
    let (read, other, leases, learned) = read.await.expect("it is read");
    assert_eq!((read, other), (Some(bucket), None));
    assert_eq!(leases, [Lease { heartbeat_ms: 9, ..lease("p1", i128::MAX) }]);
    assert_eq!(learned.into_iter().collect::<Vec<_>>(), [("limit".to_owned(), "{\"tokens\":2}".to_owned())]);
    store.close().await;
}

#[tokio::test]
async fn work_is_done_as_a_whole_or_not_at_all_and_the_next_is_done_all_the_same() {
    let directory = Scratch::new();
    let store = Store::open(&directory.0, 30, Clock::start());
    let set = |level| {
        move |connection: &Connection| {
            ledger::set_bucket(connection, KEY, Bucket { level, capacity: 1, as_of_ms: 0 })
        }
    };
    let undone = store.transaction(move |transaction| {
        set(1)(transaction)?;
        transaction.execute_batch("no SQL at all")
    });
    assert!(matches!(undone.await, Err(Unavailable::Failed(_))));
    let undone = store.transaction(move |transaction| {
        set(2)(transaction)?;
        panic!("a bug")
    });
    let undone: Result<(), _> = undone.await;
    assert!(matches!(undone, Err(Unavailable::NoDatabase)), "{undone:?}");
    let level = store.transaction(|transaction| ledger::bucket(transaction, KEY));
    assert_eq!(level.await.expect("the thread lives"), None);
    // It runs although nobody waits for it.
    drop(store.transaction(move |transaction| set(3)(transaction)));
    store.close().await;
    let late = store.transaction(|_| Ok(()));
    assert!(matches!(late.await, Err(Unavailable::NoDatabase)));
    let level = Connection::open(directory.0.join("state.db")).and_then(|it| ledger::bucket(&it, KEY));
    assert_eq!(level.expect("a database"), Some(Bucket { level: 3, capacity: 1, as_of_ms: 0 }));
}

#[tokio::test]
async fn without_a_database_work_is_declined() {
    let nothing = Store::default().transaction(|_| Ok(())).await;
    assert!(matches!(nothing, Err(Unavailable::NoDatabase)));
}

#[tokio::test]
async fn processes_take_turns_at_reading_and_writing() {
    let directory = Scratch::new();
    let stores = [(); 3].map(|()| Store::open(&directory.0, 30, Clock::start()));
    let mut done = Vec::new();
    for _ in 0..50 {
        for store in &stores {
            done.push(store.transaction(|transaction| {
                let level = ledger::bucket(transaction, KEY)?.map_or(0, |bucket| bucket.level);
                ledger::set_bucket(transaction, KEY, Bucket { level: level + 1, capacity: 1, as_of_ms: 0 })
            }));
        }
    }
    // One that could not get its turn within a second is told so, and has changed nothing.
    let mut written = 0;
    for done in done {
        written += i128::from(done.await.is_ok());
    }
    assert!(written > 100, "{written} of 150");
    let level = stores[0].transaction(|transaction| ledger::bucket(transaction, KEY)).await;
    assert_eq!(level.expect("it is read").map(|bucket| bucket.level), Some(written));
    for store in stores {
        store.close().await;
    }
}

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_to_date() {
    let directory = Scratch::new();
    let file = directory.0.join("state.db");
    let old = Connection::open(&file).expect("a database");
    let row = "INSERT INTO request (at_ms, request_id, model, stream, status, outcome, attempts, steps, tokens_reserved, total_ms) \
               VALUES (9e15, 'req_1', 'm', 0, 200, 'whole', 1, '', 0, 1); PRAGMA user_version = 1";
    old.execute_batch(&[include_str!("../../../src/store/schema/1.sql"), row].concat()).expect("its tables");
    drop(old);
    let store = Store::open(&directory.0, 30, Clock::start());
    let version = store.transaction(|transaction| {
        ledger::learn(transaction, "a", "k", "v", 0)?;
        transaction.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
    });
    assert_eq!(version.await.expect("its tables are there"), i64::try_from(VERSION).expect("a small number"));
    store.close().await;
    assert_eq!(rows(&file).len(), 1, "what it held is there");
}

#[test]
fn an_account_is_known_by_provider_address_and_key_and_shows_none_of_them() {
    let key = |text: &str| SecretString::from(text.to_owned());
    let name = ledger::account("cerebras", "https://a.test/v1", Some(&key("csk-secret")));
    assert_eq!(name.len(), 32);
    assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(name, ledger::account("cerebras", "https://a.test/v1", Some(&key("csk-secret"))));
    let others = [
        ledger::account("chutes", "https://a.test/v1", Some(&key("csk-secret"))),
        ledger::account("cerebras", "https://a.test/v2", Some(&key("csk-secret"))),
        ledger::account("cerebras", "https://a.test/v1", Some(&key("csk-other"))),
        ledger::account("cerebras", "https://a.test/v1c", Some(&key("sk-secret"))),
        ledger::account("cerebras", "https://a.test/v1", None),
    ];
    assert!(!others.contains(&name));
}
