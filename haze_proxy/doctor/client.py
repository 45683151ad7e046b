"""Checks of this machine as a client's: what its variables tell Claude Code and OpenAI's clients."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from haze_proxy.config import Config
from haze_proxy.doctor.findings import OK, WARN, Finding
from haze_proxy.store import keys

BASE, KEY, TOKEN = "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"
OPENAI: Final = "OPENAI_BASE_URL"
VERSION: Final = "/v1"


def variables(environ: Mapping[str, str], settings: Config | None) -> Iterator[Finding]:
    """What is wrong with the variables that are set here; their credentials are never repeated."""
    if not any(environ.get(name) for name in (BASE, KEY, TOKEN, OPENAI)):
        yield Finding("variables", OK, "No variables of Claude Code or of OpenAI's clients are set in this terminal")
        return
    found = [*_base_url(environ, settings), *_credentials(environ), *_openai(environ)]
    yield from found or [Finding("variables", OK, "Those that are set in this terminal fit")]


def _base_url(environ: Mapping[str, str], settings: Config | None) -> Iterator[Finding]:
    base = environ.get(BASE, "")
    if not base:
        if any(environ.get(name, "").startswith(keys.PREFIX) for name in (KEY, TOKEN)):
            text = f"A key of Haze is set, but {BASE} is not: Claude Code calls Anthropic"
            yield Finding("variables", WARN, text, f"Set {BASE}.")
        return
    if base.rstrip("/").endswith(VERSION):
        advice = "Leave it out: Claude Code adds /v1 by itself. (Haze answers all the same.)"
        yield Finding("variables", WARN, f"{BASE} ends with {VERSION}", advice)
    if settings is not None and _place(base) not in _own(settings):
        advice = f"For this Haze it is {settings.server.public_url.rstrip('/')}"
        yield Finding("variables", WARN, f"{BASE} leads elsewhere: {_place(base)}", advice)


def _credentials(environ: Mapping[str, str]) -> Iterator[Finding]:
    if not environ.get(BASE):
        return  # they are meant for Anthropic, perhaps for a channel of this Haze
    key, token = environ.get(KEY, "").strip(), environ.get(TOKEN, "").strip()
    if key and token and key != token:
        advice = f"Unset one: Claude Code sends both, and Haze takes {KEY} if it knows it."
        yield Finding("variables", WARN, f"{KEY} and {TOKEN} are both set, to different values", advice)
    if (key or token) and not any(each.startswith(keys.PREFIX) for each in (key, token)):
        name = KEY if key else TOKEN
        yield Finding("variables", WARN, f"{name} holds no key of Haze: those begin with {keys.PREFIX}")
    if not key and not token:
        yield Finding("variables", WARN, f"{BASE} is set, but neither {KEY} nor {TOKEN}", f"Set {KEY}.")


def _openai(environ: Mapping[str, str]) -> Iterator[Finding]:
    base = environ.get(OPENAI, "")
    if base and not base.rstrip("/").endswith(VERSION):
        advice = "OpenAI's clients want it. (Haze answers all the same.)"
        yield Finding("variables", WARN, f"{OPENAI} does not end with {VERSION}", advice)


def _own(settings: Config) -> set[str]:
    server = settings.server
    hosts = {server.host, "127.0.0.1", "localhost"}
    return {_place(server.public_url), *(f"http://{host}:{server.port}" for host in hosts)}


def _place(url: str) -> str:
    """Scheme, host and port: without what may be a credential."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"
