"""A Responses request as a Conversation."""

from dataclasses import replace
from typing import Any

from haze_proxy.wire.conversation import Choice, Conversation, Format, Text, Thinking, Tool, Turn
from haze_proxy.wire.responses.items_reader import turns
from haze_proxy.wire.values import (
    arr,
    names,
    obj,
    refuse,
    text,
    want_array,
    want_number,
    want_object,
    want_text,
    whole,
)

READ = names(
    """model input instructions tools tool_choice parallel_tool_calls reasoning text max_output_tokens stream
    temperature top_p user safety_identifier prompt_cache_key store include background"""
)
# OpenAI's two protocols spell these alike.
ALSO = ("metadata", "service_tier", "prompt_cache_options", "prompt_cache_retention")
# What lies on the provider's account, and what only this protocol's provider can go on with.
REFUSED = ("previous_response_id", "conversation", "background", "prompt")
# Asked for by every Codex; what is missing without them is not missed.
UNNAMED = frozenset({"client_metadata", "stream_options"})
ENCRYPTED = "reasoning.encrypted_content"  # always included
# The fields that an answer repeats, and what stands there where the request said nothing.
ECHO: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}
NAMES = {
    "limit": "max_output_tokens",
    "choice": "tool_choice",
    "parallel": "parallel_tool_calls",
    "effort": "reasoning.effort",
    "format": "text.format",
    "cache_key": "prompt_cache_key",
    "user": "safety_identifier",
    "verbosity": "text.verbosity",
}


def read_request(body: dict[str, Any]) -> Conversation:
    """The body of a request -> Conversation. Raises BadRequest naming the field that no other protocol can say."""
    for name in REFUSED:
        if body.get(name):
            raise refuse(name, "cannot be sent to this model's provider: it belongs to another one's account")
    known = READ | UNNAMED | set(ALSO)
    unread = [name for name, value in body.items() if name not in known and value is not None]
    unread += _unkept(body)
    said = turns(body.get("input"), unread)
    tools = _tools(body.get("tools"), unread)
    written = obj(body.get("text"))
    also = {name: body[name] for name in ALSO if body.get(name) is not None}
    if text(written.get("verbosity")):
        also["verbosity"] = written["verbosity"]
    return Conversation(
        model=text(body.get("model")),
        turns=(*_instructions(body.get("instructions")), *said),
        tools=tools,
        choice=_choice(body.get("tool_choice")),
        parallel=body["parallel_tool_calls"] if isinstance(body.get("parallel_tool_calls"), bool) else None,
        limit=whole(body.get("max_output_tokens")),
        stream=body.get("stream") is True,
        include_usage=True,
        thinking=_thinking(body.get("reasoning")),
        format=_format(written.get("format")),
        temperature=want_number(body.get("temperature"), "temperature"),
        top_p=want_number(body.get("top_p"), "top_p"),
        user=text(body.get("safety_identifier")) or text(body.get("user")),
        cache_key=text(body.get("prompt_cache_key")),
        also=also,
        unread=tuple(unread),
        names=NAMES,
    )


def _unkept(body: dict[str, Any]) -> list[str]:
    """What the client wants kept, or told beside the answer, and will not find."""
    wanted = [entry for entry in arr(body.get("include")) if entry != ENCRYPTED]
    return [*(["store"] if body.get("store") is True else ()), *(["include"] if wanted else ())]


def echo(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request that its answer repeats."""
    return {name: default if body.get(name) is None else body[name] for name, default in ECHO.items()}


def _instructions(given: object) -> list[Turn]:
    return [] if given is None else [Turn("system", (Text(want_text(given, "instructions")),), "instructions")]


def _tools(given: object, unread: list[str]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for n, entry in enumerate(want_array([] if given is None else given, "tools")):
        tool, at = want_object(entry, f"tools.{n}"), f"tools.{n}"
        if tool.get("type") != "namespace":
            tools += _tool(tool, at, unread)
            continue
        name, about = want_text(tool.get("name"), f"{at}.name"), text(tool.get("description"))
        for k, inner in enumerate(want_array(tool.get("tools"), f"{at}.tools")):
            within = _tool(want_object(inner, f"{at}.tools.{k}"), f"{at}.tools.{k}", unread)
            tools += [replace(each, namespace=name, space_description=about) for each in within]
    return tuple(tools)


def _tool(tool: dict[str, Any], at: str, unread: list[str]) -> list[Tool]:
    kind = text(tool.get("type"))
    if kind not in ("function", "custom"):
        unread.append(f"tools.{kind}")
        return []
    name, description = want_text(tool.get("name"), f"{at}.name"), text(tool.get("description"))
    if kind == "custom":
        form = tool.get("format")
        return [Tool(name, description, custom=True, format=form if isinstance(form, dict) else None)]
    schema, strict = tool.get("parameters"), tool.get("strict")
    schema = schema if isinstance(schema, dict) else None
    return [Tool(name, description, schema, strict if isinstance(strict, bool) else None)]


def _choice(given: object) -> Choice | None:
    match given:
        case None:
            return None
        case "auto" | "none":
            return Choice("auto" if given == "auto" else "none")
        case "required":
            return Choice("any")
        case {"type": "function" | "custom", "name": str(name)}:
            return Choice("tool", name, namespace=text(obj(given).get("namespace")))
        case {"type": "allowed_tools", "mode": str(mode), "tools": list(tools)}:
            allowed = tuple(text(obj(tool).get("name")) for tool in tools)
            return Choice("any" if mode == "required" else "auto", allowed=allowed)
    raise refuse("tool_choice", "this choice cannot be sent to this model's provider")


def _thinking(given: object) -> Thinking:
    """Asking for a summary is asking for reasoning."""
    reasoning = obj(given)
    effort = text(reasoning.get("effort"))
    wanted = effort not in ("", "none") or bool(reasoning.get("summary"))
    return Thinking("on" if wanted and effort != "none" else "", effort=effort)


def _format(given: object) -> Format | None:
    if given is None:
        return None
    form = want_object(given, "text.format")
    match form.get("type"):
        case "text":
            return None
        case "json_object":
            return Format("json_object")
        case "json_schema":
            strict = form.get("strict")
            return Format(
                "json_schema",
                form.get("schema"),
                text(form.get("name")),
                text(form.get("description")),
                strict if isinstance(strict, bool) else None,
            )
    raise refuse("text.format.type", "Expected 'text', 'json_object' or 'json_schema'")
