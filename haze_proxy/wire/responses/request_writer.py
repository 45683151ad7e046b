"""A Conversation as a Responses request."""

from typing import Any

from haze_proxy.wire.conversation import (
    Choice,
    Conversation,
    Document,
    Format,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from haze_proxy.wire.naming import opaque
from haze_proxy.wire.options import Options, effort_asked
from haze_proxy.wire.responses.items_reader import ORIGIN
from haze_proxy.wire.schemas import named_schema, of_object
from haze_proxy.wire.values import obj, refuse, text

CHOICES = {"auto": "auto", "any": "required", "none": "none"}
ENCRYPTED = "reasoning.encrypted_content"
OUTPUT_TOKENS_MIN = 16  # OpenAI refuses less

Body = dict[str, Any]


def write_request(conversation: Conversation, options: Options) -> tuple[Body, list[str]]:
    """The body of a request and the names of what it could not say. Raises BadRequest where that changes the meaning.

    Nothing is stored at the provider: whose account it is, is not the client's.
    """
    if conversation.stop:
        raise refuse(conversation.called("stop"), "this model's provider knows no stop sequences")
    dropped = list(conversation.unread)
    first = next((n for n, turn in enumerate(conversation.turns) if turn.role != "system"), len(conversation.turns))
    instructions = "\n\n".join(_said(turn) for turn in conversation.turns[:first])
    items = [item for turn in conversation.turns[first:] for item in _items(turn)]
    body: Body = {"model": conversation.model, "input": items, "store": False}
    if instructions:
        body["instructions"] = instructions
    if conversation.stream:
        body["stream"] = True
    if (limit := options.limit(conversation.limit)) is not None:
        body["max_output_tokens"] = max(limit, OUTPUT_TOKENS_MIN)
    _write_tools(body, conversation)
    _write_reasoning(body, conversation, options, dropped)
    _write_text(body, conversation)
    for name in ("temperature", "top_p"):
        value = getattr(conversation, name)
        if value is not None and options.sampling is False:
            dropped.append(name)
        elif value is not None:
            body[name] = value
    if conversation.user:
        body["safety_identifier"] = opaque(conversation.user)
    if conversation.cache_key:
        body["prompt_cache_key"] = conversation.cache_key
    body |= {name: value for name, value in conversation.also.items() if name != "verbosity"}
    return body, dropped


def _items(turn: Turn) -> list[Body]:
    if turn.role == "assistant":
        return _assistant(turn)
    items = [_result(part, turn.at) for part in turn.parts if isinstance(part, ToolResult)]
    content = [_part(part, turn.at) for part in turn.parts if not isinstance(part, ToolResult) and not _is_blank(part)]
    if content:
        items.append({"type": "message", "role": turn.role, "content": content})
    return items


def _assistant(turn: Turn) -> list[Body]:
    """The items in their order; what the model said between two others is one message."""
    items: list[Body] = []
    for part in turn.parts:
        match part:
            case Text(said) | Refusal(said) if said.strip():
                if items and items[-1].get("role") == "assistant":
                    items[-1]["content"] += said
                else:
                    items.append({"type": "message", "role": "assistant", "content": said})
            case ToolCall():
                items.append(_call(part))
            case Reasoning():
                items += _reasoning(part)
            case _:
                pass
    return items


def _call(call: ToolCall) -> Body:
    spaced = {"namespace": call.namespace} if call.namespace else {}
    if call.custom:
        return {"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.arguments, **spaced}
    arguments = call.arguments if call.arguments.strip() else "{}"
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments, **spaced}


def _reasoning(reasoning: Reasoning) -> list[Body]:
    """Only what OpenAI itself has encrypted."""
    seal = reasoning.seal
    if seal is None or seal.origin != ORIGIN:
        return []
    data = obj(seal.data)
    summary = [{"type": "summary_text", "text": reasoning.text}] if reasoning.text else []
    named = {"id": data["id"]} if text(data.get("id")) else {}
    return [{"type": "reasoning", **named, "summary": summary, "encrypted_content": data.get("encrypted_content")}]


def _result(result: ToolResult, at: str) -> Body:
    kind = "custom_tool_call_output" if result.custom else "function_call_output"
    output: Any
    if all(isinstance(part, Text) for part in result.parts):
        output = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        output = f"Error: {output}" if result.error else output
    else:
        told = [{"type": "input_text", "text": "Error:"}] if result.error else []
        output = told + [_part(part, at) for part in result.parts if not _is_blank(part)]
    return {"type": kind, "call_id": result.call_id, "output": output}


def _said(turn: Turn) -> str:
    return "\n\n".join(part.text for part in turn.parts if isinstance(part, Text) and part.text.strip())


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _part(part: Part, at: str) -> Body:
    match part:
        case Text(said) | Refusal(said):
            return {"type": "input_text", "text": said}
        case Image():
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
        case Document():
            return _document(part)
    raise refuse(f"{at}.content", "cannot be sent to this model's provider")


def _document(document: Document) -> Body:
    if document.text is not None:
        return {"type": "input_text", "text": "\n".join(filter(None, (document.title, document.text)))}
    if document.url:
        return {"type": "input_file", "file_url": document.url}
    data = f"data:{document.media_type};base64,{document.data}"
    return {"type": "input_file", "filename": document.title or "document.pdf", "file_data": data}


def _write_tools(body: Body, conversation: Conversation) -> None:
    choice = conversation.choice
    allowed = set(choice.allowed) if choice else set()
    tools = [tool for tool in conversation.tools if not allowed or tool.name in allowed]
    if not tools:
        if choice and choice.mode in ("any", "tool"):
            raise refuse(conversation.called("choice"), "asks for a tool, but there is none to be sent")
        return
    body["tools"] = _spaced(tools)
    if choice:
        custom = {tool.name for tool in tools if tool.custom}
        body["tool_choice"] = _choice(choice, choice.named in custom)
    if conversation.parallel is not None:
        body["parallel_tool_calls"] = conversation.parallel


def _spaced(tools: list[Tool]) -> list[Body]:
    """The tools in their order, those of a namespace within it."""
    written: list[Body] = []
    spaces: dict[str, list[Body]] = {}
    for tool in tools:
        if not tool.namespace:
            written.append(_tool(tool))
            continue
        if tool.namespace not in spaces:
            spaces[tool.namespace] = []
            space = {"type": "namespace", "name": tool.namespace, "description": tool.space_description}
            written.append({**space, "tools": spaces[tool.namespace]})
        spaces[tool.namespace].append(_tool(tool))
    return written


def _tool(tool: Tool) -> Body:
    described = {"description": tool.description} if tool.description else {}
    if tool.custom:
        return {"type": "custom", "name": tool.name, **described, **({"format": tool.format} if tool.format else {})}
    # Where nothing is said, OpenAI tries to be strict and changes what the schema asks for.
    return {
        "type": "function",
        "name": tool.name,
        **described,
        "parameters": of_object(tool.parameters),
        "strict": tool.strict is True,
    }


def _choice(choice: Choice, custom: bool) -> str | Body:
    if choice.mode != "tool":
        return CHOICES[choice.mode]
    spaced = {"namespace": choice.namespace} if choice.namespace else {}
    return {"type": "custom" if custom else "function", "name": choice.named, **spaced}


def _write_reasoning(body: Body, conversation: Conversation, options: Options, dropped: list[str]) -> None:
    asked = effort_asked(conversation.thinking)
    effort = options.effort(asked)
    if asked not in ("", "none") and not effort:
        dropped.append(conversation.called("effort"))
    reasoning = {"effort": effort} if effort else {}
    if conversation.thinking.state == "on":
        reasoning["summary"] = "auto"
    if reasoning:
        body["reasoning"] = reasoning
    if options.encrypted_reasoning:
        body["include"] = [ENCRYPTED]


def _write_text(body: Body, conversation: Conversation) -> None:
    written: Body = {}
    if conversation.format is not None:
        written["format"] = _format(conversation.format)
    if verbosity := conversation.also.get("verbosity"):
        written["verbosity"] = verbosity
    if written:
        body["text"] = written


def _format(form: Format) -> Body:
    return {"type": form.kind} if form.kind == "json_object" else {"type": form.kind, **named_schema(form)}
