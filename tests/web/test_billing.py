"""Billing: codes are redeemed, transfers are read and taken away, and whoever wants to is told that money runs out."""

import csv
import io
from html import unescape

import pytest
from gateway import Haze, apart
from people import Come, Person, Seen

from haze_proxy.money.receipt import nano
from haze_proxy.store import codes, database, transfers

PAGE = "/dashboard/billing"
UNKNOWN = "This code cannot be redeemed: it is unknown, was used before, or has expired."
MANY = "INSERT INTO transfers (debit, credit, amount, kind, created_at, memo) VALUES (?, ?, ?, ?, 1, ?)"


def code(house: Haze, usd: str = "5", expires_at: int | None = None) -> str:
    """A new code of the owner's."""
    made = codes.make()

    def add() -> None:
        connection = database.connect(str(house.path))
        codes.add(connection, made, nano(usd), None, expires_at, 1)
        connection.close()

    apart(add)
    return made


def give(house: Haze, *amounts: int, account: int = 2, memo: str = "") -> None:
    """Credits of so many nano-dollars by the owner."""
    for amount in amounts:
        house.rows(MANY, transfers.MANUAL, transfers.account(account), amount, "credit", memo)


def charge(house: Haze, amount: int, account: int = 2) -> None:
    """A charge of so many nano-dollars for a request that nobody looks at."""
    house.rows(MANY, transfers.account(account), transfers.REVENUE, amount, "charge", "")


async def table(person: Person, path: str = PAGE) -> list[str]:
    """The rows of transfers as they are read."""
    seen = await person.get(path)
    assert seen.status == 200
    return [row.partition("</tr>")[0] for row in seen.text.partition("<tbody>")[2].split("<tr>")[1:]]


async def test_a_code_gives_its_money_at_once(house: Haze, me: Person) -> None:
    """Whatever it was typed like; and memory knows it before the page is shown, so that the next request is paid."""
    typed = code(house).lower().replace("-", " ")
    seen = await me.post(f"{PAGE}/code", code=f" {typed} ")
    assert (seen.status, seen.location) == (303, f"{PAGE}?done=code")
    words = (await me.get(seen.location)).words
    assert "The code is redeemed." in words
    assert "Balance $5.00" in words
    assert "+$5.00 $5.00" in words
    assert house.check() == []


async def test_all_codes_that_give_nothing_get_one_text(house: Haze, me: Person, other: Person) -> None:
    """A stranger learns nothing from it; what was typed stays to be mended."""
    used = code(house)
    await other.post(f"{PAGE}/code", code=used)
    told = set()
    for typed in (used, code(house, expires_at=2), codes.make(), "", "x" * 5000, "\x00\u2028<script>", "haze-"):
        seen = await me.post(f"{PAGE}/code", code=typed)
        assert seen.status == 422
        told.add(seen.complaint("code"))
    assert told == {UNKNOWN}
    assert 'value="haze-"' in seen.text
    assert house.balance(2) == 0


async def test_codes_are_not_tried_for_long(house: Haze, me: Person) -> None:
    """Ten attempts by one account, whatever address it comes from; a good one begins anew."""
    for _ in range(9):
        await me.post(f"{PAGE}/code", code="wrong")
    assert (await me.post(f"{PAGE}/code", code=code(house))).status == 303
    for _ in range(10):
        assert (await me.post(f"{PAGE}/code", code="wrong")).status == 422
    good = code(house)
    seen = await me.post(f"{PAGE}/code", code=good)
    assert (seen.status, seen.headers["Retry-After"]) == (429, "60")
    assert "Too many attempts" in seen.words
    house.clock[0] += 901
    assert (await me.post(f"{PAGE}/code", code=good)).status == 303


async def test_one_place_does_not_try_codes_with_many_accounts(house: Haze, come: Come) -> None:
    """Accounts cost nothing where everybody may register."""
    for number in range(5):
        person = await come()
        await person.register(f"{number}@example.com")
        for _ in range(10):
            assert (await person.post(f"{PAGE}/code", code="wrong")).status == 422
    last = await come()
    await last.register("last@example.com")
    assert (await last.post(f"{PAGE}/code", code=code(house))).status == 429


async def test_who_wants_to_is_told_that_the_balance_is_low(house: Haze, me: Person) -> None:
    """On this page, the dashboard and in the frame of every other; and not any more when there is enough."""
    assert "Balance low" not in (await me.get("/models")).text
    seen = await me.post(f"{PAGE}/notice", low_balance="$2.50")
    assert seen.location == f"{PAGE}?done=notice"
    words = (await me.get(seen.location)).words
    assert "You are told when the balance is below $2.50." in words
    assert "The balance is $0.00, below the $2.50 you want to be told of." in words
    assert 'value="2.5"' in (await me.get(PAGE)).text
    assert "Balance low" in (await me.get("/models")).text
    await me.post(f"{PAGE}/code", code=code(house, "2"))
    assert "The balance is $2.00, below the $2.50" in (await me.get("/dashboard")).words
    await me.post(f"{PAGE}/code", code=code(house, "0.5"))
    assert "below the" not in (await me.get("/dashboard")).words
    assert "Balance low" not in (await me.get("/models")).text
    await me.post(f"{PAGE}/notice", low_balance="100")
    assert "Balance low" in (await me.get("/models")).text
    assert (await me.post(f"{PAGE}/notice", low_balance="")).location == f"{PAGE}?done=no-notice"
    assert "Balance low" not in (await me.get("/models")).text


async def test_a_notice_says_how_long_the_money_lasts(house: Haze, me: Person) -> None:
    """Where something is spent."""
    key = await house.known(await me.make_key())
    await me.post(f"{PAGE}/code", code=code(house, "0.01"))
    await me.post(f"{PAGE}/notice", low_balance="1")
    assert "runs out" not in (await me.get(PAGE)).words
    await house.ask("chat", key=key, max_tokens=100)
    await house.ended()
    assert "At the recent rate it runs out in about" in (await me.get(PAGE)).words
    assert "At the recent rate it runs out in about" in (await me.get("/dashboard")).words


@pytest.mark.parametrize("typed", ["-1", "0", "much", "1e3", "0.0000000001", "1000001"])
async def test_a_threshold_that_is_none_is_shown_again(me: Person, typed: str) -> None:
    """With what was typed, and what is wrong with it."""
    seen = await me.post(f"{PAGE}/notice", low_balance=typed)
    assert seen.status == 422
    assert seen.complaint("low_balance")
    assert f'value="{typed}"' in seen.text


async def test_transfers_are_listed_with_a_balance_beside_each(house: Haze, me: Person) -> None:
    """Exact to the nano-dollar, the newest first; a charge leads to its receipt."""
    key = await house.known(await me.make_key())
    give(house, 10**9, memo="Welcome <b>")
    await me.post(f"{PAGE}/code", code=code(house, "0.000000001"))
    await house.ask("chat", key=key, max_tokens=100)
    [row] = await house.ended()
    charged, gift, credit = await table(me)
    left = f"${(10**9 + 1 - row['cost']) / 10**9:.9f}"
    assert f'href="/dashboard/usage/{row["id"]}"' in charged
    assert left in charged
    assert "+$0.000000001" in gift
    assert "$1.000000001" in gift
    assert "Credit from the owner" in credit
    assert "Welcome &lt;b&gt;" in credit
    words = (await me.get(PAGE)).words
    assert "Haze is prepaid" in words
    assert f"Spent {'< ' if row['cost'] < 10**7 else ''}$0.0" in words


def link(seen: Seen, rel: str) -> str:
    """Where the pager leads; "" where there is nothing more."""
    return unescape(seen.text.partition(f'rel="{rel}" href="')[2].partition('"')[0])


async def test_long_lists_come_a_page_at_a_time(house: Haze, me: Person) -> None:
    """Forward and back by links, each page with the right balances, however many lie above it."""
    give(house, *range(1, 121))
    path, count = PAGE, 0
    while path:
        page, count = await me.get(path), count + len(await table(me, path))
        path = link(page, "next")
    assert count == 120
    assert "+$0.00000002 $0.00000021" in page.words
    assert link(page, "prev").startswith(f"{PAGE}?above=")
    middle = await me.get(link(page, "prev"))
    assert "+$0.00000007 $0.000002485" in middle.words
    assert "+$0.000000021 $0.000000231" in middle.words
    first = await me.get(link(middle, "prev"))
    assert link(first, "prev") == ""
    assert "+$0.00000012 $0.00000726" in first.words


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=-1", "?above=" + "9" * 40, "?show=all", "?before=0", "?done=%00"]
)
async def test_an_address_that_nobody_wrote_shows_the_list(house: Haze, me: Person, query: str) -> None:
    """Whoever types into the address bar meets a page and no error."""
    give(house, 7)
    assert "$0.000000007" in (await me.get(PAGE + query)).words


async def test_what_came_in_and_what_was_charged_are_seen_apart(house: Haze, me: Person) -> None:
    """A balance that is too small has one of two reasons."""
    give(house, 100, 200)
    charge(house, 30)
    assert [len(await table(me, f"{PAGE}?show={show}")) for show in ("", "in", "charges")] == [3, 2, 1]
    assert "-$0.00000003" in (await table(me, f"{PAGE}?show=charges"))[0]


async def test_nobody_elses_money_is_seen(house: Haze, me: Person, other: Person) -> None:
    """Neither on the page nor in the file, by no id in the address."""
    give(house, 77, account=2)
    for path in (PAGE, f"{PAGE}?before=999", f"{PAGE}?above=1", f"{PAGE}/transfers.csv"):
        seen = await other.get(path)
        assert (seen.status, "0.000000077" in seen.text) == (200, False)
    assert "Nothing here yet" in (await other.get(PAGE)).words


def read(text: str) -> list[dict[str, str]]:
    """A CSV file's rows by their columns."""
    return list(csv.DictReader(io.StringIO(text)))


async def test_the_file_holds_every_transfer_exactly(house: Haze, me: Person) -> None:
    """Over more than one piece, as decimals that add up."""
    give(house, 3, 3)
    apart(_many, house, 2500)
    seen = await me.get(f"{PAGE}/transfers.csv")
    assert seen.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert seen.headers["Content-Disposition"] == 'attachment; filename="transfers.csv"'
    rows = read(seen.text)
    assert len(rows) == 2502
    assert [int(row["id"]) for row in rows] == sorted((int(row["id"]) for row in rows), reverse=True)
    balance = 0
    for row in reversed(rows):
        balance += nano(row["amount_usd"])
        assert nano(row["balance_usd"]) == balance
    assert balance == house.balance(2)
    assert len(read((await me.get(f"{PAGE}/transfers.csv?show=charges")).text)) == 0
    head = await me.send("HEAD", f"{PAGE}/transfers.csv")
    assert (head.status, head.text) == (200, "")


def _many(house: Haze, count: int) -> None:
    connection = database.connect(str(house.path))
    with database.transaction(connection):
        for number in range(count):
            values = (transfers.MANUAL, "account:2", number + 1, "credit", f"number {number}")
            connection.execute(MANY, values)
    connection.close()


@pytest.mark.parametrize("memo", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
async def test_a_memo_is_never_a_formula(house: Haze, me: Person, memo: str) -> None:
    """A file that is opened in a spreadsheet runs nothing; amounts below zero stay numbers."""
    give(house, 10, memo=memo)
    charge(house, 4)
    charged, given = read((await me.get(f"{PAGE}/transfers.csv")).text)
    assert given["memo"].replace("\n", "\r") == f"'{memo}"
    assert charged["amount_usd"] == "-0.000000004"
