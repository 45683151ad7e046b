"""The neutral form of an answer: a sequence of events, streamed or not. A whole answer is the same events at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from haze_proxy.wire.conversation import Json, Seal

CHARACTERS_PER_TOKEN = 4  # of generated text, where the provider did not count it


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; None was not reported. The classes are disjoint, `reasoning` is a part of `output`.

    `cache_write` are all writes, of which `cache_write_1h` are kept for an hour.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong at a provider. `kind` is a key of problems.KINDS; `numbers` are those of a full context."""

    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ends a piece of reasoning; without text before it, there was nothing to show."""

    seal: Seal


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A source of the text just before."""

    url: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class CallStart:
    """`key` tells the calls of one answer apart; they may run side by side. `id` is "" where the provider gave none."""

    key: int
    id: str
    name: str
    custom: bool = False
    namespace: str = ""
    extra: Json = None


@dataclass(frozen=True, slots=True)
class CallDelta:
    key: int
    text: str


@dataclass(frozen=True, slots=True)
class CallExtra:
    """What the provider wants back with a call, sent after the call began."""

    key: int
    extra: Json


@dataclass(frozen=True, slots=True)
class CallEnd:
    key: int


@dataclass(frozen=True, slots=True)
class Used:
    """Everything reported up to now; a later one replaces it."""

    usage: Usage


Reason = Literal["end", "sequence", "length", "calls", "refusal", "pause"]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why the answer ended. `sequence`: the stop sequence that was met; `explanation`: of a refusal."""

    reason: Reason
    sequence: str | None = None
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer broke; nothing comes after it."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Ping:
    """The provider is alive."""


Event = (
    TextDelta
    | ReasoningDelta
    | Sealed
    | RefusalDelta
    | Cited
    | CallStart
    | CallDelta
    | CallExtra
    | CallEnd
    | Used
    | Stopped
    | Failed
    | Ping
)


@dataclass(frozen=True, slots=True)
class Original:
    """How the client calls a tool that had to be called otherwise at the provider."""

    name: str
    namespace: str = ""
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a writer of answers must know.

    `model` is the id the client asked for; `seed` is unique to the request, the answer's ids are made from it;
    `created` in seconds since 1970; `input_estimate` in tokens. `tools` gives the client's name of a renamed tool.
    `taken` are the ids of the conversation's calls.
    `echo` holds the fields of the request that its protocol repeats in the answer; `include_usage` and
    `shows_reasoning` say what the client asked for.
    """

    model: str
    seed: str
    created: int = 0
    input_estimate: int = 1
    include_usage: bool = False
    shows_reasoning: bool = True
    tools: Mapping[str, Original] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    echo: Mapping[str, Json] = field(default_factory=dict)
