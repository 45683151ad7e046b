"""The neutral form of a request: turns of parts, tools, and how to answer. The form of answers is in events.py.

Each protocol module knows itself and the neutral form, never another protocol.

Values are frozen and hold the JSON values of the request they were read from (schemas, arguments) without copying
them: nobody may change them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any


@dataclass(frozen=True, slots=True)
class Seal:
    """What a provider wants back unchanged beside its reasoning: a signature, an encrypted text, the field it used.

    `origin` is the protocol whose provider made it; no other provider may ever get it.
    """

    origin: str
    data: Json


@dataclass(frozen=True, slots=True)
class Text:
    """`mark`: a cache breakpoint after this part, "5m" or "1h"; "" is none."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """Base64 `data` of `media_type`, or a `url` that only the provider fetches."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A file: base64 `data` of `media_type`, or plain `text`, or a `url`."""

    media_type: str = ""
    data: str = ""
    text: str | None = None
    url: str = ""
    title: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought before. Without a seal it is of no use to any provider."""

    text: str
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the model said instead of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON text as the model wrote it; of a custom tool it is free text.

    `namespace` groups tools (responses only). `extra` is what a provider wants back with this call (Gemini).
    """

    id: str
    name: str
    arguments: str
    custom: bool = False
    namespace: str = ""
    extra: Json = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of the call with `call_id`: texts, images and documents."""

    call_id: str
    parts: tuple["Text | Image | Document", ...]
    error: bool = False
    custom: bool = False
    mark: str = ""


Part = Text | Image | Document | Reasoning | Refusal | ToolCall | ToolResult
Role = Literal["user", "assistant", "system", "developer"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Tool results stand in user turns. `at` names the turn in the client's own request, for messages about it."""

    role: Role
    parts: tuple[Part, ...]
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with a JSON schema (`parameters`), or a custom tool with an input `format` instead.

    `space_description` says what the tools of its namespace are for.
    """

    name: str
    description: str = ""
    parameters: Json = None
    strict: bool | None = None
    custom: bool = False
    format: Json = None
    namespace: str = ""
    space_description: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """auto: the model's; any: some tool; tool: the one `named`; none: no tool. `allowed` limits which may be used."""

    mode: Literal["auto", "any", "tool", "none"]
    named: str = ""
    allowed: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """How the text must look: any JSON object, or one that fits `schema`."""

    kind: Literal["json_object", "json_schema"]
    schema: Json = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether the model may think: "on", "off", or "" where the client said nothing; `budget` in tokens."""

    state: Literal["", "on", "off"] = ""
    budget: int | None = None
    effort: str = ""  # none, minimal, low, medium, high, xhigh, max


@dataclass(frozen=True, slots=True)
class Conversation:
    """`also` holds fields that OpenAI's two protocols spell the same way; `unread` names what this form cannot say.

    `shows_reasoning`: whether the client expects reasoning in the answer.
    `names` gives the client's own field for one of this form's ("limit" -> "max_tokens"), for messages about it.
    """

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    parallel: bool | None = None
    limit: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    shows_reasoning: bool = True
    thinking: Thinking = Thinking()
    format: Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str = ""
    cache_key: str = ""
    also: Mapping[str, Json] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    def called(self, name: str) -> str:
        """The client's own name of a field of this form."""
        return self.names.get(name, name)
