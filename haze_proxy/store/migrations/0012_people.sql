-- What administrators look at: found by an index, however many requests and charges there are.
CREATE INDEX requests_interrupted ON requests (ended_at) WHERE state = 'interrupted';
CREATE INDEX requests_above_hold ON requests (id) WHERE cost > held;
CREATE INDEX refusals_by_minute ON refusals (minute);
-- Links with which people choose a password themselves: one for each account, once. Only the token's digest is stored.
CREATE TABLE password_links (
    account_id  INTEGER PRIMARY KEY REFERENCES accounts (id),
    digest      BLOB NOT NULL UNIQUE,
    expires_at  INTEGER NOT NULL
) STRICT;
