-- What an account has after a transfer, on the side that is an account's (NULL: the house, or outside): a page of an
-- account's transfers shows its balance beside each without adding up those above it.
ALTER TABLE transfers ADD COLUMN debit_after INTEGER;
ALTER TABLE transfers ADD COLUMN credit_after INTEGER;

-- What was written before: added up once.
DROP TRIGGER transfers_are_final;
UPDATE transfers SET debit_after = entries.after FROM (
    SELECT id, name, sum(change) OVER (PARTITION BY name ORDER BY id) AS after FROM (
        SELECT id, debit AS name, -amount AS change FROM transfers WHERE debit GLOB 'account:*'
        UNION ALL SELECT id, credit, amount FROM transfers WHERE credit GLOB 'account:*')
) AS entries WHERE entries.id = transfers.id AND entries.name = transfers.debit;
UPDATE transfers SET credit_after = entries.after FROM (
    SELECT id, name, sum(change) OVER (PARTITION BY name ORDER BY id) AS after FROM (
        SELECT id, debit AS name, -amount AS change FROM transfers WHERE debit GLOB 'account:*'
        UNION ALL SELECT id, credit, amount FROM transfers WHERE credit GLOB 'account:*')
) AS entries WHERE entries.id = transfers.id AND entries.name = transfers.credit;

-- Nothing is changed, but what the trigger below fills in as a transfer is written.
CREATE TRIGGER transfers_are_final BEFORE UPDATE ON transfers
WHEN NEW.id IS NOT OLD.id OR NEW.debit IS NOT OLD.debit OR NEW.credit IS NOT OLD.credit
    OR NEW.amount IS NOT OLD.amount OR NEW.kind IS NOT OLD.kind OR NEW.request_id IS NOT OLD.request_id
    OR NEW.idempotency_key IS NOT OLD.idempotency_key OR NEW.created_at IS NOT OLD.created_at
    OR NEW.memo IS NOT OLD.memo OR OLD.debit_after IS NOT NULL OR OLD.credit_after IS NOT NULL
    OR NOT (OLD.debit GLOB 'account:*' OR OLD.credit GLOB 'account:*')
BEGIN SELECT raise(ABORT, 'a transfer is never changed'); END;

DROP TRIGGER transfers_move_balances;
CREATE TRIGGER transfers_move_balances AFTER INSERT ON transfers
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE ledger SET balance = balance - NEW.amount, revision = (SELECT revision FROM clock) WHERE name = NEW.debit;
    UPDATE ledger SET balance = balance + NEW.amount, revision = (SELECT revision FROM clock) WHERE name = NEW.credit;
    UPDATE transfers SET
        debit_after = (SELECT balance FROM ledger WHERE name = NEW.debit AND name GLOB 'account:*'),
        credit_after = (SELECT balance FROM ledger WHERE name = NEW.credit AND name GLOB 'account:*')
    WHERE id = NEW.id AND (NEW.debit GLOB 'account:*' OR NEW.credit GLOB 'account:*');
END;

-- Top-ups by card, by Stripe's own ids of the checkout and of its payment. Times are ms since 1970.
CREATE TABLE card_payments (
    session_id  TEXT PRIMARY KEY,
    account_id  INTEGER NOT NULL REFERENCES accounts (id),
    amount      INTEGER NOT NULL CHECK (amount > 0),
    state       TEXT NOT NULL CHECK (state IN ('open', 'paid', 'failed', 'expired')),
    intent      TEXT UNIQUE,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT, WITHOUT ROWID;

-- What Stripe took back of a payment, in all, by each refunded charge and each dispute.
CREATE TABLE card_reversals (
    source      TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL REFERENCES card_payments (session_id),
    amount      INTEGER NOT NULL CHECK (amount > 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_reversals_of_payment ON card_reversals (session_id);
-- Few among many: what an account has spent leaves them out.
CREATE INDEX transfers_taken_back ON transfers (debit) WHERE kind IN ('card_refund', 'card_dispute', 'correction');

-- Below this balance (nano-dollars) the account wants to be told; NULL: never.
ALTER TABLE accounts ADD COLUMN low_balance INTEGER CHECK (low_balance > 0);
