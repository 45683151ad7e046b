-- Channels that are switched off while Haze runs, beside what config.toml says of them; `off` is 0 once one is on again.
-- `by` is the administrator's account, NULL for the owner's command; `at` is ms since 1970.
CREATE TABLE channel_switches (
    channel   TEXT PRIMARY KEY,
    off       INTEGER NOT NULL CHECK (off IN (0, 1)),
    at        INTEGER NOT NULL,
    "by"      INTEGER REFERENCES accounts (id),
    revision  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX channel_switches_by_revision ON channel_switches (revision);

CREATE TRIGGER channel_switches_added AFTER INSERT ON channel_switches
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE channel_switches SET revision = (SELECT revision FROM clock) WHERE channel = NEW.channel;
END;
CREATE TRIGGER channel_switches_changed AFTER UPDATE OF off, at, "by" ON channel_switches
BEGIN
    UPDATE clock SET revision = revision + 1;
    UPDATE channel_switches SET revision = (SELECT revision FROM clock) WHERE channel = NEW.channel;
END;
