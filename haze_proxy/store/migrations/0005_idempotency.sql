-- What a charged request's `Idempotency-Key` was, as digests: of account and key, and of the body. Kept for 24 h.
ALTER TABLE requests ADD COLUMN idempotency_key BLOB;
ALTER TABLE requests ADD COLUMN idempotency_body BLOB;
CREATE UNIQUE INDEX requests_by_idempotency_key ON requests (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX requests_with_idempotency_key ON requests (opened_at) WHERE idempotency_key IS NOT NULL;
