//! A trace from the history: what was really asked, and when.

use rusqlite::Connection;

use super::trace::{Request, Trace};

/// All answered requests of the history whose size is known. A client is a session.
///
/// # Errors
///
/// Those of the database.
pub fn trace(history: &Connection) -> rusqlite::Result<Trace> {
    let mut select = history.prepare(
        "SELECT at_ms - (SELECT min(at_ms) FROM request), coalesce(client, ''), prompt_tokens, \
         coalesce(cached_tokens, 0), tokens_estimated, max_tokens, completion_tokens, stream \
         FROM request WHERE outcome = 'whole' AND prompt_tokens > 0 AND completion_tokens IS NOT NULL",
    )?;
    let number = |row: &rusqlite::Row<'_>, index: usize| -> rusqlite::Result<u64> {
        row.get::<_, i64>(index).map(|number| u64::try_from(number).unwrap_or(0))
    };
    let maybe = |row: &rusqlite::Row<'_>, index: usize| -> rusqlite::Result<Option<u64>> {
        row.get::<_, Option<i64>>(index).map(|number| number.and_then(|number| u64::try_from(number).ok()))
    };
    let request = |row: &rusqlite::Row<'_>| {
        Ok(Request {
            at_ms: number(row, 0)?,
            session: row.get(1)?,
            prompt_tokens: number(row, 2)?,
            cached_tokens: number(row, 3)?,
            estimate: maybe(row, 4)?.filter(|estimate| *estimate > 0),
            max_tokens: maybe(row, 5)?,
            completion_tokens: number(row, 6)?,
            stream: row.get(7)?,
        })
    };
    let requests: rusqlite::Result<Vec<Request>> = select.query_map([], request)?.collect();
    requests.map(Trace::new)
}
