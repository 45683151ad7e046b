"""What the owner types: the words of a command line as values, and what is said when they are wrong."""

import re
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import click

from haze_proxy.config import ConfigError
from haze_proxy.config_models import USD_MAX
from haze_proxy.errors import HazeError
from haze_proxy.money import receipt
from haze_proxy.store.accounts import AccountError
from haze_proxy.store.codes import CodeError
from haze_proxy.store.database import StoreError
from haze_proxy.store.keys import UnknownKeyError
from haze_proxy.store.receipts import UnknownRequestError
from haze_proxy.store.refunds import RefundError
from haze_proxy.store.transfers import AlreadyMovedError

# What one command may move, and the most a key may be allowed: far from the ends of SQLite's integers.
COUNT_MAX = 10**12
EMAIL_MAX = 254
# How many codes one command makes.
CODES_MAX = 10_000
HOURS = {"h": 1, "d": 24}

# Told to the owner as they stand: their messages are one clear line.
CLEAR = (
    ConfigError,
    StoreError,
    AccountError,
    UnknownKeyError,
    AlreadyMovedError,
    UnknownRequestError,
    RefundError,
    CodeError,
    HazeError,
)


class Commands(click.Group):
    """A group of commands whose every failure is one line on stderr and exit status 1, wrong usage included."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command named in `args` (default: sys.argv) and leave with its exit status."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or 0)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "haze-proxy"
            complaint = f"{command}: {error.format_message()} (See {command} --help.)"
        except click.ClickException as error:
            complaint = error.format_message()
        except click.Abort:
            complaint = "Stopped."
        except UnicodeError:
            complaint = "What was typed or read is not UTF-8."
        except CLEAR as error:
            complaint = str(error)
        except (OSError, sqlite3.Error) as error:
            complaint = f"haze-proxy: {error}"
        click.echo(" ".join(complaint.split()), err=True)
        sys.exit(1)


class Usd(click.ParamType[int]):
    """An amount above 0 in USD with at most 9 decimals, as nano-dollars."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The words of a command line as money."""
        try:
            amount = receipt.nano(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if not 0 < amount <= receipt.nano(str(USD_MAX)):
            self.fail(f"{value} is not above 0 and at most {USD_MAX}.", param, ctx)
        return amount


class Email(click.ParamType[str]):
    """Something with one @ and no spaces: whether mail arrives there is not asked."""

    name = "EMAIL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words of a command line as an address."""
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value) or len(value) > EMAIL_MAX or not value.isprintable():
            self.fail(f"{value!r} is not an e-mail address.", param, ctx)
        return str(value)


class Expiry(click.ParamType[int]):
    """30d or 12h from now, or the beginning of a day (UTC) such as 2027-01-31; as milliseconds since 1970."""

    name = "30d|12h|DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The words of a command line as a time to come."""
        now = datetime.now(UTC)
        try:
            if span := re.fullmatch(r"(\d{1,6})([hd])", value, re.ASCII):
                moment = now + timedelta(hours=int(span[1]) * HOURS[span[2]])
            else:
                moment = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a time such as 30d or 12h nor a day such as 2027-01-31.", param, ctx)
        if moment <= now:
            self.fail(f"{value} is not in the future.", param, ctx)
        return int(moment.timestamp() * 1000)


class Day(click.ParamType[int]):
    """A day such as 2026-11-25, as the millisecond since 1970 with which it begins (UTC)."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The words of a command line as a day."""
        try:
            return int(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2026-11-25.", param, ctx)


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
EMAIL, USD, EXPIRY, DAY = Email(), Usd(), Expiry(), Day()
COUNT = click.IntRange(1, COUNT_MAX)
CODES = click.IntRange(1, CODES_MAX)


def password_hash(from_stdin: bool) -> str | None:
    """What is stored of a password that was read or asked for; None where nobody is there to be asked."""
    # Here and not above: only this command needs it, and it takes a while to load.
    from haze_proxy import passwords

    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        return None
    if not password:
        raise click.ClickException("The password is empty.")
    return passwords.hashed(password)


def model_ids(listed: str | None) -> tuple[str, ...] | None:
    """`a,b` as ids; None where nothing was said."""
    if listed is None:
        return None
    ids = tuple(name.strip() for name in listed.split(",") if name.strip())
    if not ids:
        raise click.BadParameter("names no model.", param_hint="--models")
    return ids
