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

-- Below this balance (nano-dollars) the account wants to be told; NULL: never.
ALTER TABLE accounts ADD COLUMN low_balance INTEGER CHECK (low_balance > 0);
