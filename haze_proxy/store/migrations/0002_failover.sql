-- Each call that a request led to, as a JSON array: channel, model, when it began and answered, status, upstream id.
ALTER TABLE requests ADD COLUMN attempts TEXT;

-- What the running server knows of channels that failed, for the owner's commands; times in ms since 1970.
CREATE TABLE channel_health (
    channel   TEXT NOT NULL,
    model     TEXT NOT NULL,
    failures  INTEGER NOT NULL,
    owners    INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (channel, model)
) STRICT, WITHOUT ROWID;
