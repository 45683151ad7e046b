"""Money comes in: by a code, with and without JavaScript, and by card, through a pretend Stripe and back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Come
from harness import PYTHON, ROOT
from house import CONFIG, House, settled_at_last
from playwright.sync_api import Browser
from visitor import Visitor, visitor

# Whoever comes first is account 1, which house.EXAMPLES takes for the administrator's.
pytestmark = pytest.mark.usefixtures("settled")
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no javascript"])
PAGE = "/dashboard/billing"
CARDS = """
[stripe]
secret_key = "sk_test_pages"
webhook_secret = "whsec_Hidden"
base_url = "{till}"
"""


@SCRIPTS
def test_a_code_makes_the_balance_grow(come: Come, house: House, scripts: bool) -> None:
    """The first way to money that people meet."""
    person = come(java_script_enabled=scripts)
    person.register(f"code-{scripts}@example.com".lower())
    code = house.command("code", "add", "5").strip()
    person.open(PAGE)
    person.sees("$1.00")
    person.fill(code="haze-0000")
    person.press("Redeem")
    person.sees("This code cannot be redeemed")
    person.shoot("billing-wrong")
    person.troubles.clear()  # the browser writes down each answer of 4xx
    person.fill(code=code.lower())
    person.press("Redeem")
    person.sees("The code is redeemed.")
    person.sees("+$5.00")
    person.shoot("billing-redeemed")
    person.open("/dashboard")
    person.sees("$6.00")


@SCRIPTS
def test_who_wants_to_is_told_that_money_runs_low(come: Come, scripts: bool) -> None:
    """On every page, and no obstacle on any of them."""
    person = come(java_script_enabled=scripts)
    person.register(f"low-{scripts}@example.com".lower())
    person.open(PAGE)
    person.fill(low_balance="2.50")
    person.press("Save")
    person.sees("below the $2.50 you want to be told of")
    person.shoot("billing-low")
    person.open("/models")
    person.page.get_by_role("link", name="Balance low").click()
    assert person.path == PAGE
    if scripts:
        assert person.obstacles() == []
    person.open("/dashboard")
    person.sees("below the $2.50 you want to be told of")
    person.shoot("dashboard-low")


def test_transfers_are_taken_away_as_a_file(come: Come) -> None:
    """A click, and it is there."""
    person = come()
    person.register("file@example.com")
    person.open(PAGE)
    with person.page.expect_download() as waiting:
        person.page.get_by_role("link", name="Download CSV").click()
    assert waiting.value.suggested_filename == "transfers.csv"
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert text.splitlines()[1].endswith(",signup,1,1,,")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Haze at which people can pay by card, and the pretend Stripe that they pay at."""
    with subprocess.Popen([PYTHON, "till.py"], cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True) as till:
        try:
            assert till.stdout is not None
            cards = CARDS.replace("{till}", till.stdout.readline().strip())
            with settled_at_last(House(tmp_path_factory.mktemp("shop"), CONFIG + cards)) as house:
                yield house
        finally:
            till.terminate()


@pytest.fixture
def payer(browser: Browser, shop: House, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Somebody with an account there, with or without scripts."""
    with visitor(browser, shop, java_script_enabled=request.param) as person:
        person.register(f"payer-{request.node.name}@example.com".replace(" ", "-").replace("[", "").replace("]", ""))
        yield person


PAYERS = pytest.mark.parametrize("payer", [True, False], ids=["javascript", "no javascript"], indirect=True)


@PAYERS
def test_a_card_makes_the_balance_grow(payer: Visitor) -> None:
    """To Stripe and back: the browser must let the form lead there."""
    payer.open(PAGE)
    payer.shoot("billing-cards")
    payer.fill(amount="25")
    payer.press("Continue to Stripe")
    payer.page.get_by_role("button", name="Pay 2500").click()
    payer.sees("Your card payment of $25.00 is credited.")
    assert payer.path.startswith(f"{PAGE}?card=cs_test_")
    payer.sees("+$25.00")
    payer.sees("$26.00")
    payer.shoot("billing-paid")


@PAYERS
def test_a_webhook_that_is_lost_costs_nobody_anything(payer: Visitor) -> None:
    """Whoever comes back has Stripe asked."""
    payer.open(PAGE)
    payer.fill(amount="7.5")
    payer.press("Continue to Stripe")
    payer.page.get_by_role("button", name="Pay, and lose the webhook").click()
    payer.sees("Your card payment of $7.50 is credited.")
    payer.sees("$8.50")


def test_who_leaves_stripe_without_paying_has_paid_nothing(browser: Browser, shop: House) -> None:
    """And is told so; a payment that is still open is told as what it is."""
    with visitor(browser, shop) as person:
        person.register("left@example.com")
        person.open(PAGE)
        person.fill(amount="9")
        person.press("Continue to Stripe")
        number = person.page.url.rpartition("/")[2]
        person.open(f"{shop.url}{PAGE}?card={number}")
        person.sees("Your card payment of $9.00 is being confirmed.")
        person.shoot("billing-open")
        person.open(f"{shop.url}{PAGE}?done=cancelled")
        person.sees("Nothing was paid.")
        assert person.obstacles() == []
