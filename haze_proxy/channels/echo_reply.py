"""What the echo channel says: protocol-free, from a `Question` to a `Reply`.

A reader in echo_chat.py, echo_messages.py or echo_responses.py makes the question; a writer there tells the reply.

- Text: `You said: <the user's last words>`, or `The tool said: <result>` when a tool result is the latest thing.
- A tool is called when tools are offered, none has answered since the user's last words, and the caller allows it:
  the forced one, else a shell, else the first. A shell gets a harmless `echo '<the words>'`.
- With a JSON schema the text is a JSON value that fits it.
- Output tokens: pieces, each one word of at most 32 characters with the space before it; one text delta per piece.
- Input tokens: UTF-8 bytes of all text in the messages, the system prompt and the tools, divided by four, rounded up.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from haze_proxy.channels.echo_schema import fill
from haze_proxy.errors import BadRequest

PIECE = re.compile(r"\s*\S{1,32}|\s+")
BYTES_PER_TOKEN = 4
SHELLS = frozenset({"bash", "shell", "exec_command"})
SHELL_WORDS_CHARACTERS_MAX = 200
# Arguments get this word and not the user's own: a tool that writes or deletes must not be handed what somebody typed.
ARGUMENT = "echo"
REMINDER = "<system-reminder>"
# Names of fields whose strings are not text a model reads.
NOT_TEXT = frozenset(
    {"cache_control", "call_id", "data", "encrypted_content", "file_data", "file_id", "id", "image_url", "media_type"}
    | {"role", "signature", "status", "tool_call_id", "tool_use_id", "type", "url"}
)
# Types of content parts that are text: Responses names them by who speaks.
TEXT = frozenset({"text", "input_text", "output_text"})

Ended = Literal["end", "limit", "stop", "call"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the caller offers. `schema` of its arguments; `deferred` ones are called only when forced."""

    name: str
    schema: dict[str, Any]
    deferred: bool = False

    @property
    def is_shell(self) -> bool:
        """Whether a command can be given to it."""
        return self.name.lower() in SHELLS


@dataclass(frozen=True, slots=True)
class Question:
    """All that decides a reply.

    `words`: the user's last. `result`: a tool's, when that is the latest thing. `tools`: those that may be called now.
    `forced`: the name of the one that must be. `limit`: output tokens, None without one. `stops`: texts to stop before.
    `form`: a JSON schema the answer must fit, `{}` for any JSON object, None for plain text.
    """

    words: str
    result: str | None = None
    tools: tuple[Tool, ...] = ()
    forced: str | None = None
    limit: int | None = None
    stops: tuple[str, ...] = ()
    form: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """`pieces` of text or, when `tool` names one, of its arguments' JSON. `stop`: the stop text that ended it."""

    pieces: tuple[str, ...]
    ended: Ended
    tool: str | None = None
    stop: str | None = None

    @property
    def text(self) -> str:
        """The pieces in one string."""
        return "".join(self.pieces)


def reply(question: Question) -> Reply:
    """The one reply to a question. Raises BadRequest when it forces a tool that is not offered."""
    tool = _chosen(question)
    if tool is None:
        return _speak(question)
    arguments = pieces(orjson.dumps(_arguments(tool, question.words)).decode())
    if question.limit is not None and len(arguments) > question.limit:
        return Reply(pieces=(), ended="limit")  # half of a JSON text would be worse than no call
    return Reply(pieces=arguments, ended="call", tool=tool.name)


def pieces(text: str) -> tuple[str, ...]:
    """`text` cut into what counts as one output token each; joined they are `text` again."""
    return tuple(PIECE.findall(text))


def input_tokens(conversation: Any, tools: Any) -> int:
    """The count of a request: every string in `conversation` that is text, and the JSON of `tools`."""
    text_bytes = sum(len(text.encode()) for text in _texts(conversation))
    tool_bytes = len(orjson.dumps(tools)) if tools else 0
    return -(-(text_bytes + tool_bytes) // BYTES_PER_TOKEN)


def last_words(messages: Iterable[dict[str, Any]]) -> str:
    """The last text a user wrote; `<system-reminder>` blocks are a client's, not the user's."""
    found = ""
    for message in messages:
        if message.get("role") == "user":
            found = next(reversed(spoken(message)), found)
    return found


def spoken(message: dict[str, Any]) -> list[str]:
    """The texts of a message without reminders, in their order."""
    return [text for text in texts(message.get("content")) if not text.lstrip().startswith(REMINDER)]


def texts(content: Any) -> list[str]:
    """The texts of a content: a string, or a list of blocks of which those of a type in TEXT count."""
    if isinstance(content, str):
        return [content]
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    # A type may be no text at all, and then a set cannot be asked for it.
    return [b["text"] for b in blocks if str(b.get("type")) in TEXT and isinstance(b.get("text"), str)]


def _chosen(question: Question) -> Tool | None:
    if question.forced is not None:
        for tool in question.tools:
            if tool.name == question.forced:
                return tool
        raise BadRequest(f"Tool '{question.forced}' is not among the tools of this request.", param="tool_choice")
    ready = [tool for tool in question.tools if not tool.deferred]
    return next((tool for tool in ready if tool.is_shell), ready[0] if ready else None)


def _arguments(tool: Tool, words: str) -> dict[str, Any]:
    filled = fill(tool.schema, ARGUMENT)
    arguments = filled if isinstance(filled, dict) else {}
    if not tool.is_shell:
        return arguments
    fields = tool.schema.get("properties")
    fields = fields if isinstance(fields, dict) else {}
    field = "cmd" if "cmd" in fields else "command"
    return {**arguments, field: _command(fields.get(field), words)}


def _command(schema: Any, words: str) -> str | list[str]:
    """A command that only prints `words`, as the list of arguments where the tool wants one."""
    words = words[:SHELL_WORDS_CHARACTERS_MAX].replace("\0", "")
    if isinstance(schema, dict) and schema.get("type") == "array":
        return ["echo", words]
    # Always quoted, also where a shell would not need it: inside single quotes only the quote itself has a meaning.
    quoted = words.replace("'", "'\"'\"'")
    return f"echo '{quoted}'"


REPEATED_CHARACTERS_MAX = 20_000


def _speak(question: Question) -> Reply:
    text, stop = _before_stop(_said(question), question.stops)
    said = pieces(text)
    if question.limit is not None and len(said) > question.limit:
        return Reply(pieces=said[: question.limit], ended="limit")
    return Reply(pieces=said, ended="end" if stop is None else "stop", stop=stop)


def _said(question: Question) -> str:
    # Bounded: a parrot answers inside the loop that relays everyone else's streams.
    told = (question.words if question.result is None else question.result)[:REPEATED_CHARACTERS_MAX]
    plain = f"You said: {told}" if question.result is None else f"The tool said: {told}"
    if question.form is None:
        return plain
    value = fill(question.form, told) if question.form else {"text": plain}
    return orjson.dumps(value).decode()


def _before_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """`text` up to the stop text that comes first, and which one that was."""
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    position, stop = min(found)
    return text[:position], stop


def _texts(conversation: Any) -> Iterable[str]:
    # A stack, not recursion: a body may be nested deeper than Python recurses.
    stack = [conversation]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            stack += [item for name, item in value.items() if name not in NOT_TEXT]
