//! The database: what is in it, and that nobody waits for it or loses a turn with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};
use simulator::{Limits, Profile, Simulator};

use crate::client;
use crate::harness::{CEREBRAS_KEY, CHUTES_KEY};
use crate::process::{Process, Scratch};

mod budget;
mod history;
mod ledger;
mod played;
mod rules;
mod trouble;
mod usage;

/// Both providers simulated, and a directory for the database that outlives the processes that use it.
struct Stage {
    cerebras: Simulator,
    chutes: Simulator,
    state: Scratch,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Profile { limits: Limits::NONE, ..Profile::cerebras() }).await
    }

    async fn with(cerebras: Profile) -> Self {
        let cerebras = Profile { api_key: Some(CEREBRAS_KEY.into()), ..cerebras };
        let chutes = Profile { api_key: Some(CHUTES_KEY.into()), ..Profile::chutes() };
        Self {
            cerebras: Simulator::start(cerebras).await.expect("a port"),
            chutes: Simulator::start(chutes).await.expect("a port"),
            state: Scratch::new(),
        }
    }

    async fn start(&self, vars: &[(&str, &str)]) -> Process {
        self.start_in(Scratch::new(), vars).await
    }

    /// Where this directory has a configuration file.
    async fn start_in(&self, directory: Scratch, vars: &[(&str, &str)]) -> Process {
        let (cerebras, chutes) = (self.cerebras.base_url(), self.chutes.base_url());
        let state = self.state.0.display().to_string();
        let own = [
            ("CEREBRAS_API_KEY", CEREBRAS_KEY),
            ("CHUTES_API_KEY", CHUTES_KEY),
            ("CEREBRAS_BASE_URL", &cerebras),
            ("CHUTES_BASE_URL", &chutes),
            ("CEREBRAS_REQUESTS_PER_MINUTE", "100000"),
            ("CEREBRAS_TOKENS_PER_MINUTE", "1000000000"),
            ("STATE_DIR", &state),
        ];
        let vars: Vec<(&str, &str)> = own.into_iter().chain(vars.iter().copied()).collect();
        Process::start_in(directory, &vars).await
    }

    fn file(&self) -> PathBuf {
        self.state.0.join("state.db")
    }

    fn rows(&self) -> Vec<Map<String, Value>> {
        rows(&self.file())
    }

    /// Waits until so many requests are in the history.
    async fn rows_when(&self, count: usize) -> Vec<Map<String, Value>> {
        let there = async {
            while !self.file().exists() || self.rows().len() < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.rows()
        };
        tokio::time::timeout(client::HANG, there).await.expect("the rows are written")
    }
}

/// All requests in the history of this file, by the names of the columns.
fn rows(file: &Path) -> Vec<Map<String, Value>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
    connection.busy_timeout(Duration::from_secs(5)).expect("a connection");
    let Ok(mut statement) = connection.prepare("SELECT * FROM request ORDER BY at_ms, id") else {
        return Vec::new();
    };
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| {
        let value = |column: &String| {
            row.get(column.as_str()).map(|value| match value {
                rusqlite::types::Value::Integer(number) => json!(number),
                rusqlite::types::Value::Text(text) => json!(text),
                _ => Value::Null,
            })
        };
        columns.iter().map(|column| Ok((column.clone(), value(column)?))).collect()
    };
    statement.query_map([], read).and_then(Iterator::collect).expect("rows")
}
