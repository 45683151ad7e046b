"""/admin/codes: money to give away, shown once."""

import re

import pytest
from gateway import Haze
from people import Person

from haze_proxy.web import keyset

CODE = re.compile(r"haze(?:-[0-9A-Z]{4}){5}")


def log(house: Haze) -> list[tuple[str, str, str]]:
    """What stands in the audit log: act, target, detail."""
    return [tuple(row) for row in house.rows("SELECT act, target, detail FROM audit ORDER BY id")]


async def make(admin: Person, **fields: str) -> list[str]:
    """Make codes; what is shown."""
    seen = await admin.post("/admin/codes", **{"amount": "5", **fields})
    assert (seen.status, "now: Haze keeps only" in seen.words) == (200, True)
    return CODE.findall(seen.text)


async def test_codes_are_shown_once(house: Haze, admin: Person) -> None:
    """With a button to copy them all; afterwards there is only how they begin."""
    made = await make(admin, count="3", memo="spring", expires="2099-01-31")
    assert len(set(made)) == 3
    seen = await admin.get("/admin/codes")
    for code in made:
        assert f"{code[:9]}… spring $5.00 open just now 2099-01-31" in seen.words
        assert code not in seen.text
    assert log(house) == [("code.add", "3 codes", f"{', '.join(each[:9] + '…' for each in made)}: 5 USD, spring")]


async def test_a_code_is_redeemed_once_and_by_whom_is_said(house: Haze, admin: Person) -> None:
    """Money moves then, and the books add up."""
    [code] = await make(admin, amount="0.25")
    house.rows("UPDATE codes SET redeemed_at = 1, account_id = 1")
    house.rows(
        "INSERT INTO transfers (debit, credit, amount, kind, idempotency_key, created_at)"
        " VALUES ('house:promotion', 'account:1', 250000000, 'code', 'code:1', 1)"
    )
    seen = await admin.get("/admin/codes")
    assert re.search(rf"{code[:9]}… \$0.25 redeemed by a@example.com, [\d,]+ days ago", seen.words)
    assert "withdraw" not in seen.text
    assert (await admin.post("/admin/codes/1/withdraw")).status == 404
    assert house.check() == []


async def test_an_open_code_can_be_withdrawn(house: Haze, admin: Person) -> None:
    """It was sent to the wrong person: it gives nothing from now on. Twice is not there any more."""
    [code] = await make(admin)
    assert (await admin.post("/admin/codes/1/withdraw")).location == "/admin/codes?done=withdrawn"
    seen = await admin.get("/admin/codes?done=withdrawn")
    assert "nobody can redeem it any more" in seen.words
    assert "$5.00 expired" in seen.words
    for number in (1, 2, 10**14):
        seen = await admin.post(f"/admin/codes/{number}/withdraw")
        assert (seen.status, "no such code that is still open" in seen.words) == (404, True)
    assert log(house)[1:] == [("code.withdraw", code[:9], "5 USD")]


async def test_many_codes_are_read_a_page_at_a_time(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first; each page begins where the last one stopped."""
    monkeypatch.setattr(keyset, "ROWS", 2)
    made = await make(admin, count="5")
    found, path = [], "/admin/codes"
    while path:
        seen = await admin.get(path)
        found += re.findall(r"<code>(haze-\w{4})…</code>", seen.text)
        after = re.search(r'rel="next" href="([^"]+)"', seen.text)
        path = after[1] if after else ""
    assert found == [each[:9] for each in reversed(made)]


WRONG = [
    ({"amount": ""}, "amount", "An amount in USD, such as 5 or 0.25."),
    ({"amount": "0"}, "amount", "More than 0 and at most 1,000,000."),
    ({"amount": "five"}, "amount", "An amount in USD, such as 5 or 0.25."),
    ({"count": "101"}, "count", "From 1 to 100."),
    ({"count": "0"}, "count", "From 1 to 100."),
    ({"count": "many"}, "count", "A whole number."),
    ({"expires": "2020-01-31"}, "expires", "A day to come: it ends as it begins (UTC)."),
    ({"expires": "soon"}, "expires", "A day such as 2027-01-31."),
    ({"memo": "x" * 201}, "memo", "At most 200 characters."),
]


@pytest.mark.parametrize(("fields", "field", "complaint"), WRONG)
async def test_what_is_wrong_stands_beside_its_field(
    house: Haze, admin: Person, fields: dict[str, str], field: str, complaint: str
) -> None:
    """What was typed stays; no code is made."""
    typed = {"amount": "7.25", "count": "3", "memo": "kept", **fields}
    seen = await admin.post("/admin/codes", **typed)
    assert (seen.status, seen.complaint(field)) == (422, complaint)
    assert all(f'value="{value}"' in seen.text for value in typed.values())
    assert (house.rows("SELECT * FROM codes"), log(house)) == ([], [])


async def test_nobody_else_makes_codes(house: Haze, me: Person, stranger: Person) -> None:
    """Money for everybody who guesses an address would be much money."""
    for person in (me, stranger):
        assert (await person.post("/admin/codes", amount="5")).status == 404
    assert house.rows("SELECT * FROM codes") == []
