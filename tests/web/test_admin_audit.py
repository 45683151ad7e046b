"""/admin/audit: who did what, for good."""

import re
from urllib.parse import urlencode

import pytest
from gateway import Haze
from people import Person

from haze_proxy.store import audit
from haze_proxy.web import keyset

ROW = re.compile(r'<td class="main"><code>([\w.]+)</code></td>\s*<td data-label="Target"><span class="wraps">([^<]*)<')


def acts(text: str) -> list[tuple[str, str]]:
    """Act and target of each row, in the order of the page."""
    return ROW.findall(text)


async def test_what_administrators_do_is_seen_by_all_of_them(house: Haze, admin: Person) -> None:
    """By whom, when, to whom and how; what came by command is said to."""
    house.rows(
        "INSERT INTO audit (at, act, target, detail) VALUES (1, 'key.add', 'a@example.com', 'key 1, sk-rr-abc…')"
    )
    await admin.post("/admin/accounts/1/disable")
    seen = await admin.get("/admin/audit")
    assert acts(seen.text) == [("account.disable", "a@example.com"), ("key.add", "a@example.com")]
    assert "key.add a@example.com 1970-01-01 00:00:00 command key 1, sk-rr-abc…" in seen.words
    assert re.search(r"account.disable a@example.com \d{4}-\d\d-\d\d \d\d:\d\d:\d\d admin@example.com", seen.words)


async def test_an_empty_log_says_what_will_stand_there(admin: Person) -> None:
    """Before anything was done."""
    assert "Nothing was done yet" in (await admin.get("/admin/audit")).words


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"act": "account."}, 2),
        ({"act": "account.enable", "target": "A@"}, 1),
        ({"target": "nobody"}, 0),
        ({"actor": "admin@example.com"}, 2),
        ({"actor": "command"}, 1),
        ({"act": "x" * 999}, 0),
        ({"target": "'\"><script>"}, 0),
    ],
)
async def test_acts_are_found(house: Haze, admin: Person, wanted: dict[str, str], count: int) -> None:
    """By how they and their target begin, and by whom; what was asked for stays in the form."""
    house.rows("INSERT INTO audit (at, act, target, detail) VALUES (1, 'key.add', 'b@example.com', '')")
    for deed in ("disable", "enable"):
        await admin.post(f"/admin/accounts/1/{deed}")
    seen = await admin.get(f"/admin/audit?{urlencode(wanted)}")
    assert len(acts(seen.text)) == count
    assert count or "Nothing in the log is like that." in seen.words
    assert all(
        f'value="{value}"' in seen.text for value in wanted.values() if value.replace(".", "").isalnum() and count
    )
    assert "<script>" not in seen.text


async def test_a_long_log_is_read_a_page_at_a_time(house: Haze, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where few of it are wanted: each page looks at a bounded number of acts, and goes on from there."""
    monkeypatch.setattr(keyset, "ROWS", 2)
    monkeypatch.setattr(audit, "LOOKED_AT", 3)
    for number in range(7):
        act = "code.add" if number == 0 else "key.add"
        house.rows("INSERT INTO audit (at, act, target, detail) VALUES (1, ?, ?, '')", act, str(number))
    for query, targets in (("", "6543210"), ("?act=code.", "0")):
        found, path, pages = [], f"/admin/audit{query}", 0
        while path:
            seen = await admin.get(path)
            found += [target for _, target in acts(seen.text)]
            after = re.search(r'rel="next" href="([^"]+)"', seen.text)
            path, pages = after[1].replace("&amp;", "&") if after else "", pages + 1
        assert ("".join(found), pages) == (targets, 4 if not query else 3)


async def test_the_page_is_not_there_for_others(me: Person, stranger: Person) -> None:
    """It names everybody."""
    assert [(await person.get("/admin/audit")).status for person in (me, stranger)] == [404, 404]
