"""A Conversation as a Chat Completions request."""

from typing import Any

from haze_proxy.wire.chat.messages_writer import messages
from haze_proxy.wire.conversation import Choice, Conversation, Format, Tool
from haze_proxy.wire.naming import opaque
from haze_proxy.wire.options import Options, effort_asked
from haze_proxy.wire.schemas import named_schema, of_object
from haze_proxy.wire.values import refuse

STOP_MAX = 4
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
ELSEWHERE = ("metadata",)  # OpenAI takes it here only for answers it may store

Body = dict[str, Any]


def write_request(conversation: Conversation, options: Options) -> tuple[Body, list[str]]:
    """The body of a request and the names of what it could not say. Raises BadRequest where that changes the meaning.

    Tools of a kind the protocol has not, and names it refuses, have been replaced by naming.fit.
    """
    dropped = list(conversation.unread)
    if len(conversation.stop) > STOP_MAX:
        raise refuse(conversation.called("stop"), f"this model's provider takes at most {STOP_MAX} stop sequences")
    body: Body = {"model": conversation.model, "messages": messages(conversation.turns, options)}
    if conversation.stream:
        # What it costs is known only when asked for.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if (limit := options.limit(conversation.limit)) is not None:
        body[options.limit_field] = limit
    if conversation.stop:
        body["stop"] = list(conversation.stop)
    _write_tools(body, conversation)
    _write_effort(body, conversation, options, dropped)
    if conversation.format is not None:
        body["response_format"] = _format(conversation.format)
    _write_sampling(body, conversation, options, dropped)
    if conversation.user:
        body["safety_identifier"] = opaque(conversation.user)
    if conversation.cache_key:
        body["prompt_cache_key"] = conversation.cache_key
    body |= {name: value for name, value in conversation.also.items() if name not in ELSEWHERE}
    dropped += [name for name in ELSEWHERE if name in conversation.also]
    _spare(body, conversation, options, dropped)
    return body, dropped


def _write_tools(body: Body, conversation: Conversation) -> None:
    choice = conversation.choice
    allowed = set(choice.allowed) if choice else set()
    tools = [_tool(tool) for tool in conversation.tools if not allowed or tool.name in allowed]
    if not tools:  # OpenAI refuses an empty list, and a choice without one
        if choice and choice.mode in ("any", "tool"):
            raise refuse(conversation.called("choice"), "asks for a tool, but there is none to be sent")
        return
    body["tools"] = tools
    if choice:
        body["tool_choice"] = _choice(choice)
    if conversation.parallel is not None:
        body["parallel_tool_calls"] = conversation.parallel


def _tool(tool: Tool) -> Body:
    function: Body = {"name": tool.name, "parameters": of_object(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: Choice) -> str | Body:
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.named}}
    return CHOICES[choice.mode]


def _write_effort(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    asked = effort_asked(conversation.thinking)
    if effort := options.effort(asked):
        body["reasoning_effort"] = effort
    elif asked not in ("", "none"):
        dropped.append(conversation.called("effort"))


def _format(form: Format) -> Body:
    return {"type": form.kind} if form.kind == "json_object" else {"type": form.kind, "json_schema": named_schema(form)}


def _write_sampling(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    given = {"temperature": conversation.temperature, "top_p": conversation.top_p}
    for name, value in given.items():
        if value is not None and options.sampling is False:
            dropped.append(name)
        elif value is not None:
            body[name] = value


def _spare(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    """Leave out the fields the channel refuses, or refuse the request if the rest would ask for something else."""
    if options.allowed_fields is None:
        return
    for name in [name for name in body if name not in options.allowed_fields]:
        called = conversation.called(_SAID.get(name, name))
        if name in _NEEDED:
            raise refuse(called, "cannot be sent to this model's provider")
        del body[name]
        dropped.append(called)


_NEEDED = frozenset({"tools", "stop", "response_format"})
# How the neutral form calls what a field says.
_SAID = {
    "safety_identifier": "user",
    "prompt_cache_key": "cache_key",
    "reasoning_effort": "effort",
    "response_format": "format",
    "parallel_tool_calls": "parallel",
}
