-- What a receipt shows beside the tokens: how far a hold grew, the upstream's own tool calls (a JSON object: name ->
-- calls), the service tier that was charged, and what the upstream says it cost (nano-dollars). NULL: not known.
ALTER TABLE requests ADD COLUMN extended INTEGER;
ALTER TABLE requests ADD COLUMN server_tools TEXT;
ALTER TABLE requests ADD COLUMN service_tier TEXT;
ALTER TABLE requests ADD COLUMN upstream_cost INTEGER;

-- Codes that give money to the account that redeems them. Only their digest is stored, and what is visible of them.
CREATE TABLE codes (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    digest       BLOB NOT NULL UNIQUE,
    prefix       TEXT NOT NULL,
    amount       INTEGER NOT NULL CHECK (amount > 0),
    memo         TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    redeemed_at  INTEGER,
    account_id   INTEGER REFERENCES accounts (id),
    CHECK ((redeemed_at IS NULL) = (account_id IS NULL))
) STRICT;

-- What a key has spent in the period of its budget (UTC) that began at `period_started`.
ALTER TABLE keys ADD COLUMN budget_period TEXT NOT NULL DEFAULT 'total'
    CHECK (budget_period IN ('total', 'day', 'week', 'month'));
ALTER TABLE keys ADD COLUMN period_spent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN period_started INTEGER NOT NULL DEFAULT 0;
UPDATE keys SET period_spent = spent;

DROP TRIGGER keys_changed;
CREATE TRIGGER keys_changed AFTER UPDATE OF
    name, requests_per_minute, tokens_per_minute, concurrent_requests, budget, budget_period, models, expires_at,
    revoked_at ON keys
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE keys SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
END;
