"""Requests that are written down as if they had been made, and what a page lists of them."""

import re
from dataclasses import dataclass, field
from typing import Any

from gateway import Haze
from people import Seen

NOON = 1_795_608_000_000  # 2026-11-25 12:00 UTC
# A request of the account of `me`, which is the second, and whose first key is the second, too.
COLUMNS = {
    "epoch": 1, "account_id": 2, "key_id": 2, "state": "settled", "ended": "completed", "protocol": "chat", "stream": 0,
    "model": "hekiu", "channel": "echo", "status": 200, "input": 10, "cache_read": 4, "output": 3, "estimated": 0,
    "held": 500, "cost": 123, "price": '{"input":1000000,"free":false}',
}  # fmt: skip


@dataclass
class Log:
    """Requests that nobody had to wait for."""

    haze: Haze
    ids: list[str] = field(default_factory=list)

    def add(self, at: int = 0, **facts: Any) -> str:
        """A request that came in at a time (ms after NOON); returns its id."""
        opened = NOON + at
        request_id = f"req_{opened:012x}{len(self.ids):016x}"
        row = {**COLUMNS, "opened_at": opened, "first_byte_at": opened + 420, "ended_at": opened + 12_300, **facts}
        marks = ", ".join("?" * len(row))
        self.haze.rows(f"INSERT INTO requests (id, {', '.join(row)}) VALUES (?, {marks})", request_id, *row.values())
        self.ids.append(request_id)
        return request_id


def listed(seen: Seen) -> list[str]:
    """The ids of the requests on a page, from the top."""
    return re.findall(r'href="/dashboard/usage/(req_[0-9a-f]{28})"', seen.text)


def link(seen: Seen, name: str) -> str:
    """Where a link of a name leads; "": there is none."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{name}</a>', seen.text)
    return found[1].replace("&amp;", "&") if found else ""
