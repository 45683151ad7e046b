"""Put tool results where every provider wants them: directly after the calls they answer, one for each, in their order.

Providers refuse a call without a result and a result without a call. Clients send both after a tool was interrupted or
a history was cut.
"""

from dataclasses import replace

from haze_proxy.wire.conversation import Part, Text, ToolCall, ToolResult, Turn

MISSING = (Text("(no result)"),)


def paired(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The same turns, each assistant turn with calls followed by a user turn that begins with all their results.

    Assistant turns in a row become one. A call without a result gets one that says so; a result without a call becomes
    plain user content in its place.
    """
    joined = _joined(turns)
    paired: list[Turn] = []
    index = 0
    while index < len(joined):
        turn = joined[index]
        index += 1
        if turn.role != "assistant":
            paired.append(_orphaned(turn))
            continue
        paired.append(turn)
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        if calls:
            end = _answer_end(joined, index)
            paired += _answered(calls, joined[index:end], turn.at)
            index = end
    return tuple(paired)


def _joined(turns: tuple[Turn, ...]) -> list[Turn]:
    joined: list[Turn] = []
    for turn in turns:
        if joined and turn.role == "assistant" == joined[-1].role:
            joined[-1] = replace(joined[-1], parts=joined[-1].parts + turn.parts)
        else:
            joined.append(turn)
    return joined


def _answer_end(turns: list[Turn], start: int) -> int:
    end = start
    while end < len(turns) and turns[end].role != "assistant":
        end += 1
    return end


def _answered(calls: list[ToolCall], turns: list[Turn], at: str) -> list[Turn]:
    """The turns up to the next assistant turn, the results of `calls` first."""
    found: dict[str, ToolResult] = {}
    rest: list[Turn] = []
    wanted = {call.id: call.custom for call in calls}
    place = next((turn.at for turn in turns if turn.role == "user"), at)
    for turn in turns:
        kept: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolResult) and part.call_id in wanted and part.call_id not in found:
                found[part.call_id] = replace(part, custom=wanted[part.call_id])
            else:
                kept.append(part)
        if kept:
            rest.append(_orphaned(replace(turn, parts=tuple(kept))))
    results = tuple(found.get(call.id) or _missing(call) for call in calls)
    first = rest[0] if rest else None
    if first is not None and first.role == "user" and first.at == place:
        return [replace(first, parts=results + first.parts), *rest[1:]]
    return [Turn("user", results, place), *rest]


def _missing(call: ToolCall) -> ToolResult:
    return ToolResult(call.id, MISSING, error=True, custom=call.custom)


def _orphaned(turn: Turn) -> Turn:
    """The turn with its results, which answer no call, as plain content."""
    if not any(isinstance(part, ToolResult) for part in turn.parts):
        return turn
    parts: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            parts += [Text("Result of an earlier tool call:"), *part.parts]
        else:
            parts.append(part)
    return replace(turn, parts=tuple(parts))
