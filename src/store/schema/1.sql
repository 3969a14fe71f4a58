-- The history: one row for each request that is over. docs/HISTORY.md says what the columns mean.
CREATE TABLE request (
    id               INTEGER PRIMARY KEY,
    at_ms            INTEGER NOT NULL,
    request_id       TEXT    NOT NULL,
    client           TEXT,
    model            TEXT    NOT NULL,
    stream           INTEGER NOT NULL,
    max_tokens       INTEGER,
    provider         TEXT,
    account          TEXT,
    upstream_model   TEXT,
    first_choice     INTEGER,
    status           INTEGER NOT NULL,
    outcome          TEXT    NOT NULL,
    why              TEXT,
    attempts         INTEGER NOT NULL,
    steps            TEXT    NOT NULL,
    tokens_estimated INTEGER,
    prompt_tokens    INTEGER,
    cached_tokens    INTEGER,
    completion_tokens INTEGER,
    tokens_counted   INTEGER,
    tokens_reserved  INTEGER NOT NULL,
    first_payload_ms INTEGER,
    total_ms         INTEGER NOT NULL
) STRICT;

CREATE INDEX request_at ON request (at_ms);
