"""The models that are served now, as people read about them, and how they are looked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from haze_proxy.channels.directory import Directory, Listed
from haze_proxy.channels.kinds import PATHS
from haze_proxy.money.prices import Price

# Of an upstream's own description; the page of the model has all of it.
NOTES_CHARACTERS_MAX: Final = 120
QUERY_MAX: Final = 100
# Those that requests use now, and a new one that has just been read.
DIRECTORIES_KEPT: Final = 2
PROTOCOLS: Final = tuple(PATHS)


@dataclass(frozen=True, slots=True)
class Row:
    """A model. Sizes are tokens, None where they are not known; `natives` are those of `protocols` in which a channel
    is asked without a translation.
    """

    id: str
    name: str
    provider: str
    notes: str
    price: Price | None
    context_tokens: int | None
    max_output_tokens: int | None
    protocols: tuple[str, ...]
    natives: tuple[str, ...]

    @property
    def is_free(self) -> bool:
        """Whether nobody pays for it."""
        return self.price is not None and self.price.free

    @property
    def varies(self) -> bool:
        """Whether its price is what the provider says afterwards."""
        return self.price is not None and self.price.markup is not None


@lru_cache(DIRECTORIES_KEPT)
def rows(directory: Directory) -> tuple[Row, ...]:
    """All models that are listed, in the order of the configuration. A directory never changes: it is read once."""
    return tuple(row(directory, listed) for listed in directory.listed())


def row(directory: Directory, listed: Listed) -> Row:
    """The owner's words where there are any, else the upstream's."""
    own, offer, candidate = listed.row, listed.offer, listed.candidate
    return Row(
        id=listed.id,
        name=(own.name if own else "") or (offer.name if offer else ""),
        provider=(own.provider if own else "") or candidate.channel.kind.name,
        notes=(own.notes if own else "") or _short(offer.description if offer else ""),
        price=candidate.price,
        context_tokens=(own.context_tokens if own else None) or (offer.context_tokens if offer else None),
        max_output_tokens=candidate.max_output_tokens,
        protocols=_in_order(directory.protocols(listed.id)),
        natives=_in_order(directory.natives(listed.id)),
    )


def _in_order(protocols: list[str]) -> tuple[str, ...]:
    return tuple(each for each in PROTOCOLS if each in protocols)


def _short(text: str) -> str:
    if len(text) <= NOTES_CHARACTERS_MAX:
        return text
    return f"{text[:NOTES_CHARACTERS_MAX].rpartition(' ')[0]}\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for; "" and False leave it open. `sort` is a key of SORTS."""

    query: str = ""
    provider: str = ""
    protocol: str = ""
    native: bool = False
    free: bool = False
    sort: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Search":
        """The query of an address; what makes no sense in it is left out."""
        protocol, sort = query.get("protocol", ""), query.get("sort", "")
        return cls(
            query.get("q", "")[:QUERY_MAX],
            query.get("provider", "")[:QUERY_MAX],
            protocol if protocol in PROTOCOLS else "",
            bool(query.get("native")),
            bool(query.get("free")),
            sort if sort in SORTS else "",
        )

    @property
    def is_open(self) -> bool:
        """Whether everything is shown."""
        return self == Search(sort=self.sort)

    def fits(self, row: Row) -> bool:
        """Whether a model is looked for: all the words stand in what people read of it, and each choice is its own."""
        if (self.free and not row.is_free) or (self.provider and row.provider != self.provider):
            return False
        if self.protocol and self.protocol not in (row.natives if self.native else row.protocols):
            return False
        text = f"{row.id} {row.name} {row.provider} {row.notes}".casefold()
        return all(word in text for word in self.query.casefold().split())

    def found(self, every: tuple[Row, ...]) -> list[Row]:
        """The models that fit, in the order that was asked for."""
        fitting = [each for each in every if self.fits(each)]
        key = SORTS[self.sort][1]
        return fitting if key is None else sorted(fitting, key=key)


def _by_rate(name: str) -> Callable[[Row], Any]:
    """The cheapest first; what has no such price, or one that is only known afterwards, last."""

    def key(row: Row) -> tuple[bool, int]:
        if row.is_free:
            return False, 0
        rate = None if row.price is None or row.varies else getattr(row.price, name)
        return rate is None, rate or 0

    return key


# What `sort` says -> how people read it, and the key; without one the configuration's order stays.
SORTS: Final[dict[str, tuple[str, Callable[[Row], Any] | None]]] = {
    "": ("configuration", None),
    "id": ("id", lambda row: row.id.casefold()),
    "input": ("input price", _by_rate("input")),
    "output": ("output price", _by_rate("output")),
    "context": ("context", lambda row: -(row.context_tokens or 0)),
}
