"""/admin/shortfalls: where an estimate was too low."""

import re

import pytest
from gateway import Haze
from people import Person

from haze_proxy.web import keyset

COLUMNS = "epoch, account_id, key_id, protocol, stream, model, channel, opened_at, ended, ended_at, input, output"


async def settled(house: Haze, *facts: tuple[str, int, int, int]) -> None:
    """A request, and others like it: id, held, cost, shortfall."""
    assert (await house.ask("chat")).status == 200
    await house.ended()
    for row in facts:
        house.rows(
            f"INSERT INTO requests (id, held, cost, shortfall, {COLUMNS}, state)"
            f" SELECT ?, ?, ?, ?, {COLUMNS}, 'settled' FROM requests ORDER BY id LIMIT 1",
            *row,
        )


async def test_an_exact_house_has_none(house: Haze, admin: Person) -> None:
    """What was held was enough: nothing to do."""
    await settled(house)
    seen = await admin.get("/admin/shortfalls")
    assert "Nothing above its hold" in seen.words
    assert "disputed card payments $0.00" in seen.words


async def test_what_cost_more_than_it_held_is_listed(house: Haze, admin: Person) -> None:
    """Beside what nobody paid: an account with money pays for a wrong estimate, too."""
    facts = [("req_a1", 2 * 10**9, 3 * 10**9, 0), ("req_a2", 10**9, 5 * 10**9, 10**9), ("req_a3", 10**9, 10**9, 0)]
    await settled(house, *facts)
    house.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, request_id, created_at)"
        " VALUES ('house:shortfall', 'house:revenue', 1000000000, 'shortfall', 'req_a2', 1)"
    )
    seen = await admin.get("/admin/shortfalls")
    assert "disputed card payments $1.00" in seen.words
    assert "hekiu chat on echo a@example.com just now $1.00 $5.00 $4.00 $1.00" in seen.words
    assert "hekiu chat on echo a@example.com just now $2.00 $3.00 $1.00 \N{EN DASH}" in seen.words
    assert seen.text.index("requests/req_a2") < seen.text.index("requests/req_a1")
    assert "req_a3" not in seen.text


async def test_many_are_read_a_page_at_a_time(house: Haze, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page begins where the last one stopped."""
    monkeypatch.setattr(keyset, "ROWS", 2)
    await settled(house, *[(f"req_a{number}", 1, 2, 0) for number in range(5)])
    found, path = [], "/admin/shortfalls"
    while path:
        seen = await admin.get(path)
        found += re.findall(r"requests/(req_a\d)", seen.text)
        after = re.search(r'rel="next" href="([^"]+)"', seen.text)
        path = after[1] if after else ""
    assert found == [f"req_a{number}" for number in (4, 3, 2, 1, 0)]


async def test_the_page_is_not_there_for_others(me: Person, stranger: Person) -> None:
    """It names everybody's requests."""
    assert [(await person.get("/admin/shortfalls")).status for person in (me, stranger)] == [404, 404]
