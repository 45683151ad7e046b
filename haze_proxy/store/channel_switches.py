"""Which channels are switched off while Haze runs: beside config.toml, never instead of it, and across a restart."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from haze_proxy.store import audit
from haze_proxy.store.audit import Act


@dataclass(frozen=True, slots=True)
class Switch:
    """A channel that was switched at a time (ms since 1970). `by` is an administrator's e-mail address, "" for the
    owner's command.
    """

    channel: str
    off: bool
    at: int
    by: str

    @property
    def words(self) -> str:
        """Since when it is off, and by whom; "" where it is on."""
        if not self.off:
            return ""
        return f"off here since {datetime.fromtimestamp(self.at / 1000, UTC):%Y-%m-%d %H:%M} UTC by {self.who}"

    @property
    def who(self) -> str:
        """Who it was, for people."""
        return self.by or "haze-proxy channels"


def put(connection: sqlite3.Connection, channel: str, *, off: bool, actor_id: int | None, now_ms: int) -> None:
    """Switch a channel off or on, and write it into the audit log. One that is so already stays as it was.

    Whether there is such a channel, and whether it can be on, is for the caller to know.
    """
    known = connection.execute("SELECT off FROM channel_switches WHERE channel = ?", (channel,)).fetchone()
    if off == (known is not None and bool(known["off"])):
        return
    connection.execute(
        'INSERT INTO channel_switches (channel, off, at, "by") VALUES (?, ?, ?, ?)'
        ' ON CONFLICT (channel) DO UPDATE SET off = excluded.off, at = excluded.at, "by" = excluded."by"',
        (channel, off, now_ms, actor_id),
    )
    audit.record(connection, Act(actor_id, "channel.switch", channel, "off" if off else "on"), now_ms)


def every(connection: sqlite3.Connection) -> list[Switch]:
    """All channels that were ever switched, by their names."""
    return sorted(above(connection, -1), key=lambda switch: switch.channel)


def above(connection: sqlite3.Connection, revision: int) -> list[Switch]:
    """Those that were switched after a revision of the store."""
    rows = connection.execute(
        "SELECT channel, off, at, coalesce(email, '') AS email FROM channel_switches"
        ' LEFT JOIN accounts ON accounts.id = "by" WHERE channel_switches.revision > ?',
        (revision,),
    )
    return [Switch(row["channel"], bool(row["off"]), row["at"], row["email"]) for row in rows]
