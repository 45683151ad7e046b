"""A Haze with pages, and people. Whatever a test makes pages ask the store is looked at afterwards: nothing is slow."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from gateway import ECHO, Haze, running
from made import Log
from people import Come, Person, listen, slow
from till import CONFIG, ENVIRON, Till


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Haze]:
    """Haze with the echo channel; every query of a page has a plan that stays fast with a million requests."""
    async with running(tmp_path, ECHO) as haze:
        asked = await listen(haze)
        yield haze
        assert slow(haze, asked) == []


@pytest.fixture
async def come(house: Haze) -> AsyncIterator[Come]:
    """A browser with cookies of its own."""
    async with AsyncExitStack() as browsers:

        async def come() -> Person:
            jar = aiohttp.CookieJar(unsafe=True)
            return Person(house, await browsers.enter_async_context(aiohttp.ClientSession(cookie_jar=jar)))

        yield come


@pytest.fixture
async def stranger(come: Come) -> Person:
    """Nobody that Haze knows."""
    return await come()


@pytest.fixture
async def me(come: Come) -> Person:
    """Somebody who has just registered."""
    person = await come()
    assert (await person.register()).location == "/dashboard"
    return person


@pytest.fixture
async def admin(house: Haze, come: Come) -> Person:
    """Somebody who administers the house."""
    person = await come()
    await person.register("admin@example.com")
    house.rows("UPDATE accounts SET is_admin = 1 WHERE email = 'admin@example.com'")
    return person


@pytest.fixture
async def other(come: Come) -> Person:
    """Somebody else with an account."""
    person = await come()
    await person.register("other@example.com")
    return person


@pytest.fixture
async def log(house: Haze, me: Person) -> Log:
    """What `me` has asked for: nothing yet, but there is a key to do it with."""
    await me.make_key(name="Laptop")
    return Log(house)


@pytest.fixture
async def till() -> AsyncIterator[Till]:
    """A pretend Stripe."""
    async with Till() as till:
        yield till


@pytest.fixture
async def shop(tmp_path: Path, till: Till) -> AsyncIterator[Haze]:
    """Haze with the echo channel, where people can pay by card. Its queries are looked at, too, and its books."""
    async with running(tmp_path, ECHO + CONFIG.format(url=till.url), ENVIRON) as haze:
        asked = await listen(haze)
        yield haze
        assert slow(haze, asked) == []
        assert haze.check() == []


@pytest.fixture
async def payer(shop: Haze) -> AsyncIterator[Person]:
    """Somebody who has just registered there; account 2."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        person = Person(shop, session)
        await person.register("payer@example.com")
        yield person
