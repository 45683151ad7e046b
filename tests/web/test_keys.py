"""API Keys: what a page decides holds for the next request, and nobody else finds it."""

import re
import time
from pathlib import Path

import pytest
from gateway import Haze, apart
from people import SECRET, Person, rows

from haze_proxy.store import own_keys

DAY_MS = 86_400_000
# What is typed -> what `GET /v1/key` says of it.
FIELDS = {
    "name": "Laptop",
    "requests_per_minute": "60",
    "tokens_per_minute": "1,000,000",
    "concurrent_requests": "4",
    "budget": "2.50",
    "budget_period": "month",
    "models": "hekiu, other\nthird",
    "addresses": "127.0.0.1\n192.0.2.0/24",
    "expires": "2099-01-31",
}


async def statuses(haze: Haze, key: str, *models: str) -> list[int]:
    """What small requests with a key come to."""
    return [(await haze.ask("chat", model, key=key)).status for model in models or ("hekiu",)]


async def funded(haze: Haze, person: Person) -> None:
    """Give the person's account ten dollars, as the owner does."""
    [row] = haze.rows("SELECT max(id) AS id FROM accounts")
    sql = "INSERT INTO transfers (debit, credit, amount, kind, created_at) VALUES (?, ?, ?, 'credit', 1)"
    haze.rows(sql, "external:manual", f"account:{row['id']}", 10**10)
    while "$10.00" not in (await person.get("/dashboard")).words:
        pass


async def test_a_key_answers_as_soon_as_it_is_made(house: Haze, me: Person) -> None:
    """The page shows it with the lines to copy; whoever pastes them at once must not hear 401."""
    seen = await me.post("/dashboard/keys", **FIELDS)
    key = seen.secret()
    assert set(SECRET.findall(seen.text)) == {key}
    assert all(f"<summary>{client}" in seen.text for client in ("curl", "OpenAI SDK, Python", "Claude Code", "Codex"))
    told = (await house.get("/v1/key", key=key)).json()
    assert (await house.get("/v1/key", key=key)).status == 200
    [row] = house.rows("SELECT * FROM keys WHERE id = 2")
    assert (row["name"], row["requests_per_minute"], row["tokens_per_minute"]) == ("Laptop", 60, 1_000_000)
    assert (row["concurrent_requests"], row["budget"], row["budget_period"]) == (4, 2_500_000_000, "month")
    assert row["models"] == '["hekiu", "other", "third"]'
    assert row["addresses"] == '["127.0.0.1", "192.0.2.0/24"]'
    assert row["expires_at"] == 4_073_500_800_000
    assert told


async def test_a_new_key_has_the_owners_limits_where_nothing_is_typed(house: Haze, me: Person) -> None:
    """What the form showed is what an empty field means."""
    await me.make_key()
    [row] = house.rows("SELECT * FROM keys WHERE id = 2")
    assert (row["requests_per_minute"], row["tokens_per_minute"], row["concurrent_requests"]) == (120, 2_000_000, 32)
    assert [row[name] for name in ("budget", "models", "addresses", "expires_at")] == [None] * 4


WRONG = [
    ("name", "x" * 81, "At most 80 characters."),
    ("name", "a\x07b", "It holds a character that cannot be shown."),
    ("requests_per_minute", "many", "A whole number."),
    ("requests_per_minute", "0", "From 1 to 1,000,000,000,000."),
    ("tokens_per_minute", "-5", "A whole number."),
    ("concurrent_requests", "1.5", "A whole number."),
    ("concurrent_requests", "9" * 13, "From 1 to 1,000,000,000,000."),
    ("concurrent_requests", "9" * 5000, "A whole number."),
    ("budget", "much", "An amount in USD, such as 5 or 0.25."),
    ("budget", "0", "More than 0 and at most 1,000,000."),
    ("budget", "1e9", "An amount in USD, such as 5 or 0.25."),
    ("budget_period", "year", "One of the periods of the list."),
    ("models", "\n".join(map(str, range(201))), "At most 200 of them."),
    ("models", "x" * 257, "Model ids, one on each line."),
    ("addresses", "here", "here is neither an address nor a network such as 192.0.2.0/24."),
    ("expires", "tomorrow", "A day such as 2027-01-31."),
    ("expires", "2020-01-31", "A day to come: the key ends as it begins (UTC)."),
    ("expires", "99999-01-31", "A day such as 2027-01-31."),
]


@pytest.mark.parametrize(("field", "typed", "complaint"), WRONG)
async def test_what_is_wrong_stands_beside_its_field(
    house: Haze, me: Person, field: str, typed: str, complaint: str
) -> None:
    """What was typed stays, in all fields; nothing is made."""
    seen = await me.post("/dashboard/keys", **{"name": "kept", field: typed})
    assert (seen.status, seen.complaint(field)) == (422, complaint)
    assert "Please look at the marked fields." in seen.words
    assert field == "name" or 'value="kept"' in seen.text
    assert len(house.rows("SELECT * FROM keys")) == 1


async def test_the_first_wrong_field_has_the_focus(me: Person) -> None:
    """Who hears the page, or has typed on its keyboard, is where there is something to do; and hears what."""
    seen = await me.post("/dashboard/keys", name="Laptop", requests_per_minute="many", budget="-4")
    focused = [field for field in re.findall(r"<input\b[^>]*>", seen.text) if " autofocus" in field]
    assert len(focused) == 1
    assert 'name="requests_per_minute"' in focused[0]
    assert 'aria-describedby="requests_per_minute-error"' in focused[0]
    assert " autofocus" not in (await me.get("/dashboard/keys/new")).text


async def test_an_edit_holds_for_the_next_request(house: Haze, me: Person) -> None:
    """The gateway's memory knows it before the page answers; nothing is restarted."""
    await funded(house, me)
    key = await me.make_key(name="Laptop")
    assert await statuses(house, key) == [200]
    assert (await me.post("/dashboard/keys/2", models="other")).location == "/dashboard/keys"
    assert await statuses(house, key) == [404]
    await me.post("/dashboard/keys/2", budget="0.000000001")
    assert await statuses(house, key) == [402]
    await me.post("/dashboard/keys/2", addresses="192.0.2.1")
    assert await statuses(house, key) == [403]
    await me.post("/dashboard/keys/2", requests_per_minute="1")
    assert 429 in await statuses(house, key, *["hekiu"] * 10)
    await me.post("/dashboard/keys/2", requests_per_minute="100000")
    assert await statuses(house, key) == [200]


async def test_another_period_begins_to_count_anew(house: Haze, me: Person) -> None:
    """And `never` counts everything that the key has spent."""
    await funded(house, me)
    key = await me.make_key(budget="1", budget_period="day")
    await statuses(house, key)
    await house.ended()
    [row] = house.rows("SELECT spent, period_spent FROM keys WHERE id = 2")
    assert row["spent"] == row["period_spent"] > 0
    await me.post("/dashboard/keys/2", budget="1", budget_period="week")
    [row] = house.rows("SELECT spent, period_spent FROM keys WHERE id = 2")
    assert row["spent"] > row["period_spent"] == 0
    await me.post("/dashboard/keys/2", budget="1")
    [row] = house.rows("SELECT spent, period_spent FROM keys WHERE id = 2")
    assert row["spent"] == row["period_spent"] > 0


async def test_a_rotated_key_keeps_all_but_its_secret(house: Haze, me: Person) -> None:
    """The old one is refused at once, the new one has the limits, the name and what was spent."""
    await funded(house, me)
    old = await me.make_key(name="Laptop", models="hekiu")
    assert await statuses(house, old) == [200]
    before = dict(house.rows("SELECT * FROM keys WHERE id = 2")[0])
    seen = await me.post("/dashboard/keys/2/rotate")
    new = seen.secret()
    assert await statuses(house, old) == [401]
    assert await statuses(house, new, "hekiu", "other") == [200, 404]
    after = dict(house.rows("SELECT * FROM keys WHERE id = 2")[0])
    changed = {name for name in before if before[name] != after[name]}
    assert {"prefix", "digest"} <= changed <= {"prefix", "digest", "revision", "spent", "period_spent", "last_used_at"}
    assert old not in seen.text


async def test_a_revoked_key_is_refused_for_good(house: Haze, me: Person) -> None:
    """No deed brings it back, and its page says so."""
    key = await me.make_key(name="Laptop")
    assert (await me.post("/dashboard/keys/2/revoke")).location == "/dashboard/keys"
    assert await statuses(house, key) == [401]
    assert "This key was revoked" in (await me.get("/dashboard/keys/2")).words
    assert (await me.post("/dashboard/keys/2", name="alive")).status == 422
    assert (await me.post("/dashboard/keys/2/rotate")).status == 404
    await me.post("/dashboard/keys/2/revoke")
    assert await statuses(house, key) == [401]
    seen = await me.get("/dashboard/keys")
    assert "Revoked and expired keys (1)" in seen.words


async def test_a_secret_is_shown_once(house: Haze, me: Person) -> None:
    """No page, no header and no row of the store has it afterwards."""
    key = await me.make_key(name="Laptop")
    for page in rows("GET"):
        seen = await me.get(re.sub(r"\{[^/]*", "2", page.path))
        assert key not in seen.text
        assert key not in str(seen.headers)
    assert key.encode() not in apart(stored, house.path.parent)


def stored(folder: Path) -> bytes:
    """Every byte of the store."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("haze.db*")))


DEEDS = [page.path.replace("{id:[0-9]{1,15}}", "2") for page in rows("POST") if "/keys/{id" in page.path]


@pytest.mark.parametrize("path", DEEDS)
async def test_a_strangers_key_is_not_there(house: Haze, me: Person, other: Person, path: str) -> None:
    """Each deed answers as for a number that nobody has, and changes nothing."""
    await me.make_key(name="Laptop")
    before = dict(house.rows("SELECT * FROM keys WHERE id = 2")[0])
    told = [await other.post(each, name="mine") for each in (path, path.replace("/2", "/999"))]
    told += [await other.get(f"/dashboard/keys/{number}") for number in (2, 999)]
    assert {seen.status for seen in told} == {404}
    assert len({seen.words.partition("For the owner")[0] for seen in told}) == 1
    assert dict(house.rows("SELECT * FROM keys WHERE id = 2")[0]) == before
    assert "Laptop" not in (await other.get("/dashboard/keys")).words


async def test_a_number_beyond_the_store_is_not_there(me: Person) -> None:
    """It is looked up, or is no page: never a mistake of Haze's own."""
    for number in ("0", "9" * 15, "9" * 16, "-1", "1.5", "٣"):
        assert (await me.get(f"/dashboard/keys/{number}")).status == 404


async def test_an_account_has_a_bounded_number_of_keys(
    house: Haze, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs memory in the running gateway. Revoked ones do not count."""
    monkeypatch.setattr(own_keys, "KEYS_MAX", 2)
    await me.make_key()
    await me.make_key()
    seen = await me.post("/dashboard/keys")
    assert (seen.status, "An account has at most 2 keys." in seen.words) == (422, True)
    await me.post("/dashboard/keys/2/revoke")
    await me.make_key()


async def test_revoked_keys_without_number_keep_nobody_waiting(house: Haze, me: Person) -> None:
    """A program that makes and revokes a key each minute has half a million in a year; pages read a bounded part."""
    await me.make_key(name="The first")
    house.rows(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 2000) INSERT INTO keys"
        " (account_id, name, prefix, digest, requests_per_minute, tokens_per_minute, concurrent_requests, created_at,"
        " revoked_at) SELECT 2, 'Gone ' || n, 'sk-rr-' || n, randomblob(32), 1, 1, 1, n, n FROM many"
    )
    page = await me.get("/dashboard/keys")
    assert "The first" in page.words
    assert "Revoked and expired keys (the last 100)" in page.words
    assert page.words.count("Gone ") == own_keys.REVOKED_SHOWN
    assert ("Gone 2000" in page.words, "Gone 1900" in page.words) == (True, False)
    for path in ("/dashboard/keys", "/dashboard/connect", "/docs"):
        assert len((await me.get(path)).text) < 100_000


async def test_an_expired_key_can_be_given_another_day(house: Haze, me: Person) -> None:
    """Its form says what happened; a minute that the command set stays as long as the day is not changed."""
    key = await me.make_key()
    house.rows("UPDATE keys SET expires_at = 1 WHERE id = 2")
    while await statuses(house, key) != [401]:
        pass
    assert "This key has expired." in (await me.get("/dashboard/keys/2")).words
    await me.post("/dashboard/keys/2", expires="2099-01-31")
    assert (await house.get("/v1/key", key=key)).status == 200
    house.rows("UPDATE keys SET expires_at = 4073500800000 + 60000 WHERE id = 2")
    await me.post("/dashboard/keys/2", expires="2099-01-31", name="renamed")
    [row] = house.rows("SELECT name, expires_at FROM keys WHERE id = 2")
    assert tuple(row) == ("renamed", 4_073_500_860_000)


async def test_the_list_says_what_a_key_spent_and_when(house: Haze, me: Person) -> None:
    """A key that nobody uses should be revoked; one that spends too much is found here."""
    await funded(house, me)
    key = await me.make_key(name="Laptop", budget="2", budget_period="day", models="hekiu", expires="2099-01-31")
    assert "never" in (await me.get("/dashboard/keys")).words
    await statuses(house, key)
    [row] = await house.ended()
    seen = (await me.get("/dashboard/keys")).words
    assert f"${row['cost'] / 10**9:.9f}".rstrip("0") in seen
    assert "just now" in seen
    assert all(part in seen for part in ("$1.99 of $2.00", "this day", "1 model", "until 2099-01-31", key[:12]))
    assert abs(house.rows("SELECT last_used_at FROM keys WHERE id = 2")[0][0] - time.time() * 1000) < 60_000


async def test_a_name_is_text_wherever_it_stands(me: Person) -> None:
    """What somebody calls a key must not become a part of the page."""
    name = "<script>alert('x')</script>\"&"
    await me.make_key(name=name)
    for path in ("/dashboard/keys", "/dashboard/keys/2"):
        seen = await me.get(path)
        assert "<script>alert" not in seen.text
        assert "&lt;script&gt;" in seen.text
