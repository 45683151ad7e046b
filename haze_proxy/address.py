"""Where a caller is: the peer's address, or what a trusted proxy in front of Haze says it is."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(1024)
def networks(listed: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks as they are written down. Raises ValueError for one that is neither."""
    return tuple(ipaddress.ip_network(each, strict=False) for each in listed)


def within(text: str, listed: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    address = _address(text)
    return address is not None and any(address in network for network in listed)


def caller(peer: str | None, forwarded: Sequence[str], trusted: Iterable[Network]) -> str:
    """The caller's address. `forwarded` are the X-Forwarded-For headers, believed as far as `trusted` proxies wrote
    them: each wrote whom it saw at the end of the list, so it is read from there.
    """
    trusted = tuple(trusted)
    address, hops = peer or "", [hop for line in forwarded for hop in line.split(",")]
    while hops and within(address, trusted):
        before = _address(hops.pop())
        if before is None:
            break
        address = str(before)
    return address


def neighbourhood(text: str) -> str:
    """Whom an address is counted as: one of IPv6 as its /64, of which everybody has one; another as it is."""
    address = _address(text)
    is_wide = isinstance(address, ipaddress.IPv6Address)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address and is_wide else text


def _address(text: str) -> Address | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    # A socket that speaks both shows 192.0.2.1 as ::ffff:192.0.2.1; owners write the former.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
