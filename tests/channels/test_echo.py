"""The embedded channel behaves like a provider, so that whatever works against it works against a real one."""

import asyncio
import json
from typing import Any

import pytest
from channels.echo_requests import (
    BASH,
    FORCED,
    ask,
    ask_chat,
    chat,
    function,
    message,
    response,
    tool,
    user,
)
from hypothesis import given
from hypothesis import strategies as st

from haze_proxy.channels import client
from haze_proxy.channels.echo import answer
from haze_proxy.channels.echo_reply import pieces

# ---- text ----


async def test_chat_repeats_the_last_words_of_the_user() -> None:
    """The first thing anyone sees of a fresh checkout."""
    got = await ask(
        "/chat/completions", chat({"role": "system", "content": "Be kind."}, user("hi"), user("hello there"))
    )
    assert got["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "You said: hello there", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert (got["model"], got["object"]) == ("hekiu", "chat.completion")


async def test_messages_repeats_the_last_words_of_the_user() -> None:
    """The same through the other protocol."""
    got = await ask("/messages", message(user([{"type": "text", "text": "hello there"}])))
    assert got["content"] == [{"type": "text", "text": "You said: hello there"}]
    assert (got["type"], got["role"], got["model"]) == ("message", "assistant", "hekiu")
    assert (got["stop_reason"], got["stop_sequence"]) == ("end_turn", None)


async def test_usage_counts_a_quarter_of_the_bytes_in_and_the_pieces_out() -> None:
    """Receipts made offline must be predictable to the token."""
    got = await ask("/chat/completions", chat(user("hëllo")))
    assert (got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"], got["usage"]["total_tokens"]) == (2, 3, 5)
    got = await ask("/messages", message(user("hello"), system="12345678"))
    assert (got["usage"]["input_tokens"], got["usage"]["output_tokens"]) == (4, 3)


async def test_count_tokens_says_what_messages_will_charge() -> None:
    """A count that differs from the charge is worse than none."""
    body = message(user("count me"), tools=[tool("Bash", BASH)])
    counted = await ask("/messages/count_tokens", {name: body[name] for name in ("model", "messages", "tools")})
    assert counted == {"input_tokens": (await ask("/messages", body))["usage"]["input_tokens"]}


async def test_pictures_are_not_counted_as_text() -> None:
    """A base64 picture of a megabyte is not a quarter of a million tokens."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1000}}
    got = await ask("/messages/count_tokens", message(user([picture, {"type": "text", "text": "what?"}])))
    assert got["input_tokens"] == 2


@given(st.text())
def test_pieces_lose_nothing(text: str) -> None:
    """What is streamed in pieces is what the whole answer says."""
    assert "".join(pieces(text)) == text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "make"), [("/chat/completions", chat), ("/messages", message), ("/responses", response)]
)
async def test_the_same_request_gives_the_same_bytes(path: str, make: Any, stream: bool) -> None:
    """Tests and caches built on the echo channel rely on it."""
    body = json.dumps(make(user("again"), stream=stream)).encode()
    assert await client.read(answer(path, body)) == await client.read(answer(path, body))


# ---- limits and stops ----


@pytest.mark.parametrize(
    "limit", [{"max_tokens": 2}, {"max_completion_tokens": 2}, {"max_completion_tokens": 2, "max_tokens": 9}]
)
async def test_chat_stops_at_the_output_limit(limit: dict[str, int]) -> None:
    """The limit is what a hold is computed from: no answer may pass it."""
    got = await ask("/chat/completions", chat(user("a b c"), **limit))
    assert got["choices"][0]["message"]["content"] == "You said:"
    assert (got["choices"][0]["finish_reason"], got["usage"]["completion_tokens"]) == ("length", 2)


async def test_a_limit_that_just_fits_is_no_cut() -> None:
    """Three pieces with a limit of three end as they would without one."""
    assert (await ask_chat(**chat(max_tokens=3)))["finish_reason"] == "stop"


async def test_messages_stops_at_the_output_limit_and_says_nothing_at_zero() -> None:
    """`max_tokens: 0` warms a cache: no content at all."""
    got = await ask("/messages", message(max_tokens=1))
    assert (got["content"], got["stop_reason"]) == ([{"type": "text", "text": "You"}], "max_tokens")
    got = await ask("/messages", message(max_tokens=0))
    assert (got["content"], got["stop_reason"], got["usage"]["output_tokens"]) == ([], "max_tokens", 0)


async def test_a_tool_call_is_whole_or_not_at_all() -> None:
    """Half of a JSON text would break the client that parses it."""
    got = await ask("/messages", message(user("a b c"), tools=[tool("Bash", BASH)], max_tokens=1))
    assert (got["content"], got["stop_reason"]) == ([], "max_tokens")
    choice = await ask_chat(**chat(tools=[function("Bash", BASH)], max_tokens=1))
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "")


async def test_the_earliest_stop_text_ends_the_answer() -> None:
    """Stop texts are never part of what is said, and messages names the one that hit."""
    got = await ask("/messages", message(user("one two three"), stop_sequences=["three", "two", ""]))
    assert (got["content"][0]["text"], got["stop_reason"], got["stop_sequence"]) == (
        "You said: one ",
        "stop_sequence",
        "two",
    )
    for stop in ("two", ["three", "two"]):
        choice = await ask_chat(**chat(user("one two three"), stop=stop))
        assert (choice["message"]["content"], choice["finish_reason"]) == ("You said: one ", "stop")


# ---- refusals ----

BAD_CHATS = {
    "not JSON": (b"{", None),
    "not an object": (b"[]", None),
    "no messages": (b'{"model": "m"}', "messages"),
    "messages not a list": (b'{"model": "m", "messages": "hi"}', "messages"),
    "no message": (b'{"model": "m", "messages": []}', "messages"),
    "a message not an object": (b'{"model": "m", "messages": ["hi"]}', "messages.0"),
    "no model": (b'{"messages": [{"role": "user", "content": "hi"}]}', "model"),
    "limit not a number": (json.dumps(chat(max_tokens="9")).encode(), "max_tokens"),
    "no choice at all": (json.dumps(chat(n=0)).encode(), "n"),
    "too many choices": (json.dumps(chat(n=1000)).encode(), "n"),
    "forced tool not offered": (json.dumps(chat(tool_choice=FORCED)).encode(), "tool_choice"),
}


@pytest.mark.parametrize(("body", "param"), BAD_CHATS.values(), ids=BAD_CHATS)
async def test_a_bad_chat_request_is_told_so_in_its_own_envelope(body: bytes, param: str | None) -> None:
    """What is wrong with a request must be seen offline, too."""
    reply = answer("/chat/completions", body)
    error = json.loads(await client.read(reply))["error"]
    assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error.keys() == {"message", "type", "param", "code"}


BAD_MESSAGES = {
    "no limit": (json.dumps(chat()).encode(), "max_tokens: Field required"),
    "no messages": (b'{"model": "m", "max_tokens": 1}', "messages: Field required"),
    "limit not a number": (json.dumps(message(max_tokens=True)).encode(), "max_tokens: Input should be a whole number"),
}


@pytest.mark.parametrize(("body", "text"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
async def test_a_bad_messages_request_is_told_so_in_its_own_envelope(body: bytes, text: str) -> None:
    """Claude Code repairs its request from the wording."""
    reply = answer("/messages", body)
    document = json.loads(await client.read(reply))
    assert (reply.status, document["type"], document["error"]["type"]) == (400, "error", "invalid_request_error")
    assert document["error"]["message"].startswith(text)
    assert document["request_id"] == reply.headers["request-id"]


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize("field", ["tools", "metadata"])
async def test_what_is_nested_too_deeply_is_refused(path: str, field: str) -> None:
    """JSON can be read deeper than it can be written: the answer to that is not an error of the program."""
    deep = b"[" * 400 + b"]" * 400
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"a"}],"input":"a","%s":%s}'
    reply = answer(path, body % (field.encode(), deep))
    assert reply.status == (200 if (path, field) == ("/chat/completions", "metadata") else 400)
    assert await client.read(reply)


async def test_an_unknown_path_is_404() -> None:
    """A channel that does not speak a protocol says so."""
    assert answer("/audio/speech", b"{}").status == 404


@pytest.mark.parametrize("path", ["/chat/completions", "/messages", "/messages/count_tokens", "/responses"])
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda i: (
            st.lists(i)
            | st.dictionaries(
                st.sampled_from(
                    ["role", "content", "type", "text", "tools", "function", "name", "user", "input_schema", "output"]
                ),
                i,
            )
        ),
        max_leaves=9,
    )
)
def test_no_content_however_odd_breaks_the_channel(path: str, odd: Any) -> None:
    """Strangers write the bodies: they get an answer or a 400, never a 500."""
    bodies = [odd, chat(user(odd), max_tokens=5, tools=odd, tool_choice=odd), message(user(odd), output_config=odd)]
    bodies += [response(user(odd), {"type": odd, "output": odd}, tools=odd, tool_choice=odd, text=odd), {"input": odd}]
    for body in bodies:
        reply = answer(path, json.dumps(body).encode())
        assert reply.status in (200, 400)
        assert json.loads(asyncio.run(client.read(reply)))
