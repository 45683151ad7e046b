"""From the log to a receipt, as people go: by filters, by the keyboard's forms and links, with and without scripts."""

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import Come
from house import EXAMPLES
from visitor import Visitor

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no javascript"])
MODEL = "anthropic/claude-sonnet-4.5"


def choose(person: Visitor, **values: str) -> None:
    """Pick from lists by their names, and send the form."""
    for name, label in values.items():
        person.page.locator(f"select[name={name}]").select_option(label=label)
    person.press("Show")


def rows(person: Visitor) -> int:
    """How many requests are listed."""
    return person.page.locator("tbody tr").count()


@SCRIPTS
def test_a_person_finds_what_a_request_cost(come: Come, settled: Path, scripts: bool) -> None:
    """Filter, open, read, go back: without a script, too."""
    person = come(storage_state=settled, java_script_enabled=scripts)
    assert person.open("/dashboard/usage") == 200
    everything = rows(person)
    assert everything >= 5
    person.shoot("usage")
    choose(person, model=MODEL, key="Laptop", status="Completed")
    assert rows(person) == 1
    person.shoot("usage-filtered")
    person.page.get_by_role("link", name=MODEL).click()
    person.sees("How the price came about")
    person.sees("The answer came to its end")
    person.page.locator("main").get_by_role("link", name="Usage").click()
    assert rows(person) == everything
    choose(person, model=MODEL, status="Running")
    person.sees("No request is like that")
    person.shoot("usage-nothing")
    person.page.get_by_role("link", name="Show all requests").click()
    assert rows(person) == everything


def test_a_wrong_day_is_said_beside_its_field(come: Come, settled: Path) -> None:
    """An address that somebody typed; the log is there all the same."""
    person = come(storage_state=settled)
    assert person.open("/dashboard/usage?from=2026-13-01&key=99") == 422
    person.sees("A day such as 2027-01-31.")
    assert rows(person) >= 5
    assert person.obstacles() == []
    person.shoot("usage-wrong")
    person.troubles.clear()  # the browser writes down each answer of 4xx


@SCRIPTS
def test_the_id_that_an_answer_carried_leads_to_its_receipt(come: Come, settled: Path, scripts: bool) -> None:
    """What stands in a program's log is pasted here."""
    person = come(storage_state=settled, java_script_enabled=scripts)
    person.open("/dashboard/usage")
    person.fill(find="req_1")
    person.press("Find")
    person.sees("There is no such request in this account.")
    person.troubles.clear()
    person.fill(find=EXAMPLES["request"])
    person.press("Find")
    assert person.path == f"/dashboard/usage/{EXAMPLES['request']}"
    person.sees("529 overloaded_error")


def test_a_receipt_can_be_printed(come: Come, settled: Path) -> None:
    """On paper: what belongs to the window is left away, and nothing is beside the sheet."""
    person = come(storage_state=settled)
    person.open(f"/dashboard/usage/{EXAMPLES['request']}")
    person.page.emulate_media(media="print")
    assert not person.page.locator("header").is_visible()
    assert person.page.get_by_text("How the price came about").first.is_visible()
    person.page.set_viewport_size({"width": 700, "height": 1000})
    assert person.overflow() == 0


@SCRIPTS
def test_the_log_is_downloaded_as_a_file(come: Come, settled: Path, scripts: bool) -> None:
    """With the filters that are set."""
    person = come(storage_state=settled, java_script_enabled=scripts)
    person.open("/dashboard/usage")
    choose(person, model=MODEL)
    with person.page.expect_download() as coming:
        person.page.get_by_role("link", name="Download CSV").click()
    found = list(csv.DictReader(io.StringIO(coming.value.path().read_text(encoding="utf-8"))))
    assert [row["model"] for row in found] == [MODEL]
    assert json.loads(found[0]["cost_usd"]) > 0


def test_the_dashboard_and_a_key_lead_to_the_log(come: Come, settled: Path) -> None:
    """From what surprises to what it is made of."""
    person = come(storage_state=settled)
    person.open("/dashboard")
    person.page.locator("tbody a").first.click()
    person.sees("The way of the money")
    person.open("/dashboard/keys/1")
    person.page.get_by_role("link", name="its requests").click()
    assert person.path == "/dashboard/usage?key=1"
    assert rows(person) >= 3
