"""What a request may need before anybody has answered it: a high count of its input, and its output limit.

No tokenizer: a hold must never be too small, and what is held too much comes back at the end of the answer. Text costs
at most one token per 2.2 bytes of JSON in the languages and codes measured; what is not text has an allowance.

Three allowances are guesses on the high side, because nothing is decoded here: a PDF has a page per 50 KB, a file that
is neither PDF nor image is text, and a token of audio is 50 bytes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from haze_proxy.money import fields

# Tokens held for what cannot be counted as text.
TURN_TOKENS = 12
IMAGE_TOKENS = 5_000
PDF_PAGE_TOKENS = 3_000
FILE_TOKENS = 50_000
SERVER_TOOL_TOKENS = 20_000

PDF_PAGE_BYTES = 50 * 1024
AUDIO_BYTES_PER_TOKEN = 50

# Longer than any "data:image/…;base64" head. Without a bound a payload without a comma would be searched whole.
DATA_URL_HEAD_MAX = 200

TURNS_FIELD = {"chat": "messages", "messages": "messages", "responses": "input"}
LIMIT_FIELDS = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "messages": ("max_tokens",),
    "responses": ("max_output_tokens",),
}

Media = tuple[int, int]  # characters of base64 in the body, tokens held in their place


def input_tokens(body: bytes, parsed: dict[str, Any], protocol: str) -> int:
    """More tokens than the input can have. `parsed` is `body` parsed; any malformed shape is counted as text."""
    if protocol == "embeddings":
        return _embedding_tokens(body, parsed.get("input"))
    turns = _list(parsed.get(TURNS_FIELD[protocol]))
    payload, allowance = _media(turns)
    allowance += TURN_TOKENS * (len(turns) + len(_list(parsed.get("tools"))))
    allowance += SERVER_TOOL_TOKENS * sum(1 for _ in fields.tools(parsed))
    return _text_tokens(len(body) - payload) + allowance


def output_limit(parsed: dict[str, Any], protocol: str) -> int | None:
    """Output tokens the caller allows in all answers together; None: no limit named. Embeddings have no output: 0.

    The caller of this multiplies a limit of its own by `answers`.
    """
    if protocol == "embeddings":
        return 0
    limits = [limit for name in LIMIT_FIELDS[protocol] if (limit := _positive(parsed.get(name)))]
    return max(limits) * answers(parsed, protocol) if limits else None


def answers(parsed: dict[str, Any], protocol: str) -> int:
    """How many answers are generated and billed: `n` or `best_of` on chat, else 1."""
    if protocol != "chat":
        return 1
    return max(1, _positive(parsed.get("n")) or 1, _positive(parsed.get("best_of")) or 1)


def thinking_budget(parsed: dict[str, Any]) -> int:
    """Tokens that a messages request sets aside for thinking: its limit must be above them."""
    return _positive(_dict(parsed.get("thinking")).get("budget_tokens")) or 0


def _text_tokens(size: int) -> int:
    """Bytes / 2.2, rounded up, in whole numbers."""
    return -(-max(0, size) * 5 // 11)


def _embedding_tokens(body: bytes, value: object) -> int:
    """Token arrays are their own count; everything else goes by its bytes."""
    items = _list(value)
    kinds = set(map(type, items))
    if kinds == {int}:
        return len(items)
    if kinds == {list} and set().union(*(map(type, item) for item in items)) <= {int}:
        return sum(map(len, items))
    payload, allowance = _media(items)
    return _text_tokens(len(body) - payload) + allowance


def _media(turns: list[Any]) -> Media:
    """Everything in the turns that is not text. Walks turns and their content parts and nothing else of the tree."""
    payload = tokens = 0
    for part in not_text(turns):
        part_payload, part_tokens = MEDIA[part["type"]](part)
        payload += part_payload
        tokens += part_tokens
    return payload, tokens


def not_text(turns: list[Any]) -> Iterator[dict[str, Any]]:
    """The parts of turns, and of results in them, that are neither text nor a result; each has a type of MEDIA."""
    pending = [parts for turn in turns if type(turn) is dict and (parts := _parts(turn))]
    # Grows by the lists inside parts. Not by recursion: a body may be nested deeper than Python's stack.
    for parts in pending:
        for part in parts:
            if type(part) is dict and type(kind := part.get("type")) is str and kind in NOT_TEXT:
                if kind == "tool_result":
                    if type(inner := part.get("content")) is list:
                        pending.append(inner)
                    continue
                yield part
                if kind == "document":
                    pending.append(_list(_dict(part.get("source")).get("content")))


def _parts(item: dict[str, Any]) -> list[Any] | None:
    """The content parts of a turn, or of a call's result on responses; None where it is plain text."""
    content = item.get("content")
    if type(content) is list:
        return content
    if content is None and (output := item.get("output")) is not None:
        return [output] if type(output) is dict else _list(output)
    return None


def _image(part: dict[str, Any]) -> Media:
    """An image by data URL, URL or file id: whatever it is, it becomes one image or a refusal."""
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, dict) else url
    kind, payload = data_url(url)
    return (payload, IMAGE_TOKENS) if not kind or kind.startswith("data:image/") else _file_data(kind, payload)


def _sourced_image(part: dict[str, Any]) -> Media:
    source = _dict(part.get("source"))
    return (_length(source.get("data")) if source.get("type") == "base64" else 0), IMAGE_TOKENS


def _document(part: dict[str, Any]) -> Media:
    source = _dict(part.get("source"))
    match source.get("type"):
        case "base64":
            return _file_data(str(source.get("media_type")), _length(source.get("data")))
        case "text" | "content":
            return 0, 0
        case _:
            return 0, FILE_TOKENS


def _file(part: dict[str, Any]) -> Media:
    """A file inline as a data URL (chat nests it in `file`), or by URL or id."""
    file = part.get("file") if isinstance(part.get("file"), dict) else part
    kind, payload = data_url(_dict(file).get("file_data"))
    return _file_data(kind, payload)


def _audio(part: dict[str, Any]) -> Media:
    payload = _length(_dict(part.get("input_audio")).get("data"))
    return payload, payload * 3 // 4 // AUDIO_BYTES_PER_TOKEN + TURN_TOKENS


def _reference(_part: dict[str, Any]) -> Media:
    return 0, FILE_TOKENS


def _file_data(kind: str, payload: int) -> Media:
    """`payload` characters of base64 of a media type."""
    size = payload * 3 // 4
    if "application/pdf" in kind and payload:
        return payload, PDF_PAGE_TOKENS * -(-size // PDF_PAGE_BYTES)
    return payload, max(FILE_TOKENS, _text_tokens(size))


def data_url(url: object) -> tuple[str, int]:
    """What stands before the comma of a data URL, and how many characters after it; ("", 0) for anything else."""
    if not isinstance(url, str) or url[:5].lower() != "data:":
        return "", 0
    comma = url.find(",", 0, DATA_URL_HEAD_MAX)
    return (url[:comma].lower(), len(url) - comma - 1) if comma > 0 else ("", 0)


MEDIA: dict[str, Callable[[dict[str, Any]], Media]] = {
    "image_url": _image,
    "input_image": _image,
    "computer_screenshot": _image,
    "image": _sourced_image,
    "document": _document,
    "file": _file,
    "input_file": _file,
    "input_audio": _audio,
    "video_url": _reference,
    "container_upload": _reference,
}
NOT_TEXT = frozenset({*MEDIA, "tool_result"})


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0


def _positive(value: object) -> int | None:
    """A whole number above zero, as JSON may spell it (100 or 100.0); None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
        return None
    return int(value) or None
