"""The last list of each channel, and no more than that."""

from haze_proxy.store import channel_models, database
from haze_proxy.store.channel_models import Told


def test_the_last_list_of_each_channel_is_kept(books, other) -> None:
    """A restart serves what was served before it."""
    first, second = Told("a", "o1", 1, "[1]"), Told("b", "o2", 2, "[2]")
    newer = Told("a", "o3", 3, "[3]")
    for told in (first, second, newer):
        with database.transaction(books.connection):
            channel_models.save(books.connection, told)
    assert sorted(channel_models.load(other.connection), key=lambda told: told.channel) == [newer, second]


def test_a_store_that_never_heard_of_one_has_none(books) -> None:
    """A first start."""
    assert channel_models.load(books.connection) == []
