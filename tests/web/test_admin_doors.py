"""Every room of the administration, whoever adds one, is there for administrators alone."""

import pytest
from gateway import Haze
from people import Person, filled, rows

from haze_proxy.web.context import Page, Who

ROOMS = [page for page in rows() if page.who is Who.ADMIN]


@pytest.mark.parametrize("page", ROOMS, ids=lambda page: f"{page.method} {page.path}")
async def test_a_room_is_not_there_for_others(house: Haze, me: Person, stranger: Person, page: Page) -> None:
    """Logged in or not: it is told in the same words as an address that never was, and nothing is done."""
    for person in (me, stranger):
        path = filled(page.path)
        seen = await (person.get(path) if page.method == "GET" else person.post(path, amount="5", kind="credit"))
        assert (seen.status, "There is no such page." in seen.words) == (404, True)
    assert house.rows("SELECT * FROM audit") == []


def test_every_room_is_below_its_address() -> None:
    """A page for all that lies below /admin would show everybody what is there."""
    assert ROOMS
    below = [page for page in rows() if page.path == "/admin" or page.path.startswith("/admin/")]
    assert below == ROOMS
