"""The published table of endings: each word once, each explained, and no other in the code."""

import pytest

from haze_proxy.money import endings
from haze_proxy.money.endings import Ending


def test_every_ending_is_in_the_table_once() -> None:
    """A word that the table lacks would stand in a receipt without an explanation."""
    named = {value for value in vars(endings).values() if isinstance(value, Ending)}
    assert named == set(endings.TABLE)
    assert len(endings.BY_WORD) == len(endings.TABLE) == len(named)
    assert len({ending.when for ending in endings.TABLE}) == len(endings.TABLE)


@pytest.mark.parametrize("ending", endings.TABLE, ids=lambda ending: ending.word)
def test_an_ending_says_when_it_is_and_what_it_costs(ending: Ending) -> None:
    """In a sentence that can stand alone on a receipt."""
    assert ending.sentence == f"{ending.when[0].upper()}{ending.when[1:]}. It costs {endings.COSTS[ending.kind]}."
    assert not ending.when.endswith(".")
    assert ending.costs == "nothing" or ending.kind in (endings.REPORTED, endings.FINAL, endings.COUNTED)
