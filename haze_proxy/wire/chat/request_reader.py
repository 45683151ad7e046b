"""A Chat Completions request as a Conversation."""

from typing import Any

from haze_proxy.wire.chat.parts_reader import parts, texts
from haze_proxy.wire.chat.reasoning import read_reasoning
from haze_proxy.wire.conversation import (
    Choice,
    Conversation,
    Document,
    Format,
    Image,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from haze_proxy.wire.values import (
    arr,
    dumps,
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
    """model messages tools tool_choice functions function_call parallel_tool_calls stream stream_options
    max_completion_tokens max_tokens stop reasoning_effort response_format temperature top_p user safety_identifier
    prompt_cache_key n modalities audio"""
)
# OpenAI's two protocols spell these alike.
ALSO = ("metadata", "service_tier", "verbosity", "prompt_cache_options", "prompt_cache_retention")
NAMES = {
    "choice": "tool_choice",
    "parallel": "parallel_tool_calls",
    "effort": "reasoning_effort",
    "format": "response_format",
    "cache_key": "prompt_cache_key",
    "user": "safety_identifier",
}
ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}


def read_request(body: dict[str, Any]) -> Conversation:
    """The body of a request -> Conversation. Raises BadRequest naming the field that no other protocol can say."""
    _refuse(body)
    unread = [name for name, value in body.items() if name not in READ and name not in ALSO and value is not None]
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    messages = want_array(body.get("messages"), "messages")
    tools = _tools(body, unread)
    return Conversation(
        model=text(body.get("model")),
        turns=tuple(_turns(messages)),
        tools=tools,
        choice=_choice(body),
        parallel=body["parallel_tool_calls"] if isinstance(body.get("parallel_tool_calls"), bool) else None,
        limit=whole(body.get(limit)),
        stop=_stop(body.get("stop")),
        stream=body.get("stream") is True,
        include_usage=obj(body.get("stream_options")).get("include_usage") is True,
        thinking=Thinking(effort=text(body.get("reasoning_effort"))),
        format=_format(body.get("response_format")),
        temperature=want_number(body.get("temperature"), "temperature"),
        top_p=want_number(body.get("top_p"), "top_p"),
        user=text(body.get("safety_identifier")) or text(body.get("user")),
        cache_key=text(body.get("prompt_cache_key")),
        also={name: body[name] for name in ALSO if body.get(name) is not None},
        unread=tuple(unread),
        names={**NAMES, "limit": limit},
    )


def _refuse(body: dict[str, Any]) -> None:
    if (whole(body.get("n")) or 1) > 1:
        raise refuse("n", "this model's provider gives one answer at a time")
    if body.get("audio") is not None or "audio" in arr(body.get("modalities")):
        raise refuse("modalities", "this model's provider gives no audio")


def _turns(messages: list[Any]) -> list[Turn]:
    turns: list[Turn] = []
    for n, given in enumerate(messages):
        at = f"messages.{n}"
        message = want_object(given, at)
        role = text(message.get("role"))
        if role == "tool":
            turns.append(Turn("user", (_result(message, want_text(message.get("tool_call_id"), at), at),), at))
        elif role == "function":
            # The old form has no ids: a result belongs to the call just before it.
            turns.append(Turn("user", (_result(message, _old_id(n - 1), at),), at))
        elif role == "assistant":
            turns.append(Turn("assistant", _assistant(message, n, at), at))
        elif role in ROLES:
            content = message.get("content")
            read = parts(content, f"{at}.content") if role == "user" else texts(content, f"{at}.content")
            turns.append(Turn(ROLES[role], read, at))
        else:
            raise refuse(f"{at}.role", f"Expected one of {', '.join((*ROLES, 'tool'))}")
    return turns


def _result(message: dict[str, Any], call_id: str, at: str) -> ToolResult:
    read = parts(message.get("content"), f"{at}.content")
    return ToolResult(call_id, tuple(part for part in read if isinstance(part, Text | Image | Document)))


def _assistant(message: dict[str, Any], n: int, at: str) -> tuple[Part, ...]:
    read = read_reasoning(message)
    content = message.get("content")
    read += parts(content, f"{at}.content") if content is not None else ()
    if refusal := text(message.get("refusal")):
        read.append(Refusal(refusal))
    calls = message.get("tool_calls")
    for k, call in enumerate(want_array([] if calls is None else calls, f"{at}.tool_calls")):
        read.append(_call(want_object(call, f"{at}.tool_calls.{k}"), f"{at}.tool_calls.{k}"))
    if message.get("function_call") is not None:
        function = want_object(message["function_call"], f"{at}.function_call")
        read.append(ToolCall(_old_id(n), text(function.get("name")), _arguments(function.get("arguments"))))
    return tuple(read)


def _call(call: dict[str, Any], at: str) -> ToolCall:
    call_id = want_text(call.get("id"), f"{at}.id")
    if call.get("type") == "custom":
        custom = want_object(call.get("custom"), f"{at}.custom")
        return ToolCall(call_id, want_text(custom.get("name"), at), text(custom.get("input")), custom=True)
    function = want_object(call.get("function"), f"{at}.function")
    name = want_text(function.get("name"), f"{at}.function.name")
    return ToolCall(call_id, name, _arguments(function.get("arguments")), extra=call.get("extra_content"))


def _arguments(given: object) -> str:
    return given if isinstance(given, str) else "" if given is None else dumps(given)


def _old_id(n: int) -> str:
    return f"call_{n}"


def _tools(body: dict[str, Any], unread: list[str]) -> tuple[Tool, ...]:
    given = body.get("tools")
    tools = []
    for n, entry in enumerate(want_array([] if given is None else given, "tools")):
        tool, at = want_object(entry, f"tools.{n}"), f"tools.{n}"
        kind = text(tool.get("type"))
        if kind == "function":
            tools.append(_function(want_object(tool.get("function"), f"{at}.function"), at))
        elif kind == "custom":
            custom = want_object(tool.get("custom"), f"{at}.custom")
            name, description = want_text(custom.get("name"), f"{at}.custom.name"), text(custom.get("description"))
            tools.append(Tool(name, description, custom=True, format=_input_format(custom.get("format"))))
        else:
            unread.append(f"tools.{kind}")
    for n, entry in enumerate(arr(body.get("functions"))):
        tools.append(_function(want_object(entry, f"functions.{n}"), f"functions.{n}"))
    return tuple(tools)


def _function(function: dict[str, Any], at: str) -> Tool:
    name, strict = want_text(function.get("name"), f"{at}.name"), function.get("strict")
    schema = function.get("parameters")
    return Tool(
        name,
        text(function.get("description")),
        schema if isinstance(schema, dict) else None,
        strict if isinstance(strict, bool) else None,
    )


def _input_format(given: object) -> dict[str, Any] | None:
    """The flat form: {type, syntax, definition}."""
    form = obj(given)
    return {"type": form.get("type"), **obj(form.get("grammar"))} if form else None


def _choice(body: dict[str, Any]) -> Choice | None:
    given, field = body.get("tool_choice"), "tool_choice"
    if given is None:
        given, field = body.get("function_call"), "function_call"
        given = {"type": "function", "function": given} if isinstance(given, dict) else given
    match given:
        case None:
            return None
        case "auto" | "none":
            return Choice("auto" if given == "auto" else "none")
        case "required":
            return Choice("any")
        case {"type": "function", "function": {"name": str(name)}} | {"type": "custom", "custom": {"name": str(name)}}:
            return Choice("tool", name)
        case {"type": "allowed_tools", "allowed_tools": {"mode": str(mode), "tools": list(tools)}}:
            names = (obj(obj(tool).get(text(obj(tool).get("type")))).get("name") for tool in tools)
            return Choice("any" if mode == "required" else "auto", allowed=tuple(map(text, names)))
    raise refuse(field, "this choice cannot be sent to this model's provider")


def _stop(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(want_text(word, "stop") for word in want_array(given, "stop"))


def _format(given: object) -> Format | None:
    if given is None:
        return None
    form = want_object(given, "response_format")
    if form.get("type") == "json_object":
        return Format("json_object")
    if form.get("type") == "json_schema":
        named = want_object(form.get("json_schema"), "response_format.json_schema")
        strict = named.get("strict")
        return Format(
            "json_schema",
            named.get("schema"),
            text(named.get("name")),
            text(named.get("description")),
            strict if isinstance(strict, bool) else None,
        )
    if form.get("type") == "text":
        return None
    raise refuse("response_format.type", "Expected 'text', 'json_object' or 'json_schema'")
