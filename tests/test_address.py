"""Where a caller is: who may use a key, and whom attempts are counted as, hang on it."""

import pytest

from haze_proxy.address import caller, neighbourhood, networks, within

PROXY = networks(("10.0.0.0/8", "::1"))
CALLERS = {
    "nobody in between": ("192.0.2.1", [], "192.0.2.1"),
    "a header without a proxy": ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
    "one proxy": ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    "a caller who wrote one, too": ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
    "a chain of proxies": ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
    "two headers": ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
    "proxies all the way": ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    "a word": ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
    "with a port": ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
    "IPv6 with a port": ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
    "IPv4 in IPv6": ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    "no peer": (None, ["203.0.113.9"], ""),
}


@pytest.mark.parametrize(("peer", "forwarded", "address"), CALLERS.values(), ids=CALLERS)
def test_a_header_is_believed_as_far_as_proxies_wrote_it(peer: str | None, forwarded: list[str], address: str) -> None:
    """Anybody can write X-Forwarded-For; only what a trusted proxy added at its end says something."""
    assert caller(peer, forwarded, PROXY) == address


@pytest.mark.parametrize(
    ("address", "listed", "is_within"),
    [
        ("192.0.2.1", ("192.0.2.1",), True),
        ("192.0.2.1", ("192.0.2.77/24",), True),
        ("192.0.3.1", ("192.0.2.0/24",), False),
        ("::ffff:192.0.2.1", ("192.0.2.0/24",), True),
        ("2001:db8::1", ("192.0.2.0/24", "2001:db8::/32"), True),
        ("", ("0.0.0.0/0",), False),
        ("localhost", ("0.0.0.0/0", "::/0"), False),
    ],
)
def test_an_address_lies_in_a_network(address: str, listed: tuple[str, ...], is_within: bool) -> None:
    """As owners write them: with or without a mask, in either family."""
    assert within(address, networks(listed)) is is_within


def test_a_subscriber_of_ipv6_is_one_neighbour() -> None:
    """Everybody has 2^64 addresses there: counting them one by one would count nothing."""
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:2") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("192.0.2.1") != neighbourhood("192.0.2.2")
    assert neighbourhood("") == ""
