-- Accounts, keys, the double-entry ledger, and one row for each admitted request.
-- Times are milliseconds since 1970 (UTC); money is whole nano-dollars.

-- Raised by triggers on every change that a running server keeps in memory: it reads the rows above what it has seen.
CREATE TABLE clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    revision  INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, 0);

CREATE TABLE accounts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    email          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password_hash  TEXT,
    is_admin       INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL,
    disabled_at    INTEGER,
    revision       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX accounts_by_revision ON accounts (revision);

CREATE TABLE keys (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id           INTEGER NOT NULL REFERENCES accounts (id),
    name                 TEXT NOT NULL DEFAULT '',
    prefix               TEXT NOT NULL,
    digest               BLOB NOT NULL UNIQUE,
    requests_per_minute  INTEGER NOT NULL CHECK (requests_per_minute > 0),
    tokens_per_minute    INTEGER NOT NULL CHECK (tokens_per_minute > 0),
    concurrent_requests  INTEGER NOT NULL CHECK (concurrent_requests > 0),
    budget               INTEGER CHECK (budget >= 0),
    spent                INTEGER NOT NULL DEFAULT 0,
    models               TEXT,
    created_at           INTEGER NOT NULL,
    expires_at           INTEGER,
    revoked_at           INTEGER,
    revision             INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX keys_of_account ON keys (account_id);
CREATE INDEX keys_by_revision ON keys (revision);

-- The books. account:N may never go below zero; house:* and external:* may have any sign. All balances sum to zero.
CREATE TABLE ledger (
    name      TEXT PRIMARY KEY,
    balance   INTEGER NOT NULL DEFAULT 0,
    revision  INTEGER NOT NULL DEFAULT 0,
    CHECK (balance >= 0 OR name NOT GLOB 'account:*')
) STRICT, WITHOUT ROWID;
INSERT INTO ledger (name) VALUES
    ('house:revenue'), ('house:promotion'), ('house:shortfall'), ('external:manual'), ('external:stripe');

CREATE TABLE transfers (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    debit            TEXT NOT NULL REFERENCES ledger (name),
    credit           TEXT NOT NULL REFERENCES ledger (name),
    amount           INTEGER NOT NULL CHECK (amount > 0),
    kind             TEXT NOT NULL,
    request_id       TEXT,
    idempotency_key  TEXT UNIQUE,
    created_at       INTEGER NOT NULL,
    memo             TEXT,
    CHECK (debit <> credit)
) STRICT;
CREATE INDEX transfers_from_account ON transfers (debit, id) WHERE debit GLOB 'account:*';
CREATE INDEX transfers_to_account ON transfers (credit, id) WHERE credit GLOB 'account:*';
CREATE UNIQUE INDEX transfers_of_request ON transfers (request_id, kind) WHERE request_id IS NOT NULL;

CREATE TRIGGER transfers_are_final BEFORE UPDATE ON transfers
BEGIN SELECT raise(ABORT, 'a transfer is never changed'); END;
CREATE TRIGGER transfers_stay BEFORE DELETE ON transfers
BEGIN SELECT raise(ABORT, 'a transfer is never deleted'); END;

-- The materialised balances move here and nowhere else, in the transaction of the transfer.
CREATE TRIGGER transfers_move_balances AFTER INSERT ON transfers
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE ledger SET balance = balance - NEW.amount, revision = (SELECT revision FROM clock) WHERE name = NEW.debit;
    UPDATE ledger SET balance = balance + NEW.amount, revision = (SELECT revision FROM clock) WHERE name = NEW.credit;
END;

CREATE TRIGGER accounts_added AFTER INSERT ON accounts
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE accounts SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
    INSERT INTO ledger (name, revision) VALUES ('account:' || NEW.id, (SELECT revision FROM clock));
END;
CREATE TRIGGER accounts_changed AFTER UPDATE OF email, is_admin, disabled_at ON accounts
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE accounts SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
END;
CREATE TRIGGER keys_added AFTER INSERT ON keys
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE keys SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
END;
-- `spent` moves with every charge and comes back from the charge itself: it raises no revision.
CREATE TRIGGER keys_changed AFTER UPDATE OF
    name, requests_per_minute, tokens_per_minute, concurrent_requests, budget, models, expires_at, revoked_at ON keys
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE keys SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
END;

-- One row for each start of a server: an open request of an epoch that is not running was interrupted.
CREATE TABLE epochs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    pid         INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;

-- Ids begin with their time, so new rows go to the end of the tree. No prompt and no answer is ever stored.
CREATE TABLE requests (
    id              TEXT PRIMARY KEY,
    epoch           INTEGER NOT NULL REFERENCES epochs (id),
    account_id      INTEGER NOT NULL REFERENCES accounts (id),
    key_id          INTEGER NOT NULL REFERENCES keys (id),
    state           TEXT NOT NULL CHECK (state IN ('open', 'settled', 'void', 'interrupted')),
    ended           TEXT,
    protocol        TEXT NOT NULL,
    stream          INTEGER NOT NULL,
    model           TEXT NOT NULL,
    channel         TEXT,
    upstream_model  TEXT,
    upstream_id     TEXT,
    status          INTEGER,
    opened_at       INTEGER NOT NULL,
    first_byte_at   INTEGER,
    ended_at        INTEGER,
    input           INTEGER NOT NULL DEFAULT 0,
    cache_read      INTEGER NOT NULL DEFAULT 0,
    cache_write_5m  INTEGER NOT NULL DEFAULT 0,
    cache_write_1h  INTEGER NOT NULL DEFAULT 0,
    output          INTEGER NOT NULL DEFAULT 0,
    reasoning       INTEGER NOT NULL DEFAULT 0,
    estimated       INTEGER NOT NULL DEFAULT 0,
    held            INTEGER NOT NULL,
    cost            INTEGER NOT NULL DEFAULT 0,
    shortfall       INTEGER NOT NULL DEFAULT 0,
    price           TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_of_account ON requests (account_id, id);
CREATE INDEX requests_open ON requests (epoch) WHERE state = 'open';

-- Why requests of a key were refused, counted by the minute: a refused request writes no row of its own.
CREATE TABLE refusals (
    minute  INTEGER NOT NULL,
    key_id  INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (key_id, minute, reason)
) STRICT, WITHOUT ROWID;
