-- Who is logged in on the pages. Only the token's digest is stored; times are ms since 1970.
CREATE TABLE sessions (
    digest      BLOB PRIMARY KEY,
    account_id  INTEGER NOT NULL REFERENCES accounts (id),
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    user_agent  TEXT NOT NULL,
    address     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_account ON sessions (account_id);
-- Whoever is disabled is logged out, by whichever process; an account that is enabled again logs in again.
CREATE TRIGGER sessions_end AFTER UPDATE OF disabled_at ON accounts WHEN NEW.disabled_at IS NOT NULL
BEGIN DELETE FROM sessions WHERE account_id = NEW.id; END;

-- `addresses` are the networks a key may be used from, as a JSON array (NULL: all); `last_used_at` moves with each
-- request that ends, like what was spent, and raises no revision.
ALTER TABLE keys ADD COLUMN addresses TEXT;
ALTER TABLE keys ADD COLUMN last_used_at INTEGER;

DROP TRIGGER keys_changed;
CREATE TRIGGER keys_changed AFTER UPDATE OF
    name, prefix, digest, requests_per_minute, tokens_per_minute, concurrent_requests, budget, budget_period, models,
    addresses, expires_at, revoked_at ON keys
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE keys SET revision = (SELECT revision FROM clock) WHERE id = NEW.id;
END;
