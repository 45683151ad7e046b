"""The laws of translated streams, for any answer and any provider's habits."""

import random
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.answers import STREAMS, answers
from wire.fold import fold, says
from wire.lint import events, lint
from wire.translating import RECORDED, answered, asked, law, recorded, streamed

from haze_proxy.wire import translate
from haze_proxy.wire.meter import Meter
from haze_proxy.wire.translate import Stream

PAIRS = sorted(translate.PAIRS)
ENDLESS = {"response.completed", "response.incomplete"}


def split(stream: bytes, places: list[int]) -> list[bytes]:
    """The bytes, cut at these places."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law(150)
@given(data=st.data())
def test_a_stream_says_what_the_channel_said(source: str, target: str, data: st.DataObject) -> None:
    """Whatever habits a provider has: text, thoughts, calls, reason and tokens, each once."""
    said = data.draw(answers())
    stream = data.draw(STREAMS[target](said))
    out, _ = streamed(asked(source, target), stream)
    assert says(source, fold(source, out)) == said.told()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(data=st.data())
def test_folding_a_translated_stream_is_translating_the_folded_one(
    source: str, target: str, data: st.DataObject
) -> None:
    """Who streams and who does not get the same answer."""
    said = data.draw(answers())
    stream = data.draw(STREAMS[target](said))
    out, _ = streamed(asked(source, target), stream)
    whole = answered(_whole(target, stream), source, target)
    assert says(source, fold(source, out)) == says(source, whole)


def _whole(target: str, stream: list[bytes]) -> dict[str, Any]:
    """The channel's answer, had it not been streamed."""
    if target == "responses":
        response: dict[str, Any] = [body for _, body in events(b"".join(stream))][-1]["response"]
        return response
    if target == "messages":
        return fold("messages", b"".join(stream))
    other = Stream(asked("responses", "chat"), Meter("chat"))
    early = b"".join(map(other.feed, stream)) + other.close()
    told = says("responses", fold("responses", early + other.held))
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": orjson.dumps(args).decode()}}
        for n, (name, args) in enumerate(told["calls"])
    ]
    message = {"content": told["text"], "reasoning_content": told["reasoning"], "tool_calls": calls}
    reason = {"end": "stop", "calls": "tool_calls"}.get(told["reason"], told["reason"])
    usage = dict(zip(("prompt_tokens", "completion_tokens"), told["tokens"], strict=True))
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


@pytest.mark.parametrize("protocol", STREAMS)
@law()
@given(data=st.data())
def test_an_answer_that_is_read_and_written_says_the_same(protocol: str, data: st.DataObject) -> None:
    """The neutral form loses nothing a protocol says."""
    said = data.draw(answers())
    module = translate.PROTOCOLS[protocol]
    reader, writer = module.Reader(), module.Writer(asked(protocol, next(t for s, t in PAIRS if s == protocol)).context)
    stream = data.draw(STREAMS[protocol](said))
    out = b"".join(writer.feed(reader.feed(piece)) for piece in stream) + writer.feed(reader.close()) + writer.close()
    lint(protocol, out)
    assert says(protocol, fold(protocol, out)) == said.told()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(data=st.data())
def test_no_split_of_the_bytes_changes_a_byte(source: str, target: str, data: st.DataObject) -> None:
    """The network cuts where it likes."""
    stream = b"".join(data.draw(STREAMS[target](data.draw(answers()))))
    places = data.draw(st.lists(st.integers(0, 10**6), max_size=8))
    assert streamed(asked(source, target), split(stream, places))[0] == streamed(asked(source, target), [stream])[0]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(data=st.data())
def test_a_stream_that_is_cut_anywhere_is_never_whole(source: str, target: str, data: st.DataObject) -> None:
    """A provider that dies must not look like one that has finished."""
    stream = b"".join(data.draw(STREAMS[target](data.draw(answers()))))
    cut = stream[: data.draw(st.integers(0, len(stream) - 1))]
    out, translated = streamed(asked(source, target), [cut])
    assert translated.finished == translated.meter.finished
    ends = [body for _, body in events(out)]
    whole = ends[-1] == "[DONE]" or ends[-1].get("type") in {"message_stop", *ENDLESS}
    assert whole == translated.finished


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law(200)
@given(data=st.data())
def test_no_provider_can_break_a_stream(source: str, target: str, data: st.DataObject) -> None:
    """Whatever it sends: nothing is raised, and what goes out has no fault in it."""
    stream = b"".join(data.draw(STREAMS[target](data.draw(answers()))))
    spoiled = _spoiled(stream, data)
    streamed(asked(source, target), [spoiled])


def _spoiled(stream: bytes, data: st.DataObject) -> bytes:
    """Values replaced by values of other types, events left out, doubled and swapped."""
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    lines = stream.split(b"\n\n")
    for _ in range(chance.randint(1, 3)):
        n = chance.randrange(len(lines))
        match chance.randint(0, 3):
            case 0:
                lines[n] = b""
            case 1:
                lines.insert(n, chance.choice(lines))
            case 2:
                head, _, body = lines[n].partition(b"data: ")
                lines[n] = head + b"data: " + _with_another_value(body, chance)
            case 3:
                lines[n] = lines[n][: chance.randrange(len(lines[n]) + 1)]
    return b"\n\n".join(lines)


ODD: list[Any] = [None, True, 0, -1, 2.5, 10**20, "", "x", "[DONE]", [], [None], {}, {"error": 1}, [[]], [{}]]


def _with_another_value(body: bytes, chance: random.Random) -> bytes:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    place = read
    while isinstance(place, dict | list) and place:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or chance.random() < 0.3:
            place[key] = chance.choice([odd for odd in ODD if odd != 10**20])
            break
        place = place[key]
    return orjson.dumps(read)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@law()
@given(body=st.recursive(
    st.sampled_from([odd for odd in ODD if odd != 10**20]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "tool_calls", "output", "type", "usage", "error", "delta"]),
        inner,
        max_size=3,
    ),
    max_leaves=8,
))  # fmt: skip
def test_any_answer_is_translated_or_an_error(source: str, target: str, body: Any) -> None:
    """A provider's nonsense is the provider's failure, and told as one."""
    try:
        translate.answer(body, asked(source, target))
    except translate.HazeError as failed:
        error = failed
        assert error.status >= 400


PROVIDERS = {"gemini": "chat", "openrouter": "chat"}
NAMES = sorted(path.name for path in RECORDED.iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", ["chat", "messages", "responses"])
def test_every_recorded_stream_is_translated_without_a_fault(name: str, source: str) -> None:
    """Real ones, and those that died: each is linted, whole and byte by byte."""
    target = PROVIDERS.get(name.split("_")[0], name.split("_")[0])
    if source == target:
        return
    stream = recorded(name)
    out, translated = streamed(asked(source, target), [stream])
    assert translated.finished == (translated.meter.finished and translated.meter.state != "error")
    assert streamed(asked(source, target), [bytes([byte]) for byte in stream])[0] == out
