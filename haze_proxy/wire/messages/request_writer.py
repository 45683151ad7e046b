"""A Conversation as a Messages request."""

from typing import Any

from haze_proxy.wire.conversation import Choice, Conversation, Tool, Turn
from haze_proxy.wire.messages.blocks_writer import THINKING, Block, blocks, control
from haze_proxy.wire.naming import opaque
from haze_proxy.wire.options import Options
from haze_proxy.wire.schemas import closed, of_object
from haze_proxy.wire.values import refuse, text

INSTRUCTIONS = ("system", "developer")
NOTHING = {"type": "text", "text": "."}  # a conversation must have a user's word, and begin with it
GO_ON = {"type": "text", "text": "Continue."}
JSON_OBJECT = "Answer with one JSON object and nothing else."
MARKS_MAX = 4
TIERS = {"default": "standard_only", "auto": "auto"}
# In tokens. Source: Higress; Anthropic takes no less than the first.
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_000}
BUDGET_MIN = 1024
TEMPERATURE_MAX = 1.0

Body = dict[str, Any]


def write_request(conversation: Conversation, options: Options) -> tuple[Body, list[str]]:
    """The body of a request and the names of what it could not say. Raises BadRequest where that changes the meaning.

    The fields of a translated request are those of version 2023-06-01: later ones know no sampling.
    """
    dropped = list(conversation.unread)
    leading = next((n for n, t in enumerate(conversation.turns) if t.role not in INSTRUCTIONS), len(conversation.turns))
    limit = options.limit(conversation.limit)
    body: Body = {
        "model": conversation.model,
        "max_tokens": limit if limit is not None else options.limit(options.limit_default),
        "messages": _messages(conversation.turns[leading:], options),
    }
    system = [block for turn in conversation.turns[:leading] for block in blocks(turn)]
    if conversation.format is not None and conversation.format.kind == "json_object":
        system.append({"type": "text", "text": JSON_OBJECT})
    if system:
        body["system"] = system
    _write_tools(body, conversation)
    _write_thinking(body, conversation, options, dropped)
    _write_format(body, conversation)
    _write_sampling(body, conversation, options, dropped)
    _write_rest(body, conversation, dropped)
    _spare_marks(body)
    return body, dropped


def _messages(turns: tuple[Turn, ...], options: Options) -> list[Body]:
    messages: list[Body] = []
    for n, turn in enumerate(turns):
        following = turns[n + 1].role if n + 1 < len(turns) else ""
        role, content = _turn(turn, messages[-1]["role"] if messages else "", following, options)
        if not content:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += content
        else:
            messages.append({"role": role, "content": content})
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [dict(NOTHING)]})
    if messages[-1]["role"] == "assistant":
        _end_with(messages, options)
    return messages


def _turn(turn: Turn, before: str, following: str, options: Options) -> tuple[str, list[Block]]:
    content = blocks(turn)
    if turn.role not in INSTRUCTIONS:
        return turn.role, content
    if options.system_turns and before == "user" and following in ("", "assistant"):
        return "system", content
    # In place: at the top it would change the beginning of the conversation, which is what the provider has cached.
    for block in content:
        block["text"] = f"<system>\n{block['text']}\n</system>"
    return "user", content


def _end_with(messages: list[Body], options: Options) -> None:
    """The model is to go on with its own last words."""
    if not options.prefill:
        messages.append({"role": "user", "content": [dict(GO_ON)]})
        return
    last = messages[-1]["content"][-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _write_tools(body: Body, conversation: Conversation) -> None:
    choice = conversation.choice
    allowed = set(choice.allowed) if choice else set()
    tools = [_tool(tool) for tool in conversation.tools if not allowed or tool.name in allowed]
    if not tools:
        if choice and choice.mode in ("any", "tool"):
            raise refuse(
                conversation.called("choice"), "asks for a tool, but none can be sent to this model's provider"
            )
        _write_old_tools(body)
        return
    body["tools"] = tools
    if choice or conversation.parallel is False:
        body["tool_choice"] = _choice(choice or Choice("auto"), conversation.parallel)


def _write_old_tools(body: Body) -> None:
    """Anthropic refuses a history with calls where no tools are defined: those that were called are, and are switched
    off.
    """
    blocks = (block for turn in body["messages"] for block in turn["content"] if block["type"] == "tool_use")
    if names := dict.fromkeys(block["name"] for block in blocks):
        body["tools"] = [{"name": name, "input_schema": of_object(None)} for name in names]
        body["tool_choice"] = {"type": "none"}


def _tool(tool: Tool) -> Body:
    written: Body = {"name": tool.name, "input_schema": of_object(tool.parameters)}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    if tool.mark:
        written["cache_control"] = control(tool.mark)
    return written


def _choice(choice: Choice, parallel: bool | None) -> Body:
    written: Body = {"type": choice.mode}
    if choice.mode == "tool":
        written["name"] = choice.named
    if parallel is False and choice.mode != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _write_thinking(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    thinking = conversation.thinking
    wanted = bool(thinking.effort or thinking.state == "on") and thinking.effort != "none" and thinking.state != "off"
    if not wanted:
        return
    if options.thinking == "none":
        dropped.append(conversation.called("effort"))
        return
    may_think = not _forced(conversation) and not _lost_thinking(body)
    if options.thinking == "adaptive":
        if effort := options.effort(thinking.effort):
            body["output_config"] = {"effort": effort}
        if may_think:
            body["thinking"] = {"type": "adaptive"}
        return
    asked = thinking.budget or BUDGETS.get(thinking.effort, BUDGETS["medium"])
    budget = min(asked, body["max_tokens"] - 1)
    if may_think and budget >= BUDGET_MIN:
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _forced(conversation: Conversation) -> bool:
    """Anthropic refuses to think where a tool must be called."""
    return conversation.choice is not None and conversation.choice.mode in ("any", "tool")


def _lost_thinking(body: Body) -> bool:
    """Whether the turn to go on with called a tool after thinking that the client did not give back.

    Anthropic then expects the thinking it signed, and refuses the request.
    """
    last = next((turn for turn in reversed(body["messages"]) if turn["role"] == "assistant"), None)
    kinds = {block["type"] for block in last["content"]} if last else set()
    return "tool_use" in kinds and not kinds & THINKING


def _write_format(body: Body, conversation: Conversation) -> None:
    form = conversation.format
    if form is not None and form.kind == "json_schema":
        config = body.setdefault("output_config", {})
        config["format"] = {"type": "json_schema", "schema": closed(form.schema)}


def _write_sampling(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    given = {"temperature": conversation.temperature, "top_p": conversation.top_p}
    for name, value in given.items():
        if value is None:
            continue
        # Claude takes one of the two, and neither while it thinks.
        if not options.sampling or "thinking" in body or "temperature" in body:
            dropped.append(name)
        else:
            body[name] = min(value, TEMPERATURE_MAX)


def _write_rest(body: Body, conversation: Conversation, dropped: list[str]) -> None:
    if conversation.stream:
        body["stream"] = True
    if stop := [word for word in conversation.stop if word.strip()]:
        body["stop_sequences"] = stop
    if conversation.user:
        body["metadata"] = {"user_id": opaque(conversation.user)}
    also = dict(conversation.also)
    if tier := TIERS.get(text(also.pop("service_tier", None))):
        body["service_tier"] = tier
    elif conversation.also.get("service_tier"):
        dropped.append("service_tier")
    dropped += [*also, *([conversation.called("cache_key")] if conversation.cache_key else [])]
    dropped += [
        f"{turn.at}.content.image.detail"
        for turn in conversation.turns
        if any(getattr(part, "detail", "") not in ("", "auto") for part in turn.parts)
    ]


def _spare_marks(body: Body) -> None:
    """Anthropic takes four cache breakpoints: of more, the first of the prompt and the last of the turns are kept."""
    marked = [block for block in (*body.get("tools", ()), *body.get("system", ())) if "cache_control" in block]
    kept = len(marked) and 1
    marked += [block for turn in body["messages"] for block in turn["content"] if "cache_control" in block]
    if len(marked) > MARKS_MAX:
        for block in marked[kept : kept - MARKS_MAX]:
            del block["cache_control"]
