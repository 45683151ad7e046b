"""The usual mistakes of a client that is being set up, told by what it was seen to do.

Each row knows one: how it looks, and what helps. What came with no key, or a wrong one, is nobody's, so for that there
is only ADVICE.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from haze_proxy.arrivals import Arrival

TWICE: Final = "/v1/v1"
VERSION: Final = "/v1/"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What was seen, and what to do about it. `seen` is the request that shows it, `link` a page that helps."""

    title: str
    advice: str
    seen: Arrival
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the client should call (without /v1), a model that it could ask for, and the number of its key."""

    url: str
    model: str
    key_id: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One mistake: `is_it` tells it by a request. Texts have `{url}`, `{model}` (one that is served), `{seen}`."""

    is_it: Callable[[Arrival], bool]
    title: str
    advice: str
    link: tuple[str, str] | None = None


def _stands_beside(seen: Arrival) -> bool:
    return bool(seen.beside) and bool(seen.status)


def _is_passed_over(seen: Arrival) -> bool:
    return bool(seen.beside) and not seen.status and bool(seen.reason)


def _refused(status: int) -> Callable[[Arrival], bool]:
    """By Haze: what was let through to a model and failed there is no mistake of the client's setting up."""
    return lambda seen: seen.status == status and not seen.admitted


RULES: Final = (
    Rule(
        _is_passed_over,
        "This key was not used: another credential came beside it",
        "The client sends two, and Haze took the one in {seen.beside}. Claude Code does so when both ANTHROPIC_API_KEY"
        " (x-api-key) and ANTHROPIC_AUTH_TOKEN (Authorization) are set: unset the one that does not hold this key.",
    ),
    Rule(
        _stands_beside,
        "Two different credentials come with each request",
        "Haze took the one in {seen.beside}. Claude Code sends both when ANTHROPIC_API_KEY (x-api-key) and"
        " ANTHROPIC_AUTH_TOKEN (Authorization) are set: unset the other one.",
    ),
    Rule(
        lambda seen: seen.path.lstrip("/").startswith(TWICE.lstrip("/") + "/"),
        "The base URL has a /v1 too much",
        "The client asked for {seen.path}. That works here, but not at every gateway: Anthropic's clients add /v1 by"
        " themselves. Set ANTHROPIC_BASE_URL={url}",
    ),
    Rule(
        lambda seen: bool(seen.protocol) and VERSION not in f"{seen.path}/",
        "The base URL lacks its /v1",
        "The client asked for {seen.path}. That works here, but not at every gateway: for OpenAI's clients the base"
        " URL is {url}/v1",
    ),
    Rule(
        lambda seen: seen.status in (404, 405) and not seen.protocol,
        "The client asks for an address that is not here",
        "It asked for {seen.path}. The base URL is {url} for Claude Code and Anthropic's clients, and {url}/v1 for"
        " Codex, Cursor and OpenAI's.",
    ),
    Rule(
        lambda seen: _refused(404)(seen) and bool(seen.model),
        "This key may not use {seen.model}",
        "{seen.reason} Ask for another model, or allow this one to the key.",
        ("/dashboard/keys/{key_id}", "Edit the key"),
    ),
    Rule(
        lambda seen: _refused(503)(seen) and bool(seen.model),
        "{seen.model} is not served here at the moment",
        "{seen.reason} Served is, for instance, {model}: Claude Code takes it as claude --model {model}",
        ("/models", "All models"),
    ),
    Rule(_refused(402), "There is no money for this model", "{seen.reason}", ("/dashboard/billing", "Billing")),
    Rule(_refused(403), "The request was not allowed", "{seen.reason}", ("/dashboard/keys/{key_id}", "Edit the key")),
    Rule(
        _refused(401),
        "The key is refused",
        "It is revoked or has expired. Give it another last day, or make another key.",
        ("/dashboard/keys/{key_id}", "Edit the key"),
    ),
    Rule(
        _refused(429),
        "A limit of this key was hit",
        "{seen.reason} Most clients wait and ask again by themselves.",
        ("/dashboard/keys/{key_id}", "Edit the key"),
    ),
    Rule(
        lambda seen: 400 <= seen.status < 500 and not seen.admitted and bool(seen.reason) and bool(seen.protocol),
        "Haze could not take the request",
        "{seen.reason}",
    ),
)
# What nobody can be told apart by: it came without a key that Haze knows, or did not come here at all.
ADVICE: Final = (
    (
        "Does the client know the variables?",
        "They hold in the terminal where they were set, and in those opened later.",
    ),
    (
        "Is the key whole?",
        "It begins with sk-rr- and has 49 characters. With a wrong key, or none, a client hears 401, and Haze cannot"
        " tell whose request it was.",
    ),
    (
        "Does something else win?",
        "Claude Code prefers what stands in ~/.claude/settings.json under env, and asks once whether it may use"
        " ANTHROPIC_API_KEY.",
    ),
    ("Can the client reach Haze?", "From its machine, {url}/healthz must answer. A proxy may stand between."),
)


def found(seen: Iterable[Arrival], place: Place) -> Iterator[Mistake]:
    """The mistakes that requests show, the newest first; each once."""
    known: set[str] = set()
    for each in seen:
        for rule in RULES:
            if rule.is_it(each) and rule.title not in known:
                known.add(rule.title)
                yield _told(rule, each, place)
                if not each.beside:
                    break


def _told(rule: Rule, seen: Arrival, place: Place) -> Mistake:
    facts = {"url": place.url, "model": place.model, "key_id": place.key_id, "seen": seen}
    link = None if rule.link is None else (rule.link[0].format(**facts), rule.link[1])
    return Mistake(rule.title.format(**facts), rule.advice.format(**facts), seen, link)


def advice(url: str) -> list[tuple[str, str]]:
    """What to look at where nothing has come: (question, answer)."""
    return [(question, answer.format(url=url)) for question, answer in ADVICE]
