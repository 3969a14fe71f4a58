//! The table of requests: `docs/HISTORY.md` says what the columns mean.

use rusqlite::{Connection, TransactionBehavior, params};

use super::int;
use crate::report::Row;

/// So many old rows are deleted at once: a few milliseconds.
const BATCH: usize = 1000;
/// The longest text of a column, in bytes.
const LONGEST: usize = 1000;

const INSERT: &str = "INSERT INTO request (at_ms, request_id, client, model, stream, max_tokens, provider, account, upstream_model, \
     first_choice, status, outcome, why, attempts, steps, tokens_estimated, prompt_tokens, cached_tokens, completion_tokens, \
     tokens_counted, tokens_reserved, first_payload_ms, total_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

/// Writes all of them, or none.
pub(super) fn insert(connection: &mut Connection, rows: &[Row]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut insert = transaction.prepare(INSERT)?;
    for row in rows {
        let took = row.took.as_ref();
        let usage = row.usage.as_ref();
        insert.execute(params![
            int(row.at_ms),
            row.request_id,
            row.client,
            row.model,
            row.stream,
            row.max_tokens.map(int),
            took.map(|step| step.target.name()),
            took.map(|step| &step.target.label),
            took.map(|step| &step.model),
            row.first_choice,
            row.status,
            row.end,
            row.why.as_deref().map(short),
            int(row.attempts as u64),
            short(&row.steps),
            row.tokens_estimated.map(int),
            usage.map(|usage| int(usage.prompt_tokens)),
            usage.and_then(|usage| usage.cached_tokens).map(int),
            usage.map(|usage| int(usage.completion_tokens)),
            row.tokens_counted.map(int),
            int(row.tokens_reserved),
            row.first_payload_ms.map(int),
            int(row.total_ms),
        ])?;
    }
    drop(insert);
    transaction.commit()
}

/// Deletes a batch of what came in before this moment, in milliseconds since 1970. Returns whether that was all.
pub(super) fn prune(connection: &Connection, before_ms: u64) -> rusqlite::Result<bool> {
    let sql =
        "DELETE FROM request WHERE id IN (SELECT id FROM request WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
    Ok(connection.execute(sql, params![int(before_ms), int(BATCH as u64)])? < BATCH)
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}
