"""A Messages request as a Conversation."""

from typing import Any

from haze_proxy.wire.conversation import Choice, Conversation, Format, Part, Text, Thinking, Tool, Turn
from haze_proxy.wire.messages.blocks_reader import BILLING, assistant_parts, mark, system_parts, user_parts
from haze_proxy.wire.values import (
    arr,
    names,
    obj,
    parse,
    refuse,
    text,
    want_array,
    want_number,
    want_object,
    want_text,
    whole,
)

READ = names(
    """model messages system tools tool_choice max_tokens stop_sequences stream thinking output_config output_format
    temperature top_p metadata"""
)
# Without these the provider would answer something else than what was asked.
REFUSED = ("container", "mcp_servers", "thread")
NAMES = {
    "limit": "max_tokens",
    "stop": "stop_sequences",
    "format": "output_config.format",
    "choice": "tool_choice",
    "effort": "output_config.effort",
    "user": "metadata.user_id",
    "cache_key": "metadata.user_id",
    "parallel": "tool_choice.disable_parallel_tool_use",
}


def read_request(body: dict[str, Any]) -> Conversation:
    """The body of a request -> Conversation. Raises BadRequest naming the field that no other protocol can say."""
    for name in REFUSED:
        if body.get(name):
            raise refuse(name, "cannot be sent to this model's provider")
    unread = [name for name, value in body.items() if name not in READ and value is not None]
    tools = _tools(body.get("tools"), unread)
    choice, parallel = _choice(body.get("tool_choice"), tools)
    system = _system(body.get("system"), unread)
    turns = [
        _turn(turn, f"messages.{n}", unread) for n, turn in enumerate(want_array(body.get("messages"), "messages"))
    ]
    user = text(obj(body.get("metadata")).get("user_id"))
    thinking = _thinking(body)
    return Conversation(
        model=text(body.get("model")),
        turns=(*system, *(turn for turn in turns if turn.parts)),
        tools=tools,
        choice=choice,
        parallel=parallel,
        limit=whole(body.get("max_tokens")),
        stop=tuple(want_text(word, "stop_sequences") for word in arr(body.get("stop_sequences"))),
        stream=body.get("stream") is True,
        shows_reasoning=thinking.state == "on",
        thinking=thinking,
        format=_format(body, unread),
        temperature=want_number(body.get("temperature"), "temperature"),
        top_p=want_number(body.get("top_p"), "top_p"),
        user=user,
        cache_key=_session(user),
        unread=tuple(unread),
        names=NAMES,
    )


def _system(given: object, unread: list[str]) -> list[Turn]:
    if given is None:
        return []
    parts = system_parts(given, "system", unread)
    if parts and isinstance(parts[0], Text) and parts[0].text.startswith(BILLING):
        parts = parts[1:]  # differs per conversation: in front of a prompt it would defeat every other provider's cache
    return [Turn("system", parts, "system")] if parts else []


def _turn(given: object, at: str, unread: list[str]) -> Turn:
    turn = want_object(given, at)
    role, content = turn.get("role"), turn.get("content")
    parts: tuple[Part, ...]
    if role == "user":
        parts = user_parts(content, f"{at}.content")
        return Turn("user", parts, at)
    if role == "assistant":
        return Turn("assistant", assistant_parts(content, f"{at}.content", unread), at)
    if role == "system":
        return Turn("system", system_parts(content or [], f"{at}.content", unread), at)
    raise refuse(f"{at}.role", "Expected 'user', 'assistant' or 'system'")


def _tools(given: object, unread: list[str]) -> tuple[Tool, ...]:
    tools = []
    for n, entry in enumerate(want_array([] if given is None else given, "tools")):
        tool = want_object(entry, f"tools.{n}")
        kind = tool.get("type")
        if kind not in (None, "custom"):
            unread.append(f"tools.{text(kind)}")
            continue
        name = want_text(tool.get("name"), f"tools.{n}.name")
        schema = tool.get("input_schema")
        strict = tool.get("strict")
        tools.append(
            Tool(
                name,
                text(tool.get("description")),
                schema if isinstance(schema, dict) else None,
                strict if isinstance(strict, bool) else None,
                mark=mark(tool),
            )
        )
    return tuple(tools)


def _choice(given: object, tools: tuple[Tool, ...]) -> tuple[Choice | None, bool | None]:
    if given is None:
        return None, None
    choice = want_object(given, "tool_choice")
    parallel = False if choice.get("disable_parallel_tool_use") is True else None
    named = text(choice.get("name"))
    match choice.get("type"):
        case "auto":
            return Choice("auto"), parallel
        case "any":
            return Choice("any"), parallel
        case "none":
            return Choice("none"), None
        case "tool":
            if all(tool.name != named for tool in tools):
                raise refuse("tool_choice", f"the tool {named!r} cannot be used at this model's provider")
            return Choice("tool", named), parallel
    raise refuse("tool_choice.type", "Expected 'auto', 'any', 'tool' or 'none'")


def _thinking(body: dict[str, Any]) -> Thinking:
    given = obj(body.get("thinking"))
    state: dict[object, Any] = {"enabled": "on", "adaptive": "on", "between_tools": "on", "disabled": "off"}
    effort = text(obj(body.get("output_config")).get("effort"))
    # Claude Code sets it anew for later turns; the last word counts.
    for turn in arr(body.get("messages")):
        later = text(obj(obj(turn).get("output_config")).get("effort")) if obj(turn).get("role") == "system" else ""
        effort = later or effort
    return Thinking(state.get(text(given.get("type")), ""), whole(given.get("budget_tokens")), effort)


def _format(body: dict[str, Any], unread: list[str]) -> Format | None:
    config = obj(body.get("output_config"))
    unread += [f"output_config.{name}" for name in config if name not in ("effort", "format")]
    given = config.get("format") or body.get("output_format")
    if given is None:
        return None
    form = want_object(given, "output_config.format")
    if form.get("type") != "json_schema":
        raise refuse("output_config.format.type", "Expected 'json_schema'")
    return Format("json_schema", want_object(form.get("schema"), "output_config.format.schema"))


def _session(user: str) -> str:
    """Claude Code's session: requests of one session share a beginning, so they should share a cache."""
    return text(obj(parse(user)).get("session_id")) if user.startswith("{") else ""
