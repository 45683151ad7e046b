-- The last list of models that the upstream of a `*` channel told: what is served while it cannot be asked.
-- `origin` tells whose list it is, `models` are its rows as JSON.
CREATE TABLE channel_models (
    channel     TEXT PRIMARY KEY,
    origin      TEXT NOT NULL,
    fetched_at  INTEGER NOT NULL,
    models      TEXT NOT NULL
) STRICT;
