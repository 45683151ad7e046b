"""Checks of one key: what it may, what is left for it, and one call with it."""

import time
from collections.abc import Iterator
from typing import Final

from haze_proxy.address import networks, within
from haze_proxy.doctor.findings import FAIL, OK, WARN, Finding, House
from haze_proxy.doctor.line import ask
from haze_proxy.money import receipt
from haze_proxy.store import keys, transfers
from haze_proxy.store.keys import Key, UnknownKeyError

CALL_S: Final = 30
HERE: Final = "127.0.0.1"
# For what a key's own state says: a model that it may use, if it is bound to some.
ANY: Final = "any model"


def key(house: House) -> Iterator[Finding]:
    """Whether it is known and live, and what it has."""
    if not house.is_readable:
        yield Finding("key", WARN, "Not looked for: there is no store that can be read")
        return
    with house.read() as connection:
        try:
            found = keys.find(connection, house.named or "")
        except UnknownKeyError:
            advice = "haze-proxy key list EMAIL shows an account's keys; one that was revoked is not forgotten."
            yield Finding("key", FAIL, "No key, or more than one, is called that", advice)
            return
        model = found.models[0] if found.models else ANY
        refusal = keys.refusal(connection, found, model, _now_ms())
        balance = transfers.balance(connection, transfers.account(found.account_id))
    name = f"Key {found.id}{f' ({found.name})' if found.name else ''}"
    if refusal:
        yield Finding("key", FAIL, f"{name}: {refusal}", "Make another one, or haze-proxy account enable EMAIL.")
    else:
        yield Finding("key", OK, f"{name}: live, and its account is enabled")
    yield from _money(found, balance)
    yield from _limits(house, found)


def _money(found: Key, balance: int) -> Iterator[Finding]:
    if balance > 0:
        yield Finding("balance", OK, f"${receipt.usd(balance)}")
    else:
        yield Finding("balance", WARN, "Empty: only free models answer", "haze-proxy credit EMAIL USD")
    left = found.budget_left(_now_ms())
    if left is None:
        yield Finding("budget", OK, "None: as much as the account has")
    elif left > 0:
        yield Finding("budget", OK, f"${receipt.usd(left)} of ${receipt.usd(found.budget or 0)} left")
    else:
        yield Finding("budget", WARN, "Used up: paid models are refused with 402", "Give it more on its page.")


def _limits(house: House, found: Key) -> Iterator[Finding]:
    pace = f"{found.requests_per_minute:,} requests and {found.tokens_per_minute:,} tokens a minute"
    yield Finding("limits", OK, f"{pace}, {found.concurrent_requests:,} at once")
    if found.models is not None:
        served = [model for model in found.models if house.directory.find(model)]
        level = OK if served else FAIL
        advice = "" if served else "Allow it one that is served, or see haze-proxy explain MODEL."
        yield Finding("key's models", level, f"{len(served)} of {len(found.models)} allowed ones are served", advice)
    if found.addresses is not None:
        listed = ", ".join(found.addresses)
        is_here = within(HERE, networks(found.addresses))
        advice = "" if is_here else "Calls from this machine are refused with 403."
        yield Finding("key's addresses", OK if is_here else WARN, f"Only from {listed}", advice)


def call(house: House) -> Iterator[Finding]:
    """One request for one token from a free model, if one is served: with a key in full, to the running server."""
    secret = house.named or ""
    if not secret.startswith(keys.PREFIX) or len(secret) <= keys.SHOWN:
        yield Finding("call", OK, "None was made: only a key in full can call")
        return
    told = ask(f"{house.url}/v1/key", secret=secret)
    if told.status != 200:
        yield Finding("call", FAIL, f"GET {house.url}/v1/key: {_words(told.status, told.json(), told.text)}")
        return
    allowed = told.json().get("data", {}).get("models")
    model = next((each for each in _free(house) if allowed is None or each in allowed), "")
    if not model:
        yield Finding("call", OK, "The key is taken. No model was asked, because none that it may use is free")
        return
    body = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    asked = ask(f"{house.url}/v1/chat/completions", secret=secret, body=body, patience_s=CALL_S)
    text = f"{model} (free) was asked for one token: {_words(asked.status, asked.json(), asked.text)}"
    yield Finding("call", OK if asked.status == 200 else FAIL, text)


def _free(house: House) -> Iterator[str]:
    for listed in house.directory.listed():
        price = listed.candidate.price
        if price is not None and price.free and "chat" in house.directory.protocols(listed.id):
            yield listed.id


def _words(status: int, told: object, text: str) -> str:
    if status == 200:
        return "200"
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else ""
    return f"{status} {message}".strip() if status else text


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
