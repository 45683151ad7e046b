"""The fields of a request that make it cost something else than its model's tokens.

Each of them is served where what it may cost is known: other models that may answer, a mode that changes all rates (a
tier of service, a speed, a place to compute), and tools that the provider runs for a fee. Sources: the OpenAI and
Anthropic SDKs' parameter types, OpenRouter's API reference, November 2026.
"""

from collections.abc import Iterator
from typing import Any, Final

# Tools the caller's own side runs: they cost nothing but their tokens. A tool without a `type` is one of these, too.
CLIENT_TOOLS: Final = frozenset({"function", "custom", "namespace", "local_shell", "apply_patch", "computer"})
CLIENT_TOOL_PREFIXES: Final = ("bash_", "text_editor_", "memory_", "computer_")
# Types are dated (web_search_20260318), prices are not. Types that start with none of these go by their full name; the
# preview of the search costs more than the search on some models, so it comes before it.
SERVER_TOOL_NAMES: Final = (
    "web_search_preview",
    "web_search",
    "web_fetch",
    "tool_search",
    "file_search",
    "code_execution",
    "code_interpreter",
)
# Run upstream without a fee per call; what they bring in counts as input.
FREE_SERVER_TOOLS: Final = frozenset({"web_fetch", "tool_search"})
# OpenRouter's plugins go by their own names, but for the one that is a search.
PLUGINS: Final = {"web": "web_search"}

# Field -> its values that leave the price alone. Absent and null always do.
MODES: Final[dict[str, frozenset[str]]] = {
    "service_tier": frozenset({"auto", "default", "standard", "standard_only"}),
    "speed": frozenset({"standard"}),
    "inference_geo": frozenset({"global", "not_available"}),
}
# Spoken or drawn output has its own prices, and no class of usage.
UNMETERED: Final[dict[str, dict[str, tuple[object, ...]]]] = {
    "chat": {"modalities": ([], ["text"]), "audio": ()},
    "responses": {"modalities": ([], ["text"])},
}
OTHER_MODELS: Final = ("models", "fallbacks")
OTHER_MODELS_MAX: Final = 16
# A request without any of these costs its model's tokens, unless its model is a router.
CHANGING: Final = frozenset(
    {*MODES, *OTHER_MODELS, "plugins", "preset", "web_search_options", "tools", "modalities", "audio"}
)

Mode = tuple[str, str]


def unmetered(parsed: dict[str, Any], protocol: str) -> str | None:
    """The first field that asks for an output which is not counted in tokens, or None."""
    for field, harmless in UNMETERED.get(protocol, {}).items():
        value = parsed.get(field)
        if value is not None and value not in harmless:
            return field
    return None


def modes(parsed: dict[str, Any]) -> tuple[Mode, ...]:
    """(field, value) of each mode asked for that may change the rates; a value that is no text is ""."""
    return tuple(
        (field, value if isinstance(value, str) else "")
        for field in MODES
        if (value := parsed.get(field)) is not None and not is_plain(field, value)
    )


def is_plain(field: str, value: object) -> bool:
    """Whether a value of one of MODES leaves the rates alone."""
    return isinstance(value, str) and value in MODES[field]


def other_models(parsed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, model) of each further model that may answer; "" where no model is named that can be looked up."""
    for field in OTHER_MODELS:
        named = parsed.get(field)
        if not named:
            continue
        if not isinstance(named, list) or len(named) > OTHER_MODELS_MAX:
            yield field, ""
            continue
        for index, each in enumerate(named):
            yield f"{field}[{index}]", model_of(each)


def model_of(entry: object) -> str:
    """The model that an entry of `models` (a text) or `fallbacks` (an object) names, or ""."""
    model = entry.get("model") if isinstance(entry, dict) else entry
    return model if isinstance(model, str) else ""


def dearer_fallback(parsed: dict[str, Any]) -> str | None:
    """The first field in `fallbacks` by which a further model may write more, or at another speed, than was asked."""
    named = parsed.get("fallbacks")
    for index, entry in enumerate(named if isinstance(named, list) else ()):
        if not isinstance(entry, dict):
            continue
        limit, speed = entry.get("max_tokens"), entry.get("speed")
        if limit is not None and not (isinstance(limit, int) and limit <= (parsed.get("max_tokens") or 0)):
            return f"fallbacks[{index}].max_tokens"
        if speed is not None and speed != parsed.get("speed") and not is_plain("speed", speed):
            return f"fallbacks[{index}].speed"
    return None


def router(parsed: dict[str, Any], *models: str) -> str | None:
    """The field by which the upstream itself chooses what answers: a router, a search in front, a kept preset."""
    if any(map(_is_router, models)):
        return "model"
    return "preset" if parsed.get("preset") else None


def _is_router(model: str) -> bool:
    return model.startswith("openrouter/auto") or model.endswith(":online") or "@preset/" in model


def tools(parsed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, name) of each tool that the upstream would run, named as prices are; free ones, too."""
    yield from always_run(parsed)
    for index, tool in enumerate(_list(parsed.get("tools"))):
        if type(tool) is dict and (kind := tool.get("type")) is not None:
            # A namespace only groups tools; what it groups must be the caller's own.
            for each in (tool, *_list(tool.get("tools"))) if kind == "namespace" else (tool,):
                if name := _server_tool(each):
                    yield f"tools[{index}].type", name


def always_run(parsed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same of what is run with every request, whether the model wants it or not."""
    if parsed.get("web_search_options") is not None:
        yield "web_search_options", "web_search"
    if plugins := parsed.get("plugins"):
        for index, plugin in enumerate(plugins if isinstance(plugins, list) else [plugins]):
            name = plugin.get("id") if isinstance(plugin, dict) else None
            if isinstance(plugin, dict) and plugin.get("enabled") is False:
                continue
            yield f"plugins[{index}]", PLUGINS.get(name, name) if isinstance(name, str) else ""


def fee_tools(parsed: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """(field, name) of each tool asked for that may cost a fee per call."""
    return tuple((field, name) for field, name in tools(parsed) if name not in FREE_SERVER_TOOLS)


def _server_tool(tool: object) -> str | None:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if not isinstance(kind, str) or kind in CLIENT_TOOLS or kind.startswith(CLIENT_TOOL_PREFIXES):
        return None
    return next((name for name in SERVER_TOOL_NAMES if kind.startswith(name)), kind)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
