"""What holds for every page of Haze's own table: a new one is visited without a word here."""

from pathlib import Path

import pytest
from conftest import Come
from house import Place, places
from visitor import SCHEMES, SIZES, Scheme

EVERY = pytest.mark.parametrize("place", places(), ids=lambda place: place.path)
KIB_MAX = 60


@EVERY
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nobody_meets_an_obstacle(come: Come, settled: Path, place: Place, scheme: Scheme) -> None:
    """Who sees little, or uses a keyboard or a screen reader, has a balance to look after as well."""
    window = come(storage_state=place.state(settled), color_scheme=scheme)
    assert window.open(place.path) == 200
    assert window.obstacles() == []


@EVERY
def test_a_page_is_light_and_comes_from_here_alone(come: Come, settled: Path, place: Place) -> None:
    """A gateway keeps what people do to itself, and its pages open on a train."""
    window = come(storage_state=place.state(settled))
    window.open(place.path)
    window.page.wait_for_load_state("networkidle")
    assert all(url.startswith(window.house.url) for url, _ in window.fetched)
    assert sum(size for _, size in window.fetched) <= KIB_MAX * 1024


@EVERY
@pytest.mark.parametrize("size", SIZES)
def test_nothing_lies_beside_the_window(come: Come, settled: Path, place: Place, size: str) -> None:
    """A page that is wider than a phone hides what it says. (Here the pictures are made.)"""
    window = come(storage_state=place.state(settled), viewport=SIZES[size])
    window.open(place.path)
    assert window.overflow() == 0
    if size == "phone":
        window.shoot(place.name)


@EVERY
def test_a_page_says_the_same_without_javascript(come: Come, settled: Path, place: Place) -> None:
    """Scripts are a convenience: whoever switches them off misses a button to copy, and nothing else."""
    with_scripts, without = (
        come(storage_state=place.state(settled)),
        come(storage_state=place.state(settled), java_script_enabled=False),
    )
    assert with_scripts.open(place.path) == without.open(place.path) == 200
    seen = [window.page.locator("main h1").all_text_contents() for window in (with_scripts, without)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1


@pytest.mark.parametrize(
    "place", [place for place in places() if place.path.startswith("/admin")], ids=lambda place: place.path
)
def test_a_table_of_the_administrator_shows_its_last_column(come: Come, settled: Path, place: Place) -> None:
    """That is where the buttons are: on a desktop nobody looks for them beside the table."""
    window = come(storage_state=place.state(settled), viewport=SIZES["desktop"])
    window.open(place.path)
    tables = window.page.locator("main .table").evaluate_all("all => all.map(a => a.scrollWidth - a.clientWidth)")
    assert all(beside <= 0 for beside in tables)
