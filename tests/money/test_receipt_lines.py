"""What people read of a charge adds up to it, to the last digit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.money import receipt, receipt_lines
from haze_proxy.money.prices import Price
from haze_proxy.money.receipt import Charge
from haze_proxy.money.receipt_lines import PER_CALL, PER_MILLION, TIMES_COST, Shown
from haze_proxy.money.usage import Usage

DEAR = Price(
    input=3_000_000_001, cache_read=300_000_000, output=15_000_000_000, request=7, server_tools=(("web_search", 10**7),)
)


def test_each_kind_of_line_is_shown_in_its_own_unit() -> None:
    """Tokens by the million, calls one by one, and what is rounded up by its name."""
    used = Usage(input=3, cache_read=1_000_000, output=2, server_tools=(("web_search", 2),))
    assert receipt_lines.shown(receipt.charge(used, DEAR)) == [
        Shown("input", 3, "3.000000001", PER_MILLION, "0.000009000000003"),
        Shown("cache_read", 1_000_000, "0.3", PER_MILLION, "0.3"),
        Shown("output", 2, "15", PER_MILLION, "0.00003"),
        Shown("web_search", 2, "0.01", PER_CALL, "0.02"),
        Shown("request", 1, "0.000000007", PER_CALL, "0.000000007"),
        Shown("rounding", None, None, None, "0.000000000999997"),
    ]


def test_the_providers_own_cost_is_shown_with_its_markup() -> None:
    """What the owner takes on top of it is no secret of the receipt."""
    charge = receipt.charge(Usage(input=1), Price(input=0, markup=1_250_000), 4_000)
    assert receipt_lines.shown(charge) == [Shown("upstream_cost", "0.000004", "1.25", TIMES_COST, "0.000005")]


def test_what_no_line_explains_is_said_so() -> None:
    """A wrong sum would be worse."""
    assert receipt_lines.shown(Charge(0), 28) == [Shown("not explained", None, None, None, "0.000000028")]
    assert receipt_lines.shown(Charge(0)) == []


@given(st.builds(Usage, *[st.integers(0, 10**9)] * 5), st.integers(-5, 5))
def test_the_amounts_add_up_to_the_cost(used: Usage, unexplained: int) -> None:
    """Whoever adds them up by hand finds what was charged."""
    charge = receipt.charge(used, DEAR)
    total = sum(Decimal(line.amount) for line in receipt_lines.shown(charge, unexplained))
    assert total == Decimal(receipt.usd(charge.cost + unexplained))
