"""The room towards Stripe: when it is open, and that its secrets never leave it."""

import subprocess
import sys
from pathlib import Path

import pytest
from till import ENVIRON, KEY, SECRET

from haze_proxy import config
from haze_proxy.config import Stripe
from haze_proxy.payments.cards import MISSING, Cards

NAMED = Stripe(secret_key="env:STRIPE_SECRET_KEY", webhook_secret="env:STRIPE_WEBHOOK_SECRET")
INACTIVE = {
    "no variable": ({}, "the variable STRIPE_SECRET_KEY is not set"),
    "an empty one": ({"STRIPE_SECRET_KEY": " "}, "the variable STRIPE_SECRET_KEY is not set"),
    "the public key": ({"STRIPE_SECRET_KEY": "pk_test_1"}, "secret_key does not begin with sk_ or rk_"),
    "a line break": ({"STRIPE_SECRET_KEY": "sk_test_1\nx"}, "secret_key holds a character that cannot be sent"),
}


@pytest.mark.parametrize(("environ", "why"), INACTIVE.values(), ids=INACTIVE)
def test_a_key_that_cannot_be_used_says_why(environ: dict[str, str], why: str) -> None:
    """At the start, without the key; nobody is told of it by a payment that fails."""
    cards = Cards(NAMED, environ)
    assert (cards.inactive, cards.deaf, cards.is_configured) == (why, why, True)


def test_what_is_not_set_up_is_no_complaint() -> None:
    """Most owners take no cards."""
    assert not Cards(Stripe(), {}).is_configured


def test_a_key_alone_takes_payments_without_hearing_of_them() -> None:
    """Whoever paid is credited when they come back."""
    cards = Cards(NAMED, {"STRIPE_SECRET_KEY": KEY})
    assert (cards.inactive, cards.deaf) == ("", "the variable STRIPE_WEBHOOK_SECRET is not set")
    assert (
        Cards(NAMED, {**ENVIRON, "STRIPE_WEBHOOK_SECRET": "guess"}).deaf == "webhook_secret does not begin with whsec_"
    )
    assert Cards(NAMED, ENVIRON).deaf == ""


@pytest.mark.parametrize(("key", "live"), [("sk_live_1", True), ("rk_live_1", True), ("sk_test_live", False)])
def test_the_mode_is_the_keys(key: str, live: bool) -> None:
    """A test key must not meet live payments."""
    assert Cards(NAMED, {"STRIPE_SECRET_KEY": key}).is_live is live


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: whoever installed Haze without it reads what to install."""
    monkeypatch.setitem(sys.modules, "stripe", None)
    assert Cards(NAMED, ENVIRON).inactive == MISSING


def test_the_library_is_loaded_only_where_it_is_used() -> None:
    """It takes a third of a second and thirty megabytes."""
    script = "import sys; from haze_proxy.app import create_app; from haze_proxy.config import Config;"
    script += " create_app(Config(), {}); assert 'stripe' not in sys.modules and 'requests' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_a_secret_is_not_shown_by_mistake() -> None:
    """Neither by the room nor by the configuration that names it, also where it was written into the file itself."""
    written = f'[stripe]\nsecret_key = "{KEY}"\nwebhook_secret = "{SECRET}"\n'
    settings = config.parse(written)
    cards = Cards(settings.stripe, {})
    assert not cards.deaf
    for text in (repr(settings), str(settings.stripe), repr(cards), repr(vars(cards)), cards.inactive):
        assert KEY not in text
        assert SECRET not in text


URL = "Expected a URL with http:// or https:// and a host, without path and query - at `$.stripe.base_url`"
WRONG = {
    "secret_key = 'env:'": "Name a variable after `env:` - at `$.stripe.secret_key`",
    "minimum = 0.49": "Expected USD from 0.5 to 999999.99 with at most 2 decimals - at `$.stripe.minimum`",
    "maximum = 1_000_000": "Expected USD from 0.5 to 999999.99 with at most 2 decimals - at `$.stripe.maximum`",
    "maximum = 9.999": "Expected USD from 0.5 to 999999.99 with at most 2 decimals - at `$.stripe.maximum`",
    "minimum = nan": "Expected USD from 0.5 to 999999.99 with at most 2 decimals - at `$.stripe.minimum`",
    "minimum = 10\nmaximum = 9": "It is more than `maximum` - at `$.stripe.minimum`",
    "base_url = 'ftp://x'": URL,
    "base_url = 'http://x/v1'": URL,
    "key = 'sk_live_written_here'": "Object contains unknown field `key` - at `$.stripe`",
    "secret_key = 7": "Expected `str`, got `int` - at `$.stripe.secret_key`",
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.items(), ids=WRONG)
def test_a_table_that_is_wrong_says_where(text: str, complaint: str) -> None:
    """In words that name the path, and never the value of a secret."""
    with pytest.raises(config.ConfigError) as caught:
        config.parse(f"[stripe]\n{text}\n")
    assert str(caught.value) == complaint
