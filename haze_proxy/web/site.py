"""What all pages share: the address people are shown, what guards logins, and the first administrator's link."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from haze_proxy.config import Config
from haze_proxy.context import DIRECTORY
from haze_proxy.web.passwords import Passwords
from haze_proxy.web.throttle import Throttle

QUARTER_HOUR_S: Final = 900
HOUR_S: Final = 3600


@dataclass
class Site:
    """`url` is the public address without a slash at its end. `invitation` makes its first bearer the administrator;
    it is printed at the start while there is none, and kept nowhere but here.
    """

    url: str
    clock: Callable[[], float]
    passwords: Passwords = field(default_factory=Passwords)
    invitation: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # The accounts whose tables are being downloaded.
    downloading: set[int] = field(default_factory=set)
    # Attempts at an e-mail address from one place, at it from all places, from one place, and accounts made from one.
    # A stranger uses up the attempts of the own place: nobody is kept out of an account by others' guesses.
    guesses: Throttle = field(init=False)
    by_email: Throttle = field(init=False)
    by_address: Throttle = field(init=False)
    registrations: Throttle = field(init=False)
    # Codes that somebody tries, by account and by address of the network.
    codes_by_account: Throttle = field(init=False)
    codes_by_address: Throttle = field(init=False)
    # Checkouts that an account begins, and how often it has Stripe asked for one.
    checkouts: Throttle = field(init=False)
    checkout_looks: Throttle = field(init=False)
    # Lines of the log about calls that Stripe has not signed.
    unsigned: Throttle = field(init=False)

    def __post_init__(self) -> None:
        self.guesses = Throttle(10, QUARTER_HOUR_S, self.clock)
        self.by_email = Throttle(200, QUARTER_HOUR_S, self.clock)
        self.by_address = Throttle(50, QUARTER_HOUR_S, self.clock)
        self.registrations = Throttle(20, HOUR_S, self.clock)
        self.codes_by_account = Throttle(10, QUARTER_HOUR_S, self.clock)
        self.codes_by_address = Throttle(50, QUARTER_HOUR_S, self.clock)
        self.checkouts = Throttle(20, QUARTER_HOUR_S, self.clock)
        self.checkout_looks = Throttle(30, QUARTER_HOUR_S, self.clock)
        self.unsigned = Throttle(10, QUARTER_HOUR_S, self.clock)

    @property
    def origin(self) -> str:
        """The public address as browsers name it in `Origin`."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_secure(self) -> bool:
        """Whether people reach it over TLS, so that a cookie needs no other way."""
        return self.url.startswith("https://")

    @property
    def invitation_url(self) -> str:
        """The link that makes its first bearer the administrator."""
        return f"{self.url}/register?invitation={self.invitation}"


SITE = web.AppKey("site", Site)


def config_of(request: web.Request) -> Config:
    """The configuration as it is now: accounts and limits may have been read again."""
    return request.app[DIRECTORY].value.config
