"""What an upstream says a request used, as disjoint token classes.

OpenAI's `prompt_tokens` include what was read from and written to the cache, Anthropic's `input_tokens` do not; here no
token stands in two classes, so that a price is a plain sum. An upstream's numbers are not trusted to be numbers: what
is missing, null, negative or no number counts as 0, and nothing here raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# More than any request can use. Keeps tokens x price inside SQLite's 64 bits whatever an upstream claims.
TOKENS_MAX = 10**12


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. The five classes before `reasoning` are disjoint; `reasoning` is a part of `output`.

    `server_tools` holds (name, calls) of what the upstream ran by itself, such as ("web_search", 2), sorted by name.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    server_tools: tuple[tuple[str, int], ...] = ()

    @property
    def total_input(self) -> int:
        """All tokens that went in, cached or not: what long-context tiers go by."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


def estimated(input_tokens: int, output_tokens: int) -> Usage:
    """The usage of an answer whose upstream reported none: plain input and output."""
    return Usage(input=_count(input_tokens), output=_count(output_tokens))


def read(protocol: str, raw: object) -> Usage:
    """Read the `usage` object of an answer. `raw` is the merged object (latest non-null value of each field)."""
    return READERS[protocol](_object(raw))


def _read_chat(raw: dict[str, Any]) -> Usage:
    prompt = _count(raw.get("prompt_tokens"))
    # Gemini leaves thinking out of completion_tokens and has it in total_tokens.
    output = max(_count(raw.get("completion_tokens")), _count(raw.get("total_tokens")) - prompt)
    details, made = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    return _inclusive(prompt, output, _object(details), _object(made), _server_tools(raw))


def _read_responses(raw: dict[str, Any]) -> Usage:
    details, made = raw.get("input_tokens_details"), raw.get("output_tokens_details")
    prompt, output = _count(raw.get("input_tokens")), _count(raw.get("output_tokens"))
    return _inclusive(prompt, output, _object(details), _object(made), _server_tools(raw))


def _inclusive(
    prompt: int, output: int, details: dict[str, Any], made: dict[str, Any], server_tools: tuple[tuple[str, int], ...]
) -> Usage:
    """OpenAI's shape: the prompt contains the cached tokens. Its one cache write class becomes the 5-minute one."""
    cache_read, cache_write = _count(details.get("cached_tokens")), _count(details.get("cache_write_tokens"))
    return Usage(
        input=max(0, prompt - cache_read - cache_write),
        cache_read=cache_read,
        cache_write_5m=cache_write,
        output=output,
        reasoning=min(_count(made.get("reasoning_tokens")), output),
        server_tools=server_tools,
    )


def _read_messages(raw: dict[str, Any]) -> Usage:
    parts = [_exclusive(raw)]
    iterations = raw.get("iterations")
    if isinstance(iterations, list):
        # The top-level numbers already contain every other iteration; compaction is billed beside them.
        parts += [_exclusive(each) for each in map(_object, iterations) if each.get("type") == "compaction"]
    return Usage(
        input=sum(part.input for part in parts),
        cache_read=sum(part.cache_read for part in parts),
        cache_write_5m=sum(part.cache_write_5m for part in parts),
        cache_write_1h=sum(part.cache_write_1h for part in parts),
        output=sum(part.output for part in parts),
        reasoning=sum(part.reasoning for part in parts),
        server_tools=_server_tools(raw),
    )


def _exclusive(raw: dict[str, Any]) -> Usage:
    """Anthropic's shape: `input_tokens` are the fresh ones only."""
    write_5m, write_1h = _cache_writes(raw)
    output = _count(raw.get("output_tokens"))
    return Usage(
        input=_count(raw.get("input_tokens")),
        cache_read=_count(raw.get("cache_read_input_tokens")),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=output,
        reasoning=min(_count(_object(raw.get("output_tokens_details")).get("thinking_tokens")), output),
    )


def _cache_writes(raw: dict[str, Any]) -> tuple[int, int]:
    """(5 minutes, 1 hour). The split wins whenever it was sent, zeros too: a cascade's flat number may be stale."""
    split = _object(raw.get("cache_creation"))
    if "ephemeral_5m_input_tokens" in split or "ephemeral_1h_input_tokens" in split:
        return _count(split.get("ephemeral_5m_input_tokens")), _count(split.get("ephemeral_1h_input_tokens"))
    return _count(raw.get("cache_creation_input_tokens")), 0


def _read_embeddings(raw: dict[str, Any]) -> Usage:
    # Some upstreams report only the total; there is no output it could contain.
    return Usage(input=_count(raw.get("prompt_tokens")) or _count(raw.get("total_tokens")))


READERS: dict[str, Callable[[dict[str, Any]], Usage]] = {
    "chat": _read_chat,
    "messages": _read_messages,
    "responses": _read_responses,
    "embeddings": _read_embeddings,
}


def _server_tools(raw: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """`server_tool_use: {web_search_requests: 2}` (Anthropic, OpenRouter) as (("web_search", 2),)."""
    if "server_tool_use" not in raw:
        return ()
    counts = _object(raw["server_tool_use"])
    return tuple(sorted((str(key).removesuffix("_requests"), _count(n)) for key, n in counts.items() if _count(n)))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    """A token count as an upstream wrote it. Floats are cut; the comparison also turns away NaN and infinity."""
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return 0
    return int(min(value, TOKENS_MAX))
