"""What an upstream lists at GET /models: its pages, and the models in them as Haze knows them.

One shape for all: OpenAI's `{"data": [{"id": …}]}`; Anthropic's comes in pages, OpenRouter's with prices and sizes.
Everything in a list comes from outside: it has bounds, and a row that makes no sense is left out alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from haze_proxy.money import listed
from haze_proxy.money.listed import UnpricedError
from haze_proxy.money.prices import Price

MODELS_MAX: Final = 5_000
TOO_MANY: Final = f"the list holds more than {MODELS_MAX} models"
ID_CHARACTERS_MAX: Final = 256
NAME_CHARACTERS_MAX: Final = 200
DESCRIPTION_CHARACTERS_MAX: Final = 1_000
TOKENS_MAX: Final = 10**12

# Kinds whose lists name prices.
PRICED: Final = frozenset({"openrouter"})
# Gemini's list spells ids as its own API does; its OpenAI endpoint and the price table do not.
PREFIXES: Final = {"gemini": "models/"}
# What is kept of a row, so that what the store remembers can be read again by a newer Haze.
KEPT: Final = (
    "id",
    "name",
    "display_name",
    "description",
    "context_length",
    "max_input_tokens",
    "max_completion_tokens",
    "max_tokens",
    "top_provider",
    "architecture",
    "pricing",
)

Row = dict[str, Any]


class ListError(Exception):
    """Why there is no list, in a few words for the owner; the one before stays in use. `said`: the upstream's own."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.said = said


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as an upstream lists it; sizes in tokens. `unpriced` says why its price cannot be used, or is ""."""

    id: str
    name: str = ""
    description: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    price: Price | None = None
    unpriced: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of an upstream in its own order, as of a time (ms since 1970). `origin` names whose list it is."""

    origin: str
    fetched_at: int
    offers: Mapping[str, Offer] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `after` is the cursor of the next one, or None."""

    rows: list[Row]
    after: str | None


def page(body: bytes) -> Page:
    """Read a page as it came. Raises ListError when it is none, or far too long."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ListError("the answer is not JSON") from error
    rows = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        raise ListError("the answer holds no list of models")
    if len(rows) > MODELS_MAX:
        raise ListError(TOO_MANY)
    after = parsed.get("last_id") if parsed.get("has_more") is True else None
    if not isinstance(after, str | None):
        raise ListError("the list goes on at no model")
    # Retired models stay in Anthropic's list and answer nothing.
    return Page([_kept(row) for row in rows if isinstance(row, dict) and row.get("lifecycle") != "retired"], after)


def listing(kind: str, origin: str, rows: Iterable[Row], fetched_at: int) -> Listing:
    """The models in the rows of a list's pages. Raises ListError when there is not a single one, or far too many."""
    version = datetime.fromtimestamp(fetched_at / 1000, UTC).date().isoformat()
    offers: dict[str, Offer] = {}
    for row in rows:
        offer = _offer(kind, row, version)
        if offer is None:
            continue
        before = offers.setdefault(offer.id, offer)
        if before.price != offer.price:
            offers[offer.id] = Offer(offer.id, unpriced="the list names it twice, for different prices")
    if not offers:
        # Nobody takes all models away on purpose; an upstream that is ill does.
        raise ListError("the list holds no model")
    if len(offers) > MODELS_MAX:
        raise ListError(TOO_MANY)
    return Listing(origin, fetched_at, offers)


def remembered(kind: str, origin: str, rows: str, fetched_at: int) -> Listing:
    """A list as it was kept: the rows as JSON. Raises ListError when they cannot be read any more."""
    try:
        return listing(kind, origin, orjson.loads(rows), fetched_at)
    except orjson.JSONDecodeError as error:
        raise ListError("the remembered list is not JSON") from error


def _kept(row: Row) -> Row:
    kept = {name: row[name] for name in KEPT if row.get(name) is not None}
    if isinstance(text := kept.get("description"), str):
        kept["description"] = text[:DESCRIPTION_CHARACTERS_MAX]
    return kept


def _offer(kind: str, row: Row, version: str) -> Offer | None:
    model = row.get("id")
    if not isinstance(model, str):
        return None
    model = model.removeprefix(PREFIXES.get(kind, ""))
    if not 0 < len(model) <= ID_CHARACTERS_MAX or not model.isprintable() or model != model.strip():
        return None
    top = row.get("top_provider")
    price, unpriced = _price(kind, row, version)
    return Offer(
        id=model,
        name=_text(row.get("name") or row.get("display_name"), NAME_CHARACTERS_MAX),
        description=_text(row.get("description"), DESCRIPTION_CHARACTERS_MAX),
        context_tokens=_tokens(row.get("context_length"), row.get("max_input_tokens")),
        max_output_tokens=_tokens(
            top.get("max_completion_tokens") if isinstance(top, dict) else None,
            row.get("max_completion_tokens"),
            row.get("max_tokens"),
        ),
        price=price,
        unpriced=unpriced,
    )


def _price(kind: str, row: Row, version: str) -> tuple[Price | None, str]:
    if kind not in PRICED or "pricing" not in row:
        return None, ""
    try:
        return listed.price(row, f"{kind} /models", version), ""
    except UnpricedError as error:
        return None, str(error)


def _text(value: object, most: int) -> str:
    """A line for people, without what would break out of one."""
    if not isinstance(value, str):
        return ""
    text = " ".join(value[:most].split())
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _tokens(*values: object) -> int | None:
    """The first of the values that can be a size."""
    return next((value for value in values if type(value) is int and 0 < value <= TOKENS_MAX), None)
