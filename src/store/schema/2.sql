-- The books, as far as they outlive a process. A level or an amount may need more than 64 bits: an exact integer, as text.
CREATE TABLE bucket (
    account      TEXT    NOT NULL,
    dimension    TEXT    NOT NULL,
    win          TEXT    NOT NULL,
    level        TEXT    NOT NULL,
    capacity     INTEGER NOT NULL,
    as_of_ms     INTEGER NOT NULL,
    PRIMARY KEY (account, dimension, win)
) STRICT, WITHOUT ROWID;

-- What each process holds of a bucket's level.
CREATE TABLE lease (
    account      TEXT    NOT NULL,
    dimension    TEXT    NOT NULL,
    win          TEXT    NOT NULL,
    process      TEXT    NOT NULL,
    amount       TEXT    NOT NULL,
    heartbeat_ms INTEGER NOT NULL,
    PRIMARY KEY (account, dimension, win, process)
) STRICT, WITHOUT ROWID;

-- What answers have taught of an account: limits, how its tokens are counted, whether unused tokens come back.
CREATE TABLE learned (
    account      TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    value        TEXT    NOT NULL,
    updated_ms   INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
