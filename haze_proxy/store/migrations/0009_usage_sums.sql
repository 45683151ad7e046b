-- What requests came to, summed, so that a chart reads as many rows as it has bars and not as many as there were
-- requests. Times are ms since 1970 (UTC) at which requests ended, cut to the beginning of their five minutes, hour or
-- day; money is whole nano-dollars. `void` counts what ended without a charge, interrupted ones included. `cost` is
-- less what was refunded; `cache_write` is both of its classes; `saved` is what caching took off the cost.

-- Where each end is added, in its own transaction: one row, so that a charge stays cheap. Each minute the server moves
-- what is here into usage_sums; whoever reads adds both.
CREATE TABLE usage_recent (
    account_id   INTEGER NOT NULL,
    slot         INTEGER NOT NULL,
    key_id       INTEGER NOT NULL,
    model        TEXT NOT NULL,
    channel      TEXT NOT NULL,
    ended        TEXT NOT NULL,
    settled      INTEGER NOT NULL,
    void         INTEGER NOT NULL,
    input        INTEGER NOT NULL,
    cache_read   INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    cost         INTEGER NOT NULL,
    shortfall    INTEGER NOT NULL,
    saved        INTEGER NOT NULL,
    PRIMARY KEY (account_id, slot, key_id, model, channel, ended)
) STRICT, WITHOUT ROWID;

-- Account 0 is everybody. `name` is the value of `by`: a key's or an account's id, a model, a channel, or how requests
-- ended; '' where there is none, and for what exceeds the names that one time may have (see NAMES_MAX in store/usage_sums.py).
CREATE TABLE usage_sums (
    account_id   INTEGER NOT NULL,
    by           TEXT NOT NULL,
    grain        INTEGER NOT NULL,
    time         INTEGER NOT NULL,
    name         TEXT NOT NULL,
    settled      INTEGER NOT NULL,
    void         INTEGER NOT NULL,
    input        INTEGER NOT NULL,
    cache_read   INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    cost         INTEGER NOT NULL,
    shortfall    INTEGER NOT NULL,
    saved        INTEGER NOT NULL,
    PRIMARY KEY (account_id, by, grain, time, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_sums_to_forget ON usage_sums (grain, time) WHERE grain < 86400000;

-- How long sums are kept, in ms (NULL: for ever), and from when on none is missing.
CREATE TABLE usage_grains (
    grain  INTEGER PRIMARY KEY,
    kept   INTEGER,
    since  INTEGER NOT NULL
) STRICT;
INSERT INTO usage_grains VALUES (300000, 7200000, 0), (3600000, 2678400000, 0), (86400000, NULL, 0);

-- The requests that there are. saved() is Haze's own (store/receipts.py).
INSERT INTO usage_recent
SELECT account_id, ended_at - ended_at % 300000, key_id, model, coalesce(channel, ''), coalesce(ended, state),
    sum(state = 'settled'), sum(state <> 'settled'), sum(input), sum(cache_read), sum(cache_write_5m + cache_write_1h),
    sum(output), sum(reasoning),
    sum(cost - coalesce((SELECT amount FROM transfers WHERE request_id = requests.id AND kind = 'refund'), 0)),
    sum(shortfall),
    sum(saved(state, input, cache_read, cache_write_5m, cache_write_1h, price, upstream_cost))
FROM requests WHERE ended_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6;
