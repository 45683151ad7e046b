"""Names and ids that a provider's protocol takes, and the way back.

A name that fits stays as it is. Any other is cleaned, shortened and given a hash of the whole, so that two names never
become one, and the same name becomes the same in every request: a changed history would miss the provider's cache.
Namespaces become part of the name; custom tools become functions with one text field where a protocol has none.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from haze_proxy.wire.conversation import Choice, Conversation, Part, Tool, ToolCall, ToolResult, Turn
from haze_proxy.wire.events import CallDelta, CallEnd, CallStart, Context, Event, Original
from haze_proxy.wire.values import dumps, obj, parse

ID_MAX = 64
HASH_CHARACTERS = 10
INPUT = "input"  # the field of a function that stands for a custom tool

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_LEGAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a protocol takes: names of at most `name_max` characters, and whether it has custom tools and namespaces."""

    name_max: int
    own_tools: bool = False


def fit(conversation: Conversation, limits: Limits) -> tuple[Conversation, dict[str, Original]]:
    """The conversation with names and ids the protocol takes, and the client's own of every tool that was changed."""
    originals = {
        _written(tool.name, tool.namespace, limits): Original(tool.name, tool.namespace, tool.custom)
        for tool in conversation.tools
        if _changes(tool, limits)
    }
    fitted = replace(
        conversation,
        tools=tuple(_tool(tool, limits) for tool in conversation.tools),
        turns=tuple(_turn(turn, limits) for turn in conversation.turns),
        choice=_choice(conversation, limits),
    )
    return fitted, originals


def call_ids(turns: Iterable[Turn]) -> frozenset[str]:
    """The ids of all calls, as the client knows them."""
    return frozenset(part.id for turn in turns for part in turn.parts if isinstance(part, ToolCall))


def legal_id(call_id: str) -> str:
    """The id if every protocol takes it; else one made from it, different for different ids."""
    return call_id if _LEGAL_ID.fullmatch(call_id) else shortened(call_id, ID_MAX)


def shortened(name: str, longest: int) -> str:
    """Letters, digits, "-" and "_" only, and a hash of the whole name at the end."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:HASH_CHARACTERS]
    return f"{_ILLEGAL.sub('_', name)[: longest - HASH_CHARACTERS - 1]}_{digest}"


def opaque(user: str) -> str:
    """A person's id as one that tells nothing about him: 64 hexadecimal digits; those of an earlier call stay."""
    return user if re.fullmatch(r"[0-9a-f]{64}", user) else hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _written(name: str, namespace: str, limits: Limits) -> str:
    if namespace and not limits.own_tools:
        name = f"{namespace}__{name}"
    if 0 < len(name) <= limits.name_max and not _ILLEGAL.search(name):
        return name
    return shortened(name, limits.name_max)


def _changes(tool: Tool, limits: Limits) -> bool:
    return (tool.custom and not limits.own_tools) or _written(tool.name, tool.namespace, limits) != tool.name


def _tool(tool: Tool, limits: Limits) -> Tool:
    name = _written(tool.name, tool.namespace, limits)
    if limits.own_tools:
        return tool if name == tool.name else replace(tool, name=name)
    if not tool.custom:
        return tool if name == tool.name else replace(tool, name=name, namespace="")
    description = "\n\n".join(filter(None, (tool.description, _told_format(tool.format))))
    return Tool(name, description, _input_schema(), mark=tool.mark)


def _input_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {INPUT: {"type": "string"}},
        "required": [INPUT],
        "additionalProperties": False,
    }


def _told_format(given: object) -> str:
    grammar = obj(given)
    if not grammar.get("definition"):
        return ""
    return f"The input must match this {grammar.get('syntax') or ''} grammar:\n{grammar['definition']}"


def _choice(conversation: Conversation, limits: Limits) -> Choice | None:
    choice = conversation.choice
    if choice is None or not (choice.named or choice.allowed):
        return choice
    spaces = {tool.name: tool.namespace for tool in conversation.tools}
    named = choice.named and _written(choice.named, choice.namespace or spaces.get(choice.named, ""), limits)
    allowed = tuple(_written(name, spaces.get(name, ""), limits) for name in choice.allowed)
    return replace(choice, named=named, allowed=allowed)


def _turn(turn: Turn, limits: Limits) -> Turn:
    parts = tuple(_part(part, limits) for part in turn.parts)
    return turn if parts == turn.parts else replace(turn, parts=parts)


def _part(part: Part, limits: Limits) -> Part:
    if isinstance(part, ToolCall):
        name, call_id = _written(part.name, part.namespace, limits), legal_id(part.id)
        if part.custom and not limits.own_tools:
            return replace(
                part, id=call_id, name=name, namespace="", custom=False, arguments=dumps({INPUT: part.arguments})
            )
        if name != part.name or call_id != part.id:
            return replace(part, id=call_id, name=name, namespace=part.namespace if limits.own_tools else "")
    elif isinstance(part, ToolResult):
        call_id = legal_id(part.call_id)
        if call_id != part.call_id or (part.custom and not limits.own_tools):
            return replace(part, call_id=call_id, custom=part.custom and limits.own_tools)
    return part


class CallIds:
    """Gives each call of an answer an id that no other call of the conversation has.

    It is the provider's own, as `spelled` writes it. Some servers give none, or begin anew with every answer: then it
    is made from the request's.
    """

    def __init__(self, context: Context, prefix: str, spelled: Callable[[str], str] = legal_id) -> None:
        self._taken = set(context.taken)
        self._made = f"{prefix}{context.seed}_"
        self._spelled = spelled

    def of(self, call: CallStart) -> str:
        """The id the client will know the call by."""
        own = self._spelled(call.id) if call.id else ""
        given = own if own and own not in self._taken else f"{self._made}{call.key}"
        self._taken.add(given)
        return given


class Restorer:
    """Gives the calls of an answer the client's own names. Arguments of a custom tool wait until they are complete."""

    def __init__(self, originals: Mapping[str, Original]) -> None:
        self._originals = originals
        self._custom: dict[int, list[str]] = {}

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """The events, renamed; those that must wait are left out for now."""
        if not self._originals:
            return list(events)
        restored: list[Event] = []
        for event in events:
            restored += self._one(event)
        return restored

    def close(self) -> list[Event]:
        """What had to wait and has not been ended."""
        return [event for key in list(self._custom) for event in self._unwrapped(key)]

    def _one(self, event: Event) -> list[Event]:
        if isinstance(event, CallStart) and (original := self._originals.get(event.name)):
            if original.custom:
                self._custom[event.key] = []
            return [replace(event, name=original.name, namespace=original.namespace, custom=original.custom)]
        if isinstance(event, CallDelta) and event.key in self._custom:
            self._custom[event.key].append(event.text)
            return []
        if isinstance(event, CallEnd) and event.key in self._custom:
            return [*self._unwrapped(event.key), event]
        return [event]

    def _unwrapped(self, key: int) -> list[Event]:
        arguments = "".join(self._custom.pop(key))
        read = obj(parse(arguments)).get(INPUT)
        return [CallDelta(key, read if isinstance(read, str) else arguments)]
