"""Laws of splice, on what real clients send and on JSON nobody would write."""

import json
from collections import Counter
from collections.abc import Callable

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.json_texts import Body, bodies, facts, other_keys, spelled, values
from wire.recordings import REQUESTS

from haze_proxy.errors import BadRequest
from haze_proxy.wire.splice import ACTED_ON, refuse_ambiguous, splice

WRITERS: dict[str, Callable[[object], bytes]] = {
    "JavaScript": lambda body: json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(),
    "Python": lambda body: json.dumps(body).encode(),
    "pretty": lambda body: json.dumps(body, indent=2, ensure_ascii=False).encode(),
}
requests = pytest.mark.parametrize("body", REQUESTS.values(), ids=REQUESTS)
law = settings(deadline=None)  # the machine may be busy


def refused(body: bytes) -> bool:
    """Whether the body is refused as ambiguous."""
    try:
        refuse_ambiguous(body, orjson.loads(body))
    except BadRequest:
        return True
    return False


def changed(body: bytes, key: str, value: object) -> object:
    """All that `body` says, with one value changed or put last."""
    new = facts(orjson.dumps(value))
    pairs = facts(body)
    if key in dict(pairs):
        return tuple((name, new if name == key else old) for name, old in pairs)
    return (*pairs, (key, new))


# ---- what real clients send ----


@requests
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_clients_request_is_spliced_in_one_place(body: bytes, write: Callable[[object], bytes]) -> None:
    """Every field Haze may set, in every recorded request: the rest must reach the provider's cache as it was."""
    body = write(orjson.loads(body))
    assert not refused(body)
    values_now = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for key in ACTED_ON:
        spliced = splice(body, key, "a new value")
        assert facts(spliced) == changed(body, key, "a new value")
        old, new = (values_now[key], "") if key in values_now else (b"", f',"{key}":')
        assert len(spliced) == len(body) - len(old) + len(new + '"a new value"')
        assert _shared_bytes(body, spliced) >= len(body) - len(old)


def _shared_bytes(one: bytes, other: bytes) -> int:
    """How many bytes are the same before the first and behind the last difference."""
    head = _same_from_the_start(one, other)
    return head + _same_from_the_start(one[head:][::-1], other[head:][::-1])


def _same_from_the_start(one: bytes, other: bytes) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


@requests
def test_a_clients_request_is_refused_once_it_can_be_read_in_two_ways(body: bytes) -> None:
    """Whatever stands between, and whether the second reading comes first or last."""
    for key in ACTED_ON:
        others = [f'"{key}"', f'"{key.capitalize()}"', f'"\\u{ord(key[0]):04x}{key[1:]}"']
        for name in others if key in orjson.loads(body) else others[1:]:
            member = f"{name}:1".encode()
            for ambiguous in (b"{" + member + b"," + body[1:], body[:-1] + b"," + member + b"}"):
                assert refused(ambiguous), (key, name)


# ---- what nobody would send ----


@st.composite
def names(draw: st.DrawFn, keys: st.SearchStrategy[str], *, any_spelling: bool) -> list[tuple[str, str]]:
    """Top-level keys, each with its spelling; those Haze acts on in plain letters unless `any_spelling`."""
    drawn = draw(st.lists(keys, max_size=5))
    if draw(st.booleans()):
        drawn += drawn[:1]
    plain = [key in ACTED_ON and not (any_spelling and draw(st.booleans())) for key in drawn]
    return [(key, f'"{key}"' if simple else draw(spelled(key))) for key, simple in zip(drawn, plain, strict=True)]


def _variants(key: str) -> list[str]:
    return [key, key, key, key.capitalize(), key.upper(), key.replace("s", "\u017f"), key + "_"]


_any_names = names(
    st.sampled_from(ACTED_ON).flatmap(lambda key: st.sampled_from(_variants(key))) | other_keys, any_spelling=True
)
_one_reading = names(st.sampled_from(ACTED_ON) | other_keys, any_spelling=False).filter(
    lambda drawn: max(Counter(key for key, _ in drawn if key in ACTED_ON).values(), default=0) < 2
)


@law
@given(body=bodies(_any_names))
def test_exactly_the_bodies_that_can_be_read_in_two_ways_are_refused(body: Body) -> None:
    """One that slips through is a way to be served a dearer model than paid for; one too many turns a client away."""
    counts = Counter(member.key for member in body.members)
    ambiguous = [
        member
        for member in body.members
        if member.key.casefold() in ACTED_ON
        and (member.key not in ACTED_ON or counts[member.key] > 1 or "\\" in member.name)
    ]
    assert refused(body.text()) == bool(ambiguous)


@law
@given(body=bodies(_one_reading), key=st.sampled_from(ACTED_ON), value=values)
def test_one_value_changes_and_every_other_byte_stays(body: Body, key: str, value: str) -> None:
    """loads(splice(body, k, v)) == {**loads(body), k: v}, with every other byte, digit and duplicate where it was."""
    text, new = body.text(), orjson.loads(value)
    assert not refused(text)
    spliced = splice(text, key, new)
    assert spliced == body.text(key, orjson.dumps(new).decode())
    assert facts(spliced) == changed(text, key, new)


@law
@given(
    body=bodies(_one_reading), key=st.sampled_from(ACTED_ON), first=st.text("ab/-", max_size=5), second=st.integers()
)
def test_the_last_splice_wins_and_leaves_one_reading(body: Body, key: str, first: str, second: int) -> None:
    """Haze splices the model, then the limit, then another channel's model: no splice may be in the way of the next."""
    once = splice(splice(body.text(), key, first), key, second % 2**53)
    assert once == splice(body.text(), key, second % 2**53)
    assert not refused(once)
