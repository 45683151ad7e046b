"""What a kind of channel is: where it lives, which protocols it speaks, and how it wants its credential.

Facts from the providers' API references, collected in November 2026. A provider that speaks a known protocol needs no
row here: it is an `openai-compatible` channel with a base_url.
"""

from dataclasses import dataclass

from haze_proxy import config
from haze_proxy.wire import gemini
from haze_proxy.wire.options import COMMON_FIELDS, Options

USUAL = Options()


@dataclass(frozen=True, slots=True)
class Kind:
    """`protocols` are those it speaks itself; `credential` is the header its key goes into;
    `counts_tokens` that it has Anthropic's free counter, `attribution` that it wants to know the caller's application,
    `runs_tools` that it may run a tool itself, for a fee, `counts_tools` in which protocols answers say how often it
    did, `reports_cost` that they say what they cost, `chat_fixed` that its chat differs from OpenAI's. `options` say
    what its models take in translated requests.
    """

    name: config.Kind
    base_url: str
    protocols: frozenset[str]
    credential: str = "Authorization"
    needs_key: bool = True
    attribution: bool = False
    counts_tokens: bool = False
    runs_tools: bool = True
    chat_fixed: bool = False
    options: Options = USUAL
    counts_tools: frozenset[str] = frozenset({"messages", "responses"})
    reports_cost: bool = False

    def credentials(self, api_key: str) -> dict[str, str]:
        """The header that carries a key, or nothing without one."""
        if not api_key:
            return {}
        return {self.credential: f"Bearer {api_key}" if self.credential == "Authorization" else api_key}


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "openai",
            "https://api.openai.com/v1",
            frozenset({"chat", "responses", "embeddings"}),
            options=Options(reasoning_field="none"),
        ),
        Kind(
            "openrouter",
            "https://openrouter.ai/api/v1",
            frozenset({"chat", "messages", "responses", "embeddings"}),
            attribution=True,
            counts_tools=frozenset({"chat", "messages", "responses"}),
            reports_cost=True,
            options=Options(cache_marks="cache_control"),
        ),
        Kind(
            "anthropic",
            "https://api.anthropic.com/v1",
            frozenset({"messages"}),
            credential="x-api-key",
            counts_tokens=True,
        ),
        Kind(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            frozenset({"chat", "embeddings"}),
            chat_fixed=True,
            options=Options(limit_field="max_tokens", allowed_fields=gemini.FIELDS),
        ),
        Kind(
            "openai-compatible",
            "",
            frozenset({"chat", "embeddings"}),
            needs_key=False,
            options=Options(limit_field="max_tokens", allowed_fields=COMMON_FIELDS),
        ),
        Kind(
            "echo",
            "",
            frozenset({"chat", "messages", "responses", "embeddings"}),
            needs_key=False,
            counts_tokens=True,
            runs_tools=False,
        ),
    )
}

# Where a protocol's requests go below the base URL; what has no row here is not served.
PATHS = {
    "chat": "/chat/completions",
    "messages": "/messages",
    "responses": "/responses",
    "embeddings": "/embeddings",
}
COUNT_TOKENS_PATH = "/messages/count_tokens"
